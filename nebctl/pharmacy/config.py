"""pharmacy.toml: read strictly, every fault told with its line, field, value and what would be right."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from nebctl.core.faults import Fault, show_value
from nebctl.core.ledger.head import SITE
from nebctl.core.operators import Operator
from nebctl.core.toml_text import TomlText, dotted, read_toml
from nebctl.publish.connection import MqttSettings

_RIGHT = {
    "missing": "add it",
    "extra_forbidden": "take it out, or correct its spelling",
}
Text = Annotated[str, Field(min_length=1, max_length=200)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PharmacyTable(_Table):
    """`[pharmacy]`: paths are relative to the file; `sim` says that only simulated units are taken.

    `protocol` None means the study protocol that comes with nebctl for `study`, `arm` None its only arm, and
    `site_rules` None the rules that come with nebctl. Days are counted in `zone`. Without `pin_key` there are no PINs.
    """

    site: Text
    study: Text
    data: Path = Field(strict=False)
    witness_key: Path = Field(strict=False)
    orders_key: Path = Field(strict=False)
    log_key: Path = Field(strict=False)
    pin_key: Path | None = Field(default=None, strict=False)
    zone: Text
    protocol: Path | None = Field(default=None, strict=False)
    arm: Text | None = None
    site_rules: Path | None = Field(default=None, strict=False)
    sim: bool = False
    lease_days: int = Field(default=30, ge=1, le=366)

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("expected a time zone such as America/Mexico_City")
        return zone

    @field_validator("site")
    @classmethod
    def _is_domain(cls, site: str) -> str:
        if not SITE.fullmatch(site):
            raise ValueError("expected a domain name in lower case, such as mexcovid.example")
        return site

    @model_validator(mode="after")
    def _is_one_world(self) -> "PharmacyTable":
        if self.sim != self.site.startswith("sim."):
            raise ValueError(f'a site named "sim...." goes with sim = true and no other does; got sim = {self.sim}')
        return self


class MqttTable(_Table):
    """`[mqtt]`: the broker's address and, for mqtts, PEM files."""

    url: Text
    ca: Path | None = Field(default=None, strict=False)
    cert: Path | None = Field(default=None, strict=False)
    key: Path | None = Field(default=None, strict=False)

    @field_validator("url")
    @classmethod
    def _is_broker(cls, url: str) -> str:
        MqttSettings(url=url, client_id="").address()
        return url


class ClockTable(_Table):
    """`[clock]`: a shared clock of simulated time; without it the system's clock counts."""

    file: Path | None = Field(default=None, strict=False)


class PageTable(_Table):
    """`[page]`: where the pharmacy's page is served, on this machine only; without it there is none."""

    bind: Text

    @field_validator("bind")
    @classmethod
    def _is_loopback(cls, bind: str) -> str:
        host, _, port = bind.rpartition(":")
        if host not in {"127.0.0.1", "[::1]"} or not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError('the page is served on this machine only: expected "127.0.0.1:8081", or another port')
        return bind


class OperatorTable(_Table):
    """One `[[operators]]`: a person who may work at this site without an end, such as the first investigator."""

    code: Text
    name: Text
    roles: list[Literal["therapist", "pharmacist", "investigator", "engineer"]] = Field(min_length=1)


class PharmacyConfig(_Table):
    """The whole file."""

    pharmacy: PharmacyTable
    mqtt: MqttTable
    clock: ClockTable = ClockTable()
    page: PageTable | None = None
    operators: list[OperatorTable] = []
    _sha256: str = PrivateAttr("")

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the file's text in hex."""
        return self._sha256

    def of_text(self, text: str) -> "PharmacyConfig":
        """Note the text that the configuration was read from, and return it."""
        self._sha256 = hashlib.sha256(text.encode()).hexdigest()
        return self

    def below(self, folder: Path) -> "PharmacyConfig":
        """Return the configuration with its relative paths read as below `folder`."""
        tables: dict[str, _Table] = {"pharmacy": self.pharmacy, "mqtt": self.mqtt, "clock": self.clock}
        absolute = {
            name: table.model_copy(update={key: folder / value for key, value in table if isinstance(value, Path)})
            for name, table in tables.items()
        }
        return self.model_copy(update=absolute)

    @property
    def database(self) -> Path:
        """Return where the database lies."""
        return self.pharmacy.data / "pharmacy.db"

    def staff(self) -> tuple[Operator, ...]:
        """Return the persons whom the file itself names; those of the delegation log come beside them."""
        return tuple(Operator(code=o.code, name=o.name, roles=tuple(o.roles)) for o in self.operators)

    def settings(self) -> MqttSettings:
        """Return how the service reaches the broker."""
        client = f"{self.pharmacy.site}-pharmacy"
        return MqttSettings(
            url=self.mqtt.url, client_id=client, ca=self.mqtt.ca, cert=self.mqtt.cert, key=self.mqtt.key
        )


def read_config(path: Path) -> PharmacyConfig | tuple[Fault, ...]:
    """Return the configuration with absolute paths, or everything that is wrong with it.

    Raises: `OSError` where the file cannot be read.
    """
    raw = path.read_text("utf-8")
    text = read_toml(raw, str(path))
    if text.table is None or text.faults:
        return text.faults
    try:
        return PharmacyConfig.model_validate(dict(text.table)).below(path.absolute().parent).of_text(raw)
    except ValidationError as error:
        return tuple(_fault(text, dict(found)) for found in error.errors(include_url=False))


def _fault(text: TomlText, found: dict[str, object]) -> Fault:
    where = found["loc"]
    path = where if isinstance(where, tuple) else ()
    kind = str(found["type"])
    problem = str(found["msg"]).removeprefix("Value error, ")
    return Fault(
        file=text.file,
        line=text.line_of(path),
        field=dotted(path),
        value=None if kind == "missing" else show_value(found["input"]),
        problem=problem,
        right=_RIGHT.get(kind, "correct it"),
    )
