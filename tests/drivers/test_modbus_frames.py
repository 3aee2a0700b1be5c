"""Modbus TCP frames: the profiles' hand-made frames, and answers that are not to the request."""

import tomllib
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import EndCause
from nebctl_drivers.gas_controller.registers import GasMap
from nebctl_drivers.modbus import (
    Denied,
    Done,
    Odd,
    Read,
    Request,
    SetCoil,
    Words,
    Write,
    encode_tcp,
    judge_answer,
)
from nebctl_drivers.modbus_tcp import Frame, FrameReader, NoModbus, next_transaction
from nebctl_drivers.watchdog_relay.registers import RelayMap

GAS, RELAY = GasMap(40), RelayMap(41)
REQUESTS: dict[str, Request] = {
    "read the set-point": GAS.read_setpoint,
    "read gas, status and process values": GAS.read_process,
    "read them with the valve held and the pressure out of range": GAS.read_process,
    "set 6 SLPM": GAS.write_setpoint(6000),
    "set nothing": GAS.write_setpoint(0),
    "read everything: closed for 12.5 s of the run 0badcafe, of 20 minutes": RELAY.read_all,
    "feed the watchdog": RELAY.feed(8),
    "arm: the run 0badcafe for at most 20 minutes": RELAY.arm("0badcafe", 1_200_000),
    "close": RELAY.close_contact,
    "open": RELAY.open_contact,
}


def golden_frames() -> list[dict[str, Any]]:
    """Return the frames of both profiles."""
    folder = resources.files("nebctl_profiles")
    names = ("alicat-mc-modbus.toml", "watchdog-relay.toml")
    return [frame for name in names for frame in tomllib.loads(folder.joinpath(name).read_text("utf-8"))["golden"]]


FRAMES = golden_frames()


def cut(data: bytes) -> list[Frame | NoModbus]:
    """Return the frames of some bytes."""
    return list(FrameReader().feed(data))


def answered(frame: dict[str, Any]) -> object:
    """Return what the golden answer says to its request."""
    [answer] = cut(bytes.fromhex(frame["answer"]))
    assert isinstance(answer, Frame)
    return judge_answer(REQUESTS[frame["what"]], answer.unit, answer.pdu)


@pytest.mark.parametrize("frame", FRAMES, ids=[frame["what"] for frame in FRAMES])
def test_requests_are_the_hand_made_frames(frame: dict[str, Any]) -> None:
    """Each request goes out as the profile's frame has it, and the profile's answer is taken for its answer."""
    tid = int(frame["request"][:4], 16)
    assert encode_tcp(REQUESTS[frame["what"]], tid) == bytes.fromhex(frame["request"])
    assert isinstance(answered(frame), Words | Done)


def test_every_request_has_a_golden_frame() -> None:
    """The two profiles and the requests of this test name the same frames."""
    assert {frame["what"] for frame in FRAMES} == set(REQUESTS)


PROCESS = {
    "read gas, status and process values": (101_353, 22_500, 2_500, ()),
    "read them with the valve held and the pressure out of range": (101_353, 22_500, 0, ("POV", "HLD")),
}
"""Pascals, millidegrees, mL/min and alarms of the golden answers: 14.7 psi is 101353 Pa."""


@pytest.mark.parametrize("frame", [frame for frame in FRAMES if frame["what"] in PROCESS], ids=lambda f: f["what"])
def test_process_values_are_the_manuals(frame: dict[str, Any]) -> None:
    """Pressure, temperature, flow and alarms of the golden answers come out in our units."""
    setpoint = next(f for f in FRAMES if f["what"] == "read the set-point")
    words, process = answered(setpoint), answered(frame)
    assert isinstance(words, Words)
    assert isinstance(process, Words)
    reading = GAS.parse(words.values, process.values, 0)
    assert not isinstance(reading, str)
    assert reading.setpoint_sccm == setpoint["values"]["setpoint"] * 1000
    seen = (reading.pressure_pa, reading.temp_mc, reading.flow_sccm, reading.alarms)
    assert seen == PROCESS[frame["what"]]


def test_the_relays_page_is_read_whole() -> None:
    """Contact, run, times and serial number of the golden answer come out."""
    frame = next(f for f in FRAMES if "closed" in f["values"])
    words = answered(frame)
    assert isinstance(words, Words)
    reading = RELAY.parse(words.values, 0)
    assert not isinstance(reading, str)
    assert (reading.closed, reading.cause, reading.watchdog_ms) == (True, EndCause.NONE, 2000)
    values = frame["values"]
    assert (reading.run, reading.serial) == (f"{values['run']:08x}", values["serial"])
    assert (reading.max_on_ms, reading.closed_ms) == (values["max_on"], values["closed"])


# answers that are no answer

READ, SET, COIL = Read(40, 1009, 2), Write(40, 1009, (1, 2)), SetCoil(41, 0, on=True)


@pytest.mark.parametrize(
    ("request_", "unit", "pdu", "why"),
    [
        (READ, 41, "0304 0001 0002", "unit 41"),
        (READ, 40, "0404 0001 0002", "function 4"),
        (READ, 40, "1003 F100 02", "function 16"),
        (READ, 40, "0302 0001", "1 registers where 2"),
        (READ, 40, "0306 0001 0002 0003", "3 registers where 2"),
        (READ, 40, "0304 0001", "unreadable"),
        (READ, 40, "0304 0001 0002 0003", "unreadable"),
        (READ, 40, "0303 0001 00", "unreadable"),
        (READ, 40, "03", "unreadable"),
        (READ, 40, "83", "function 131"),
        (READ, 40, "84 02", "function 132"),
        (SET, 40, "10 03F1 0001", "(1009, 1)"),
        (SET, 40, "10 03F2 0002", "(1010, 2)"),
        (SET, 40, "10 03F1 0002 00", "unreadable"),
        (COIL, 41, "05 0000 0000", "(0, False)"),
        (COIL, 41, "05 0001 FF00", "(1, True)"),
        (COIL, 41, "0F 0000 0001", "function 15"),
    ],
)
def test_an_answer_to_something_else_is_odd(request_: Request, unit: int, pdu: str, why: str) -> None:
    """Unit, function, count, address and length of an answer are each compared with what was asked."""
    outcome = judge_answer(request_, unit, bytes.fromhex(pdu))
    assert isinstance(outcome, Odd)
    assert why in outcome.why


@pytest.mark.parametrize(("request_", "pdu"), [(READ, "8302"), (SET, "9003"), (COIL, "8503")])
def test_an_exception_is_a_refusal_in_words(request_: Request, pdu: str) -> None:
    """A Modbus exception of the request's own function comes back as such, with its meaning."""
    outcome = judge_answer(request_, request_.unit, bytes.fromhex(pdu))
    assert isinstance(outcome, Denied)
    assert "illegal" in outcome.text()


def test_a_frame_in_pieces_is_one_frame() -> None:
    """Cut at every place, two frames come out whole and in order."""
    first, second = (bytes.fromhex(frame["answer"]) for frame in FRAMES[:2])
    for place in range(len(first) + len(second)):
        reader, both = FrameReader(), first + second
        frames = [*reader.feed(both[:place]), *reader.feed(both[place:])]
        assert [frame.tid for frame in frames if isinstance(frame, Frame)] == [1, 2]


@pytest.mark.parametrize("data", ["0001 0001 0006 28 03", "0001 0000 0001 28 03", "0001 0000 00FF 28 03"])
def test_what_is_no_modbus_is_said_so(data: str) -> None:
    """A protocol number other than 0 or a length that cannot be ends the stream."""
    assert cut(bytes.fromhex(data)) == [NoModbus(bytes.fromhex(data))]


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """Whatever comes, the reader gives frames or says that it is no Modbus, and each frame can be judged."""
    for frame in cut(data):
        if isinstance(frame, Frame):
            assert isinstance(judge_answer(READ, frame.unit, frame.pdu), Words | Denied | Odd)


def test_transaction_numbers_go_round_without_nought() -> None:
    """After 65535 comes 1."""
    assert [next_transaction(tid) for tid in (0, 1, 65_534, 65_535)] == [1, 2, 65_535, 1]


# maps


def test_a_setpoint_outside_the_profile_is_refused() -> None:
    """The profile's limits hold for what is written; the message names flow, unit and limits."""
    with pytest.raises(ValueError, match=r"set-point 20.001 SLPM: expected 0 to 20"):
        GAS.write_setpoint(20_001)
    with pytest.raises(ValueError, match="expected 0 to 20"):
        GAS.write_setpoint(-1)


def test_the_word_order_is_the_profiles() -> None:
    """A map with the low word first writes and reads the same flow with its two registers exchanged."""
    text = resources.files("nebctl_profiles").joinpath("alicat-mc-modbus.toml").read_text("utf-8")
    swapped = GasMap(40, tomllib.loads(text.replace('order = "ABCD"', 'order = "CDAB"')))
    assert swapped.write_setpoint(6000).values == tuple(reversed(GAS.write_setpoint(6000).values))
    reading = swapped.parse(swapped.write_setpoint(6000).values, (0,) * 11, 0)
    assert not isinstance(reading, str)
    assert reading.setpoint_sccm == 6000


@pytest.mark.parametrize("word", [0x7FC0, 0x7F80, 0xFF80])
def test_a_value_that_is_no_number_is_unreadable(word: int) -> None:
    """Not-a-number and infinity from the wire never become a flow."""
    assert GAS.parse((word, 0), (0,) * 11, 0) in ("setpoint nan", "setpoint inf", "setpoint -inf")


@pytest.mark.parametrize(
    ("place", "word", "why"),
    [
        (0, 0x1234, "identity 0x1234 with map version 1"),
        (1, 2, "map version 2"),
        (2, 2, "contact 2"),
        (2, 0, "contact 0 with cause 4"),
        (3, 9, "contact 1 with cause 9"),
        (3, 1, "contact 1 with cause 1"),
        (5, 3000, "a watchdog of 3000 ms"),
    ],
)
def test_a_relay_that_contradicts_its_page_is_unreadable(place: int, word: int, why: str) -> None:
    """Another device, a contact at odds with its cause, or a watchdog that is too slow is named."""
    words = answered(next(f for f in FRAMES if "closed" in f["values"]))
    assert isinstance(words, Words)
    changed = [*words.values]
    changed[place] = word
    assert why in str(RELAY.parse(changed, 0))
