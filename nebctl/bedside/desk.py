"""What a person can do at the unit, step by step, with the checks that come before the session hears of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from zoneinfo import ZoneInfo

from nebctl.bedside.charting import Charting
from nebctl.bedside.gaps import refuse_gaps, take_word
from nebctl.bedside.plausible import refuse_charge, refuse_residual
from nebctl.bedside.returning import CodeOf, Returning
from nebctl.bedside.scanning import Identifiers, Link, Who, identification, resolve
from nebctl.bedside.tray import BAND, CARD, CUP, KIT, Tray
from nebctl.core import events as ev
from nebctl.core.admission import Admitted, Request, admit, therapist
from nebctl.core.authorisation import Authorisation
from nebctl.core.device import Identity
from nebctl.core.dose import Charge
from nebctl.core.guard import LOCKED_OUT, Refusal
from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.lease_admission import never_sent
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Draft, Json, SessionDay
from nebctl.core.limits import EXTRA, RUN_UNKNOWN, SOFTENABLE, Passing
from nebctl.core.meanings import GAVE, OLDER
from nebctl.core.operators import Operator
from nebctl.core.orders import Worklist
from nebctl.core.regimen import FollowUp, Regimen, SiteRules
from nebctl.core.scan.cup import read_cup
from nebctl.core.scan.message import shown, split
from nebctl.core.session import IllegalEventError, Kind, State
from nebctl.core.session.drafts import signature
from nebctl.core.thaw import use_by
from nebctl.core.units import format_ml
from nebctl.ports import Clock
from nebctl.runner import Refused, Runner

START_WAIT_S = 3.0
"""How long a press of START or RESUME waits to say what came of it."""
_SAME_CODES = frozenset((EXTRA, RUN_UNKNOWN, *SOFTENABLE, "second-same"))
"""Refusals for which another person answers, not another code."""
_OF_THE_KIT = ("kit-", "code-")
_NOT_OBSERVED = Refusal(
    code="not-observed", sentence="You observed no part of a dose that waits for a signature. Nobody signs for another."
)
_NOTHING_TO_SIGN = Refusal(code="nothing-to-sign", sentence="There is no dose record to sign.")
_UNDECIDED = frozenset((State.INTENDED, State.STARTING, State.RESUME_INTENDED, State.RESUMING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the desk works by: the study's regimen, the site's rules and time zone, and the peripherals' own checks.

    `random_hex` returns that many fresh hexadecimal digits. `peripherals` tries what the unit has beside its device, or
    has not by configuration. `simulated` says that the unit serves simulators, and them alone. `approved_until_ns` is
    the Unix time at which an approval of the study protocol or the site's rules ends; None means that none does. `link`
    hashes a subject's identifiers under the site's key, and `code_of` makes what is shown of doses that were given
    back; None means that this unit has no key. `absent` says why nothing starts while the pharmacy's list is not there.
    """

    regimen: Regimen
    rules: SiteRules
    zone: ZoneInfo
    random_hex: Callable[[int], str]
    peripherals: Callable[[], Awaitable[tuple[ev.Check, ...]]]
    simulated: bool
    approved_until_ns: int | None = None
    follow_up: FollowUp | None = None
    link: Link | None = None
    code_of: CodeOf | None = None
    absent: Callable[[], Refusal] = never_sent


class Desk:
    """The steps of a dose, as a person takes them; every refusal is an exception with a plain sentence.

    `checks` is the newest self-test of the session under way; empty before it. `charting` is what is charted beside it,
    `tray` what the unit's own scanner read, `reviewed` the authorisation whose review a page showed last, and
    `reviewed_ns` since when, on the monotonic clock.
    """

    def __init__(self, runner: Runner, clock: Clock, place: Place, worklist: Callable[[], Worklist | None]) -> None:
        self._runner = runner
        self._clock = clock
        self._place = place
        self._worklist = worklist
        self.tray = Tray()
        self.reviewed, self.reviewed_ns = "", 0
        self.checks: tuple[ev.Check, ...] = ()
        self.returning = Returning(runner, worklist, place.code_of)
        self.charting = Charting(runner, clock, place.zone, worklist, place.follow_up)

    async def take_code(self, raw: str) -> None:
        """Take a code from the unit's own scanner; one that no dose needs is refused, recorded and shown."""
        now = self._clock.instant()
        if refusal := self.tray.take(raw, self._worklist() or self._place.absent(), self._place.link, now.mono_ns):
            await self._note_refusal(refusal, raw, subject="", operator="")
        self._runner.tell_changed()

    async def take_half(self, refusal: Refusal) -> None:
        """Take that the unit's own scanner read something that is no whole code."""
        self.tray.fail(refusal)
        await self._note_refusal(refusal, "", subject="", operator="")
        self._runner.tell_changed()

    async def scan(self, operator: str, who: Who | None, kit: str | None, passing: Passing | None = None) -> None:
        """Begin a session for a person who is signed in: wristband, second identifier and kit were scanned.

        `who` None and `kit` None are what the unit's own scanner read. `passing` is a limit that persons let this dose
        pass; it is on disk before anything is authorised; where the dose needs no such leave, nothing is said of it.

        Raises: `Refused`, and the refusal is recorded; `IllegalEventError` while another session is open.
        """
        now, tray = self._clock.instant(), self.tray
        who = who or Identifiers(band=tray.raw(BAND, now.mono_ns), card=tray.raw(CARD, now.mono_ns))
        kit = tray.raw(KIT, now.mono_ns) if kit is None else kit
        self._refuse_busy()
        worklist = self._worklist()
        if worklist is None:
            await self._refuse_scan(self._place.absent(), kit, subject="", operator=operator)
        found = resolve(who, kit, operator, worklist, self._place.link)
        if isinstance(found, Refusal):
            await self._refuse_scan(found, kit, subject="", operator=operator)
        local = self._local(now)
        minute = local.hour * 60 + local.minute
        request = Request(
            operator=operator, subject=found.subject, kit=found.kit, today=local.date(), local_minute=minute
        )
        decision: Admitted | Refusal | Operator = therapist(request, worklist)
        if isinstance(decision, Operator):  # nobody else's word on a run counts
            passing = await take_word(self._runner, passing, found.subject, found.kit)
            decision = self._barred(now) or self._admit(request, now)
        needed = passing if isinstance(decision, Refusal) and passing and decision.code == passing.limit else None
        if needed is not None:
            decision = self._admit(request, now, needed.codes)
        if isinstance(decision, Refusal):
            await self._refuse_scan(decision, found.kit, found.subject, operator)
        device = self._device()
        auth = self._authorise(decision, request, device.serial, now)
        await self._runner.note(identification(who, auth.subject, auth.operator, auth.place))
        if needed is not None:
            await self._runner.note(needed.record(auth.place, auth.subject, auth.dose, auth.kit))
        await self._runner.press(ev.Authorised(authorisation=auth))
        tray.drop(BAND, CARD, KIT)
        self.checks = ()

    async def _refuse_scan(self, refusal: Refusal, kit: str, subject: str, operator: str) -> NoReturn:
        """Record why no session begins, and forget what has to be scanned anew."""
        if refusal.code not in _SAME_CODES:
            self.tray.drop(*((KIT,) if refusal.code.startswith(_OF_THE_KIT) else (BAND, CARD, KIT)))
        await self._note_refusal(refusal, kit, subject, operator)
        raise Refused(refusal)

    async def charge(self, charge: Charge, cup: str | None, typed_because: str | None = None) -> None:
        """Take what was put in the cup, then run the self-test.

        `cup` is its code, None what the unit's own scanner read; a number that was typed has its reason.
        Raises: `Refused` for what is no cup, or one that could give more than the day's limit, and nothing is recorded.
        """
        raw = self.tray.raw(CUP, self._clock.instant().mono_ns) if cup is None else cup
        number = read_cup(split(raw), typed_because)
        if isinstance(number, Refusal):
            raise Refused(number)
        if implausible := refuse_charge(charge, self._place.regimen.volume_nl):
            raise Refused(implausible)
        self._refuse_overfilled(charge)
        typed = typed_because if not split(raw).symbol else None
        await self._runner.press(ev.Charged(charge=charge, cup=number, typed_because=typed))
        self.tray.drop(CUP)
        await self.self_test()

    async def self_test(self) -> None:
        """Run the self-test, again where it failed before.

        Raises: `IllegalEventError` where no self-test is due, and the nebulizer then hears nothing of it; or where the
        session that it was for has gone meanwhile.
        """
        tested = self._runner.session.authorisation
        if self._runner.session.state is not State.CHARGED:
            raise IllegalEventError(self._runner.session.state, Kind.TEST_PASSED)
        checks = (*await self._runner.self_test(), *await self._place.peripherals())
        if self._runner.session.authorisation is not tested:  # a test takes seconds: it was another dose's (S30)
            raise IllegalEventError(self._runner.session.state, Kind.TEST_PASSED)
        await self._runner.press(ev.SelfTested(checks=checks))
        self.checks = checks

    def show_review(self, auth: str) -> None:
        """A page shows the review of this authorisation from now on; another page that shows it too changes nothing."""
        if auth != self.reviewed:
            self.reviewed, self.reviewed_ns = auth, self._clock.instant().mono_ns

    async def start(self, auth: str, operator: str) -> None:
        """START was held for the dose under review, by the person to whom the authorisation was given.

        Raises: `Refused` where the review is not of today, not this authorisation or not this person's, where an
        approval has expired, the pharmacy has taken kit or lease back, the self-test failed, or the guard let nothing
        pass; `IllegalEventError` where no start is due.
        """
        authorisation = self._runner.session.authorisation
        if authorisation is not None and authorisation.auth != auth:
            raise Refused(Refusal(code="other-review", sentence="The page shows another dose. Look again, then start."))
        if authorisation is not None and authorisation.operator != operator:
            sentence = f"{authorisation.operator} scanned for this dose. Let that person start it, or scan anew."
            raise Refused(Refusal(code="start-other", sentence=sentence))
        if authorisation is not None and authorisation.place.date_local != self._today():
            raise Refused(Refusal(code="day-changed", sentence="The day has changed since the scan. Scan again."))
        now = self._clock.instant()
        if barred := self._barred(now):
            raise Refused(barred)
        self.returning.refuse_taken_back(authorisation, self._local(now), now)
        device = self._device()
        self._refuse_untested()
        self.charting.let_start()
        await self._run(ev.StartPressed(auth=auth, run=self._place.random_hex(8), device=device))

    async def pause(self, reason: str) -> None:
        """PAUSE was pressed."""
        await self._runner.press(ev.PausePressed(reason=reason))

    async def resume(self, operator: str) -> None:
        """RESUME was held by a person who answers for going on, under leave of its own that names the session (S03).

        Raises: `IllegalEventError` where nothing is paused; `Refused` where the guard let nothing pass.
        """
        session = self._runner.session
        if session.authorisation is None or session.start_seq is None:
            raise IllegalEventError(session.state, Kind.RESUME)
        if (answers := session.observers[-1]) != operator:
            sentence = f"{answers} answers for this dose. Take it over with your badge and PIN, then resume."
            raise Refused(Refusal(code="resume-other", sentence=sentence))
        self.returning.refuse_held_back(session.authorisation.kit)
        expires_ns = self._clock.instant().mono_ns + self._place.rules.authorisation_ns
        leave = session.authorisation.to_resume(session.start_seq, self._place.random_hex(8), operator, expires_ns)
        await self._run(ev.ResumePressed(authorisation=leave))

    async def stop(self, source: str) -> None:
        """STOP; nobody needs to be known for it."""
        await self._runner.stop(source)

    async def see_end(self, operator: str) -> None:
        """The operator saw the dose end: a jet spits, or no aerosol comes any more."""
        await self._runner.press(ev.EndSeen(operator=operator))

    async def abandon(self, operator: str) -> None:
        """The device was switched off by hand, because the link stays lost."""
        await self._runner.press(ev.Abandoned(operator=operator))

    async def residual(self, told: ev.ResidualGiven | ev.ResidualRefused) -> None:
        """The residual was drawn or weighed, or nobody gives it; the dose is judged.

        Raises: `Refused` for what the cup cannot have held, and for an interval that says nothing: slips in typing.
        """
        if implausible := refuse_residual(told, self._runner.session.charge, self._place.regimen.volume_nl):
            raise Refused(implausible)
        await self._runner.press(told)

    async def hand_over(self, operator: str) -> None:
        """Let a person who has proven badge and PIN answer for the dose from here on (S55).

        Raises: `Refused` where she answers for it already; `IllegalEventError` where no dose is under way.
        """
        if self._runner.session.observers[-1:] == (operator,):
            raise Refused(Refusal(code="handed-over", sentence=f"{operator} answers for this dose already."))
        await self._runner.press(ev.HandedOver(operator=operator))

    async def sign(self, person: Operator, meaning: str, session: str = "") -> None:
        """A person signs the part of a dose that she observed; `session` "" is the newest that she has not signed.

        Raises: `Refused` where there is nothing of hers to sign.
        """
        parts = [part for part in self._runner.history.unsigned if session in ("", part.place.session)]
        own = [part for part in parts if part.operator == person.code]
        if not own:
            raise Refused(_NOT_OBSERVED if parts else _NOTHING_TO_SIGN)
        part, auth = own[-1], self._runner.session.authorisation
        if part.shared and meaning in (*GAVE, *OLDER):
            raise Refused(Refusal(code="gave-part", sentence="Others gave this dose too: sign for your own part."))
        event = ev.Signed(
            operator=person.code,
            printed=person.name,
            meaning=meaning,
            ref_seq=part.ref_seq,
            ref_leaf=part.ref_leaf,
        )
        answers = self._runner.session.observers[-1:] == (person.code,)
        if self._runner.session.state is State.SIGNING and auth and auth.session == part.place.session and answers:
            await self._runner.press(event)
        else:
            await self._runner.note(signature(part.place, event))

    async def leave(self) -> None:
        """Leave the dose record unsigned for now."""
        await self._runner.press(ev.SignatureDeferred())

    def _admit(self, request: Request, now: Instant, passed: frozenset[str] = frozenset()) -> Admitted | Refusal:
        place = self._place
        return admit(request, self._worklist(), self._runner.history, place.regimen, place.rules, now, passed)

    def soft(self, limit: str, operator: str, reason: str) -> Passing:
        """Return what a therapist lets a dose pass.

        Raises: `Refused` for a limit that the site does not call soft.
        """
        if limit not in (*self._place.rules.soft, RUN_UNKNOWN):
            raise Refused(Refusal(code="hard-limit", sentence="This limit is hard here: nobody can let a dose pass."))
        return Passing(limit=limit, operator=operator, reason=reason)

    def _refuse_busy(self) -> None:
        auth = self._runner.session.authorisation
        if auth is not None:
            sentence = f"This unit is busy with {auth.subject}. Finish or stop that session first."
            raise Refused(Refusal(code="busy", sentence=sentence))

    def _refuse_untested(self) -> None:
        failed = [f"{check.name}: {check.note}" for check in self.checks if not check.good]
        if self._runner.session.state is State.CHARGED and failed:
            sentence = f"The self-test has not passed. {'; '.join(failed)}."
            raise Refused(Refusal(code="self-test", sentence=sentence))

    def _barred(self, now: Instant) -> Refusal | None:
        """Return why nothing may start: an approval has ended (S07), or what this unit knows of its doses has gaps."""
        if gap := refuse_gaps(self._runner):
            return gap
        if self._runner.alarming.locks(looking=True):
            return LOCKED_OUT
        ends_ns = self._place.approved_until_ns
        if ends_ns is None or now.wall_ns < ends_ns:
            return None
        sentence = f"The approval of the study's files ended {utc_text(ends_ns)}. Give no dose. Call the engineer."
        return Refusal(code="approval-expired", sentence=sentence)

    def _device(self) -> Identity:
        """Return the nebulizer that answers, if it may serve here (S48)."""
        device = self._runner.witnessed.device
        if device is None:
            raise Refused(Refusal(code="no-device", sentence="No nebulizer answers. Check its cable and power."))
        if device.simulated != self._place.simulated:
            one, other = ("simulator", "live") if device.simulated else ("real nebulizer", "simulated")
            sentence = f"A {one} answers at a {other} unit. Give no dose. Call the engineer."
            raise Refused(Refusal(code="simulator", sentence=sentence))
        return device

    async def _note_refusal(self, refusal: Refusal, kit: str, subject: str, operator: str) -> None:
        """Record a refusal; what may be a subject's own number is not repeated, only a code that is like a kit's."""
        facts: dict[str, Json] = {"code": refusal.code, "sentence": refusal.sentence}
        if kit and (subject or split(kit).is_gs1):
            facts["kit"] = shown(kit)
        await self._runner.note(Draft(typ="refusal", facts=facts, private={"subject": subject, "operator": operator}))

    def _refuse_overfilled(self, charge: Charge) -> None:
        """Refuse before the kit is spent what the guard would refuse at the start (S03)."""
        auth = self._runner.session.authorisation
        room_nl = self._runner.witnessed.room_nl(auth.session, self._runner.history) if auth else None
        if room_nl is not None and charge.volume.high_nl > room_nl:
            most = format_ml(room_nl, 2, "down")
            sentence = f"The cup may hold more than today's limit: at most {most} mL. Draw some off and weigh again."
            raise Refused(Refusal(code="cup-too-full", sentence=sentence))

    def _authorise(self, admitted: Admitted, request: Request, device: str, now: Instant) -> Authorisation:
        place = SessionDay(
            session=f"{request.today.isoformat()}-{self._place.random_hex(6)}",
            day=admitted.day,
            tz=self._place.zone.key,
            date_local=request.today.isoformat(),
        )
        return Authorisation(
            auth=self._place.random_hex(8),
            place=place,
            subject=request.subject,
            operator=request.operator,
            dose=admitted.planned.dose,
            kit=admitted.planned.kit,
            lot=admitted.planned.lot,
            device=device,
            volume_nl=self._place.regimen.volume_nl,
            content=self._place.regimen.content_high,
            expires_mono_ns=now.mono_ns + self._place.rules.authorisation_ns,
            boot=now.boot,
            not_after_ns=admitted.planned.not_after_ns,
            use_by_ns=use_by(admitted.planned, self._place.rules),
        )

    def _local(self, now: Instant) -> datetime:
        return datetime.fromtimestamp(now.wall_ns // NS_PER_S, self._place.zone)

    def _today(self) -> str:
        return self._local(self._clock.instant()).date().isoformat()

    async def _run(self, event: ev.StartPressed | ev.ResumePressed) -> None:
        """Press START or RESUME, and wait until it is known to run, to be refused, or to have failed."""
        before = self._runner.refused
        await self._runner.press(event)
        deadline = asyncio.get_running_loop().time() + START_WAIT_S
        while self._runner.session.state in _UNDECIDED and asyncio.get_running_loop().time() < deadline:
            await self._runner.changed(1.0)
        refused = self._runner.refused
        if refused is not None and refused is not before:
            raise Refused(refused)
