"""Charting at the bed: observations of the dose under way, adverse events, and what an in-line start needs."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from nebctl.core import adverse, charting
from nebctl.core.calendar import follow_up_end
from nebctl.core.charting import Moment, Observation
from nebctl.core.guard import Refusal
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.records import Json
from nebctl.core.orders import Worklist
from nebctl.core.regimen import FollowUp
from nebctl.ports import Clock
from nebctl.runner import Refused, Runner


class Charting:
    """What is charted beside a dose; each observation and each event becomes a signed record of its own.

    `follow_up` None means that the study follows nothing after its doses.
    """

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        zone: ZoneInfo,
        worklist: Callable[[], Worklist | None],
        follow_up: FollowUp | None,
    ) -> None:
        self._runner, self._clock, self._zone, self._worklist = runner, clock, zone, worklist
        self._follow_up = follow_up
        self._session, self._seen = "", dict[Moment, Observation]()
        self._told_pauses = 0

    async def chart(self, seen: Observation, operator: str) -> None:
        """Record an observation of the session under way; a later one of its moment counts where it says something.

        Raises: `Refused` where it is not due now, a value cannot be, or nothing was seen.
        """
        session = self._runner.session
        refusal = charting.refuse(seen, session.state)
        if refusal is not None or session.authorisation is None:
            raise Refused(refusal or Refusal(code="chart-moment", sentence="There is no dose to chart. Scan first."))
        await self._runner.note(charting.draft(session.authorisation, seen, operator))
        known = self._of_now()
        known[seen.moment] = charting.together(known.get(seen.moment), seen)
        if seen.moment is Moment.PAUSE:
            self._told_pauses = session.pauses

    async def report(self, event: adverse.AdverseEvent, operator: str) -> None:
        """Record an adverse event of a subject whom this unit has, or had, a dose for.

        Raises: `Refused` for another subject, a date that lies ahead, or one before Day 1 or after the follow-up.
        """
        if not self._knows(event.subject):
            sentence = f"{event.subject} is not on this unit's list. Look at the wristband, or tell the pharmacy."
            raise Refused(Refusal(code="adverse-subject", sentence=sentence))
        first = self._first_treatment(event.subject)
        ends = follow_up_end(first, self._follow_up) if first and self._follow_up else None
        if refusal := adverse.refuse(event, self._today(), first, ends):
            raise Refused(refusal)
        await self._runner.note(adverse.draft(event, operator))

    def let_start(self) -> None:
        """Let a start pass that charting says nothing against.

        Raises: `Refused` for an in-line circuit of which something is not known, or still to be taken out.
        """
        if refusal := charting.refuse_start(self._of_now().get(Moment.PRE)):
            raise Refused(refusal)

    def shown(self) -> dict[str, Json]:
        """Return what of the session under way is charted, and whether the newest pause has its reason."""
        seen = self._of_now()
        before = seen.get(Moment.PRE)
        moments: list[Json] = [moment.value for moment in Moment if moment in seen]
        return {
            "moments": moments,
            "interface": before.interface if before else None,
            "humidifier_removed": before.humidifier_removed if before else None,
            "pause_told": Moment.PAUSE in seen and self._told_pauses == self._runner.session.pauses,
        }

    def _of_now(self) -> dict[Moment, Observation]:
        """Return what was seen in the session under way; that of another session is forgotten."""
        auth = self._runner.session.authorisation
        session = auth.session if auth else ""
        if session != self._session:
            self._session, self._seen = session, {}
        return self._seen

    def _knows(self, subject: str) -> bool:
        worklist = self._worklist()
        listed = worklist is not None and any(order.subject == subject for order in worklist.orders)
        return listed or any(True for _ in self._runner.history.doses_of(subject))

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.instant().wall_ns // NS_PER_S, UTC).astimezone(self._zone).date()

    def _first_treatment(self, subject: str) -> date | None:
        worklist = self._worklist()
        begun = [date.fromisoformat(dose.date_local) for dose in self._runner.history.doses_of(subject) if dose.high_nl]
        listed = [order.day1 for order in worklist.orders if order.subject == subject] if worklist else []
        return min([*begun, *(day1 for day1 in listed if day1)], default=None)
