"""A Modbus nebulizer by its profile, against a scripted unit on an RTU line in memory, when all is well."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Output
from nebctl_drivers.modbus_nebulizer.starting import Sent, judge_start
from nebctl_drivers.modbus_nebulizer.station import Station
from nebctl_drivers.profiles import load_profile

from .conftest import DRIED, LEVEL, OUTPUT, RUN, STATE, UNIT, example, join, loaded, without_counter

pytestmark = pytest.mark.virtual

RUN_ID = "0badcafe"
START = [(0, 0xCAFE), (2, 1200), (LEVEL, 60), (OUTPUT, 1)]


async def run(bench: object) -> DeviceReport:
    """Start a run of 20 minutes, which must succeed."""
    report = await bench.device.start(RUN_ID, 1_200_000)  # type: ignore[attr-defined]
    assert isinstance(report, DeviceReport), report
    return report


async def test_a_point_may_be_written_twice() -> None:
    """A device that wants its output told off before on gets both, in this order; the last one must read back."""
    text = example().replace("start = [ ", 'start = [{ point = "output", value = 0 }, ')
    async with join(text) as bench:
        await run(bench)
        assert bench.unit.writes == [(OUTPUT, 0), *START]


async def test_a_serial_number_that_cannot_be_read_is_no_identity() -> None:
    """Whether a device is simulated shows by its serial number: without it the device does not open."""
    text = example().replace('serial = "serial"', 'serial = "power"')
    async with join(text, opened=False) as bench:
        bench.unit.always[4, 120] = "vanish"
        assert isinstance(await bench.device.open(), CommandFailed)


@pytest.mark.req("S23")
async def test_open_proves_who_answers_before_it_writes() -> None:
    """Opening reads the identity first, then turns off and reads that back; only then it tells who is there."""
    async with join(opened=False) as bench:
        identity = await bench.device.open()
        assert not isinstance(identity, CommandFailed), identity
        assert (identity.maker, identity.model) == ("Example Instruments (invented)", "MN-1")
        assert (identity.serial, identity.firmware, identity.boot) == ("SIM-0004", "1.02", 7)
        assert (identity.max_on_ms, identity.simulated) == (1_800_000, True)
        assert bench.unit.heard[0][1:3] == (4, 0)
        assert set(bench.unit.writes) == {(OUTPUT, 0)}


async def test_the_declaration_is_the_profiles() -> None:
    """What the device keeps and senses is what its profile says of it."""
    async with join(opened=False) as bench:
        declaration = bench.device.declaration
    assert (declaration.keeps_s14, declaration.host_loss_off_ms, declaration.max_on_in_device) == (False, 2000, True)
    assert declaration.senses == ("drive_mA", "drive_Hz", "drive_mW", "temp_C", "dry")


@pytest.mark.req("S14")
async def test_start_writes_each_value_once_and_reads_back() -> None:
    """Four writes in the profile's order, none twice; state and set values are read before and after them."""
    async with join() as bench:
        report = await run(bench)
        assert (report.output, report.run, report.boot) == (Output.RUNNING, RUN_ID, 7)
        assert bench.unit.writes == START
        functions = [(function, address) for _, function, address, _ in bench.unit.heard]
        assert functions[0] == (4, STATE)
        assert functions[-2:] == [(4, STATE), (3, 0)]


async def test_the_report_has_the_profiles_units() -> None:
    """Scaled registers become the core's units: microamperes, hertz, microwatts, millidegrees."""
    async with join() as bench:
        await run(bench)
        await asyncio.sleep(2)
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        drive = (report.drive_ua, report.drive_hz, report.drive_uw, report.temp_mc)
        assert drive == (83_400, 128_250, 1_460_000, 22_100)
        assert 2000 <= report.on_ms < 2100
        assert (report.dry, report.fault, report.end) == (False, None, EndCause.NONE)


async def test_flags_become_dry_and_fault() -> None:
    """A dry cup ends the run by the device's own word; its alarms are the fault, by their names."""
    async with join() as bench:
        await run(bench)
        bench.unit.flags = 0b0111
        bench.unit.turn_off(DRIED)
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert (report.output, report.end, report.dry) == (Output.OFF, EndCause.DRY, True)
        assert report.fault == "NO_CUP-NO_RESONANCE"


async def test_stop_is_proven_by_the_read_back() -> None:
    """STOP returns the report of a device that is off, whose set output reads back as 0."""
    async with join() as bench:
        await run(bench)
        await asyncio.sleep(1)
        report = await bench.device.stop()
        assert isinstance(report, DeviceReport)
        assert (report.output, report.end, report.run) == (Output.OFF, EndCause.STOP, RUN_ID)
        last = await bench.device.last_run()
        assert not isinstance(last, CommandFailed)
        assert (last.run, last.on_ms, last.end, last.boot) == (RUN_ID, report.on_ms, EndCause.STOP, 7)


async def test_a_run_goes_on_after_a_pause() -> None:
    """The same run started again goes on counting in the device."""
    async with join() as bench:
        await run(bench)
        await asyncio.sleep(3)
        await bench.device.stop()
        await asyncio.sleep(3)
        report = await run(bench)
        assert 3000 <= report.on_ms < 3200


async def test_beats_differ_from_each_other() -> None:
    """Each beat writes another number, so that a device can tell it from a repeated frame."""
    async with join() as bench:
        assert [await bench.device.beat() for _ in range(3)] == [None, None, None]
        assert bench.unit.writes == [(5, 1), (5, 2), (5, 3)]


@pytest.mark.parametrize(
    ("run_id", "max_on_ms"),
    [("0badcafe", 1_800_001), ("0badcafe", 0), ("00000000", 1000), ("0BADCAFE", 1000), ("0badcafe", 999)],
)
async def test_a_start_outside_the_limits_sends_nothing(run_id: str, max_on_ms: int) -> None:
    """Too long, too short for the point's step, no run or not our form of one: refused before any write."""
    async with join() as bench:
        failed = await bench.device.start(run_id, max_on_ms)
        assert isinstance(failed, CommandFailed)
        assert failed.certainty is Certainty.NOT_DONE
        assert bench.unit.writes == []


def test_a_write_outside_its_limits_is_never_made() -> None:
    """A station makes no request for a value outside the point's limits, or between two of its steps."""
    station = Station(loaded(example()), UNIT)
    assert station.write("level", Decimal(100)).values == (100,)  # type: ignore[union-attr]
    for name, value in (("level", "101"), ("level", "-1"), ("level", "0.5"), ("max_on", "1801")):
        with pytest.raises(ValueError, match=r"limits|steps"):
            station.write(name, Decimal(value))


async def test_a_device_that_knows_no_run_is_counted_by_the_host() -> None:
    """Without run and on-time points the run is the host's, and the time between readings counts."""
    async with join(without_counter()) as bench:
        report = await run(bench)
        assert (report.run, report.boot) == (RUN_ID, 1)
        for _ in range(8):
            await asyncio.sleep(0.25)
            assert isinstance(await bench.device.status(), DeviceReport)
        report = await bench.device.stop()
        assert isinstance(report, DeviceReport)
        assert (report.end, report.run) == (EndCause.STOP, RUN_ID)
        assert 2000 <= report.on_ms < 2300


async def test_such_a_device_is_given_what_is_left_of_its_time() -> None:
    """A device that cannot know that a run goes on counts anew at each start: it gets the rest of the on-time only."""
    async with join(without_counter()) as bench:
        await run(bench)
        await asyncio.sleep(5)
        stopped = await bench.device.stop()
        assert isinstance(stopped, DeviceReport)
        bench.unit.heard.clear()
        await run(bench)
        assert bench.unit.writes[1] == (2, (1_200_000 - stopped.on_ms) // 1000)


@pytest.mark.parametrize(
    ("dry", "flags", "waits_s", "end"), [(1, 1, 1, "dry"), (0, 0, 1, "fault"), (0, 0, 1201, "max-on")]
)
async def test_why_a_silent_device_went_off(dry: int, flags: int, waits_s: int, end: str) -> None:
    """A device that does not say why it is off: dry by its flag, its time is up, or a fault."""
    async with join(without_counter()) as bench:
        await run(bench)
        for _ in range(4):
            await asyncio.sleep(waits_s / 4)
            await bench.device.status()
        bench.unit.flags = flags
        bench.unit.turn_off(DRIED)
        report = await bench.device.status()
        assert isinstance(report, DeviceReport)
        assert (report.output, report.end.value, report.dry) == (Output.OFF, end, bool(dry))


async def test_a_numbered_start_counts_on_from_the_device() -> None:
    """A start write with value = "number" carries the number after the one that the device has."""
    text = example().replace("value = 60 },", 'value = 60 },\n    { point = "order", value = "number" },')
    text = text.replace("keeps_s14 = false", "keeps_s14 = true").replace("count = 5\n", "count = 7\n")
    order = (
        '\n[point.order]\nblock = "command"\naddress = 6\nmanual = 40007\ntype = "uint16"\nunit = "1"\naccess = "rw"\n'
    )
    text = text.replace("\n[point.beat]", f"{order}limits = {{ least = 0, most = 9, safe = 0 }}\n\n[point.beat]")
    text = text.replace("28 03 0000 0005", "28 03 0000 0007").replace(
        '[[golden]]\nwhat = "read the commands"', "[[gone]]"
    )
    cut = text.index("[[gone]]")
    text = text[:cut] + text[text.index("[[golden]]", cut) :]
    assert not isinstance(load_profile(text, "x"), tuple), load_profile(text, "x")
    async with join(text) as bench:
        assert bench.device.declaration.keeps_s14
        bench.unit.holding[6] = 9
        await run(bench)
        assert bench.unit.state == RUN
        assert (6, 0) in bench.unit.writes
        await bench.device.stop()
        await run(bench)
        assert (6, 1) in bench.unit.writes


def test_a_run_that_is_on_before_its_start_is_whole_is_unknown() -> None:
    """The device runs although a write in the middle of the start was lost: it may run at another level than ours."""
    off = DeviceReport(at_ns=0, output=Output.OFF, run=None, on_ms=0, end=EndCause.STOP, boot=7)
    on = replace(off, output=Output.RUNNING, run=RUN_ID, end=EndCause.NONE)
    lost = CommandFailed(command="START", certainty=Certainty.UNKNOWN, seen="no answer", expected="one", advice="")
    for done, good in ((2, False), (3, True)):
        result = judge_start(off, on, run=RUN_ID, sent=Sent(done, 4, lost), odd="", overtaken=False)
        assert isinstance(result, DeviceReport) is good
