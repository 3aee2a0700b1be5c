"""What the log tells of one dose that was commanded, and of one session that is still open. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass

from nebctl.core.dose import Charge
from nebctl.core.ledger.records import Json, SessionDay


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenDose:
    """A dose that was commanded; `high_nl` is the most it can have been, `end` its word, "open" until its outcome.

    `low_nl` and `best_nl` are None until its outcome.
    """

    subject: str
    day: int
    dose: int
    date_local: str
    session: str
    started_wall_ns: int
    ended_wall_ns: int | None
    high_nl: int
    end: str
    low_nl: int | None = None
    best_nl: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """A session whose outcome is not in the log: authorised, perhaps charged, perhaps started.

    `pauses` and `resumes` count the records of each; a resume may have swept for resonance again.
    """

    place: SessionDay
    subject: str
    operator: str
    facts: Mapping[str, Json]
    charge: Charge | None = None
    start_seq: int | None = None
    started_wall_ns: int | None = None
    device: str | None = None
    pauses: int = 0
    resumes: int = 0
