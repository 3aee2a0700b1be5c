"""The gas source over the bus guard in virtual time: who is there, what flows, and what a STOP leaves."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.alicat_ascii.source import AlicatSource
from nebctl_drivers.gas_controller.registers import GasReading
from nebctl_drivers.stopping import StopSwitch

pytestmark = pytest.mark.virtual


async def test_it_opens_and_says_who_is_there(gas: Any) -> None:
    """Model, serial number, firmware, unit and gas come from the controller's own tables; no valve is touched."""
    async with gas(opened=False) as bench:
        assert await bench.driver.open() is None
        found = bench.driver.identity
        assert (found.model, found.serial, found.firmware) == ("MC-500SCCM-D", "521641", "10v20.0-R24")
        assert (found.setpoint_unit, found.gas, bench.driver.model) == ("SCCM", "N2", "Alicat MC-500SCCM-D")
        assert set(bench.device.heard) == {"A", "AVE", "A??M*", "A??D*", "ALSS", "ALS"}


async def test_it_reads_what_flows(gas: Any) -> None:
    """A reading has set-point, flow, pressure and temperature in our units, and the time of its answer."""
    async with gas(set_point=Decimal("78.95")) as bench:
        reading = await bench.driver.read()
        assert isinstance(reading, GasReading)
        assert (reading.setpoint_sccm, reading.flow_sccm, reading.pressure_pa, reading.temp_mc) == (
            79,
            79,
            100801,
            21890,
        )
        assert reading.alarms == ()
        assert reading.at_ns > 0


async def test_a_flow_is_set_once_and_proven(gas: Any) -> None:
    """The set-point goes out once, in float form, between two readings."""
    async with gas() as bench:
        assert await bench.driver.set_flow(250) is None
        assert bench.device.heard == ["ALS", "A", "AS 250.00", "ALS", "A"]
        assert (await bench.driver.read()).flow_sccm == 250


@pytest.mark.parametrize("sccm", [-1, 20_001])
async def test_a_flow_beyond_the_limits_is_not_sent(gas: Any, sccm: int) -> None:
    """A set-point outside the profile's limits is refused before the wire."""
    async with gas() as bench:
        failure = await bench.driver.set_flow(sccm)
        assert failure.certainty is Certainty.NOT_DONE
        assert f"{sccm} sccm" in failure.seen
        assert bench.device.heard == []


async def test_a_set_point_that_is_ignored_is_found(gas: Any) -> None:
    """A controller that answers and does nothing, as one does with an analog source, leaves the flow UNKNOWN."""
    async with gas(deaf=True) as bench:
        failure = await bench.driver.set_flow(250)
        assert failure.certainty is Certainty.UNKNOWN
        assert "set-point 0.00" in failure.seen


async def test_a_set_point_that_is_clipped_is_found(gas: Any) -> None:
    """A controller of less full scale than was asked for is not believed to give what was asked for."""
    async with gas() as bench:
        failure = await bench.driver.set_flow(501)
        assert failure.certainty is Certainty.UNKNOWN
        assert "set-point 500.00 SCCM" in failure.seen


@pytest.mark.parametrize("fault", ["drop", lambda _: b"?\r", 0.4])
async def test_the_read_back_decides_where_the_answer_is_lost(gas: Any, fault: Any) -> None:
    """A set-point whose answer is lost, late or a question mark is done when the read-back says so; it is sent once."""
    async with gas() as bench:
        bench.device.faults["AS 250.00"] = [fault]
        assert await bench.driver.set_flow(250) is None
        assert bench.device.heard.count("AS 250.00") == 1


async def test_a_permit_that_is_withdrawn_keeps_the_set_point_back(gas: Any) -> None:
    """Where the permit says no in the last moment, no set-point goes out."""
    no = CommandFailed(command="x", certainty=Certainty.NOT_DONE, seen="a STOP", expected="none", advice="")
    async with gas() as bench:
        failure = await bench.driver.set_flow(250, lambda: no)
        assert failure.certainty is Certainty.NOT_DONE
        assert bench.device.heard == ["ALS", "A"]


def switch(bench: Any) -> StopSwitch[Any]:
    """Return a STOP made of the gas source alone."""

    def judge(replies: Any) -> Any:
        return bench.driver.parse_stop(replies)

    return StopSwitch(lambda: (bench.driver.stop_part(),), judge, expected="no gas", advice="Close the gas.")


@pytest.mark.req("S20")
async def test_a_stop_takes_set_point_and_valve_away(gas: Any) -> None:
    """STOP sends set-point 0 and the valve closed first of all, and both read back; a held valve is then no alarm."""
    async with gas(set_point=Decimal("250.00")) as bench:
        reading = await switch(bench).stop()
        assert isinstance(reading, GasReading)
        assert (reading.setpoint_sccm, reading.flow_sccm, reading.alarms) == (0, 0, ())
        assert bench.device.heard[:2] == ["AS 0.0", "AHC"]
        assert bench.device.held


async def test_a_stop_is_not_proven_by_an_answer_to_something_older(gas: Any) -> None:
    """Where the set-point stays, no earlier data frame passes for the read-back: the STOP says what it saw."""
    async with gas(set_point=Decimal("250.00"), deaf=True) as bench:
        failure = await switch(bench).stop()
        assert isinstance(failure, CommandFailed)
        assert "set-point 250.00 SCCM" in failure.seen
        assert bench.device.heard.count("AHC") > 5


async def test_a_flow_after_a_stop_frees_the_valve_first(gas: Any) -> None:
    """After a STOP the valve is set free while the set-point is 0, and read back, before gas is asked for."""
    async with gas() as bench:
        await switch(bench).stop()
        bench.device.heard.clear()
        assert await bench.driver.set_flow(250) is None
        assert bench.device.heard == ["ALS", "A", "AC", "ALS", "A", "AS 250.00", "ALS", "A"]
        assert (await bench.driver.read()).alarms == ()


async def test_a_held_valve_with_a_set_point_is_not_set_free(gas: Any) -> None:
    """Where somebody holds the valve over a set-point, freeing it would start gas: it is refused, and an alarm."""
    async with gas(set_point=Decimal("250.00"), held=True) as bench:
        assert (await bench.driver.read()).alarms == ("HLD",)
        failure = await bench.driver.set_flow(100)
        assert failure.certainty is Certainty.NOT_DONE
        assert "AC" not in bench.device.heard


async def test_a_valve_that_stays_held_gets_no_set_point(gas: Any) -> None:
    """Where the read-back still shows the valve held, the flow is in doubt and its set-point stays home."""
    async with gas() as bench:
        await switch(bench).stop()
        bench.device.stuck = True
        failure = await bench.driver.set_flow(250)
        assert failure.certainty is Certainty.UNKNOWN
        assert "the valve held" in failure.seen
        assert "AS 250.00" not in bench.device.heard


async def test_a_late_answer_is_not_believed(gas: Any) -> None:
    """The data frame from before a change, come after its time, is never handed up as a later reading."""
    async with gas() as bench:
        for late in (0.2, 0.3, 0.45, 0.6):
            bench.device.set_point = Decimal("100.00")
            bench.device.faults["A"] = [late]
            stale = await bench.driver.read()
            bench.device.set_point = Decimal("0.00")
            bench.device.faults["A"] = [late]
            reading = await bench.driver.read()
            assert stale.setpoint_sccm == 100
            assert reading.setpoint_sccm == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: b"\x00" + data,
        lambda data: data.replace(b"A", b"B"),
        lambda data: data.replace(b".", b"", 1),
        lambda data: data.replace(b"1", b"11", 1),
        lambda data: data[3:],
        lambda data: data.replace(b"N2", b"N2 XYZ"),
        lambda data: data.replace(b"+", b"-+", 1),
        lambda data: data.replace(b"+021.89 ", b""),
    ],
)
async def test_a_spoilt_frame_is_asked_for_again(gas: Any, spoil: Any) -> None:
    """A frame without its end, with noise, of another id, or short of a character or a column costs a repeat only."""
    async with gas(set_point=Decimal("250.00")) as bench:
        bench.device.faults["A"] = [spoil]
        reading = await bench.driver.read()
        assert isinstance(reading, GasReading)
        assert (reading.flow_sccm, reading.temp_mc) == (250, 21890)


async def test_two_answers_for_one_are_one_reading(gas: Any) -> None:
    """A doubled answer is dropped: the next reading is that of its own answer."""
    async with gas(set_point=Decimal("250.00")) as bench:
        bench.device.faults["A"] = [lambda data: data * 2]
        assert (await bench.driver.read()).setpoint_sccm == 250
        bench.device.set_point = Decimal("10.00")
        assert (await bench.driver.read()).setpoint_sccm == 10


@pytest.mark.parametrize("old", [False, True])
async def test_a_stream_left_on_is_ended(gas: Any, old: bool) -> None:
    """A controller that streams is stopped in the new form, then in the old one, and opens."""
    async with gas(opened=False, streams=True, old_stream=old) as bench:
        bench.device.begin(bench.device.stream())
        assert await bench.driver.open() is None
        assert [word for word in bench.device.heard if "@" in word] == ["@@ A", "@@=A"][: 1 + old]


async def test_a_foreign_stream_is_not_ended(gas: Any) -> None:
    """Where our controller answers and another one streams, ending that would give two controllers one id."""
    async with gas(opened=False) as bench:
        bench.device.faults["A"] = [lambda data: data.replace(b"A", b"@") + data]
        failure = await bench.driver.open()
        assert "stream of another controller" in failure.seen
        assert not [word for word in bench.device.heard if "@" in word]


TROUBLE = [
    ({"firmware": "8v17"}, "firmware 8v17, older than 9v00"),
    ({"firmware": "GP07R52"}, "firmware GP07R52"),
    ({"source": "A"}, "the set-point source analog"),
    ({"maker": ["A M00 x", "A M04 Model Number PC-30PSIA-D", "A M05 Serial Number 1"]}, "the model PC-30PSIA-D"),
    ({"unit": "B"}, "no answer"),
    ({"label": "7 SLPM"}, "a set-point in SLPM (7)"),
]


@pytest.mark.parametrize(("traits", "seen"), TROUBLE)
async def test_what_is_not_as_the_profile_says_is_refused(gas: Any, traits: dict[str, Any], seen: str) -> None:
    """Another firmware, source, model or id ends the opening with one line, and no set-point was ever sent."""
    async with gas(opened=False, **traits) as bench:
        failure = await bench.driver.open()
        assert isinstance(failure, CommandFailed)
        assert seen in failure.seen
        assert not [word for word in bench.device.heard if word[1:2] in {"S", "H", "C"}]
        assert bench.driver.loss is not None


async def test_another_serial_number_is_refused(gas: Any) -> None:
    """A controller of another serial number than the site's is not opened."""
    async with gas(opened=False, serial="999") as bench:
        assert "the serial number 521641, not 999" in (await bench.driver.open()).seen


async def test_an_unknown_unit_is_named(gas: Any) -> None:
    """A column in a unit that is not known is refused by its name."""
    async with gas(opened=False) as bench:
        bench.device.columns[5] = bench.device.columns[5].replace("012 02 SCCM", "040 02 Nm3/h")
        assert "Mass Flow in the unit Nm3/h (040); expected SCCM (012), SLPM (007)" in (await bench.driver.open()).seen


@pytest.mark.parametrize(
    ("change", "seen"),
    [({"label": "7 SLPM"}, "a set-point in SLPM (7)"), ({"gas": "O2"}, "the gas O2 where it was N2")],
)
async def test_a_change_at_the_front_panel_is_found(gas: Any, change: dict[str, str], seen: str) -> None:
    """Another flow unit or gas, set by hand after the opening, makes readings failures and no wrong numbers."""
    async with gas() as bench:
        for name, value in change.items():
            setattr(bench.device, name, value)
        failure = await bench.driver.read()
        assert isinstance(failure, CommandFailed)
        assert seen in failure.seen


async def test_a_table_without_an_end_mark_is_read(gas: Any) -> None:
    """Silence ends a table too: not every firmware sends an empty line behind it."""
    async with gas(opened=False) as bench:
        bench.device.columns.remove("")
        assert await bench.driver.open() is None


async def test_a_table_with_a_lost_row_is_asked_for_again(gas: Any) -> None:
    """A row that noise has eaten is missed, and the table is read anew."""
    async with gas(opened=False) as bench:
        bench.device.faults["A??D*"] = [lambda data: data.replace(b"A D05", b"A \xff05")]
        assert await bench.driver.open() is None
        assert bench.device.heard.count("A??D*") == 2


MATRIX = {
    "late": 0.35,
    "later": 0.7,
    "dropped": "drop",
    "byte by byte": "crumbs",
    "doubled": lambda data: data * 2,
    "cut short": lambda data: data[: len(data) // 2],
    "cut short with its end": lambda data: data[: len(data) // 2] + b"\r",
    "noise before": lambda data: b"\xf8\x80" + data,
    "a letter before": lambda data: b"B" + data,
    "noise behind": lambda data: data + b"\x00\xff",
    "of another id": lambda data: b"B" + data[1:],
    "with an echo": lambda data: b"A\rALS\rAS 5.00\r" + data,
    "without its end": lambda data: data[:-1],
    "a byte short": lambda data: data[:5] + data[6:],
    "a byte too many": lambda data: data[:5] + data[4:],
}


@pytest.mark.parametrize("fault", MATRIX)
@pytest.mark.parametrize("where", ["A", "ALS"])
async def test_no_fault_of_the_wire_gives_a_wrong_reading(gas: Any, fault: str, where: str) -> None:
    """Whatever the wire does to an answer, a reading is what the controller has now, or a failure; then it recovers."""
    async with gas() as bench:
        for turn in range(60):
            bench.device.set_point = Decimal(f"{7 * turn % 500}.00")
            bench.device.faults[where] = [MATRIX[fault]] * (1 + turn % 4)
            reading = await bench.driver.read()
            if isinstance(reading, GasReading):
                assert (reading.setpoint_sccm, reading.flow_sccm) == (7 * turn % 500, 7 * turn % 500)
        bench.device.faults.clear()
        await asyncio.sleep(5)
        reading = await bench.driver.read()
        assert isinstance(reading, GasReading)
        assert reading.setpoint_sccm == 413


async def test_two_controllers_share_a_bus(gas: Any) -> None:
    """Each seat hears its own controller alone, although both answer on one wire in the same form."""
    async with gas(set_point=Decimal("100.00")) as bench:
        rows = (
            [row.replace("A ", "B ", 1) for row in bench.device.columns],
            [f"B{row[1:]}" for row in bench.device.maker],
        )
        other = type(bench.device)(bench.device.far, b"\r", unit="B", columns=rows[0], maker=rows[1])
        bench.device.others.append(other)
        second = AlicatSource(bench.bus, "B")
        assert await second.open() is None
        assert await second.set_flow(200) is None
        one, two = await asyncio.gather(bench.driver.read(), second.read())
        assert (one.setpoint_sccm, two.setpoint_sccm) == (100, 200)
        await second.close()


async def test_another_controllers_table_is_not_ours(gas: Any) -> None:
    """Rows of another id between ours, in other units, change nothing of how our frames are read."""
    foreign = b"B D05 005 Mass Flow                  s decimal     7/2 007 02 SLPM\r"
    async with gas(opened=False, set_point=Decimal("250.00")) as bench:
        bench.device.faults["A??D*"] = [lambda data: data + foreign]
        assert await bench.driver.open() is None
        assert (await bench.driver.read()).flow_sccm == 250


async def test_a_lost_wire_is_a_value(gas: Any) -> None:
    """A cut in the middle ends the request with the reason."""
    async with gas() as bench:
        bench.device.faults["ALS"] = ["drop"]
        bench.device.far.cut()
        assert isinstance(await bench.driver.read(), CommandFailed)
        assert bench.driver.loss is not None
