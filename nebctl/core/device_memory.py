"""What a device remembers of its last run, held against this unit's own log.

A run that no record of the log names was made elsewhere, or the log is not whole: its card may be an older copy (S02).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from nebctl.core.device import RunOutcome
from nebctl.core.ledger.records import Draft, Entry, Json
from nebctl.core.limits import RUN_UNKNOWN

_Key: TypeAlias = tuple[str, str]
_INTENTS = frozenset(("start", "resume", "calibration"))
"""Records that name a run before the device hears of it; a self-test makes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the device with this serial number said of its last run when it was opened."""

    device: str
    last: RunOutcome

    def incident(self) -> Draft:
        """Return the record that no record names this run."""
        last = self.last
        told: dict[str, Json] = {"device_on_ms": last.on_ms, "device_end": last.end.value, "device_boot": last.boot}
        return Draft(typ="incident", facts={"kind": RUN_UNKNOWN, "device": self.device, "run": last.run, **told})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsKnown:
    """What the log says of runs, over all its epochs.

    `intended` are the runs that this unit began or meant to begin. The others are pairs of a device's serial number and
    a run: `told` are on record as unknown, and of those in `answered` a person said that doses may go on.
    """

    intended: frozenset[str] = frozenset()
    told: frozenset[_Key] = frozenset()
    answered: frozenset[_Key] = frozenset()


NO_RUNS = RunsKnown()


class Standing(Enum):
    """How a device's last run stands to the log."""

    SILENT = "silent"
    """It remembers none, cannot tell, or was not heard."""
    OURS = "ours"
    NEW = "new"
    """Unknown, and not on record yet."""
    OPEN = "open"
    """Unknown and on record; nobody has said that doses may go on."""
    ANSWERED = "answered"


ASKS = frozenset((Standing.NEW, Standing.OPEN))
"""While a run stands so, no dose is begun before a person has answered."""


def judge(known: RunsKnown, remembered: Remembered | None) -> Standing:
    """Return how what a device remembers stands to the log; None: no device has said anything yet."""
    if remembered is None or remembered.last.run is None:
        return Standing.SILENT
    if remembered.last.run in known.intended:
        return Standing.OURS
    key = (remembered.device, remembered.last.run)
    if key in known.answered:
        return Standing.ANSWERED
    return Standing.OPEN if key in known.told else Standing.NEW


def followed(known: RunsKnown, entries: Iterable[Entry]) -> RunsKnown:
    """Return what is known of runs after more entries; a record of before runs were named adds nothing."""
    intended, told, answered = set[str](), set[_Key](), set[_Key]()
    for payload in (entry.payload for entry in entries):
        if payload["typ"] in _INTENTS:
            intended |= {run for run in (payload.get("run"),) if isinstance(run, str)}
        elif (payload["typ"], payload.get("kind")) == ("incident", RUN_UNKNOWN):
            told.add((str(payload.get("device")), str(payload.get("run"))))
        elif (payload["typ"], payload.get("limit")) == ("override", RUN_UNKNOWN):
            answered.add((str(payload.get("device")), str(payload.get("run"))))
    if not (intended or told or answered):
        return known
    return RunsKnown(intended=known.intended | intended, told=known.told | told, answered=known.answered | answered)
