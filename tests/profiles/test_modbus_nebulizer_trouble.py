"""A Modbus nebulizer in trouble: lost, late and refused writes, the wrong device, and losses of power."""

import asyncio

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Output

from .conftest import LEVEL, OUTPUT, RUN, STATE, Bench, join, without_counter

pytestmark = pytest.mark.virtual

RUN_ID = "0badcafe"
START = [(0, 0xCAFE), (2, 1200), (LEVEL, 60), (OUTPUT, 1)]


async def start(bench: Bench) -> DeviceReport | CommandFailed:
    """Start a run of 20 minutes."""
    return await bench.device.start(RUN_ID, 1_200_000)


async def refused(bench: Bench) -> CommandFailed:
    """Start, which must fail."""
    failed = await start(bench)
    assert isinstance(failed, CommandFailed), failed
    return failed


def resetting(name: str) -> str:
    """Return the profile of a device without counter, of which the point `name` is 0 after power-up."""
    text = without_counter().replace("reset_value = 0 ", "# ")
    at = text.index('access = "rw"', text.index(f"[point.{name}]"))
    return f"{text[:at]}reset_value = 0\n{text[at:]}"


# who answers


@pytest.mark.parametrize(("address", "word", "seen"), [(0, 1, "signature 1"), (1, 2, "map_version 2")])
async def test_another_device_is_refused_before_any_write(address: int, word: int, seen: str) -> None:
    """A device with another identity hears reads only: not at open, and not by a STOP, a beat or a start after it."""
    async with join(opened=False) as bench:
        bench.unit.words[address] = word
        failed = await bench.device.open()
        assert isinstance(failed, CommandFailed)
        assert seen in failed.seen
        assert "20034" in failed.expected
        for outcome in (await bench.device.stop(), await bench.device.beat(), await start(bench)):
            assert isinstance(outcome, CommandFailed)
        assert bench.unit.writes == []


async def test_a_silent_line_is_said_so() -> None:
    """Nothing answers: the failure says what was expected there, and nothing was written."""
    async with join(opened=False) as bench:
        bench.unit.always[4, 0] = "vanish"
        failed = await bench.device.open()
        assert isinstance(failed, CommandFailed)
        assert "3 times asked" in failed.seen
        assert bench.unit.writes == []


# a start


@pytest.mark.req("S18")
@pytest.mark.parametrize("place", range(4))
async def test_a_lost_write_is_not_sent_again(place: int) -> None:
    """A write that never arrives ends the start as unknown: neither it nor any later one goes out."""
    async with join() as bench:
        bench.unit.plan[16, START[place][0]].append("vanish")
        failed = await refused(bench)
        assert failed.certainty is Certainty.UNKNOWN
        assert bench.unit.writes == START[: place + 1]


async def test_a_lost_acknowledgement_is_settled_by_the_read_back() -> None:
    """The last write was acted on and its answer lost: state and set values say that the run is on."""
    async with join() as bench:
        bench.unit.plan[16, OUTPUT].append("mute")
        report = await start(bench)
        assert isinstance(report, DeviceReport), report
        assert (report.output, report.run) == (Output.RUNNING, RUN_ID)
        assert bench.unit.writes == START


async def test_a_lost_acknowledgement_before_the_last_write_is_unknown() -> None:
    """The run's level was set and its answer lost: the rest is not sent, and nobody claims to know."""
    async with join() as bench:
        bench.unit.plan[16, LEVEL].append("mute")
        failed = await refused(bench)
        assert failed.certainty is Certainty.UNKNOWN
        assert bench.unit.writes == START[:3]


@pytest.mark.parametrize("late_s", [0.13, 0.2, 0.35])
async def test_a_late_acknowledgement_is_taken_for_nothing_else(late_s: float) -> None:
    """An answer after its time is no answer to the read that follows; the read-back says what is so."""
    async with join() as bench:
        bench.unit.plan[16, OUTPUT].append(late_s)
        report = await start(bench)
        assert isinstance(report, DeviceReport), report
        assert (report.output, report.run) == (Output.RUNNING, RUN_ID)
        assert bench.unit.writes == START


@pytest.mark.parametrize("place", range(4))
async def test_a_refused_write_is_not_done(place: int) -> None:
    """The device refuses a write and stays off: not done, with its own reason, and no later write goes out."""
    async with join() as bench:
        bench.unit.plan[16, START[place][0]].append("deny")
        failed = await refused(bench)
        assert failed.certainty is Certainty.NOT_DONE
        assert "exception 4" in failed.seen
        assert bench.unit.writes == START[: place + 1]


@pytest.mark.parametrize(("address", "seen"), [(LEVEL, "level 0 where 60"), (2, "max_on 0 where 1200")])
async def test_a_value_that_does_not_read_back_is_unknown(address: int, seen: str) -> None:
    """An acknowledged write that the device did not take is found, although the device runs."""
    async with join() as bench:
        bench.unit.plan[16, address].append("ignore")
        failed = await refused(bench)
        assert failed.certainty is Certainty.UNKNOWN
        assert seen in failed.seen


async def test_another_run_than_ours_is_unknown() -> None:
    """The device runs, and not under our run."""
    async with join() as bench:
        bench.unit.plan[16, 0].append("ignore")
        failed = await refused(bench)
        assert failed.certainty is Certainty.UNKNOWN
        assert "run None" in failed.seen


async def test_an_acknowledged_start_that_does_not_show_is_unknown() -> None:
    """Every write is acknowledged and the output stays off for as long as the profile allows: unknown, not good."""
    async with join() as bench:
        bench.unit.plan[16, OUTPUT].append("ignore")
        failed = await refused(bench)
        assert failed.certainty is Certainty.UNKNOWN
        assert "output off" in failed.seen


async def test_a_device_that_is_on_is_not_started() -> None:
    """The read-back before a start says running: nothing is written."""
    async with join() as bench:
        bench.unit.state, bench.unit.end = RUN, 0
        failed = await refused(bench)
        assert failed.certainty is Certainty.NOT_DONE
        assert bench.unit.writes == []


async def test_a_device_that_restarted_since_it_was_opened_is_not_started() -> None:
    """Another boot than the one that was tested and authorised: opened again first."""
    async with join() as bench:
        bench.unit.restart()
        failed = await refused(bench)
        assert "boot 8" in failed.seen
        assert bench.unit.writes == []


async def test_a_restart_within_the_start_is_unknown() -> None:
    """Power goes between the last write and the read-back."""
    async with join() as bench:
        starting = asyncio.create_task(start(bench))
        await bench.unit.hear_writes(4)
        bench.unit.restart()
        failed = await starting
        assert isinstance(failed, CommandFailed)
        assert (failed.certainty, "restart" in failed.seen) == (Certainty.UNKNOWN, True)


async def test_one_start_at_a_time() -> None:
    """A second start while one is under way is refused."""
    async with join() as bench:
        first, second = await asyncio.gather(start(bench), start(bench))
        assert isinstance(first, DeviceReport)
        assert isinstance(second, CommandFailed)
        assert bench.unit.writes == START


# a loss of power


async def test_a_brown_out_shows_by_the_boot_counter() -> None:
    """A device with a boot counter: its next report has another boot, and is off."""
    async with join() as bench:
        await start(bench)
        bench.unit.restart()
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert (report.boot, report.output, report.end) == (8, Output.OFF, EndCause.POWER_UP)


async def test_a_brown_out_without_counter_shows_by_the_reset_value() -> None:
    """A device without one: the level reads as power-up leaves it, whatever was written last."""
    async with join(without_counter()) as bench:
        await start(bench)
        bench.unit.restart()
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert (report.boot, report.output, report.end) == (2, Output.OFF, EndCause.POWER_UP)
        again = await bench.device.status()
        assert isinstance(again, DeviceReport)
        assert again.boot == 2


async def test_a_brown_out_shows_although_it_runs_again() -> None:
    """A device that came up and runs by itself is a restarted one: state alone would not show it."""
    async with join(without_counter()) as bench:
        await start(bench)
        bench.unit.restart()
        bench.unit.state, bench.unit.end = RUN, 0
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert (report.boot, report.output) == (2, Output.RUNNING)


@pytest.mark.parametrize("name", ["level", "output"])
async def test_a_stop_is_no_brown_out(name: str) -> None:
    """What STOP takes away itself does not look like a loss of power, although power-up would leave it so too."""
    async with join(resetting(name)) as bench:
        await start(bench)
        await bench.device.stop()
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert (report.boot, report.end) == (1, EndCause.STOP)


@pytest.mark.parametrize("name", ["level", "output"])
async def test_a_brown_out_while_the_wire_was_away_shows_at_the_opening(name: str) -> None:
    """Set values are read before the opening's own STOP, so that a restart behind a pulled plug is found."""
    async with join(resetting(name)) as bench:
        await start(bench)
        bench.unit.restart()
        identity = await bench.device.open()
        assert not isinstance(identity, CommandFailed), identity
        assert identity.boot == 2


# readings


async def test_a_lost_answer_is_asked_for_again() -> None:
    """Two answers to a read are lost, and the third is taken."""
    async with join() as bench:
        bench.unit.plan[4, STATE].extend(["vanish", "mute"])
        assert isinstance(await bench.device.status(), DeviceReport)


async def test_a_state_that_cannot_be_read_is_no_report() -> None:
    """Without its state there is no report, however fresh the rest is."""
    async with join() as bench:
        bench.unit.always[4, STATE] = "vanish"
        failed = await bench.device.status()
        assert isinstance(failed, CommandFailed)
        assert failed.command == "read state"


async def test_a_stale_quantity_is_empty() -> None:
    """A drive that is not read any more keeps its last values for its 1500 ms, and then has none."""
    async with join() as bench:
        await bench.device.status()
        bench.unit.always[4, 120] = "vanish"
        await asyncio.sleep(1)
        fresh = await bench.device.status()
        await asyncio.sleep(1)
        stale = await bench.device.status()
        assert isinstance(fresh, DeviceReport)
        assert isinstance(stale, DeviceReport)
        assert (fresh.drive_ua, stale.drive_ua, stale.output) == (83_400, None, Output.OFF)


@pytest.mark.parametrize(("address", "word", "field"), [(123, 0x8000, "temp_mc"), (120, 5001, "drive_ua")])
async def test_what_is_no_value_is_empty(address: int, word: int, field: str) -> None:
    """The profile's sign for "none", and a value outside its plausible limits, are not handed up as numbers."""
    async with join() as bench:
        bench.unit.words[address] = word
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert getattr(report, field) is None


@pytest.mark.parametrize(
    ("state", "end", "seen"), [(7, 3, "neither off nor running"), (0, 0, "still running by its own")]
)
async def test_a_report_that_contradicts_itself_is_none(state: int, end: int, seen: str) -> None:
    """A state that the profile does not know, or off while the end says running, proves nothing."""
    async with join() as bench:
        bench.unit.state, bench.unit.end = state, end
        failed = await bench.device.status()
        assert isinstance(failed, CommandFailed)
        assert seen in failed.seen
