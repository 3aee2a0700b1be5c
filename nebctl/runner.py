"""The one loop: an event, a step, its records on disk, the gate, the effects, and their failures back as events."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from nebctl.alarming import Alarming
from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.annunciator import Change, Seen, Standing
from nebctl.core.calibrated import calibration_of, known_rules
from nebctl.core.clock_records import ClockSeen, look
from nebctl.core.effects import ClearAlarms, Effect, RaiseAlarm, Record, StartAerosol, StopAerosol
from nebctl.core.guard import LATE_PRESS_MS, LOCKED_OUT, Actuation, Refusal, permit
from nebctl.core.history import UnitHistory, fold
from nebctl.core.instant import Instant
from nebctl.core.ledger.records import Draft, Entry
from nebctl.core.session import IDLE, LIVE, IllegalEventError, Kind, Rules, Session, State, Step, step
from nebctl.core.session import drafts as records
from nebctl.core.session.accepted import with_acceptances
from nebctl.core.session.table import TABLE
from nebctl.core.trace import Trace
from nebctl.ports import Clock, EntryStore, Nebulizer
from nebctl.remembering import DeviceMemory
from nebctl.selftest import try_all
from nebctl.tracing import TraceRows
from nebctl.watch import NEVER, OVERDUE_S, DeviceWatch
from nebctl.witnessed import Witnessed

log = logging.getLogger(__name__)

IDLE_POLL_S = 0.5
TRACE_SAVE_S = 1.0


class Refused(Exception):  # noqa: N818 - an answer, not a failure of the program
    """A press that may not do what it asks; the sentence is for the person who pressed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class _Posted:
    event: ev.Event
    answer: "asyncio.Future[Step] | None"
    at_s: float
    stops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the runner needs from the edge beside its ports.

    `trusted` judges the clock at a moment; `recorded` is called after each commit; `cycle` after each control cycle, to
    feed the service's watchdog.
    """

    trusted: Callable[[Instant], bool]
    recorded: Callable[[], None]
    cycle: Callable[[], None]


class Runner:
    """Drives one nebulizer through one session at a time.

    `session`, `alarms`, `history`, `outcome` (the newest dose record, None before the first) and `watch` may
    be read at any time; nothing is changed from outside but through `press`, `stop`, and what `alarming` takes.
    """

    def __init__(
        self,
        *,
        nebulizer: Nebulizer,
        store: EntryStore,
        clock: Clock,
        rules: Rules,
        doses_per_day: int,
        history: UnitHistory,
        poll_s: float,
        around: Surroundings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._configured = self._rules = rules
        self._poll_s = poll_s
        self._around = around
        self.session: Session = IDLE
        self.history = history
        self.outcome: Entry | None = None
        self.refused: Refusal | None = None
        self.alarming = Alarming(clock, rules.site, self._alarm_changed, history.cycles)
        self.witnessed = Witnessed(rules=rules, doses_per_day=doses_per_day)
        self._rows = TraceRows(store)
        self.watch = DeviceWatch(
            nebulizer=nebulizer,
            witnessed=self.witnessed,
            session=lambda: self.session,
            post=self._post_own,
            alarm=self.raise_alarm,
        )
        self.memory = DeviceMemory(self)
        self._urgent, self._posted = deque[_Posted](), deque[_Posted]()
        self._waiters: set[asyncio.Future[None]] = set()
        self._wake = asyncio.Event()
        self._ended = False
        self._polled_s = self._saved_s = NEVER
        self._press_stops, self._pressed_s = 0, NEVER
        self._clock_seen = ClockSeen.at(clock.instant())

    # What others may ask of the loop.

    async def press(self, event: ev.Event) -> Step:
        """Hand a press to the loop and return what came of it.

        Raises: `IllegalEventError` where it has no place now; `Refused` where it came too late.
        """
        posted = self._post(event, self._posted, wanted=True)
        assert posted.answer is not None
        return await posted.answer

    async def stop(self, source: str) -> Step:
        """Turn the output off: STOP is begun in this very call, before any queue, disk or dialog (S20)."""
        self.witnessed.stops += 1
        self.watch.send_stop()
        posted = self._post(ev.StopPressed(source=source), self._urgent, wanted=True)
        assert posted.answer is not None
        return await posted.answer

    async def changed(self, seconds: float) -> None:
        """Wait until something that a page may show has changed, at most so long."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait({waiter}, timeout=seconds)
        finally:
            self._waiters.discard(waiter)

    async def self_test(self) -> tuple[ev.Check, ...]:
        """Test what a dose needs and return the list; a line that is not good says what to do (S30).

        Raises: `IllegalEventError` where no self-test has its place: its STOP must not end a dose under way.
        """
        if Kind.TEST_PASSED not in TABLE[self.session.state]:
            raise IllegalEventError(self.session.state, Kind.TEST_PASSED)
        now = self._clock.instant()
        trusted = self._around.trusted(now)
        serial = self.witnessed.device.serial if self.witnessed.device else ""
        found = calibration_of(self._configured, self.history, serial, now.wall_ns)
        return await try_all(self.watch.nebulizer, self.witnessed, now, trusted=trusted, calibration=found)

    def close(self) -> None:
        """Let the loop end after what is queued."""
        self._ended = True
        self._wake.set()

    # The loop.

    async def run(self) -> None:
        """Run until closed; the device is left OFF or, where the wire is gone, without beats."""
        try:
            while not self._ended or self._urgent or self._posted:
                await self._turn()
        finally:
            if self.session.state in LIVE:
                self.watch.send_stop()  # whatever ended the loop, nobody is left to watch the output
            await self.watch.close()

    async def _turn(self) -> None:
        while self.alarming.unrecorded:
            await self._record_alarm(self.alarming.unrecorded.popleft())
        if self._urgent:
            await self._handle(self._urgent.popleft())
        elif self._posted:
            await self._handle(self._posted.popleft())
        if self._due_s() <= 0:
            await self._poll()
            self._around.cycle()
        elif not self._urgent and not self._posted and not self._ended:
            await self._rest()

    async def _rest(self) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(self._due_s()):
                await self._wake.wait()
        except TimeoutError:
            return

    def _due_s(self) -> float:
        period = self._poll_s if self.session.state in LIVE else max(self._poll_s, IDLE_POLL_S)
        return self._polled_s + period - self._now_s()

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _post(self, event: ev.Event, queue: deque[_Posted], *, wanted: bool = False) -> _Posted:
        loop = asyncio.get_running_loop()
        answer = loop.create_future() if wanted else None
        posted = _Posted(event=event, answer=answer, at_s=loop.time(), stops=self.witnessed.stops)
        queue.append(posted)
        self._wake.set()
        return posted

    def _post_own(self, event: ev.Event) -> None:
        self._post(event, self._posted)

    async def _handle(self, posted: _Posted) -> None:
        try:
            outcome = self._step(posted)
        except (IllegalEventError, Refused) as refusal:
            self._answer(posted, refusal)
            return
        self._witness(posted, outcome)
        self.session = outcome.session
        if outcome.reading is not None and outcome.session.authorisation is not None:
            self._rows.add(outcome.session.authorisation.session, outcome.reading)
        for effect in outcome.effects:
            await self._perform(effect)
        if self.session.state not in LIVE:
            self.alarming.turned_off()
        self._answer(posted, outcome)
        self.tell_changed()

    def _step(self, posted: _Posted) -> Step:
        late = self._now_s() - posted.at_s > LATE_PRESS_MS / 1000
        if late and isinstance(posted.event, ev.StartPressed | ev.ResumePressed):
            sentence = "The press came too long ago and was discarded. Press again."
            raise Refused(Refusal(code="late-press", sentence=sentence))
        now = self._clock.instant()
        outcome = step(self.session, posted.event, now, self._rules_at(now))
        if isinstance(posted.event, ev.StartPressed | ev.ResumePressed) and self.alarming.locks():
            raise Refused(LOCKED_OUT)  # before the intent: it would consume the kit
        return outcome

    def _rules_at(self, now: Instant) -> Rules:
        """Return the rules with what is known of the device now; from its authorisation on, a session keeps its own."""
        device = self.witnessed.device
        if self.session.state is State.IDLE and device is not None:
            self._rules = known_rules(self._configured, self.history, device.serial, now.wall_ns)
        return self._rules

    def _answer(self, posted: _Posted, outcome: Step | Exception) -> None:
        if posted.answer is None:
            if isinstance(outcome, Exception):
                log.debug("ignored: %s", outcome)
        elif not posted.answer.done():
            if isinstance(outcome, Exception):
                posted.answer.set_exception(outcome)
            else:
                posted.answer.set_result(outcome)

    def _witness(self, posted: _Posted, outcome: Step) -> None:
        """Write down what the gate needs to know of this event, from the event itself."""
        auth = outcome.session.authorisation
        match posted.event:
            case ev.Authorised(authorisation=authorisation):
                self.witnessed.granted[authorisation.session] = authorisation
            case ev.Charged(charge=charge) if auth:
                self.witnessed.charges[auth.session] = charge
            case ev.SelfTested(checks=checks) if auth and all(check.good for check in checks):
                self.witnessed.tested.add(auth.session)
            case ev.StartPressed() | ev.ResumePressed():
                if isinstance(posted.event, ev.ResumePressed):
                    leave = posted.event.authorisation
                    self.witnessed.resumed[leave.session] = leave
                self._press_stops, self._pressed_s = posted.stops, posted.at_s

    def tell_changed(self) -> None:
        """Wake whoever waits for something that a page may show."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    # Effects.

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case Record():
                await self._record(effect)
            case StartAerosol():
                await self._start(effect)
            case StopAerosol():
                self.watch.send_stop()
            case RaiseAlarm(condition=condition):
                self.alarming.raise_alarm(condition)
            case ClearAlarms(seen=seen):
                (self.alarming.attend if seen else self.alarming.tick)(self._seen())

    def _seen(self) -> Seen:
        """Return what the causes of alarms are judged by."""
        return self.alarming.seen(self.session.state, self.witnessed, heard=self.watch.age_s() <= OVERDUE_S)

    async def _record(self, effect: Record) -> None:
        try:
            drafts, traces = await self._with_trace(effect)
            entries = await self.commit(drafts, traces)
        except Exception as fault:
            self._fail_store(fault)
            return
        if effect.intent:
            self.witnessed.see_intent(entries[-1])
            self._post_own(ev.IntentRecorded(seq=entries[-1].seq))

    async def note(self, draft: Draft) -> None:
        """Record something outside the session; where that fails, it is told as every failed record is."""
        await self._record(Record(drafts=(draft,)))

    async def commit(self, drafts: tuple[Draft, ...], traces: tuple[Trace, ...] = ()) -> tuple[Entry, ...]:
        """Append records and take them into the history."""
        entries = await self._store.append(with_acceptances(drafts, self._rules), self._clock.instant(), traces=traces)
        self.history = fold(self.history, entries)
        self.outcome = next((entry for entry in entries if entry.payload["typ"] == "dose"), self.outcome)
        self._around.recorded()
        return entries

    async def _with_trace(self, effect: Record) -> tuple[tuple[Draft, ...], tuple[Trace, ...]]:
        if effect.trace_of is None:
            return effect.drafts, ()
        trace = await self._rows.whole(effect.trace_of)
        drafts = tuple(
            replace(d, facts={**d.facts, "trace": trace.sha256}) if d.typ == "dose" else d for d in effect.drafts
        )
        return drafts, (trace,)

    async def _start(self, effect: StartAerosol) -> None:
        auth = self.session.authorisation
        session = auth.session if auth else ""
        command = Actuation(
            session=session,
            run=effect.run,
            max_on_ms=effect.max_on_ms,
            stops=self._press_stops,
            waited_ms=int(min(self._now_s() - self._pressed_s, 3600.0) * 1000),
        )
        now = self._clock.instant()
        trusted, locked = self._around.trusted(now), self.alarming.locked
        envelope = self.witnessed.envelope(session, self.history, clock_trusted=trusted, locked_out=locked)
        decision = permit(command, envelope, now)
        self.witnessed.use(session)
        if isinstance(decision, Refusal):
            self.refused = decision
            self._post(ev.Gated(code=decision.code, sentence=decision.sentence), self._urgent)
            return
        await self.watch.start(effect)

    def _alarm_changed(self) -> None:
        """Tell the page at once; the record follows in the loop, for a slow disk must not keep an alarm back."""
        self._wake.set()
        self.tell_changed()

    @property
    def alarms(self) -> Mapping[Condition, Standing]:
        """Return every alarm that stands, the first raised first."""
        return self.alarming.standing

    def raise_alarm(self, condition: Condition) -> None:
        """Raise an alarm, if it does not stand already."""
        self.alarming.raise_alarm(condition)

    def clear_alarm(self, condition: Condition) -> None:
        """Clear an alarm that something outside the session raised, once its cause is gone."""
        self.alarming.clear_alarm(condition)

    async def _record_alarm(self, change: Change) -> None:
        if self.witnessed.records_durable:
            await self._record(Record(drafts=(records.alarm(change, self.session.authorisation),)))

    # Time.

    async def _poll(self) -> None:
        self._polled_s = self._now_s()
        await self.watch.poll()
        await self.memory.look()
        self.alarming.tick(self._seen())
        self._post_own(ev.Ticked())
        await self._note_clock()
        if self._now_s() - self._saved_s >= TRACE_SAVE_S:
            self._saved_s = self._now_s()
            await self._save_rows()

    async def _save_rows(self) -> None:
        try:
            await self._rows.save()
        except Exception as fault:
            self._fail_store(fault)

    async def _note_clock(self) -> None:
        """Record the clock where its own record is due; durations never use it (S31, S32)."""
        self._clock_seen, due = look(self._clock_seen, self._clock.instant())
        if due is not None and self.witnessed.records_durable:
            await self._record(Record(drafts=(due,)))

    def _fail_store(self, fault: Exception) -> None:
        self.witnessed.records_durable = False
        log.error("a record failed: %s", fault)
        self._post_own(ev.StoreFailed(sentence=str(fault)))
