"""What the runner has itself seen, for the gate: facts from disk, device and clock, never from the session's word."""

from dataclasses import dataclass, field

from nebctl.core.authorisation import Authorisation
from nebctl.core.device import DeviceReport, Identity, Output
from nebctl.core.dose import Charge
from nebctl.core.guard import Envelope
from nebctl.core.history import UnitHistory
from nebctl.core.instant import NS_PER_MS
from nebctl.core.ledger.records import Entry
from nebctl.core.session import Rules


@dataclass(slots=True, kw_only=True)
class Witnessed:
    """Facts that the gate judges a start by, each written down at the moment it was seen.

    `granted` and `resumed` hold each session's leave to start and its newest leave to resume, `spent` the ids of those
    that were used. `intents` maps each session whose intent is on disk and not yet used to the type of that record,
    start or resume.
    `unresolved` names a command that the device may or may not have taken; only a read-back of OFF resolves it.
    """

    rules: Rules
    doses_per_day: int
    granted: dict[str, Authorisation] = field(default_factory=dict)
    resumed: dict[str, Authorisation] = field(default_factory=dict)
    charges: dict[str, Charge] = field(default_factory=dict)
    tested: set[str] = field(default_factory=set)
    spent: set[str] = field(default_factory=set)
    intents: dict[str, str] = field(default_factory=dict)
    device: Identity | None = None
    output: Output | None = None
    fault: str | None = None
    unresolved: str | None = None
    records_durable: bool = True
    stops: int = 0

    def see_intent(self, entry: Entry) -> None:
        """Take an intent that is on disk."""
        self.intents[str(entry.payload["session"])] = str(entry.payload["typ"])

    def see_report(self, report: DeviceReport) -> None:
        """Take a reading of the device: its output, its fault, and whether it resolves what was open."""
        self.output = report.output
        self.fault = report.fault
        if report.output is Output.OFF:
            self.unresolved = None

    def see_device(self, device: Identity | None) -> None:
        """Take who answers on the port, proven OFF; None means nobody: the output is not known, no self-test holds."""
        self.device = device
        self.output = Output.OFF if device else None
        if device is None:
            self.tested.clear()
        else:
            self.unresolved = None

    def use(self, session: str) -> None:
        """Spend the session's intent and the authorisation that it was under: neither passes the gate again."""
        auth = (self.resumed if self.intents.pop(session, None) == "resume" else self.granted).get(session)
        if auth is not None:
            self.spent.add(auth.auth)

    def room_nl(self, session: str, history: UnitHistory) -> int:
        """Return how much the session's cup may hold at most, so that the day's limit holds."""
        return self._limit_nl(session, history) - _given_high_nl(self.granted.get(session), history)

    def _limit_nl(self, session: str, history: UnitHistory) -> int:
        """Return the day's limit: one aliquot more where two persons let this session pass."""
        return self.rules.limits.upper_nl * (self.doses_per_day + (session in history.overridden))

    def envelope(self, session: str, history: UnitHistory, *, clock_trusted: bool, locked_out: bool) -> Envelope:
        """Return what the gate may know about this session now."""
        resuming = self.intents.get(session) == "resume"
        first, charge = self.granted.get(session), self.charges.get(session)
        auth = self.resumed.get(session) if resuming else first
        ceiling = self.rules.site.max_on_ns // NS_PER_MS
        if self.device is not None:
            ceiling = min(ceiling, self.device.max_on_ms)
        return Envelope(
            authorisation=auth,
            authorisation_used=auth is None or auth.auth in self.spent,
            first=first if resuming and first is not None and first.auth in self.spent else None,
            intent=session if session in self.intents else None,
            output=self.output,
            device=self.device.serial if self.device else None,
            fault=self.fault,
            unresolved=self.unresolved,
            clock_trusted=clock_trusted,
            records_durable=self.records_durable,
            self_tested=session in self.tested,
            charge_high_nl=charge.volume.high_nl if charge else None,
            given_high_nl=_given_high_nl(first, history),
            limit_nl=self._limit_nl(session, history),
            doses_a_day=self.doses_per_day,
            overridden=session in history.overridden,
            max_on_ceiling_ms=ceiling,
            stops=self.stops,
            locked_out=locked_out,
        )


def _given_high_nl(auth: Authorisation | None, history: UnitHistory) -> int:
    """Return the most that the subject may have had this day from other sessions of this unit."""
    if auth is None:
        return 0
    return sum(
        dose.high_nl
        for dose in history.doses_of(auth.subject)
        if dose.date_local == auth.place.date_local and dose.session != auth.session
    )
