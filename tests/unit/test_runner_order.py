"""The loop's order: the disk before the wire, STOP before everything, a late press never."""

import asyncio
import contextlib
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.session import IllegalEventError, State
from nebctl.runner import Refused

pytestmark = pytest.mark.virtual


@pytest.mark.req("S13")
async def test_the_intent_is_on_disk_before_the_first_byte(unit: Any) -> None:
    """START goes to the wire only after the start record was committed, and the resume after its own."""
    await unit.running()
    await unit.runner.press(ev.PausePressed(reason="cough"))
    await unit.comes_to(State.PAUSED)
    await unit.runner.press(unit.resume())
    await unit.comes_to(State.RUNNING)
    order = [line for line in unit.log if line in ("start", "resume", "START")]
    assert order == ["start", "START", "resume", "START"]


@pytest.mark.parametrize("failing", ["authorisation", "charge", "selftest", "start"])
@pytest.mark.req("S13")
@pytest.mark.req("S37")
async def test_no_start_without_every_record_before_it(unit: Any, failing: str) -> None:
    """Whichever commit before the start fails, even once only, no START goes out and the alarm is raised."""
    once = [True]

    def fails(types: list[str]) -> bool:
        return failing in types and bool(once) and once.pop()

    unit.store.fails = fails
    await unit.ready()
    with contextlib.suppress(IllegalEventError):  # the self-test has seen it already
        await unit.press_start()
    await asyncio.sleep(1)
    assert unit.runner.session.state in (State.IDLE, State.CHARGED)
    assert "START" not in unit.log
    assert "records-fail" in {condition.value for condition in unit.runner.alarms}


@pytest.mark.parametrize("session_ends", ["abort", "nothing"])
@pytest.mark.req("S20")
async def test_stop_overtakes_a_commit_that_hangs(unit: Any, session_ends: str) -> None:
    """STOP is on the wire at once while the intent's commit hangs; once it ends, nothing is started."""
    unit.store.hold = asyncio.Event()
    await unit.ready()
    unit.log.clear()
    unit.press_start()
    await asyncio.sleep(0.1)
    stop = asyncio.get_running_loop().create_task(unit.runner.stop("page"))
    await asyncio.sleep(0.001)
    assert unit.log == ["STOP"]
    unit.store.fails = lambda types: session_ends == "nothing" and "start" in types
    unit.store.hold.set()
    await stop
    await unit.comes_to(State.IDLE)
    await asyncio.sleep(1)
    assert "START" not in unit.log
    assert len(unit.store.of("abort")) == (session_ends == "abort")


@pytest.mark.req("S20")
async def test_stop_between_gate_and_answer_ends_in_off(unit: Any) -> None:
    """STOP while START waits for its answer turns the device off, and the dose ends stopped."""
    await unit.ready()
    unit.press_start()
    await unit.until(lambda: "START" in unit.log)
    await unit.runner.stop("page")
    await unit.comes_to(State.RESIDUAL)
    assert not unit.device.on
    assert (await unit.give_residual())["end"] == "stopped"


@pytest.mark.req("S47")
async def test_a_start_whose_commit_takes_too_long_is_not_run_late(unit: Any) -> None:
    """A disk that takes six seconds for the intent turns the press into a refusal and an abort."""
    unit.store.hold = asyncio.Event()
    await unit.ready()
    unit.press_start()
    await asyncio.sleep(6)
    unit.store.hold.set()
    await unit.comes_to(State.IDLE)
    assert "START" not in unit.log
    assert [entry.payload["code"] for entry in unit.store.of("refusal")] == ["late-press"]
    assert len(unit.store.of("abort")) == 1


@pytest.mark.req("S47")
async def test_a_start_that_waited_in_the_queue_is_discarded(unit: Any) -> None:
    """A press that the loop could not take for over five seconds is answered with a refusal."""
    await unit.ready()
    unit.store.hold = asyncio.Event()
    first = unit.press_start()
    second = unit.press_start()
    await asyncio.sleep(5.5)
    unit.store.hold.set()
    await first
    with pytest.raises(Refused, match="too long ago"):
        await second


@pytest.mark.req("S45")
async def test_twenty_presses_start_once(unit: Any) -> None:
    """Twenty presses of START in one moment put one START on the wire; nineteen are refused."""
    await unit.ready()
    presses = [unit.press_start() for _ in range(20)]
    answers = await asyncio.gather(*presses, return_exceptions=True)
    await unit.comes_to(State.RUNNING)
    assert unit.log.count("START") == 1
    assert sum(isinstance(answer, IllegalEventError) for answer in answers) == 19


@pytest.mark.req("S01")
async def test_an_authorisation_passes_the_gate_once(unit: Any) -> None:
    """The same authorisation, granted a second time after its session, is refused by the gate."""
    await unit.running()
    await unit.runner.stop("page")
    await unit.comes_to(State.RESIDUAL)
    await unit.give_residual()
    await unit.runner.press(ev.SignatureDeferred())
    await unit.ready()
    await unit.press_start()
    await unit.comes_to(State.IDLE)
    assert unit.log.count("START") == 1
    assert unit.store.of("refusal")[-1].payload["code"] == "authorisation-used"


@pytest.mark.req("S02")
async def test_a_second_cup_on_one_day_is_refused(unit: Any) -> None:
    """A second session for the subject on the same day does not pass the gate, however the first one ended."""
    await unit.running()
    await asyncio.sleep(60)
    await unit.runner.stop("page")
    await unit.comes_to(State.RESIDUAL)
    await unit.give_residual(told=False)
    await unit.runner.press(ev.SignatureDeferred())
    await unit.ready("2026-02-14-000002")
    await unit.press_start()
    await unit.comes_to(State.IDLE)
    assert unit.store.of("refusal")[-1].payload["code"] == "day-limit"


async def test_a_self_test_cannot_end_a_dose(unit: Any) -> None:
    """The self-test's STOP is not sent while a dose runs."""
    await unit.running()
    unit.log.clear()
    with pytest.raises(IllegalEventError):
        await unit.runner.self_test()
    assert "STOP" not in unit.log
    assert unit.device.on


@pytest.mark.req("S15")
async def test_an_unanswered_stop_keeps_the_next_start_back(unit: Any) -> None:
    """While a STOP is unresolved, START is refused; STOP itself is taken."""
    await unit.ready()
    unit.runner.witnessed.unresolved = "stop"
    unit.device.deaf = True
    await unit.press_start()
    await unit.comes_to(State.IDLE)
    assert "START" not in unit.log
    assert unit.store.of("refusal")[-1].payload["code"] == "unresolved"
    await unit.runner.stop("page")


async def test_the_loop_feeds_the_watchdog(unit: Any) -> None:
    """Each control cycle is told once it has ended, and a hanging commit stops the telling."""
    before = unit.cycles
    await asyncio.sleep(5)
    assert unit.cycles > before + 5
    unit.store.hold = asyncio.Event()
    await unit.ready()
    unit.press_start()
    await asyncio.sleep(0.1)
    hung = unit.cycles
    await asyncio.sleep(3)
    assert unit.cycles == hung
    unit.store.hold.set()


async def test_a_loop_that_dies_in_mid_dose_sends_stop(make_unit: Any) -> None:
    """Whatever ends the loop while the device may be on, STOP goes out before the conversation is closed."""
    unit = make_unit()
    await unit.begin()
    await unit.running()
    unit.log.clear()
    unit.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unit.task
    assert unit.log == ["STOP"]
    assert not unit.device.on
