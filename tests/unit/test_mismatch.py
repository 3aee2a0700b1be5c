"""What was commanded and what is sensed do not agree: turned off, with a high alarm, in whatever state that is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.alarms import Condition, Priority
from nebctl.core.device import EndCause
from nebctl.core.session import State

pytestmark = [pytest.mark.virtual, pytest.mark.req("S26")]
DRIVEN, IDLE_UA = 83_400, 0


async def _idle(_unit: Any) -> None:
    """Do nothing."""


async def _authorised(unit: Any) -> None:
    await unit.runner.press(ev.Authorised(authorisation=unit.authorisation()))


async def _ready(unit: Any) -> None:
    await unit.ready()


async def _paused(unit: Any) -> None:
    await unit.running()
    await unit.runner.press(ev.PausePressed(reason="cough"))
    await unit.comes_to(State.PAUSED)


async def _residual(unit: Any) -> None:
    await unit.running()
    await unit.runner.stop("page")
    await unit.comes_to(State.RESIDUAL)


async def _signing(unit: Any) -> None:
    await _residual(unit)
    await unit.give_residual()
    await unit.comes_to(State.SIGNING)


COMMANDED_OFF: tuple[tuple[State, Callable[[Any], Awaitable[None]]], ...] = (
    (State.IDLE, _idle),
    (State.AUTHORISED, _authorised),
    (State.READY, _ready),
    (State.PAUSED, _paused),
    (State.RESIDUAL, _residual),
    (State.SIGNING, _signing),
)


def high(unit: Any) -> set[Condition]:
    """Return the high alarms that stand."""
    return {condition for condition, each in unit.runner.alarms.items() if each.priority is Priority.HIGH}


@pytest.mark.parametrize(("state", "reach"), COMMANDED_OFF, ids=[state.value for state, _ in COMMANDED_OFF])
async def test_a_device_that_its_own_key_turns_on_is_turned_off(unit: Any, state: State, reach: Any) -> None:
    """In every state that wants it OFF, a device that runs is told STOP within a poll, with a high alarm."""
    await reach(unit)
    assert unit.runner.session.state is state
    unit.log.clear()
    unit.device.on, unit.device.run, unit.device.end = True, "00000001", EndCause.NONE
    unit.device.max_on_s, unit.device.beaten_s = 1200, asyncio.get_running_loop().time()
    await unit.until(lambda: not unit.device.on, within_s=0.55)
    assert "STOP" in unit.log
    assert Condition.RUNS_UNASKED in high(unit)
    assert "START" not in unit.log


@pytest.mark.parametrize(("state", "reach"), COMMANDED_OFF, ids=[state.value for state, _ in COMMANDED_OFF])
async def test_off_with_a_driven_mesh_is_on(unit: Any, state: State, reach: Any) -> None:
    """In every state that wants it OFF, OFF is not believed while the mesh draws current: STOP, alarm, and no start."""
    unit.device.senses_ua = (DRIVEN, IDLE_UA)
    await reach(unit)
    unit.log.clear()
    unit.device.senses_ua = (DRIVEN, DRIVEN)
    await unit.until(lambda: Condition.RUNS_UNASKED in high(unit), within_s=1.6)
    await asyncio.sleep(0.6)
    assert unit.log.count("STOP") >= 2, "it is told again for as long as it is driven"
    assert bool(unit.runner.session.doubts) == (unit.runner.session.charge is not None)
    assert "START" not in unit.log
    assert unit.runner.session.state is (State.CHARGED if state is State.READY else state)


async def test_a_run_that_ends_with_a_driven_mesh_is_uncertain(unit: Any) -> None:
    """A device that says OFF at STOP and drives on: a high alarm, and the dose is UNCERTAIN."""
    unit.device.senses_ua = (DRIVEN, DRIVEN)
    await unit.running()
    await asyncio.sleep(60)
    await unit.runner.stop("page")
    await unit.until(lambda: Condition.RUNS_UNASKED in high(unit), within_s=2)
    dose = await unit.give_residual()
    assert (dose["end"], dose["verdict"]) == ("uncertain", "UNCERTAIN")


async def test_a_run_without_a_drive_is_turned_off(unit: Any) -> None:
    """It says that it runs, and nothing drives its mesh: off after 500 ms and one poll, high alarm, UNCERTAIN."""
    unit.device.senses_ua = (DRIVEN, IDLE_UA)
    await unit.running()
    await asyncio.sleep(60)
    unit.device.senses_ua = (0, IDLE_UA)
    await unit.until(lambda: not unit.device.on, within_s=0.85)
    assert Condition.COMMAND_UNRESOLVED in high(unit)
    await unit.comes_to(State.RESIDUAL)
    dose = await unit.give_residual()
    assert (dose["end"], dose["verdict"]) == ("uncertain", "UNCERTAIN")
    assert unit.log.count("START") == 1


async def test_a_drive_that_falters_for_a_moment_is_no_mismatch(unit: Any) -> None:
    """A single reading without a current, and current that fades within 500 ms after OFF, stop and alarm nothing."""
    unit.device.senses_ua = (DRIVEN, DRIVEN)
    await unit.running()
    unit.device.senses_ua = (0, DRIVEN)
    await asyncio.sleep(0.3)
    unit.device.senses_ua = (DRIVEN, DRIVEN)
    await asyncio.sleep(1)
    assert unit.runner.session.state is State.RUNNING
    await unit.runner.press(ev.PausePressed(reason="cough"))
    await asyncio.sleep(0.3)
    unit.device.senses_ua = (DRIVEN, IDLE_UA)
    await asyncio.sleep(2)
    assert unit.runner.session.state is State.PAUSED
    assert not unit.runner.alarms


@pytest.mark.parametrize("end", [EndCause.STOP, EndCause.HOST, EndCause.FAULT])
async def test_a_device_that_turns_itself_off_is_off_for_good(unit: Any, end: EndCause) -> None:
    """Commanded on and sensed OFF: within a reading OFF is commanded too, an alarm asks, and nothing goes on alone."""
    await unit.running()
    unit.log.clear()
    unit.device.off(end)
    await unit.comes_to(State.PAUSED, within_s=0.3)
    assert Condition.STOPPED_ITSELF in unit.runner.alarms
    await asyncio.sleep(5)
    assert "STOP" in unit.log
    assert "START" not in unit.log
