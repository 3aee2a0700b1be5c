"""The numbers of the profile `alicat-ascii`, in the form the driver needs."""

import re
from dataclasses import dataclass
from decimal import Decimal

from nebctl_drivers.profiles import Table, read_profile
from nebctl_drivers.timing import Timing

from .columns import Rules, Units

PROFILE = "alicat-ascii"
Version = tuple[int, int]
_VERSION = re.compile(r"([0-9]+)v([0-9]{1,3})(?![0-9]).*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlicatProfile:
    """What the driver takes for granted of a controller.

    Flows in sccm, `reset_sccm` the set-point after power-up; `rows_idle_s` without a further row ends a table; `models`
    are what a model may begin with, up to its first dash; firmware from `source_query_since` on says where its
    set-point comes from.
    """

    units: Units
    rules: Rules
    least_sccm: int
    most_sccm: int
    reset_sccm: int
    rows_idle_s: float
    models: tuple[str, ...]
    firmware_least: Version
    source_query_since: Version
    answer_s: float
    gap_s: float

    def timing(self, baud: int | None) -> Timing:
        """Return the bus's timing; `baud` None for a TCP stream, where the wire's own time does not count."""
        return Timing(answer_s=self.answer_s, baud=baud, gap_s=self.gap_s)


def read_alicat_profile(table: Table | None = None) -> AlicatProfile:
    """Return the installed profile, or the one of `table`.

    Raises: `KeyError` or `ValueError` where the table is not of this form.
    """
    whole = table if table is not None else read_profile(PROFILE)
    limits, identity, bus = whole["limits"], whole["identity"], whole["bus"]
    severities = {code: status["alarm"] for code, status in whole["status"].items()}
    return AlicatProfile(
        units=Units(
            flow=_units(whole["unit"]["flow_sccm"]),
            pressure=_units(whole["unit"]["pressure_pa"]),
            temperature=_units(whole["unit"]["temperature_mc"]),
        ),
        rules=Rules(severities=severities, off_sccm=limits["off_sccm"]),
        least_sccm=limits["setpoint_sccm"]["least"],
        most_sccm=limits["setpoint_sccm"]["most"],
        reset_sccm=limits["reset_sccm"],
        rows_idle_s=bus["rows_idle_ms"] / 1000,
        models=tuple(identity["models"]),
        firmware_least=_known_version(identity["firmware_least"]),
        source_query_since=_known_version(identity["source_query_since"]),
        answer_s=bus["answer_ms"] / 1000,
        gap_s=bus["gap_ms"] / 1000,
    )


def read_version(text: str) -> Version | None:
    """Return the numbers of a firmware version such as 10v20.0-R24; None where it has another form, as GP has."""
    match = _VERSION.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def _known_version(text: str) -> Version:
    version = read_version(text)
    if version is None:
        raise ValueError(f"{text!r} is no firmware version: expected one such as 9v00")
    return version


def _units(table: Table) -> dict[str, tuple[int, Decimal]]:
    return {label: (unit["code"], Decimal(unit["is"])) for label, unit in table.items()}
