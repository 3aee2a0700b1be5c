"""A unit's loop between a nebulizer and a disk that are both in memory, with every fault a test may want."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.authorisation import Authorisation
from nebctl.core.device import (
    Certainty,
    CommandFailed,
    Declaration,
    DeviceReport,
    EndCause,
    Identity,
    Output,
    RunOutcome,
)
from nebctl.core.dose import Charge, DeviceModel, Interval, Method, Residual
from nebctl.core.history import UnitHistory
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger.envelope import Stamp, build
from nebctl.core.ledger.records import Draft, Entry, SessionDay
from nebctl.core.regimen import SiteRules
from nebctl.core.session import Rules, State
from nebctl.core.trace import Trace
from nebctl.core.verify import Limits
from nebctl.runner import Runner, Surroundings

WALL_NS = 1_771_081_200_000_000_000  # 2026-02-14, 15:00 UTC
DECLARATION = Declaration(keeps_s14=True, host_loss_off_ms=2000, max_on_in_device=True, senses=("dry",))
MODEL = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=30_000, calibrated=True)
RULES = Rules(
    limits=Limits(lower_nl=2_700_000, upper_nl=3_150_000), site=SiteRules(), model=MODEL, declaration=DECLARATION
)
STAMP = Stamp(unit="neb-0001", epoch=1, software="nebctl test", config_sha256="ab" * 32, simulated=True)
ANSWER_S = 0.005
BEAT_LOST_S = 2.0


class LoopClock:
    """A clock on the loop's time; `step_ns` moves the wall clock alone, `booted_s` is when the machine was booted."""

    def __init__(self) -> None:
        self.step_ns = 0
        self.sync = True
        self.boot, self.booted_s = "b007", -100.0

    def instant(self) -> Instant:
        """Return the present moment."""
        now_s = asyncio.get_running_loop().time()
        mono_ns, wall_ns = round((now_s - self.booted_s) * 1e9), WALL_NS + round((now_s + 100) * 1e9)
        state = ClockState(sync=self.sync, source="sim", scale=1)
        return Instant(mono_ns=mono_ns, wall_ns=wall_ns + self.step_ns, boot=self.boot, clock=state)


@dataclass
class FakeNebulizer:
    """A mesh nebulizer with physics and faults.

    `emitted_nl` is the truth that no record can see. `start_fate` is what comes of the next start: "" done, "lost" done
    and not answered, "never" not done and not answered, "refused". `stuck` keeps it on whatever is asked; `deaf` leaves
    every request without an answer and without effect. `senses_ua` is the current that it senses, on and off, if any.
    """

    log: list[str]
    clock: LoopClock
    fill_nl: int = 3_000_000
    stays_nl: int = 96_000
    rate_nl_per_s: float = 6_333.0
    sweep_s: float = 1.0
    loss: CommandFailed | None = None
    declaration: Declaration = DECLARATION
    start_fate: str = ""
    stuck: bool = False
    deaf: bool = False
    boot: int = 7
    on: bool = False
    run: str | None = None
    on_s: float = 0.0
    sweep_left_s: float = 0.0
    emitted_nl: float = 0.0
    end: EndCause = EndCause.POWER_UP
    max_on_s: float = 0.0
    beaten_s: float = 0.0
    seen_s: float = 0.0
    senses_ua: tuple[int, int] | None = None

    def advance(self) -> None:
        """Bring the physics up to the present."""
        now_s = asyncio.get_running_loop().time()
        if self.on:
            self._run_until(now_s)
        self.seen_s = now_s

    def _run_until(self, now_s: float) -> None:
        left_s = (self.fill_nl - self.stays_nl - self.emitted_nl) / self.rate_nl_per_s
        ends = [
            (self.seen_s + self.sweep_left_s + max(0.0, left_s), EndCause.DRY),
            (self.beaten_s + BEAT_LOST_S, EndCause.BEAT),
            (self.seen_s + self.max_on_s - self.on_s, EndCause.MAX_ON),
        ]
        until_s, end = min(ends, key=lambda each: each[0])
        until_s = now_s if until_s > now_s or self.stuck else until_s
        ran_s = max(0.0, until_s - self.seen_s)
        swept_s = min(ran_s, self.sweep_left_s)
        self.on_s += ran_s
        self.sweep_left_s -= swept_s
        self.emitted_nl = min(self.fill_nl - self.stays_nl, self.emitted_nl + (ran_s - swept_s) * self.rate_nl_per_s)
        if until_s < now_s:
            self.off(end)

    def off(self, end: EndCause) -> None:
        """Turn off, whoever asked."""
        if self.on and not self.stuck:
            self.on, self.end = False, end

    def restart(self) -> None:
        """Lose power for a moment."""
        self.advance()
        self.on, self.end, self.boot, self.run = False, EndCause.POWER_UP, self.boot + 1, None

    def unplug(self) -> None:
        """Take the wire away; the device goes on until its beats end."""
        self.loss = CommandFailed(
            command="read", certainty=Certainty.UNKNOWN, seen="no port", expected="a port", advice="Plug it in."
        )

    def report(self) -> DeviceReport:
        """Return what the device says of itself now."""
        self.advance()
        return DeviceReport(
            at_ns=self.clock.instant().mono_ns,
            output=Output.RUNNING if self.on else Output.OFF,
            run=self.run,
            on_ms=int(self.on_s * 1000),
            end=EndCause.NONE if self.on else self.end,
            boot=self.boot,
            dry=not self.on and self.end is EndCause.DRY,
            drive_ua=self.senses_ua[not self.on] if self.senses_ua else None,
        )

    def failed(self, command: str, certainty: Certainty = Certainty.UNKNOWN) -> CommandFailed:
        """Return a failure of a command."""
        return CommandFailed(command=command, certainty=certainty, seen="silence", expected="an answer", advice="Look.")

    async def open(self) -> Identity | CommandFailed:
        """Answer a greeting: the output is OFF afterwards."""
        await asyncio.sleep(ANSWER_S)
        if self.loss is not None or self.deaf:
            return self.loss or self.failed("open")
        self.advance()
        self.off(EndCause.HOST)
        return Identity(
            maker="nebctl",
            model="mesh-sim",
            serial="SIM-0001",
            firmware="0.1.0",
            protocol="0.1.0",
            boot=self.boot,
            max_on_ms=1_800_000,
            simulated=True,
        )

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue a run, as `start_fate` has it."""
        self.log.append("START")
        fate, self.start_fate = self.start_fate, ""
        if self.loss is not None or self.deaf:
            return self.failed("START")
        if fate == "refused":
            return self.failed("START", Certainty.NOT_DONE)
        if fate != "never":
            self.advance()
            self.on_s = self.on_s if run == self.run else 0.0
            self.on, self.run, self.end, self.max_on_s = True, run, EndCause.NONE, max_on_ms / 1000
            self.sweep_left_s, self.beaten_s = self.sweep_s, asyncio.get_running_loop().time()
        await asyncio.sleep(ANSWER_S)
        return self.failed("START") if fate else self.report()

    async def stop(self) -> DeviceReport | CommandFailed:
        """Turn off and read back; a stuck device is asked for two seconds."""
        self.log.append("STOP")
        if self.loss is not None:
            return self.failed("STOP")
        if not self.deaf:
            self.advance()
            self.off(EndCause.STOP)
        await asyncio.sleep(2.0 if self.stuck or self.deaf else ANSWER_S)
        self.advance()
        return self.failed("STOP") if self.on or self.deaf or self.loss else self.report()

    async def beat(self) -> CommandFailed | None:
        """Take the host's beat."""
        if self.loss is None and not self.deaf:
            self.advance()
            self.beaten_s = asyncio.get_running_loop().time()
        return None

    async def status(self) -> DeviceReport | CommandFailed:
        """Answer a reading; it is taken first and arrives a little later."""
        if self.loss is not None or self.deaf:
            await asyncio.sleep(ANSWER_S)
            return self.loss or self.failed("STAT")
        report = self.report()
        await asyncio.sleep(ANSWER_S)
        return report

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Say what is remembered of the last run."""
        return RunOutcome(run=self.run, on_ms=int(self.on_s * 1000), end=self.end, boot=self.boot)

    async def close(self) -> None:
        """End the conversation."""

    trip_cut_off = close  # there is none to trip


@dataclass
class FakeStore:
    """A disk in memory: `fails` decides by the record types of one append, `holds` makes it wait."""

    log: list[str]
    entries: list[Entry] = field(default_factory=list)
    traces: dict[str, Trace] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    fails: Callable[[list[str]], bool] = lambda types: False
    fails_rows: bool = False
    hold: asyncio.Event | None = None

    async def append(self, drafts: Sequence[Draft], at: Instant, *, traces: Sequence[Trace] = ()) -> tuple[Entry, ...]:
        """Keep the drafts, or raise and keep nothing."""
        types = [draft.typ for draft in drafts]
        if self.hold is not None and not {"start", "resume"}.isdisjoint(types):
            await self.hold.wait()
        await asyncio.sleep(0)
        if self.fails(types):
            raise OSError("the disk is full")
        self.log.extend(types)
        self.traces |= {trace.session: trace for trace in traces}
        kept = tuple(self._entry(draft, at, len(self.entries) + place) for place, draft in enumerate(drafts))
        self.entries.extend(kept)
        return kept

    def _entry(self, draft: Draft, at: Instant, seq: int) -> Entry:
        salts = [hashlib.sha256(f"{seq}/{name}".encode()).digest()[:16] for name in draft.private]
        payload, disclosures = build(draft, seq, b"\0" * 32, at, STAMP, b"\1" * 16, salts)
        leaf = hashlib.sha256(str(seq).encode()).digest()
        return Entry(epoch=1, seq=seq, jws="", leaf=leaf, payload=payload, disclosures=disclosures)

    async def save_trace_rows(self, session: str, rows_text: str) -> None:
        """Keep rows, or raise."""
        if self.fails_rows:
            raise OSError("the disk is full")
        self.rows[session] = self.rows.get(session, "") + rows_text

    async def load_trace_rows(self, session: str) -> str:
        """Return the rows kept."""
        return self.rows.get(session, "")

    def of(self, typ: str) -> list[Entry]:
        """Return the records of one type."""
        return [entry for entry in self.entries if entry.payload["typ"] == typ]


class Unit:
    """A runner with its fakes, and the steps that a person takes."""

    def __init__(self, history: UnitHistory | None = None, rules: Rules = RULES) -> None:
        self.log: list[str] = []
        self.clock = LoopClock()
        self.device = FakeNebulizer(log=self.log, clock=self.clock)
        self.store = FakeStore(log=self.log)
        self.rules = rules
        self.runner = self.made(history or UnitHistory())
        self.device.unplug()
        self.device.loss = replace(self.device.loss, seen="not opened yet") if self.device.loss else None
        self.task: asyncio.Task[None] | None = None
        self.granted: Authorisation | None = None
        self.cycles = self.leaves = 0

    def made(self, history: UnitHistory) -> Runner:
        """Return a loop that knows no more than what the disk says."""
        return Runner(
            nebulizer=self.device,
            store=self.store,
            clock=self.clock,
            rules=self.rules,
            doses_per_day=1,
            history=history,
            poll_s=0.25,
            around=Surroundings(trusted=lambda now: now.clock.sync, recorded=lambda: None, cycle=self._cycle),
        )

    def _cycle(self) -> None:
        self.cycles += 1

    async def begin(self) -> None:
        """Start the loop and let the device be found."""
        self.device.loss = None
        self.runner.watch._restarted = True  # nobody was greeted yet
        self.task = asyncio.get_running_loop().create_task(self.runner.run())
        await self.until(lambda: self.runner.witnessed.device is not None)

    async def end(self) -> None:
        """End the loop."""
        self.runner.close()
        if self.task is not None:
            await self.task

    async def until(self, true: Callable[[], bool], within_s: float = 30.0) -> None:
        """Wait in virtual time until something is true."""
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110 - the condition is a test's own
                await asyncio.sleep(0.01)

    async def comes_to(self, state: State, within_s: float = 30.0) -> None:
        """Wait until the session is in a state."""
        await self.until(lambda: self.runner.session.state is state, within_s)

    def authorisation(self, session: str = "2026-02-14-7f3a9c") -> Authorisation:
        """Return leave to give the dose."""
        now = self.clock.instant()
        return Authorisation(
            auth=f"a0{session[-6:]}",
            place=SessionDay(session=session, day=1, tz="America/Mexico_City", date_local="2026-02-14"),
            subject="MEX-001",
            operator="RT-07",
            dose=1,
            kit="KIT-0401",
            lot="EXO2020A",
            device="SIM-0001",
            volume_nl=3_000_000,
            content=200_000_000,
            expires_mono_ns=now.mono_ns + 600_000_000_000,
            boot=now.boot,
            not_after_ns=now.wall_ns + 86_400_000_000_000,
        )

    def resume(self) -> ev.ResumePressed:
        """Return a press of RESUME under fresh leave for the dose that was authorised last."""
        self.leaves += 1
        assert self.granted is not None
        leave = self.granted.to_resume(4, f"{self.leaves:08x}", "RT-07", 10**18)
        return ev.ResumePressed(authorisation=leave)

    async def ready(self, session: str = "2026-02-14-7f3a9c") -> None:
        """Take every step up to the review before START."""
        volume = Interval(low_nl=2_910_000, best_nl=3_000_000, high_nl=3_090_000)
        charge = Charge(volume=volume, method=Method.DECLARED, vial_emptied=True)
        self.granted = self.authorisation(session)
        await self.runner.press(ev.Authorised(authorisation=self.granted))
        await self.runner.press(ev.Charged(charge=charge, cup="CUP-1"))
        await self.runner.press(ev.SelfTested(checks=await self.runner.self_test()))

    def press_start(self) -> "asyncio.Task[Any]":
        """Hold START; the task ends when the loop has taken it."""
        assert self.runner.witnessed.device is not None
        event = ev.StartPressed(auth="a0a0a0a0", run="0badcafe", device=self.runner.witnessed.device)
        return asyncio.get_running_loop().create_task(self.runner.press(event))

    async def running(self) -> None:
        """Take every step until the dose runs."""
        await self.ready()
        await self.press_start()
        await self.comes_to(State.RUNNING)

    def residual(self, *, told: bool = True) -> ev.ResidualGiven | ev.ResidualRefused:
        """Return the residual as a person gives it, or refuses to."""
        left = self.device.fill_nl - round(self.device.emitted_nl)
        volume = Interval(low_nl=max(0, left - 50_000), best_nl=left, high_nl=left + 50_000)
        given = ev.ResidualGiven(residual=Residual(volume=volume, method=Method.DRAWN), operator="RT-07")
        return given if told else ev.ResidualRefused(reason="cup dropped", operator="RT-07")

    async def give_residual(self, *, told: bool = True) -> dict[str, Any]:
        """Give the residual, or refuse it, and return the dose record."""
        await self.runner.press(self.residual(told=told))
        return dict(self.store.of("dose")[-1].payload)


@pytest.fixture
async def unit() -> Any:
    """Return a unit whose loop runs and whose device answers."""
    unit = Unit()
    await unit.begin()
    yield unit
    unit.device.stuck = False
    if unit.store.hold is not None:
        unit.store.hold.set()  # a test that failed must not leave the loop waiting
    await unit.end()


@pytest.fixture(scope="session")
def make_unit() -> type[Unit]:
    """Return how to make a unit whose loop the test runs itself."""
    return Unit
