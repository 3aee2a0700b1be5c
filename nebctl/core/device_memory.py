"""What a device remembers of its last run, held against this unit's own log.

A run that no record of the log names was made elsewhere, or the log is not whole: its card may be an older copy (S02).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from nebctl.core.device import RunOutcome
from nebctl.core.ledger.records import Draft, Entry, Json
from nebctl.core.limits import RUN_UNKNOWN

_Key: TypeAlias = tuple[str, str]
_INTENTS = frozenset(("start", "resume", "calibration"))
"""Records that name a run before the device hears of it; a self-test makes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the device with this serial number said of its last run when it was opened; `last` None: it did not say."""

    device: str
    last: RunOutcome | None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A run that a person is to answer for before a dose; `incident` is its record, None where that is on disk."""

    device: str
    run: str
    incident: Draft | None


def question(known: RunsKnown, remembered: Remembered | None) -> Question | None:
    """Return what is to be asked about the device that answers; None: nothing. No device has answered yet: None.

    What it says now comes first. A run that is on record stays in question when the device has forgotten it since, by a
    saline run, by a dose elsewhere or by its battery: nothing but a person's word, or its own record, answers it.
    """
    if remembered is None:
        return None
    device, last = remembered.device, remembered.last
    if last is not None and last.run is not None and _is_open(known, (device, last.run)):
        incident = None if (device, last.run) in known.told else _incident(device, last)
        return Question(device=device, run=last.run, incident=incident)
    earlier = sorted(run for of, run in known.told if of == device and _is_open(known, (of, run)))
    return Question(device=device, run=earlier[0], incident=None) if earlier else None


def _is_open(known: RunsKnown, key: _Key) -> bool:
    return key[1] not in known.intended and key not in known.answered


def _incident(device: str, last: RunOutcome) -> Draft:
    told: dict[str, Json] = {"device_on_ms": last.on_ms, "device_end": last.end.value, "device_boot": last.boot}
    return Draft(typ="incident", facts={"kind": RUN_UNKNOWN, "device": device, "run": last.run, **told})


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
