"""Starting the reference mesh controller: once on the wire, and what its silence proves."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Output
from nebctl_drivers.mesh_reference.starting import judge_start

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
Join = Callable[..., Any]


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


@pytest.mark.req("S18")
@pytest.mark.parametrize("fault", ["vanish", "mute", "garble", 0.3, 2.0, "A,{seq},START,deadbeef,1", "twice"])
async def test_start_is_on_the_wire_once_whatever_befalls_it(join: Join, fault: str | float) -> None:
    """However START's answer is lost, START is sent exactly once and its outcome is told truly by STAT."""
    async with join() as bench:
        bench.controller.faults["START"].append(fault)
        result = await bench.device.start(RUN, 60_000)
        await asyncio.sleep(3)
        assert bench.controller.commands.count("START") == 1
        if fault == "vanish":
            assert isinstance(result, CommandFailed)
            assert result.certainty is Certainty.NOT_DONE
        else:
            assert (result.run, result.output) == (RUN, Output.RUNNING)


@pytest.mark.req("S18")
async def test_start_without_any_answer_is_unknown(join: Join) -> None:
    """Where STAT stays silent too, nobody knows: the failure says UNKNOWN, and START is still sent once."""
    async with join() as bench:
        bench.controller.faults["START"].append("mute")
        bench.controller.faults["STAT"].extend(["", *["vanish"] * 3])
        result = await bench.device.start(RUN, 60_000)
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.UNKNOWN
        assert bench.controller.commands == ["STAT", "START", "STAT", "STAT", "STAT"]


async def test_a_lost_answer_to_a_resume_that_was_not_acted_on_is_not_done(join: Join) -> None:
    """The same run, OFF, with its on-time and end as before: the START of a resume did not arrive."""
    async with join() as bench:
        await bench.device.start(RUN, 60_000)
        await asyncio.sleep(1)
        await bench.device.stop()
        bench.controller.faults["START"].append("vanish")
        result = await bench.device.start(RUN, 60_000)
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.NOT_DONE
        assert "1000 ms" in result.seen


async def test_a_restart_between_start_and_read_back_is_unknown(join: Join) -> None:
    """A controller that lost power after START answers with another boot counter: UNKNOWN, ask LAST."""
    async with join() as bench:
        bench.controller.faults["START"].append(0.05)
        starting = asyncio.create_task(bench.device.start(RUN, 60_000))
        await asyncio.sleep(0.02)
        bench.controller.restart()
        result = await starting
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.UNKNOWN
        assert "boot 7, then 8" in result.seen


@pytest.mark.parametrize(("run", "ms"), [("0BADCAFE", 1000), ("1", 1000), (RUN, 0)])
async def test_a_start_that_makes_no_sense_sends_nothing(join: Join, run: str, ms: int) -> None:
    """A run that is not eight hexadecimal digits, or no time, is refused before the wire."""
    async with join() as bench:
        result = await bench.device.start(run, ms)
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.NOT_DONE
        assert bench.controller.heard == []


async def test_a_running_device_is_not_started(join: Join) -> None:
    """START stays home while STAT says on, and a second start while the first is under way is refused."""
    async with join() as bench:
        first, second = await asyncio.gather(bench.device.start(RUN, 9000), bench.device.start("deadbeef", 9000))
        third = await bench.device.start("deadbeef", 9000)
        assert first.output is Output.RUNNING
        assert {second.certainty, third.certainty} == {Certainty.NOT_DONE}
        assert bench.controller.commands.count("START") == 1


async def test_a_grant_above_what_was_asked_is_not_believed(join: Join) -> None:
    """A controller that grants more on-time than asked leaves the start UNKNOWN, so that it is stopped."""
    async with join() as bench:
        bench.controller.faults["START"].append(f"A,{{seq}},START,{RUN},9001")
        result = await bench.device.start(RUN, 9000)
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.UNKNOWN
        assert "9001 ms granted" in result.seen


def report(**changes: Any) -> DeviceReport:
    """Return an OFF report after half a second of our run, with `changes`."""
    facts: dict[str, Any] = {
        "at_ns": 0,
        "output": Output.OFF,
        "run": RUN,
        "on_ms": 500,
        "end": EndCause.STOP,
        "boot": 7,
    }
    return DeviceReport(**(facts | changes))


@pytest.mark.parametrize("acknowledged", [True, False])
@pytest.mark.parametrize("overtaken", [True, False])
@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (report(output=Output.SWEEP, end=EndCause.NONE), "acted"),
        (report(on_ms=501), "acted"),
        (report(end=EndCause.DRY), "acted"),
        (report(boot=8), "unknown"),
        (report(), "depends on stop"),
        (report(run="deadbeef"), "depends"),
        (report(run=None, on_ms=0), "depends"),
    ],
)
def test_what_a_silence_proves(after: DeviceReport, verdict: str, acknowledged: bool, overtaken: bool) -> None:
    """Acted, not done or unknown follow from the two readings; an acknowledged start is never called not done."""
    result = judge_start(RUN, report(), after, acknowledged=acknowledged, overtaken=overtaken)
    doubt = acknowledged or (verdict == "depends on stop" and overtaken)
    if verdict == "acted":
        assert result is after
    else:
        assert isinstance(result, CommandFailed)
        unknown = verdict == "unknown" or doubt
        assert result.certainty is (Certainty.UNKNOWN if unknown else Certainty.NOT_DONE)


# wrong devices and lost wires
