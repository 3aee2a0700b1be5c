"""Badge and PIN at the bed: who a person is, proven anew wherever something is to be answered for."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from nebctl.bedside.tries_file import TriesFile
from nebctl.core.guard import Refusal
from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.lease_admission import never_sent
from nebctl.core.ledger.records import Draft
from nebctl.core.operators import INVESTIGATOR, Operator, refuse
from nebctl.core.orders import Worklist
from nebctl.core.regimen import SiteRules
from nebctl.core.tries import NONE, is_locked, missed_again, wait_ns
from nebctl.pins import Checked, PinKey
from nebctl.ports import Clock
from nebctl.runner import Refused

log = logging.getLogger(__name__)

QUIET_NS = 10 * NS_PER_S
"""Refusals before any PIN was checked are recorded at most so often: a badge held to the page must not fill the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a person is checked by: the site's PIN key (None: this unit has none), and the counts of wrong PINs.

    `thread` does the check, which takes a fifth of a second, away from the loop. `simulated` lets cheap verifiers pass.
    `absent` says why nobody is known while the pharmacy's list is not there.
    """

    key: PinKey | None
    tries: TriesFile
    thread: Executor
    simulated: bool
    absent: Callable[[], Refusal] = never_sent


class Credentials:
    """Finds people by their badges on the pharmacy's list, and checks their PINs, one after the other.

    `note` records a refusal. A PIN is in no log, no record and no sentence.
    """

    def __init__(
        self,
        proof: Proof,
        clock: Clock,
        zone: ZoneInfo,
        rules: SiteRules,
        worklist: Callable[[], Worklist | None],
        note: Callable[[Draft], Awaitable[None]],
    ) -> None:
        self._proof, self._clock, self._zone, self._rules = proof, clock, zone, rules
        self._worklist, self._note = worklist, note
        self._one = asyncio.Lock()
        self._noted_ns: int | None = None

    def person(self, badge: str, role: str | None = None) -> Operator:
        """Return the person of a badge, who may act today, in `role` where one is named.

        Raises: `Refused` where there is no list, nobody has the badge, or the person may not.
        """
        worklist = self._worklist()
        if worklist is None:
            raise Refused(self._proof.absent())
        person = worklist.operator(badge)
        if person is None:
            sentence = f"Badge {badge} is not on the list of operators. Call the pharmacy."
            raise Refused(Refusal(code="operator-unknown", sentence=sentence))
        if refusal := refuse(person, self.today(), role):
            raise Refused(refusal)
        return person

    async def prove(self, badge: str, pin: str, role: str | None = None) -> Operator:
        """Return the person whose badge and PIN these are.

        Raises: `Refused` as `person`, for a wrong PIN, for one that comes too soon after it, and for a badge that is
        locked; each is recorded.
        """
        try:
            person = self.person(badge, role)
        except Refused as refused:
            await self._record(refused.refusal, None)
            raise
        async with self._one:  # two at once would both be the last free try
            refusal = await self._check(person, pin)
        if refusal is not None:
            await self._record(refusal, person)
            raise Refused(refusal)
        return person

    def today(self) -> date:
        """Return the site's date."""
        return datetime.fromtimestamp(self._clock.instant().wall_ns // NS_PER_S, self._zone).date()

    async def _check(self, person: Operator, pin: str) -> Refusal | None:
        key, tries, now = self._proof.key, self._proof.tries, self._clock.instant()
        if key is None:
            return _no("no-pin-key", "This unit cannot check PINs: its PIN key is missing. Call the engineer.")
        if not person.pin:
            return _no("pin-none", f"Badge {person.code} has no PIN yet. Set one at the pharmacy.")
        name = hashlib.sha256(f"{person.code} {person.pin}".encode()).hexdigest()
        if refusal := self._too_often(name, person.code, now):
            return refusal
        counted = missed_again(tries.of(name), now)

        def work() -> Checked:
            tries.keep(name, counted)  # before the check: a power cut in it must not give a free try
            checked = key.check(person.code, pin, person.pin, simulated=self._proof.simulated)
            if checked is Checked.GOOD:
                tries.keep(name, NONE)
            return checked

        try:
            checked = await asyncio.get_running_loop().run_in_executor(self._proof.thread, work)
        except OSError as fault:
            log.warning("the count of wrong PINs cannot be written: %s", fault)
            return _no("pin-uncounted", "PINs cannot be checked: this unit cannot write. Call the engineer.")
        if checked is Checked.GOOD:
            return None
        if checked is Checked.NOT_USABLE:
            return _no("pin-unusable", f"The PIN of badge {person.code} cannot be checked here. Set a new one.")
        return self._too_often(name, person.code, now) or _no(
            "pin-wrong", "That PIN is not the one of this badge. Type it again."
        )

    def _too_often(self, name: str, code: str, now: Instant) -> Refusal | None:
        tries = self._proof.tries.of(name)
        if is_locked(tries, self._rules.pin_misses):
            sentence = f"Badge {code} is locked after {tries.missed} wrong PINs. Set a new PIN at the pharmacy."
            return _no("pin-locked", sentence)
        left_ns = wait_ns(tries, now, self._rules.pin_wait_ns)
        if left_ns == 0:
            return None
        sentence = f"Wrong PIN {tries.missed} times. Wait {-(-left_ns // NS_PER_S)} s, then type it again."
        return _no("pin-wait", sentence)

    async def _record(self, refusal: Refusal, person: Operator | None) -> None:
        """Record a refusal; what stood in the badge's box is not repeated, for it may be a PIN that went astray."""
        log.warning("sign-in refused: %s", refusal.code)
        now_ns = self._clock.instant().mono_ns
        if person is None:
            if self._noted_ns is not None and now_ns - self._noted_ns < QUIET_NS:
                return
            self._noted_ns = now_ns
        sentence = refusal.sentence if person else "A badge was refused."
        private = {"operator": person.code} if person else {}
        await self._note(Draft(typ="refusal", facts={"code": refusal.code, "sentence": sentence}, private=private))


def two_persons(presses: str, people: list[Operator], today: date) -> str:
    """Return the staff code of the second person, where two different ones were proven, one of them an investigator.

    Raises: `Refused` where they are one person, the one who presses is not among them, or neither is an investigator.
    """
    codes = {person.code for person in people}
    if len(codes) != 2 or presses not in codes:
        sentence = "Two different persons answer for this, each with badge and PIN. You are one of them."
        raise Refused(_no("two-persons", sentence))
    if not any(INVESTIGATOR in person.roles_on(today) for person in people):
        raise Refused(_no("no-investigator", "Neither of the two is an investigator. Call one to the bed."))
    return next(iter(codes - {presses}))


def _no(code: str, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)
