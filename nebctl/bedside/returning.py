"""Giving a subject's doses back, so that another unit may give them; what the screen then shows (S50)."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from nebctl.core.authorisation import Authorisation
from nebctl.core.guard import Refusal
from nebctl.core.history import UnitHistory
from nebctl.core.instant import Instant
from nebctl.core.kit_admission import held_back
from nebctl.core.lease_admission import taken_back
from nebctl.core.leases import Order, Worklist
from nebctl.core.ledger.records import Json
from nebctl.core.returned import Returned, is_returned
from nebctl.core.session import State
from nebctl.runner import Refused, Runner

CodeOf: TypeAlias = Callable[[Returned], str]
"""Makes what the screen shows for doses that were given back."""


class Returning:
    """Gives doses back, and shows which were: by list and log, so that it is shown again after a restart.

    `code_of` None means that this unit has no key of the site; then nobody can sign in at it either.
    """

    def __init__(self, runner: Runner, worklist: Callable[[], Worklist | None], code_of: CodeOf | None) -> None:
        self._runner, self._worklist, self._code_of = runner, worklist, code_of

    async def give_back(self, subject: str, operator: str) -> None:
        """Give back every dose of a subject that this unit's list holds; from then on it starts none of them.

        Raises: `Refused` while a session is open, for a subject of whom nothing is held, and where it is not on disk.
        """
        if self._runner.session.state is not State.IDLE:
            sentence = "A dose is under way at this unit. Finish or stop it first."
            raise Refused(Refusal(code="busy-unit", sentence=sentence))
        back = next((each for each in self._held() if each.subject == subject), None)
        if back is None:
            sentence = f"This unit holds no dose of {subject} that could be given back."
            raise Refused(Refusal(code="nothing-held", sentence=sentence))
        await self._runner.note(back.record(operator))
        if not is_returned(self._runner.history.returned, subject, back.sequence):
            sentence = "It could not be recorded, so nothing was given back. Call the engineer."
            raise Refused(Refusal(code="not-recorded", sentence=sentence))
        self._runner.tell_changed()

    def refuse_taken_back(self, auth: Authorisation | None, local: datetime, now: Instant) -> None:
        """Refuse a dose that was authorised and that must not start after all, by the list as it now stands.

        Raises: `Refused` where kit or lease was taken back meanwhile, or the list has expired.
        """
        worklist = self._worklist()
        if auth and worklist and (refusal := taken_back(auth, worklist, self._runner.history, local, now)):
            raise Refused(refusal)

    def refuse_held_back(self, kit: str) -> None:
        """Refuse to go on with a kit whose lot the pharmacy holds back since the start.

        Raises: `Refused` where the list as it now stands says that it is recalled or in quarantine.
        """
        worklist = self._worklist()
        known = worklist.kit(kit) if worklist else None
        if known and (refusal := held_back(known)):
            raise Refused(refusal)

    def shown(self) -> dict[str, Json]:
        """Return whose doses could be given back, and what the pharmacy asks for of those that were."""
        history = self._runner.history
        given = [each for each in self._listed() if is_returned(history.returned, each.subject, each.sequence)]
        code_of = self._code_of
        return {
            "held": [each.subject for each in self._held()],
            "given_back": [
                {"subject": each.subject, "code": code_of(_up_to(each, history)) if code_of else ""} for each in given
            ],
        }

    def _held(self) -> list[Returned]:
        returned = self._runner.history.returned
        return [each for each in self._listed() if not is_returned(returned, each.subject, each.sequence)]

    def _listed(self) -> list[Returned]:
        worklist = self._worklist()
        return [_of(order, self._runner.history) for order in worklist.orders if order.doses] if worklist else []


def _of(order: Order, history: UnitHistory) -> Returned:
    days = [dose.day for dose in history.doses_of(order.subject)]
    newest = max(dose.sequence for dose in order.doses)
    return Returned(subject=order.subject, sequence=newest, last_day=max(days, default=0))


def _up_to(listed: Returned, history: UnitHistory) -> Returned:
    """Return what was given back, which a list that came later may tell of with less."""
    return Returned(subject=listed.subject, sequence=history.returned[listed.subject], last_day=listed.last_day)
