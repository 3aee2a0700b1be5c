"""Modbus RTU on a line with several units, as bytes: framing, silence, broadcasts, collisions and faults."""

import struct
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_simulators.jet.device import Device
from nebctl_simulators.jet.presets import build_unit
from nebctl_simulators.modbus.codec import Fault, ModbusFault, Request, pack_bits, pack_registers, parse_read
from nebctl_simulators.modbus.framing import RtuFraming, TcpFraming, crc16
from nebctl_simulators.modbus.line import FrameFault, ModbusLine
from nebctl_simulators.shim import LineFault, Terms
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000
UNITS = (1, 40)


class Shelf:
    """A unit whose register at each address holds that address plus its own id; it notes what it was told."""

    is_plugged = True

    def __init__(self, unit: int) -> None:
        self.units: Collection[int] = (unit,)
        self.told: list[bytes] = []
        self.silent = False

    def pass_time(self, real_ns: int) -> None:
        """Do nothing."""

    def ask(self, request: Request) -> bytes | None:
        """Answer a read; note a write."""
        if self.silent:
            return None
        if request.function in (3, 4):
            address, count = parse_read(request.data, 125)
            return pack_registers(tuple(place + min(self.units) for place in range(address, address + count)))
        if request.function in (1, 2):
            return pack_bits((True,) * parse_read(request.data, 2000)[1])
        if request.function in (5, 6, 16):
            self.told.append(request.data)
            return request.data[:4]
        raise ModbusFault(Fault.FUNCTION)


def rtu(unit: int, *pdu: int) -> bytes:
    """Return an RTU frame, its check worked out bit by bit and not by the simulator's table."""
    frame = bytes([unit, *pdu])
    check = 0xFFFF
    for byte in frame:
        check ^= byte
        for _ in range(8):
            check = check >> 1 ^ 0xA001 if check & 1 else check >> 1
    return frame + struct.pack("<H", check)


READ = (3, 0, 100, 0, 4)  # four registers from 100 on


def answer(unit: int, count: int = 4) -> bytes:
    """Return the good answer to that read."""
    words = struct.pack(f">{count}H", *(place + unit for place in range(100, 100 + count)))
    return rtu(unit, 3, 2 * count, *words)


@pytest.fixture
def line() -> ModbusLine:
    """A line with units 1 and 40."""
    made = ModbusLine(RtuFraming(), 1)
    for unit in UNITS:
        made.join(Shelf(unit))
    return made


def test_the_check_is_that_of_the_makers_frames() -> None:
    """The check of the 9C board's heartbeat comes out: the same sum, of frames that are not Modbus at all.

    Source: docs/HostProtocolReference.md of zq9278/9C-Nebulizer-main: heartbeat frame 1 and its acknowledgement.
    """
    assert crc16(bytes.fromhex("010001010025")) == 0x2D90
    assert crc16(bytes.fromhex("01000204002501" + "0000")) == 0xE87F


@given(st.binary(min_size=1, max_size=60))
def test_a_frame_with_its_check_sums_to_nothing(data: bytes) -> None:
    """The table gives the same check as bit by bit arithmetic."""
    assert crc16(rtu(*data)) == 0


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_answers_its_own_requests(line: ModbusLine, unit: int) -> None:
    """Each unit answers with its own registers."""
    assert line.feed(rtu(unit, *READ), 0) == answer(unit)


def test_an_absent_unit_is_silent(line: ModbusLine) -> None:
    """Nobody answers for another unit, and the next request is heard as ever."""
    assert line.feed(rtu(7, *READ), 0) == b""
    assert line.next_ns() is None
    assert line.feed(rtu(1, *READ), 5 * MS) == answer(1)


def test_a_broadcast_is_obeyed_and_not_answered() -> None:
    """Unit 0 means all on a serial line; a broadcast read means nothing. On TCP unit 0 is a unit that is not there."""
    for framing, heard in ((RtuFraming(), 1), (TcpFraming(), 0)):
        line, shelves = ModbusLine(framing, 1), [Shelf(1), Shelf(40)]
        for shelf in shelves:
            line.join(shelf)
        write = (6, 0, 1, 0, 9)
        frame = rtu(0, *write) if heard else bytes((0, 1, 0, 0, 0, 6, 0, *write))
        assert line.feed(frame, 0) == b""
        assert [len(shelf.told) for shelf in shelves] == [heard] * 2
    assert ModbusLine(RtuFraming(), 1).feed(rtu(0, *READ), 0) == b""


def test_two_units_with_one_id_collide() -> None:
    """Both answer at once, and what the host hears is neither."""
    line = ModbusLine(RtuFraming(), 1)
    for shelf in (Shelf(5), Shelf(5)):
        line.join(shelf)
    assert line.feed(rtu(5, *READ), 0) == answer(5)  # the same bits do not hurt each other
    other = Shelf(5)
    other.units = (5, 3)  # this one's registers hold other values
    line.join(other)
    assert line.feed(rtu(5, *READ), MS) not in (answer(5), answer(3), b"")


def test_a_silent_unit_says_nothing(line: ModbusLine) -> None:
    """A unit that is there and mute is as silent as one that is not."""
    shelf = Shelf(9)
    shelf.silent = True
    line.join(shelf)
    assert line.feed(rtu(9, *READ), 0) == b""


@pytest.mark.parametrize(
    "pdu",
    [
        READ,
        (1, 0, 0, 0, 9),
        (5, 0, 0, 0xFF, 0),
        (6, 0, 0, 0, 1),
        (16, 0, 0, 0, 2, 4, 1, 2, 3, 4),
        (7,),
        (17,),
        (99, 1, 2, 3),
        (43, 14, 1, 0),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 500])
def test_a_request_may_come_in_pieces(line: ModbusLine, pdu: tuple[int, ...], size: int) -> None:
    """Byte by byte, in threes or whole: every function's request is answered once, at its last byte."""
    frame = rtu(40, *pdu)
    said = [line.feed(frame[at : at + size], MS) for at in range(0, len(frame), size)]
    assert set(said[:-1]) <= {b""}
    assert said[-1][0] == 40
    assert crc16(said[-1]) == 0


def test_an_unknown_function_is_refused(line: ModbusLine) -> None:
    """A function that the unit does not know is answered with exception 1."""
    assert line.feed(rtu(40, 99, 1, 2), 0) == rtu(40, 99 | 0x80, 1)


def test_two_requests_in_one_piece_are_two(line: ModbusLine) -> None:
    """A host that does not wait gets both answers."""
    assert line.feed(rtu(1, *READ) + rtu(40, *READ), 0) == answer(1) + answer(40)


def test_a_wrong_check_makes_deaf_until_silence(line: ModbusLine) -> None:
    """A request with a wrong check is not answered, nor is what follows it without a gap; after the gap all is well."""
    spoiled = rtu(40, *READ)[:-1] + b"\0"
    assert line.feed(spoiled + rtu(40, *READ), 0) == b""
    assert line.feed(rtu(40, *READ), 10 * MS) == b""
    assert line.feed(rtu(40, *READ), 31 * MS) == answer(40)


def test_half_a_request_is_forgotten_after_a_gap(line: ModbusLine) -> None:
    """What a host that has gone left behind does not spoil the next host's first request."""
    assert line.feed(rtu(40, *READ)[:5], 0) == b""
    assert line.feed(rtu(40, *READ), 21 * MS) == answer(40)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_no_bytes_break_the_line(pieces: list[bytes]) -> None:
    """Whatever comes, the line neither fails nor stays deaf."""
    line = ModbusLine(RtuFraming(), 1)
    line.join(Shelf(40))
    for piece in pieces:
        line.feed(piece, 0)
    assert line.feed(rtu(40, *READ), 100 * MS) == answer(40)


def test_a_unit_may_think_before_it_answers() -> None:
    """With a turnaround the answer is due so much later, and the line says when."""
    line = ModbusLine(RtuFraming(), 1, turnaround_ns=4 * MS)
    line.join(Shelf(40))
    assert line.feed(rtu(40, *READ), 0) == b""
    assert line.next_ns() == 4 * MS
    assert line.step(4 * MS) == answer(40)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("fault", "spoiled"),
    [
        (FrameFault.WRONG_UNIT, lambda unit: rtu(unit ^ 0x7F, *answer(unit)[1:-2])),
        (FrameFault.WRONG_FUNCTION, lambda unit: rtu(unit, 4, *answer(unit)[2:-2])),
        (FrameFault.SHORT_COUNT, lambda unit: answer(unit, 2)),
        (FrameFault.WRONG_COUNT, lambda unit: answer(unit, 3)),
        (FrameFault.EXCEPTION, lambda unit: rtu(unit, 0x83, 4)),
        (LineFault.BAD_CRC, lambda unit: answer(unit)[:-1] + bytes([answer(unit)[-1] ^ 0x55])),
        (LineFault.ECHO, lambda unit: rtu(unit, *READ) + answer(unit)),
        (LineFault.DUPLICATE_REPLY, lambda unit: answer(unit) * 2),
        (LineFault.DROP_REPLY, lambda _unit: b""),
    ],
)
def test_each_fault_on_the_wire(line: ModbusLine, unit: int, fault: str, spoiled: object) -> None:
    """Each fault spoils one answer in its own way, byte for byte, is in the list, and is gone afterwards."""
    line.arm(fault, 1, None)
    assert line.armed() == {fault: 1}
    assert callable(spoiled)
    assert line.feed(rtu(unit, *READ), 0) == spoiled(unit)
    assert line.armed() == {}
    assert [(one.number, one.fault, one.tag.unit, one.tag.address) for one in line.injections()] == [
        (1, fault, unit, 100)
    ]
    assert line.feed(rtu(unit, *READ), 50 * MS) == answer(unit)


def test_frame_faults_of_a_write(line: ModbusLine) -> None:
    """A short count of a write's answer names another count, with a good check; an exception does not act."""
    shelf = Shelf(9)
    line.join(shelf)
    write = rtu(9, 16, 0, 0, 0, 2, 4, 1, 2, 3, 4)
    line.arm(FrameFault.SHORT_COUNT, 1, None)
    assert line.feed(write, 0) == rtu(9, 16, 0, 0, 0, 3)
    assert len(shelf.told) == 1
    line.arm(FrameFault.EXCEPTION, 1, None, Terms(code=6))
    assert line.feed(write, 50 * MS) == rtu(9, 0x90, 6)
    assert len(shelf.told) == 1


def test_a_short_count_of_coils_and_of_one_register(line: ModbusLine) -> None:
    """Where nothing can be left out the value differs, so that no armed fault passes unseen."""
    for pdu in ((1, 0, 0, 0, 9), (3, 0, 0, 0, 1)):
        good = line.feed(rtu(40, *pdu), 0)
        line.arm(FrameFault.SHORT_COUNT, 1, None)
        said = line.feed(rtu(40, *pdu), 0)
        assert said != good
        assert crc16(said) == 0


def test_a_fault_meant_for_one_unit_waits_for_it(line: ModbusLine) -> None:
    """Faults can be aimed at unit, function and address; others pass."""
    line.arm(LineFault.DROP_REPLY, 1, None, Terms(unit=40, function=3, address=100))
    assert line.feed(rtu(1, *READ), 0) == answer(1)
    assert line.feed(rtu(40, 4, 0, 100, 0, 1), MS) != b""
    assert line.feed(rtu(40, *READ), 2 * MS) == b""


def test_a_devices_fault_takes_its_own_units_alone(line: ModbusLine) -> None:
    """A fault armed at a jet on a shared line, under other unit ids, waits for that one; so does its power."""
    time = ScaledTime(0)
    unit = build_unit("jet.lc", 1)
    jet = Device(unit=unit, serial="SIM-0002", sim_time=time, real_ns=0, line=line, gas_unit=10, relay_unit=11)
    jet.inject("late", 2, 100, 0)
    read = (3, 0, 0, 0, 1)
    assert line.feed(rtu(1, *READ), 0) == answer(1)
    assert line.feed(rtu(11, *read), MS) == b""
    assert line.next_ns() == 101 * MS
    line.arm(LineFault.LATE, 1, 100, Terms(unit=1))
    assert line.feed(rtu(1, *READ), 2 * MS) == b""
    jet.switch_power(False, 3 * MS)
    assert line.step(200 * MS) == answer(1)
    jet.switch_power(True, 201 * MS)
    jet.clear(202 * MS)
    assert line.feed(rtu(11, *read), 203 * MS) == rtu(11, 3, 2, 0x4E, 0x57)


def test_a_late_answer_meets_the_next_request(line: ModbusLine) -> None:
    """The late answer of one unit comes after another unit's own, as on a bus whose host did not wait for it."""
    line.arm(LineFault.LATE, 1, 120)
    assert line.feed(rtu(40, *READ), 0) == b""
    assert line.feed(rtu(1, *READ), 100 * MS) == answer(1)
    assert line.next_ns() == 120 * MS
    assert line.step(120 * MS) == answer(40)


def test_one_pulled_cable_pulls_the_line(line: ModbusLine) -> None:
    """The line is plugged while the cables of all its devices are."""
    shelf = Shelf(9)
    line.join(shelf)
    assert line.is_plugged
    shelf.is_plugged = False
    assert not line.is_plugged


def test_each_framing_offers_the_faults_that_it_can_have() -> None:
    """A bad check and a second master are faults of RTU alone, a wrong transaction number one of TCP alone."""
    only_rtu = set(ModbusLine(RtuFraming(), 1).fault_names)
    only_tcp = set(ModbusLine(TcpFraming(), 1).fault_names)
    assert only_rtu - only_tcp == {"bad_crc", "second_master"}
    assert only_tcp - only_rtu == {"wrong_transaction"}
