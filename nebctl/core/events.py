"""Everything that can happen to a session: presses, device reports, failures of effects, the passing of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nebctl.core.authorisation import Authorisation
from nebctl.core.device import CommandFailed, DeviceReport, Identity, RunOutcome
from nebctl.core.dose import Charge, Interval, Residual
from nebctl.core.ledger.records import Json

BADGE_AND_PIN = "badge+pin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorised:
    """The dose was admitted; `authorisation` says whose, which and until when."""

    authorisation: Authorisation


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """Kit and cup were scanned and the charge was weighed or declared.

    `typed_because` is why the cup's number was typed, None where it was scanned.
    """

    charge: Charge
    cup: str
    typed_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the self-test: what was checked, whether it is good, and what to know or do.

    `facts` is what `note` says in figures, for a page that has words of its own; None where there is none.
    """

    name: str
    good: bool
    note: str
    facts: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTested:
    """The self-test before the dose came to an end."""

    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPressed:
    """START was held; `run` is a fresh random id of 8 hex digits, `device` who answered on the port."""

    auth: str
    run: str
    device: Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class PausePressed:
    """PAUSE was pressed, for the reason given."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePressed:
    """RESUME was held under an authorisation of its own, by the person whom it names, who answers for going on."""

    authorisation: Authorisation


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPressed:
    """STOP came from `source`: page, button, API, signal or the unit itself."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSeen:
    """`operator` saw the dose end: the jet spits, or no aerosol comes any more. It turns off like STOP."""

    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """The link stays lost: an operator switched the device off by hand, and says so."""

    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecorded:
    """The intent to start or resume is on disk, at this place in the ledger."""

    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFailed:
    """A record could not be written; `sentence` says why."""

    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """The guard refused a command after its intent was recorded; the device heard nothing."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLost:
    """A command to the device failed; `failure` says whether the device may have acted on it."""

    failure: CommandFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The device was read."""

    report: DeviceReport


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOverdue:
    """The link stands, but no report came for longer than delivery may go on without one."""

    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLost:
    """The wire to the device is gone."""

    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBack:
    """The device answers again, and is OFF; `last` is what it remembers of its last run, None where it does not."""

    device: Identity
    last: RunOutcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualGiven:
    """The operator drew or weighed what was left; `added` is what came into the cup in mid-dose, None for nothing."""

    residual: Residual
    operator: str
    added: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualRefused:
    """Nobody gave the residual; `reason` says why, `operator` "" where it was the unit's own time limit.

    `added` is what came into the cup in mid-dose, None for nothing.
    """

    reason: str
    operator: str
    added: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """`operator` takes over in mid-dose, with a badge and PIN of her own; the device is not touched (S55)."""

    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A person signed the dose record at `ref_seq`, whose leaf hash is `ref_leaf`, with a meaning.

    `credential` says what she entered again to sign.
    """

    operator: str
    printed: str
    meaning: str
    ref_seq: int
    ref_leaf: str
    credential: str = BADGE_AND_PIN


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureDeferred:
    """The operator leaves without signing; the dose record stays marked as unsigned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time passed and nothing else happened."""


Event: TypeAlias = (
    Authorised
    | Charged
    | SelfTested
    | StartPressed
    | PausePressed
    | ResumePressed
    | StopPressed
    | EndSeen
    | Abandoned
    | IntentRecorded
    | StoreFailed
    | Gated
    | CommandLost
    | Reported
    | ReportOverdue
    | LinkLost
    | LinkBack
    | ResidualGiven
    | ResidualRefused
    | HandedOver
    | Signed
    | SignatureDeferred
    | Ticked
)
