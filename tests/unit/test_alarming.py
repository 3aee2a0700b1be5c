"""Alarms as a unit raises, records, silences and clears them, in virtual time."""

import asyncio
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.alarms import Condition, Priority
from nebctl.core.device import EndCause
from nebctl.core.history import UnitHistory, fold
from nebctl.core.session import State
from nebctl.runner import Refused


def told(unit: Any, condition: str) -> list[str]:
    """Return what the log says became of an alarm."""
    return [e.payload["state"] for e in unit.store.of("alarm") if e.payload["condition"] == condition]


pytestmark = pytest.mark.virtual


async def stopped_by_itself(unit: Any) -> None:
    """Let the device go off in mid-dose, and wait for the pause."""
    await asyncio.sleep(20)
    unit.device.advance()
    unit.device.off(EndCause.FAULT)
    await unit.comes_to(State.PAUSED)
    await asyncio.sleep(1)  # the STOP that follows is read back


async def stopped_thrice(unit: Any) -> None:
    """Begin a dose and let the device go off three times, resumed after the first two."""
    await unit.running()
    for _ in range(2):
        await stopped_by_itself(unit)
        await unit.runner.press(unit.resume())
        await unit.comes_to(State.RUNNING)
    await stopped_by_itself(unit)


@pytest.mark.req("S25")
async def test_three_cycles_lock_out_with_an_alarm(unit: Any) -> None:
    """The third RESUME after an alarm and a stop is refused and nothing is sent; after 10 min it may go on."""
    await stopped_thrice(unit)
    starts = unit.log.count("START")
    with pytest.raises(Refused, match="Alarms came again"):
        await unit.runner.press(unit.resume())
    await asyncio.sleep(1)
    assert Condition.LOCKED_OUT in unit.runner.alarms
    assert (unit.log.count("START"), unit.runner.session.state) == (starts, State.PAUSED)
    await asyncio.sleep(600)
    assert Condition.LOCKED_OUT not in unit.runner.alarms
    await unit.runner.press(unit.resume())
    await unit.comes_to(State.RUNNING)
    assert told(unit, "locked-out") == ["raised", "cleared"]


@pytest.mark.req("S25")
async def test_a_lock_out_holds_for_the_next_session(unit: Any) -> None:
    """After the lock-out another session's START is refused before its intent, so that no kit is spent."""
    await stopped_thrice(unit)
    await unit.runner.stop("page")
    await unit.comes_to(State.RESIDUAL)
    await unit.give_residual()
    await unit.runner.press(ev.SignatureDeferred())
    await unit.ready("2026-02-15-7f3a9c")
    with pytest.raises(Refused, match="Alarms came again"):
        await unit.press_start()
    assert len(unit.store.of("start")) == 1
    assert unit.runner.alarming.locked
    await unit.runner.stop("page")


@pytest.mark.req("S25")
async def test_a_lock_out_holds_after_a_restart(unit: Any) -> None:
    """A program that is started again in a lock-out says so and starts nothing until the 10 min are over."""
    await stopped_thrice(unit)
    with pytest.raises(Refused, match="Alarms came again"):
        await unit.runner.press(unit.resume())
    await asyncio.sleep(60)
    await unit.end()
    unit.runner = unit.made(fold(UnitHistory(), unit.store.entries))
    await unit.begin()
    await asyncio.sleep(5)
    assert Condition.LOCKED_OUT in unit.runner.alarms
    await unit.ready("2026-02-15-7f3a9c")
    with pytest.raises(Refused, match="Alarms came again"):
        await unit.press_start()
    await asyncio.sleep(540)
    assert not unit.runner.alarming.locked
    assert Condition.LOCKED_OUT not in unit.runner.alarms


async def test_an_alarm_of_a_pause_is_over_when_the_dose_goes_on(unit: Any) -> None:
    """A pause that was too long is no alarm any more once aerosol is made again; the log has both moments."""
    await unit.running()
    await unit.runner.press(ev.PausePressed(reason="cough"))
    await asyncio.sleep(310)
    assert Condition.PAUSED_LONG in unit.runner.alarms
    await unit.runner.press(unit.resume())
    await unit.comes_to(State.RUNNING)
    await asyncio.sleep(1)
    assert not unit.runner.alarms
    assert told(unit, "paused-long") == ["raised", "cleared"]


async def test_a_latching_alarm_stands_until_it_was_seen(unit: Any) -> None:
    """A device that stopped by itself is shown on after the dose went on, and goes once somebody acknowledged it."""
    await unit.running()
    await stopped_by_itself(unit)
    await unit.runner.press(unit.resume())
    await unit.comes_to(State.RUNNING)
    await asyncio.sleep(1)
    assert unit.runner.alarming.heard() is Priority.MEDIUM
    unit.runner.alarming.acknowledge(Condition.STOPPED_ITSELF, "RT-07")
    assert unit.runner.alarming.heard() is None
    await asyncio.sleep(1)
    assert not unit.runner.alarms
    assert told(unit, "stopped-itself") == ["raised", "acknowledged", "cleared"]


@pytest.mark.req("S43")
async def test_the_log_says_who_paused_the_sound(unit: Any) -> None:
    """An audio pause is a record of its own, and a new alarm of higher priority ends it at once."""
    await unit.running()
    await stopped_by_itself(unit)
    unit.runner.alarming.quiet("RT-07")
    await asyncio.sleep(1)
    assert told(unit, "stopped-itself") == ["raised", "paused"]
    assert (unit.runner.alarming.heard(), unit.runner.alarming.quiet_left_s()) == (None, 119)
    unit.device.restart()
    await unit.until(lambda: Condition.DEVICE_RESTARTED in unit.runner.alarms)
    assert (unit.runner.alarming.heard(), unit.runner.alarming.quiet_left_s()) == (Priority.HIGH, 0)


async def test_an_alarm_that_nobody_saw_rises(unit: Any) -> None:
    """A pause that goes on becomes more urgent two minutes after its alarm, and the log says so."""
    await unit.running()
    await unit.runner.press(ev.PausePressed(reason="cough"))
    await asyncio.sleep(302)
    assert unit.runner.alarming.heard() is Priority.LOW
    await asyncio.sleep(120)
    assert unit.runner.alarming.heard() is Priority.MEDIUM
    assert told(unit, "paused-long") == ["raised", "escalated"]


async def test_alarms_that_nobody_saw_outlive_a_session_that_time_ended(unit: Any) -> None:
    """A verdict that time alone brought clears nothing that latches; the next person's session does."""
    await unit.running()
    unit.device.restart()
    await unit.comes_to(State.RESIDUAL)
    await unit.comes_to(State.SIGNING, 1900)
    assert Condition.DEVICE_RESTARTED in unit.runner.alarms
    await unit.runner.press(ev.SignatureDeferred())
    await unit.runner.press(ev.Authorised(authorisation=unit.authorisation("2026-02-15-7f3a9c")))
    assert Condition.DEVICE_RESTARTED not in unit.runner.alarms
