"""A site of processes: a broker, a pharmacy with its own folder, and units that each write a ledger under load."""

from collections.abc import Sequence
from pathlib import Path

from nebctl import keys
from nebctl.core.ledger.head import origin
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.pharmacy.config import PharmacyConfig, read_config
from nebctl.pharmacy.database import beside
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.setup import Plan, set_up
from nebctl_lab.processes import Child
from nebctl_lab.stream.mosquitto import Mosquitto

SITE = "sim.stream.example"
DRAIN_S = 120.0
ENROLLED_NS = 1_771_063_200_000_000_000


class StreamSite:
    """The processes of one site over a folder; nothing runs until it is started."""

    def __init__(self, folder: Path, units: Sequence[str]) -> None:
        self.folder = folder
        self.broker = Mosquitto(folder)
        self.trust = folder / "trust"
        plan = Plan(
            site=SITE, sim=True, study="NCT04276987", mqtt=self.broker.url, clock=None, operators=[("RT-07", "A")]
        )
        set_up(folder / "pharmacy", self.trust, plan)
        self.config = _configuration(folder / "pharmacy" / "pharmacy.toml")
        self.units = tuple(units)
        for unit in units:
            self._enrol(unit)
        arguments = ["-m", "nebctl", "pharmacy", "run", "--config", str(folder / "pharmacy" / "pharmacy.toml")]
        self.pharmacy = Child("pharmacy", arguments, folder / "pharmacy.log")

    def _enrol(self, unit: str) -> None:
        signer = keys.create_key(self.unit_key(unit))
        vkey = Vkey(origin(SITE, unit, 1), ED25519, signer.public)
        keys.write_public(self.trust, unit, vkey)
        with beside(self.database) as db:
            enrol_unit(db, SITE, unit, vkey, ENROLLED_NS)

    @property
    def database(self) -> Path:
        """Return the pharmacy's database."""
        return self.config.database

    def unit_key(self, unit: str) -> Path:
        """Return a unit's private key."""
        return self.folder / f"{unit}.key"

    def unit_database(self, unit: str) -> Path:
        """Return a unit's ledger."""
        return self.folder / f"{unit}.db"

    def journal(self, unit: str) -> Path:
        """Return where a unit notes each record that its ledger has acknowledged."""
        return self.folder / f"{unit}.journal"

    def writer(self, unit: str, *options: str) -> Child:
        """Return a unit that writes records and streams them, not started yet."""
        arguments = ["-m", "nebctl_lab.stream.unit", "--folder", str(self.folder), "--unit", unit]
        return Child(unit, [*arguments, "--mqtt", self.broker.url, *options], self.folder / f"{unit}.log")


def _configuration(path: Path) -> PharmacyConfig:
    config = read_config(path)
    if isinstance(config, tuple):
        raise ValueError("; ".join(map(str, config)))  # noqa: TRY004 - a faulty file, not a wrong type
    return config
