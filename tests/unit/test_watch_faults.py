"""The watch and a driver at fault: what it raises, forgets or never ends is contained, and STOP goes on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from nebctl import watch
from nebctl.core import events as ev
from nebctl.core.device import Certainty, CommandFailed
from nebctl.core.session import State
from nebctl.watch import OVERDUE_S, READ_LIMIT_S, RETRY_FIRST_S, RETRY_MOST_S, STOP_LIMIT_S, WEDGED_S, Contained

pytestmark = pytest.mark.virtual
IDLE_POLL_S = 0.5


class MuteError(Exception):
    """An exception that cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def raising(error: BaseException, log: list[str] | None = None) -> Callable[..., Awaitable[Any]]:
    """Return a driver's call that raises."""

    async def call(*_: object) -> None:
        if log is not None:
            log.append("call")
        raise error

    return call


async def hanging(*_: object) -> None:
    """Never come back."""
    await asyncio.get_running_loop().create_future()


def alarms(unit: Any) -> set[str]:
    """Return the alarms that stand."""
    return {condition.value for condition in unit.runner.alarms}


def opens(unit: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times at which the device is opened from now on."""
    times: list[float] = []
    real = unit.device.open

    async def timed() -> Any:
        times.append(asyncio.get_running_loop().time())
        return await real()

    monkeypatch.setattr(unit.device, "open", timed)
    return times


async def test_a_lost_device_is_looked_for_quickly_and_then_less_often(
    unit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try comes with the next poll, others soon; the waits double up to their limit and never pass it."""
    times = opens(unit, monkeypatch)
    unit.device.unplug()
    lost = asyncio.get_running_loop().time()
    await asyncio.sleep(120)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] - lost <= IDLE_POLL_S + 0.01
    assert sum(1 for time in times if time - lost < 3) >= 3
    assert all(wait >= RETRY_FIRST_S for wait in waits)
    assert waits[-20:] == pytest.approx([RETRY_MOST_S + IDLE_POLL_S] * 20, abs=IDLE_POLL_S)
    unit.device.loss = None
    await unit.until(lambda: unit.runner.witnessed.device is not None, RETRY_MOST_S + 2 * IDLE_POLL_S)


async def test_success_makes_the_next_tries_quick_again(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a long absence and a reading, the next loss is tried as quickly as the first."""
    unit.device.unplug()
    await asyncio.sleep(60)
    unit.device.loss = None
    await unit.until(lambda: unit.runner.witnessed.device is not None)
    await asyncio.sleep(10)
    times = opens(unit, monkeypatch)
    unit.device.unplug()
    await asyncio.sleep(3)
    assert len(times) >= 3


async def test_a_device_that_opens_and_dies_at_once_is_not_hammered(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An opening without a reading after it is no success: the waits go on growing."""
    times: list[float] = []
    real = unit.device.open

    async def flapping() -> Any:
        times.append(asyncio.get_running_loop().time())
        unit.device.loss = None
        identity = await real()
        unit.device.unplug()
        return identity

    monkeypatch.setattr(unit.device, "open", flapping)
    unit.device.unplug()
    await asyncio.sleep(60)
    assert 60 / (RETRY_MOST_S + IDLE_POLL_S) - 1 <= len(times) <= 60 / RETRY_MOST_S + 6
    monkeypatch.undo()
    unit.device.loss = None


@pytest.mark.parametrize(
    "error",
    [ValueError("odd"), MuteError(), TimeoutError(), asyncio.CancelledError(), ExceptionGroup("g", [OSError()])],
)
async def test_an_opening_that_raises_is_tried_again(
    unit: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """Whatever a driver raises at its opening, the loop goes on, says it once, and finds the device afterwards."""
    calls: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(unit.device, "open", raising(error, calls))
        unit.device.unplug()
        await unit.until(lambda: unit.runner.witnessed.device is None)
        unit.device.loss = None  # the driver itself sees nothing wrong
        await asyncio.sleep(30)
    assert len(calls) >= 6
    assert not unit.task.done()
    assert [entry.message for entry in caplog.records if entry.levelno >= logging.ERROR] == [
        "device: the driver failed at open"
    ]
    await unit.until(lambda: unit.runner.witnessed.device is not None)


@pytest.mark.req("S20")
@pytest.mark.req("S26")
@pytest.mark.parametrize("error", [RuntimeError("bug"), asyncio.CancelledError()])
async def test_a_stop_that_raises_is_sent_again_until_off_is_proven(
    unit: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """STOP raising in the driver is an alarm, is repeated every 50 ms and not faster, and ends once it works."""
    await unit.running()
    calls: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(unit.device, "stop", raising(error, calls))
        await unit.runner.stop("page")
        await asyncio.sleep(1)
        assert 10 <= len(calls) <= 21
        assert "cannot-stop" in alarms(unit)
        assert unit.runner.session.state is State.STOPPING
    await unit.comes_to(State.RESIDUAL)
    assert not unit.device.on


@pytest.mark.req("S20")
async def test_a_stop_that_never_ends_is_given_up_and_sent_again(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging STOP is an alarm after half a second, and another STOP goes out when its time is up."""
    await unit.running()
    with monkeypatch.context() as patch:
        patch.setattr(unit.device, "stop", hanging)
        stop = asyncio.ensure_future(unit.runner.stop("page"))
        await asyncio.sleep(0.7)
        assert "cannot-stop" in alarms(unit)
    assert unit.device.on
    await asyncio.sleep(STOP_LIMIT_S)
    assert not unit.device.on
    await stop
    await unit.comes_to(State.RESIDUAL)


@pytest.mark.req("S27")
@pytest.mark.parametrize("fault", [raising(KeyError("field")), hanging])
async def test_readings_that_fail_stop_the_dose_as_silence_does(
    unit: Any, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Awaitable[Any]]
) -> None:
    """A driver whose readings raise, or never end, is a device that is not heard: delivery stops after 5 s."""
    await unit.running()
    unit.log.clear()
    monkeypatch.setattr(unit.device, "status", fault)
    await asyncio.sleep(OVERDUE_S - 0.5)
    assert "STOP" not in unit.log
    await asyncio.sleep(0.5 + READ_LIMIT_S + 0.5)
    assert "STOP" in unit.log
    assert not unit.device.on
    assert "telemetry-lost" in alarms(unit)


@pytest.mark.req("S18")
@pytest.mark.parametrize("fault", [raising(RuntimeError("bug")), hanging])
async def test_a_start_that_raises_is_uncertain_and_never_sent_again(
    unit: Any, monkeypatch: pytest.MonkeyPatch, fault: Callable[..., Awaitable[Any]]
) -> None:
    """START that raises after the device took it ends stopped and uncertain up to the whole charge, started once."""
    real = unit.device.start

    async def start(run: str, max_on_ms: int) -> Any:
        await real(run, max_on_ms)
        return await fault()

    monkeypatch.setattr(unit.device, "start", start)
    await unit.ready()
    await unit.press_start()
    await unit.comes_to(State.RESIDUAL)
    dose = await unit.give_residual()
    assert (dose["end"], dose["high_nl"]) == ("uncertain", 3_090_000)
    assert unit.log.count("START") == 1
    assert not unit.device.on


async def test_a_driver_that_stays_at_fault_is_opened_afresh(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver whose readings raise until it is opened anew is opened anew, with a wire that seems fine."""
    times = opens(unit, monkeypatch)
    opened, real = unit.device.open, unit.device.status

    async def mend() -> Any:
        monkeypatch.setattr(unit.device, "status", real)
        return await opened()

    monkeypatch.setattr(unit.device, "open", mend)
    monkeypatch.setattr(unit.device, "status", raising(AttributeError("half open")))
    began = asyncio.get_running_loop().time()
    await unit.until(lambda: bool(times))
    assert WEDGED_S - 1 <= times[0] - began <= WEDGED_S + 1
    await unit.until(lambda: unit.runner.witnessed.device is not None and unit.runner.watch.age_s() < 1)


async def test_a_report_that_cannot_be_taken_is_a_missing_one(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the trace's row cannot be made of a report, the loop goes on and the dose stops for want of reports."""
    await unit.running()

    def refuse(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(watch, "line", refuse)
        await asyncio.sleep(OVERDUE_S + 1)
        assert not unit.device.on
    assert not unit.task.done()
    await unit.runner.press(ev.Abandoned(operator="RT-07"))
    assert unit.runner.session.state is State.RESIDUAL


async def test_an_answer_of_another_type_is_a_failure(unit: Any) -> None:
    """What is no answer of the port is not handed on: it is a failure whose certainty is UNKNOWN."""

    async def nonsense(*_: object) -> Any:
        return 7

    unit.device.start = nonsense
    contained = Contained(unit.device)
    result = await contained.start("0badcafe", 1000)
    assert isinstance(result, CommandFailed)
    assert (result.certainty, contained.fault) == (Certainty.UNKNOWN, result)
    assert not isinstance(await contained.status(), CommandFailed)
    assert contained.fault is None


async def test_a_loss_that_cannot_be_asked_for_is_a_loss(unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that raises where it is asked for its loss counts as lost, also for the self-test's line."""

    def refuse(_: object) -> None:
        raise LookupError

    with monkeypatch.context() as patch:
        patch.setattr(type(unit.device), "loss", property(refuse, lambda device, value: None), raising=False)
        loss = unit.runner.watch.nebulizer.loss
    assert isinstance(loss, CommandFailed)
    assert "LookupError" in loss.seen


async def test_the_loop_can_still_be_cancelled(make_unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation that somebody asked for passes through a driver's call and ends the loop."""
    unit = make_unit()
    await unit.begin()
    monkeypatch.setattr(unit.device, "status", hanging)
    await asyncio.sleep(1)
    unit.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unit.task
