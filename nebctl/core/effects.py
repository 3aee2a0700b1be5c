"""Everything that a session can ask of the world."""

from dataclasses import dataclass
from typing import TypeAlias

from nebctl.core.alarms import Condition
from nebctl.core.ledger.records import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Commit these records, in one transaction.

    `intent`: what follows waits for `IntentRecorded`, which the runner sends once they are on disk.
    `trace_of` names the session whose trace belongs to these records; None means no trace.
    """

    drafts: tuple[Draft, ...]
    intent: bool = False
    trace_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAerosol:
    """Turn the output on for `run`, for at most `max_on_ms` of the run's whole on-time; the guard decides."""

    run: str
    max_on_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopAerosol:
    """Turn the output off, ahead of everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseAlarm:
    """Raise an alarm, if it does not stand already."""

    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearAlarms:
    """Clear the alarms of the session that has ended; `seen` says that a person ended it, who saw what they said."""

    seen: bool = True


Effect: TypeAlias = Record | StartAerosol | StopAerosol | RaiseAlarm | ClearAlarms
