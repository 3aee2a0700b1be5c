"""Giving a subject's doses back, so that another unit may give them; what the screen then shows (S50)."""

from collections.abc import Callable
from typing import TypeAlias

from nebctl.core.authorisation import Authorisation
from nebctl.core.guard import Refusal
from nebctl.core.history import UnitHistory
from nebctl.core.lease_admission import overtaken
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

    def why_not(self, auth: Authorisation) -> Refusal | None:
        """Return why a dose that was authorised must not start after all: its lease was given back meanwhile."""
        worklist, history = self._worklist(), self._runner.history
        order = worklist.order_of(auth.subject) if worklist else None
        dose = next((dose for dose in order.doses if dose.kit == auth.kit), None) if order else None
        return overtaken(auth.subject, dose, worklist, history) if worklist and dose else None

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
