"""Every state that session, guard, disk, wire and device can come to together, walked one by one.

The model is small on purpose: a device that is on or off and may be dry, a wire that is there or not, a disk that takes
records or not, starts that are locked out or not, commands that are done, refused or lost in two ways, and news that
may be old when it is heard. Every fault is tried at every moment.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.device import Certainty, EndCause, Output
from nebctl.core.effects import RaiseAlarm, Record, StartAerosol, StopAerosol
from nebctl.core.guard import Actuation, Envelope, Permit, permit
from nebctl.core.session import LIVE, IllegalEventError, Kind, Session, State, heard, step
from nebctl.core.session.table import TABLE

pytestmark = pytest.mark.timeout(300)  # one walk serves all of the tests
FLOOR, CEILING = 5_000, 60_000
MOST_FAULTS = 1
MOST_PRESSES = 2
AT_NS = (60_000_000_000, 474_000_000_000)
LOUD = frozenset((Condition.CANNOT_STOP, Condition.RUNS_UNASKED, Condition.LINK_LOST, Condition.COMMAND_UNRESOLVED))
PRESSES = (Kind.START, Kind.PAUSE, Kind.RESUME, Kind.ABANDONED, Kind.RESIDUAL_GIVEN, Kind.RESIDUAL_REFUSED)
TIMES = (Kind.EXPIRED, Kind.SESSION_LONG, Kind.RESIDUAL_LATE, Kind.OVERDUE)


@dataclass(frozen=True)
class Device:
    """What the nebulizer really does."""

    on: bool = False
    run: bool = False
    progress: int = 0
    boot: int = 7
    end: EndCause = EndCause.POWER_UP


@dataclass(frozen=True)
class News:
    """An event on its way to the session; `old` when something was asked for after it was seen."""

    event: ev.Event
    reading: bool = False
    old: bool = False


@dataclass(frozen=True)
class World:
    """The whole system at one moment."""

    session: Session
    device: Device = Device()
    link: bool = True
    disk: bool = True
    locked: bool = False
    news: tuple[News, ...] = ()
    output: Output | None = Output.OFF
    intent: str = ""
    passed: int = 0
    presses: int = 0
    intents: int = 0
    stopped: bool = False
    stopping: bool = False
    sent: bool = False
    outcomes: tuple[str, ...] = ()
    loud: bool = False
    faults: int = 0
    asked_unresolved: bool = False


class Model:
    """What can happen in a world, and what must hold in it."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.events = {kind: bench.event(kind) for kind in (*PRESSES, *TIMES)}
        self.moment = bench.now()
        self.alike = cache(bench.alike)
        ready = bench.session(State.READY)
        self.start = World(session=self.settled(ready))

    def settled(self, session: Session) -> Session:
        """Return the session with its moments made equal, so that worlds that differ in time alone are one."""
        now = self.moment
        moments = ("started_ns", "waiting_ns", "go_ns", "off_ns")
        alike = {name: now.mono_ns for name in moments if getattr(session, name) is not None}
        walls = {name: now.wall_ns for name in ("started_wall_ns", "ended_wall_ns") if getattr(session, name)}
        words = {"doubts": ("doubt",) if session.doubts else (), "stopped_by": "somebody" if session.stopped_by else ""}
        return replace(
            session, **alike, **walls, **words, findings=(), heard=None, estimate=self.alike(session.estimate)
        )

    def successors(self, world: World) -> Iterator[World]:
        """Return every world that may come next."""
        if world.news:
            first = world.news[0]
            yield self.hear(replace(world, news=world.news[1:]), first.event, old=first.old)
        else:
            yield from self.happenings(world)
        if world.faults < MOST_FAULTS and len(world.news) < 2:
            yield from (replace(each, faults=world.faults + 1) for each in self.faults(world))
        if not world.link and len(world.news) < 2:
            yield self.reopened(world)
        if world.link and world.device.on and not world.news:
            yield self.read(self.progressed(world))
        if world.stopping:
            yield self.read(self.off(world, stopping=False)) if world.link else self.unanswered(world)
        if not world.stopped:
            yield self.hear(replace(world, stopped=True, stopping=True), ev.StopPressed(source="page"))

    def happenings(self, world: World) -> Iterator[World]:
        """Return what a person or time can bring about once all news has been heard."""
        for kind, (event, now) in self.events.items():
            if kind not in TABLE[world.session.state] or (kind is Kind.RESUME and world.presses >= MOST_PRESSES):
                continue
            pressed = kind in (Kind.START, Kind.RESUME)
            before = replace(world, presses=world.presses + 1) if pressed else world
            yield self.hear(before, event, now)
        if world.link:
            yield self.read(world)

    def faults(self, world: World) -> Iterator[World]:
        """Return what can go wrong with device, wire, disk and a STOP on its way."""
        device = world.device
        if device.on:
            yield replace(world, device=replace(device, on=False, end=EndCause.FAULT))
            yield replace(world, device=replace(device, on=False, end=EndCause.DRY))
        if device.boot == 7:
            yield replace(world, device=replace(device, on=False, boot=8, end=EndCause.POWER_UP))
        if world.disk:
            yield replace(world, disk=False)
        if not world.locked:
            yield replace(world, locked=True)
        if world.link:
            lost = News(ev.LinkLost(sentence="the wire is gone"))
            yield replace(world, link=False, output=None, news=(*world.news, lost))
        if world.stopping and world.link:
            yield self.unanswered(world)
            yield self.unanswered(self.off(world, stopping=True))

    def progressed(self, world: World) -> World:
        """Return the world after the device ran on, until it is dry."""
        device = world.device
        if device.progress == len(AT_NS) - 1:
            return replace(world, device=replace(device, on=False, end=EndCause.DRY))
        return replace(world, device=replace(device, progress=device.progress + 1))

    def off(self, world: World, *, stopping: bool) -> World:
        """Return the world after STOP turned the device off."""
        end = EndCause.STOP if world.device.on else world.device.end
        return replace(world, device=replace(world.device, on=False, end=end), stopping=stopping)

    def reopened(self, world: World) -> World:
        """Return the world after the wire came back, with the output proven OFF."""
        off = self.off(world, stopping=world.stopping)
        back = News(ev.LinkBack(device=self.bench.identity(world.device.boot), last=None))
        return replace(off, link=True, output=Output.OFF, news=(*world.news, back))

    def unanswered(self, world: World) -> World:
        """Return the world after a STOP of which nobody knows whether it was done; without a wire, that is the news."""
        unknown: ev.Event = ev.CommandLost(failure=self.bench.failure(Certainty.UNKNOWN))
        news = unknown if world.link else ev.LinkLost(sentence="the wire is gone")
        loud = world.loud or world.session.state not in LIVE  # where no session owns it, the watch itself says so
        return replace(world, stopping=False, loud=loud, news=(*world.news, News(news)))

    def read(self, world: World) -> World:
        """Return the world with a reading of the device on its way to the session."""
        device = world.device
        output = Output.RUNNING if device.on else Output.OFF
        report = self.bench.report(
            output,
            EndCause.NONE if device.on else device.end,
            at_ns=self.moment.mono_ns + AT_NS[device.progress],
            boot=device.boot,
            dry=device.end is EndCause.DRY and not device.on,
            run=self.bench.report().run if device.run else None,
        )
        return replace(world, output=output, news=(*world.news, News(ev.Reported(report=report), reading=True)))

    def hear(self, world: World, event: ev.Event, now: Any = None, *, old: bool = False) -> World:
        """Return the world after the session has heard of an event and its effects were tried."""
        if old and isinstance(event, ev.Reported):
            event = ev.Reported(report=replace(event.report, at_ns=self.moment.mono_ns - 1))
        try:
            taken = step(world.session, event, now or self.moment, self.bench.rules)
        except IllegalEventError:
            return world
        world = replace(world, session=self.settled(taken.session))
        for effect in taken.effects:
            world = self.perform(world, effect)
        return world

    def perform(self, world: World, effect: object) -> World:
        """Return the world after one effect."""
        match effect:
            case Record():
                return self.record(world, effect)
            case StopAerosol():
                return replace(world, stopping=True, news=aged(world.news))
            case RaiseAlarm(condition=condition):
                return replace(world, loud=world.loud or condition in LOUD)
            case StartAerosol():
                return self.command(world)
        return world

    def record(self, world: World, effect: Record) -> World:
        """Return the world after the disk took the records, or refused them."""
        if not world.disk:
            return replace(world, news=(*world.news, News(ev.StoreFailed(sentence="full"))))
        ends = tuple(
            str(draft.facts.get("end", draft.typ)) for draft in effect.drafts if draft.typ in ("dose", "abort")
        )
        world = replace(world, outcomes=world.outcomes + ends)
        if not effect.intent:
            return world
        recorded = News(ev.IntentRecorded(seq=4))
        return replace(world, intent=effect.drafts[-1].typ, intents=world.intents + 1, news=(*world.news, recorded))

    def command(self, world: World) -> World:
        """Return the world after the gate let a start pass or not; what came of it is chosen by `outcomes_of_start`."""
        first, leave = self.bench.authorisation(), self.bench.leave()
        resuming = world.intent == "resume"
        envelope = Envelope(
            authorisation=leave if resuming else first,
            authorisation_used=world.passed > 0 and not resuming,
            first=first if resuming and world.passed > 0 else None,
            intent=self.bench.authorisation().session if world.intent else None,
            output=world.output,
            device="SIM-0001" if world.link else None,
            clock_trusted=True,
            records_durable=world.disk,
            self_tested=True,
            charge_high_nl=3_090_000,
            limit_nl=3_150_000,
            doses_a_day=1,
            max_on_ceiling_ms=1_800_000,
            stops=int(world.stopped),
            locked_out=world.locked,
        )
        session = self.bench.authorisation().session
        actuation = Actuation(session=session, run="0badcafe", max_on_ms=1_200_000, stops=0, waited_ms=0)
        world = replace(world, intent="", news=aged(world.news))
        if not isinstance(permit(actuation, envelope, self.moment), Permit):
            return replace(world, news=(News(ev.Gated(code="no", sentence="No.")), *world.news))
        return replace(world, passed=world.passed + 1, asked_unresolved=True, output=None)

    def outcomes_of_start(self, world: World) -> Iterator[World]:
        """Return what may come of a start that passed the gate: done, refused, or not answered, done or not."""
        world = replace(world, asked_unresolved=False)
        on = replace(world.device, on=True, run=True, end=EndCause.NONE)
        lost = News(ev.CommandLost(failure=self.bench.failure(Certainty.UNKNOWN)))
        refused = News(ev.CommandLost(failure=self.bench.failure(Certainty.NOT_DONE)))
        world = replace(world, sent=True)
        yield self.read(replace(world, device=on))
        if world.faults < MOST_FAULTS:
            world = replace(world, faults=world.faults + 1)
            yield replace(world, device=on, news=(*world.news, lost))
            yield replace(world, news=(*world.news, lost))
            yield replace(world, news=(*world.news, refused))


def aged(news: tuple[News, ...]) -> tuple[News, ...]:
    """Return news of which every reading is now older than what was asked for."""
    return tuple(replace(each, old=True) if each.reading else each for each in news)


def is_over(world: World) -> bool:
    """Return whether the session has its outcome, or never will, and everything was heard."""
    return world.session.state in (State.IDLE, State.SIGNING) and not world.news


def walk(model: Model) -> dict[World, list[World]]:
    """Return every world that can be reached, with those that come next; a session that has ended is walked no more."""
    graph: dict[World, list[World]] = {}
    waiting = deque([model.start])
    while waiting:
        world = waiting.popleft()
        if world in graph:
            continue
        over = is_over(world)
        many = model.outcomes_of_start(world) if world.asked_unresolved else model.successors(world)
        graph[world] = [] if over else [each for each in many if each != world]
        waiting.extend(graph[world])
        assert len(graph) < CEILING, "the model is no longer small"
    return graph


@pytest.fixture(scope="module")
def graph(bench: Any) -> dict[World, list[World]]:
    """Return the walked graph, once for every test of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heard, "track", cache(heard.track))  # few estimates differ, and each is met again and again
        found = walk(Model(bench))
    print(f"\n{len(found)} states of session, guard, disk, wire and device walked")  # noqa: T201 - part of the report
    return found


def test_the_walk_is_not_empty(graph: dict[World, list[World]]) -> None:
    """The walk comes to many worlds and to every state of the session from READY on."""
    assert len(graph) > FLOOR
    assert {world.session.state for world in graph} == set(State) - {State.AUTHORISED}


@pytest.mark.req("S13")
@pytest.mark.req("S18")
@pytest.mark.req("S23")
def test_aerosol_needs_a_press_an_intent_on_disk_and_a_permit(graph: dict[World, list[World]]) -> None:
    """Each start that passes has its own press and its own intent on disk; the device is never on without one."""
    for world in graph:
        assert world.passed <= world.intents <= world.presses
        assert world.passed >= int(world.device.on)


@pytest.mark.req("S20")
def test_nothing_starts_after_stop(graph: dict[World, list[World]]) -> None:
    """Once STOP was pressed, no later world has one start more than the world before it."""
    for world, following in graph.items():
        if world.stopped:
            assert all(each.passed == world.passed for each in following)


@pytest.mark.req("S25")
def test_nothing_starts_while_starts_are_locked_out(graph: dict[World, list[World]]) -> None:
    """Once three cycles have locked out, whenever that was, no later world has one start more."""
    for world, following in graph.items():
        if world.locked:
            assert all(each.passed == world.passed for each in following)
    assert any(world.locked and world.passed for world in graph)


@pytest.mark.req("S26")
def test_an_output_that_is_on_is_owned_stopped_or_loud(graph: dict[World, list[World]]) -> None:
    """A device that is on is under a live session, has a STOP on its way, is being read, or its alarm was raised."""
    for world in graph:
        if world.device.on and not world.asked_unresolved:
            owned = world.session.state in LIVE or world.stopping or world.news
            assert owned or world.loud, world


@pytest.mark.req("S17")
@pytest.mark.req("S36")
def test_every_commanded_session_ends_in_exactly_one_outcome(graph: dict[World, list[World]]) -> None:
    """A session that ended left one outcome, none only where the disk refused; an abort only where no start was sent;
    COMPLETE only for a device that ran dry.
    """
    ended = [world for world in graph if is_over(world)]
    for world in ended:
        assert len(world.outcomes) == 1 or (not world.disk and not world.outcomes)
        assert ("abort" in world.outcomes) <= (not world.sent)
        assert not world.sent or not world.outcomes or world.outcomes[0] != "abort"
        if "complete" in world.outcomes:
            assert world.device.run
    assert {word for world in ended for word in world.outcomes} >= {"abort", "complete", "stopped", "uncertain"}


def test_a_person_can_always_end_the_session(graph: dict[World, list[World]]) -> None:
    """From every world some way leads to the session's end, whatever is broken."""
    before: dict[World, list[World]] = {world: [] for world in graph}
    for world, following in graph.items():
        for each in following:
            before[each].append(world)
    waiting = deque(world for world in graph if not graph[world])
    ending = set(waiting)
    while waiting:
        for world in before[waiting.popleft()]:
            if world not in ending:
                ending.add(world)
                waiting.append(world)
    assert len(ending) == len(graph), next(iter(set(graph) - ending))


@pytest.mark.req("S17")
def test_no_timer_alone_completes(graph: dict[World, list[World]]) -> None:
    """Whatever happens, a dose without the device's own dry signal in its estimate never ends COMPLETE."""
    for world, following in graph.items():
        for each in following:
            if "complete" in each.outcomes and "complete" not in world.outcomes:
                assert world.session.estimate.dry
                assert not world.session.doubts
