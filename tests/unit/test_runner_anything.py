"""The real loop with a simulated device and a disk, under whatever hypothesis thinks of."""

import asyncio
import contextlib
import math
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nebctl.core import events as ev
from nebctl.core.session import IllegalEventError, State
from nebctl.runner import Refused
from nebctl_lab.virtual import VirtualLoop

FACTOR = math.exp(math.hypot(0.03, 0.055))  # one standard deviation: an interval of 95 % is no promise beyond
UNITS: list[Any] = []


class AnyDose(RuleBasedStateMachine):
    """One dose, with presses, faults and time in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.unit = self.do(self.made())
        self.judged = False
        self.presses = 0
        self.lows: list[int] = []

    async def made(self) -> Any:
        """Return a fresh unit; it reads the loop's time, so it is made on the loop."""
        return UNITS[0]()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a step on the virtual loop."""
        return self.loop.run_until_complete(work)

    @initialize(
        rate=st.floats(6_333 / FACTOR, 6_333 * FACTOR),
        fill=st.integers(2_960_000, 3_040_000),
        stays=st.integers(60_000, 140_000),
        sweep=st.floats(0.2, 2.2),
    )
    def begin(self, rate: float, fill: int, stays: int, sweep: float) -> None:
        """Start a dose on a device that is as its class may be."""
        device = self.unit.device
        device.rate_nl_per_s, device.fill_nl, device.stays_nl, device.sweep_s = rate, fill, stays, sweep
        self.do(self.unit.begin())
        self.do(self.unit.ready())

    def press(self, event: ev.Event) -> None:
        """Press something; that it has no place now is an answer too."""

        async def pressed() -> None:
            with contextlib.suppress(IllegalEventError, Refused):
                async with asyncio.timeout(30):
                    await self.unit.runner.press(event)
            await asyncio.sleep(0.05)

        self.do(pressed())

    @rule(fate=st.sampled_from(["", "", "", "lost", "never", "refused"]))
    def start(self, fate: str) -> None:
        """Hold START, on a device that may not answer."""
        identity = self.unit.runner.witnessed.device
        if identity is not None:
            self.presses += 1
            self.unit.device.start_fate = fate
            self.press(ev.StartPressed(auth="a0a0a0a0", run="0badcafe", device=identity))

    @rule()
    def pause(self) -> None:
        """Press PAUSE."""
        self.press(ev.PausePressed(reason="cough"))

    @rule()
    def resume(self) -> None:
        """Hold RESUME."""
        self.presses += 1
        self.press(self.unit.resume())

    @rule(seconds=st.sampled_from([0.1, 0.7, 3.0, 30.0, 200.0, 500.0]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.do(asyncio.sleep(seconds))

    @rule()
    def stop(self) -> None:
        """Press STOP."""

        async def pressed() -> None:
            stop = asyncio.ensure_future(self.unit.runner.stop("page"))
            await asyncio.wait({stop}, timeout=5)

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

    @precondition(lambda self: self.unit.runner.session.state is State.RESIDUAL and not self.judged)
    @rule(told=st.booleans())
    def judge(self, told: bool) -> None:
        """Give the residual or refuse it; the record is held against the truth."""
        dose = self.do(self.unit.give_residual(told=told))
        self.judged = True
        truth = self.unit.device.emitted_nl
        assert dose["low_nl"] <= dose["best_nl"] <= dose["high_nl"] <= dose["charge"]["high_nl"]
        assert dose["low_nl"] - 1 <= truth <= dose["high_nl"] + 1
        assert dose["end"] != "uncertain" or not dose["doubts"] or dose["high_nl"] == dose["charge"]["high_nl"]
        assert dose["ended"] >= dose["started"]
        if dose["end"] == "complete":
            assert len(dose["witnesses"]) >= 2

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
        estimate = self.unit.runner.session.estimate
        self.lows.append(estimate.emitted.low_nl)
        if self.unit.runner.session.state is not State.IDLE and len(self.lows) > 1 and not estimate.falls:
            assert self.lows[-1] >= self.lows[-2]

    def teardown(self) -> None:
        """End the loop with a device that listens."""

        async def ended() -> None:
            self.unit.device.deaf = False
            await self.unit.end()

        self.do(ended())
        self.loop.close()


@pytest.mark.req("S13")
@pytest.mark.req("S16")
@pytest.mark.req("S18")
@pytest.mark.req("S33")
def test_any_dose_leaves_a_record_that_holds_the_truth(make_unit: Any) -> None:
    """Whatever is pressed and whatever fails, each start had its press and its record, and the volume that really left
    lies within the recorded bounds.
    """
    UNITS[:] = [make_unit]
    AnyDose.TestCase.settings = settings(
        max_examples=25, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
    )
    AnyDose.TestCase("runTest").runTest()
