"""The loop with a driver that may raise anything at any call, under whatever hypothesis thinks of."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.core import events as ev
from nebctl.core.session import IllegalEventError, State
from nebctl.runner import Refused
from nebctl_lab.virtual import VirtualLoop

CALLS = ("open", "start", "stop", "beat", "status", "last_run", "loss")
ERRORS = (ValueError, KeyError, OSError, RuntimeError, TimeoutError, AttributeError, asyncio.CancelledError, EOFError)


class Unsteady:
    """A driver around a nebulizer: a call named in `faults` raises before it, or after it was done, or never ends."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self.faults: dict[str, tuple[str, type[BaseException]]] = {}

    @property
    def declaration(self) -> Any:
        """Return the device's own."""
        return self._device.declaration

    @property
    def loss(self) -> Any:
        """Return the device's own, or raise."""
        if "loss" in self.faults:
            raise self.faults["loss"][1] if self.faults["loss"][1] is not asyncio.CancelledError else LookupError
        return self._device.loss

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            when, error = self.faults.get(name, ("", ValueError))
            if when == "before":
                raise error
            result = await getattr(self._device, name)(*args)
            if when == "after":
                raise error
            if when == "never":
                await asyncio.get_running_loop().create_future()
            return result

        return call


FAULT = st.tuples(st.sampled_from(("before", "after", "never")), st.sampled_from(ERRORS))
START = st.tuples(st.dictionaries(st.sampled_from(("start", "status")), FAULT), st.just("start"), st.just(3.0))
STEP = st.tuples(
    st.dictionaries(st.sampled_from(CALLS), FAULT, max_size=4),
    st.sampled_from(("", "", "start", "pause", "resume", "stop", "unplug", "plug", "restart")),
    st.sampled_from((0.1, 0.6, 3.0, 12.0)),
)


async def press(unit: Any, event: ev.Event) -> None:
    """Press something and let the loop deal with it; that it has no place now is an answer too."""
    with contextlib.suppress(IllegalEventError, Refused, TimeoutError):
        async with asyncio.timeout(40):
            await unit.runner.press(event)


async def do(unit: Any, deed: str) -> int:
    """Do one thing and return how many starts were pressed by it."""
    identity = unit.runner.witnessed.device
    match deed:
        case "start" if identity is not None:
            await press(unit, ev.StartPressed(auth="a0a0a0a0", run="0badcafe", device=identity))
            return 1
        case "resume":
            await press(unit, unit.resume())
            return 1
        case "pause":
            await press(unit, ev.PausePressed(reason="cough"))
        case "stop":
            await asyncio.wait({asyncio.ensure_future(unit.runner.stop("page"))}, timeout=20)
        case "unplug" if unit.device.loss is None:
            unit.device.unplug()
        case "plug":
            unit.device.loss = None
        case "restart":
            unit.device.restart()
    return 0


async def live_through(unit: Any, steps: list[Any]) -> None:
    """Take a unit through the steps, hold it to its promises, and see it whole again at the end."""
    driver = Unsteady(unit.device)
    unit.runner.watch.nebulizer._driver = driver
    await unit.begin()
    await unit.ready()
    pressed = 0
    for faults, deed, seconds in steps:
        driver.faults = faults
        pressed += await do(unit, deed)
        await asyncio.sleep(seconds)
        assert not unit.task.done()
        assert unit.log.count("START") <= pressed
        intents = 0
        for line in unit.log:
            intents += (line in ("start", "resume")) - (line == "START")
            assert intents >= 0
    driver.faults = {}
    unit.device.loss = None
    await unit.until(lambda: unit.runner.witnessed.device is not None and unit.runner.watch.age_s() < 1, 60)
    await asyncio.wait({asyncio.ensure_future(unit.runner.stop("page"))}, timeout=20)
    await unit.until(lambda: not unit.device.on, 30)
    settled = (State.RESIDUAL, State.IDLE, State.AUTHORISED, State.CHARGED, State.READY)
    await unit.until(lambda: unit.runner.session.state in settled, 60)
    await unit.end()


@pytest.mark.req("S13")
@pytest.mark.req("S18")
@pytest.mark.req("S20")
def test_no_exception_of_a_driver_ends_the_loop(make_unit: Any) -> None:
    """Whatever a driver raises at whatever call, the loop lives, no START goes without its press and its record, and
    once the driver is well again the device is found, STOP turns it off and the session comes to its end.
    """

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(first=START, steps=st.lists(STEP, max_size=7))
    def any_steps(first: Any, steps: list[Any]) -> None:
        loop = VirtualLoop()
        try:

            async def run() -> None:
                await live_through(make_unit(), [first, *steps])

            loop.run_until_complete(run())
        finally:
            loop.close()

    any_steps()
