"""Records: the closed envelope every record carries, and the types of record there are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Json: TypeAlias = bool | int | str | list["Json"] | dict[str, "Json"] | None

VERSION = 1
TYPES = frozenset(
    (
        *("genesis", "boot", "key", "clock", "config", "order", "access", "calibration", "incident", "correction"),
        *("authorisation", "charge", "selftest", "start", "pause", "resume", "residual", "dose", "abort"),
        *("missed", "notdone", "chart", "adverse", "alarm", "refusal", "override", "handover", "signature"),
        *("identification",),
    )
)
"""What units and the pharmacy write; a schema of each stands in docs/records."""
PHARMACY_TYPES = frozenset(("enrolment", "lot", "kit", "operator", "identity"))
"""What only the pharmacy's own log holds beside those."""
ENVELOPE = frozenset(
    (
        *("v", "typ", "unit", "ep", "seq", "prev", "boot", "mono_ns", "utc", "clk", "sw", "cfg", "sim"),
        *("salt", "_sd", "_sd_alg"),
    )
)
SESSION_FIELDS = frozenset(("session", "day", "tz", "date_local"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDay:
    """Where a record belongs to a session: its id, study day, time zone name and the site's date of the start."""

    session: str
    day: int
    tz: str
    date_local: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record before it is signed.

    `facts` are public and become payload members; `private` become SD-JWT disclosures, one each.
    `session` None means that the record belongs to no session.
    """

    typ: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    private: Mapping[str, Json] = field(default_factory=dict)
    session: SessionDay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record as it was committed: its place, its exact text, its leaf hash and the disclosures kept beside it."""

    epoch: int
    seq: int
    jws: str
    leaf: bytes
    payload: Mapping[str, Json]
    disclosures: tuple[str, ...] = ()
