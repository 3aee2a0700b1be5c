"""The real loop with a simulated device and a disk, under whatever hypothesis thinks of: presses, faults, a kill at any
await, and clocks that step; what the loop knew is then gone, and only the disk's records are left.
"""

import asyncio
import contextlib
import copy
import math
from collections import Counter
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nebctl.core import events as ev
from nebctl.core.device import Certainty
from nebctl.core.ledger.records import Draft
from nebctl.core.session import BEGUN, LIVE, IllegalEventError, State
from nebctl.daemon import closed_history
from nebctl.runner import Refused
from nebctl_lab.virtual import VirtualLoop

FACTOR = math.exp(math.hypot(0.03, 0.055))  # one standard deviation: an interval of 95 % is no promise beyond
UNITS: list[Any] = []
LIMIT_NL = 3_150_000
STUDY = SimpleNamespace(
    regimen=SimpleNamespace(volume_nl=3_000_000, content_high=200_000_000), protocol_text="", rules_text=""
)
PRESSED = ("", "", "start", "resume", "stop", "residual")
TICKS = st.integers(0, 14)
"""After so many turns of the loop a press has reached the disk, the gate, the wire, or none of them."""


class Log:
    """The disk as a unit that starts finds it."""

    def __init__(self, store: Any) -> None:
        self.append, self.load_trace_rows = store.append, store.load_trace_rows
        self._store = store

    async def all_entries(self) -> list[Any]:
        """Return every record, the oldest first."""
        return list(self._store.entries)


async def kill(unit: Any, *, reboot: bool) -> None:
    """End the loop where it stands and begin anew from the disk: not one more byte of the old one goes anywhere."""
    old, ghost, nowhere = unit.runner, copy.copy(unit.device), type(unit.store)(log=[])
    ghost.log, ghost.loss = [], unit.device.failed("read", Certainty.UNKNOWN)
    old.watch.nebulizer._driver, old._store, old._rows._store = ghost, nowhere, nowhere
    unit.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await unit.task
    if reboot:
        unit.clock.boot, unit.clock.booted_s = f"{unit.clock.boot}1", asyncio.get_running_loop().time() - 20
    first = (Draft(typ="boot", facts={"reason": "start"}),)
    history = await closed_history(Log(unit.store), unit.clock, unit.rules, STUDY, first)
    unit.runner = unit.made(history)
    unit.task = asyncio.get_running_loop().create_task(unit.runner.run())


class AnyDose(RuleBasedStateMachine):
    """A day of one subject, with presses, faults and time in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.unit = self.do(self.made())
        self.presses = 0
        self.began = 0
        self.lows: list[int] = []
        self.emitted: dict[str, float] = {}
        self.wired, self.may_start = 0, False

    async def made(self) -> Any:
        """Return a fresh unit; it reads the loop's time, so it is made on the loop."""
        return UNITS[0]()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a step on the virtual loop."""
        return self.loop.run_until_complete(work)

    async def on_after(self, seconds: float) -> bool:
        """Return whether the output is on after so long."""
        await asyncio.sleep(seconds)
        self.unit.device.advance()
        return bool(self.unit.device.on)

    @initialize(
        rate=st.floats(6_333 / FACTOR, 6_333 * FACTOR),
        fill=st.integers(2_960_000, 3_040_000),
        stays=st.integers(60_000, 140_000),
        sweep=st.floats(0.2, 2.2),
        ran_s=st.sampled_from([None, 0.0, 20.0, 250.0, 470.0]),
    )
    def begin(self, rate: float, fill: int, stays: int, sweep: float, ran_s: float | None) -> None:
        """Take a dose up to its START, or so many seconds beyond, on a device that is as its class may be."""
        device = self.unit.device
        device.rate_nl_per_s, device.fill_nl, device.stays_nl, device.sweep_s = rate, fill, stays, sweep
        self.do(self.unit.begin())
        self.do(self.unit.ready(self.session))
        if ran_s is not None:
            self.start(fate="")
            self.wait(seconds=ran_s)

    @property
    def session(self) -> str:
        """Return the id of the newest session; each has a cup of its own."""
        return f"2026-02-14-{0x7F3A9C + self.began:06x}"

    @property
    def truth_nl(self) -> dict[str, float]:
        """Return what really left each session's cup."""
        return {**self.emitted, self.session: self.unit.device.emitted_nl}

    def press(self, event: ev.Event) -> None:
        """Press something; that it has no place now is an answer too."""

        async def pressed() -> None:
            with contextlib.suppress(IllegalEventError, Refused):
                async with asyncio.timeout(30):
                    await self.unit.runner.press(event)
            await asyncio.sleep(0.05)

        self.do(pressed())

    @precondition(lambda self: self.unit.runner.session.state is State.READY)
    @rule(fate=st.sampled_from(["", "", "", "lost", "never", "refused"]))
    def start(self, fate: str) -> None:
        """Hold START, on a device that may not answer."""
        identity = self.unit.runner.witnessed.device
        if identity is not None:
            self.presses, self.may_start = self.presses + 1, True
            self.unit.device.start_fate = fate
            self.press(ev.StartPressed(auth="a0a0a0a0", run=f"{self.began:08x}", device=identity))

    @precondition(lambda self: self.unit.runner.session.state in LIVE)
    @rule()
    def pause(self) -> None:
        """Press PAUSE."""
        self.press(ev.PausePressed(reason="cough"))

    @precondition(lambda self: self.unit.runner.session.state in BEGUN)
    @rule()
    def resume(self) -> None:
        """Hold RESUME."""
        self.presses, self.may_start = self.presses + 1, True
        self.press(self.unit.resume())

    @precondition(lambda self: self.unit.runner.session.state is State.IDLE and not self.unit.device.on)
    @rule(ran_s=st.sampled_from([None, 20.0, 300.0]), sync=st.sampled_from([True, True, False]))
    def begin_again(self, ran_s: float | None, sync: bool) -> None:
        """Authorise one more aliquot for the same subject on the same day, as a planner gone wrong would."""
        self.emitted[self.session] = self.unit.device.emitted_nl
        self.began, self.unit.device.emitted_nl = self.began + 1, 0.0

        async def prepared() -> None:
            self.unit.clock.sync = True
            with contextlib.suppress(IllegalEventError, Refused):
                await self.unit.ready(self.session)

        self.do(prepared())
        self.unit.clock.sync = sync
        if ran_s is not None:
            self.start(fate="")
            self.wait(seconds=ran_s)

    @precondition(lambda self: self.unit.runner.session.state is not State.IDLE)
    @rule(ticks=TICKS, reboot=st.booleans(), pressed=st.sampled_from(PRESSED))
    def die(self, ticks: int, reboot: bool, pressed: str) -> None:
        """Kill the program so many turns after a press, and start it again; the machine may have been restarted too."""
        runner, identity = self.unit.runner, self.unit.runner.witnessed.device
        presses: dict[str, ev.Event | None] = {
            "start": identity and ev.StartPressed(auth="a0a0a0a0", run=f"{self.began:08x}", device=identity),
            "resume": self.unit.resume() if self.unit.granted else None,
            "residual": self.unit.residual(),
        }
        event = presses.get(pressed)
        self.presses, self.may_start = self.presses + 1, pressed in ("start", "resume")

        async def died() -> None:
            work = runner.stop("page") if pressed == "stop" else runner.press(event) if event else asyncio.sleep(0)
            press = asyncio.ensure_future(work)
            for _ in range(ticks):
                await asyncio.sleep(0)
            self.unit.store.fails = lambda types: False
            await kill(self.unit, reboot=reboot)
            press.cancel()
            await asyncio.wait({press})

        self.do(died())
        assert self.unit.runner.session.state is State.IDLE
        assert not self.unit.runner.history.open
        assert not self.do(self.on_after(3))

    @rule(seconds=st.sampled_from([-90_000, -3600, -2, 2, 3600, 90_000]), sync=st.sampled_from([True, True, False]))
    def step_the_clock(self, seconds: int, sync: bool) -> None:
        """Set the wall clock forward or back, and let it be synchronised or not."""
        self.unit.clock.step_ns += seconds * 10**9
        self.unit.clock.sync = sync

    @precondition(lambda self: self.unit.runner.session.state in BEGUN)
    @rule()
    def fill_the_disk(self) -> None:
        """Let every record fail from here on; a restart finds room again."""
        self.unit.store.fails = lambda types: True

    @rule(seconds=st.sampled_from([0.1, 0.7, 3.0, 30.0, 250.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.do(asyncio.sleep(seconds))

    @rule()
    def stop(self) -> None:
        """Press STOP: it is on the wire at once, and the output is off when the device could hear of it, or soon."""

        async def pressed() -> None:
            said, under_way = self.unit.log.count("STOP"), self.unit.runner.watch.is_stopping
            stop = asyncio.ensure_future(self.unit.runner.stop("page"))
            for _ in range(4):
                await asyncio.sleep(0)
            assert under_way or self.unit.log.count("STOP") > said
            await asyncio.wait({stop}, timeout=5)
            assert not await self.on_after(0) or self.unit.device.loss or self.unit.device.deaf

        self.do(pressed())

    @precondition(lambda self: self.unit.device.loss is None)
    @rule()
    def unplug(self) -> None:
        """Take the wire away."""
        self.unit.device.unplug()

    @precondition(lambda self: self.unit.device.loss is not None)
    @rule()
    def plug(self) -> None:
        """Give the wire back."""
        self.unit.device.loss = None

    @rule()
    def restart(self) -> None:
        """Cut the device's power for a moment."""

        async def cut() -> None:
            self.unit.device.restart()

        self.do(cut())

    @rule(deaf=st.booleans())
    def turn_deaf(self, deaf: bool) -> None:
        """Let the device stop answering, or answer again."""
        self.unit.device.deaf = deaf

    @rule()
    def abandon(self) -> None:
        """Say that the device was switched off by hand, after doing so."""

        async def switch_off() -> None:
            self.unit.device.advance()
            self.unit.device.on = False

        if self.unit.runner.session.state in (State.LOST, State.STOPPING):
            self.do(switch_off())
            self.press(ev.Abandoned(operator="RT-07"))

    @precondition(lambda self: self.unit.runner.session.state is State.RESIDUAL)
    @rule(told=st.booleans())
    def judge(self, told: bool) -> None:
        """Give the residual or refuse it."""
        self.press(self.unit.residual(told=told))

    @precondition(lambda self: self.unit.runner.session.state is State.SIGNING)
    @rule()
    def leave(self) -> None:
        """Leave the record unsigned."""
        self.press(ev.SignatureDeferred())

    @invariant()
    def records_hold_the_truth(self) -> None:
        """Each dose record's bounds hold what really left that cup, and complete needs two witnesses and no doubt."""
        truth = self.truth_nl
        for dose in (entry.payload for entry in self.unit.store.of("dose")):
            assert 0 <= dose["low_nl"] <= dose["best_nl"] <= dose["high_nl"] <= dose["charge"]["high_nl"]
            assert dose["low_nl"] - 1 <= truth[dose["session"]] <= dose["high_nl"] + 1
            assert dose["end"] != "uncertain" or not dose["doubts"] or dose["high_nl"] == dose["charge"]["high_nl"]
            assert dose["ended"] >= dose["started"]
            if dose["end"] == "complete":
                assert len(dose["witnesses"]) >= 2
                assert not dose["doubts"]

    @invariant()
    def a_session_has_one_outcome(self) -> None:
        """No session ends twice, not even one that ended while the program was killed."""
        ends = Counter(entry.payload["session"] for typ in ("dose", "abort") for entry in self.unit.store.of(typ))
        assert max(ends.values(), default=0) <= 1

    @invariant()
    def nobody_gets_more_than_the_days_limit(self) -> None:
        """However often somebody begins again, what left all cups of the day together stays within its limit."""
        assert sum(self.truth_nl.values()) <= LIMIT_NL

    @invariant()
    def nothing_starts_by_itself(self) -> None:
        """START goes to the wire only in the step in which somebody pressed, and under a clock that is trusted."""
        wired = self.unit.log.count("START")
        assert wired == self.wired or (self.may_start and self.unit.clock.sync)
        self.wired, self.may_start = wired, False

    @invariant()
    def starts_are_pressed_and_recorded(self) -> None:
        """Each START on the wire has its own press and its own record on disk before it."""
        intents = 0
        for line in self.unit.log:
            intents += line in ("start", "resume")
            if line == "START":
                intents -= 1
                assert intents >= 0
        assert self.unit.log.count("START") <= self.presses

    @invariant()
    def the_low_bound_never_falls(self) -> None:
        """While one session lasts, what has surely left gets less only where a named witness says so."""
        session = self.unit.runner.session
        lows = [*self.lows, session.estimate.emitted.low_nl] if session.state is not State.IDLE else []
        if len(lows) > 1 and not session.estimate.falls:
            assert lows[-1] >= lows[-2]
        self.lows = lows

    def teardown(self) -> None:
        """Start once more on a disk and a device that are well: every session has its one outcome then."""

        async def ended() -> None:
            self.unit.device.deaf = False
            self.unit.store.fails = lambda types: False
            if self.unit.task is not None:
                await kill(self.unit, reboot=True)
                await self.unit.end()

        self.do(ended())
        self.loop.close()
        begun = {entry.payload["session"] for entry in self.unit.store.of("authorisation")}
        assert begun == {e.payload["session"] for typ in ("dose", "abort") for e in self.unit.store.of(typ)}


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.req("S02")
@pytest.mark.req("S03")
@pytest.mark.req("S13")
@pytest.mark.req("S16")
@pytest.mark.req("S17")
@pytest.mark.req("S18")
@pytest.mark.req("S20")
@pytest.mark.req("S23")
@pytest.mark.req("S31")
@pytest.mark.req("S33")
@pytest.mark.req("S36")
def test_any_dose_leaves_a_record_that_holds_the_truth(make_unit: Any, soak: int) -> None:
    """Whatever is pressed, whatever fails, whenever the program is killed and however the clock steps: each start had
    its press and its record, nothing starts by itself, STOP goes out, no day exceeds its limit, each session has one
    outcome, and the volume that really left lies within the recorded bounds.
    """
    UNITS[:] = [make_unit]
    AnyDose.TestCase.settings = settings(
        max_examples=400 * soak or 30,
        stateful_step_count=16,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=set(Phase) - {Phase.explain},
    )
    AnyDose.TestCase("runTest").runTest()
