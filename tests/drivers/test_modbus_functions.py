"""Functions 2, 6 and 15 of Modbus: the specification's own frames, and the answer that looks like an echo."""

import pytest

from nebctl_drivers.exchange import Answered, Sent
from nebctl_drivers.modbus import (
    Bits,
    Denied,
    Done,
    Odd,
    Outcome,
    Read,
    ReadDiscrete,
    Request,
    SetCoil,
    SetCoils,
    Write,
    WriteOne,
    encode_rtu,
    encode_tcp,
    judge_answer,
)
from nebctl_drivers.modbus_rtu import ModbusRtu
from nebctl_lab.bench.evil import crc

UNIT = 17
DISCRETE = tuple(bool(byte >> place & 1) for byte in (0xAC, 0xDB, 0x35) for place in range(8))[:22]
COILS = tuple(bool(byte >> place & 1) for byte in (0xCD, 0x01) for place in range(8))[:10]
EXAMPLES: list[tuple[Request, str, str, Outcome]] = [
    (ReadDiscrete(UNIT, 0xC4, 22), "02 00C4 0016", "02 03 ACDB35", Bits(DISCRETE)),
    (WriteOne(UNIT, 1, 3), "06 0001 0003", "06 0001 0003", Done()),
    (SetCoils(UNIT, 0x13, COILS), "0F 0013 000A 02 CD01", "0F 0013 000A", Done()),
]
"""Source: Modbus Application Protocol V1.1b3, the examples of 6.2, 6.6 and 6.11."""


def sign(pdu: str | bytes, unit: int = UNIT) -> bytes:
    """Return an RTU frame with a CRC that is worked out bit by bit."""
    body = bytes([unit]) + (bytes.fromhex(pdu) if isinstance(pdu, str) else pdu)
    return body + crc(body)


@pytest.mark.parametrize(("request_", "asked", "answer", "outcome"), EXAMPLES)
def test_the_examples_of_the_specification(request_: Request, asked: str, answer: str, outcome: Outcome) -> None:
    """Each request goes out as the specification prints it, in both framings, and its answer means what it says."""
    pdu = bytes.fromhex(asked)
    assert encode_rtu(request_) == sign(pdu)
    assert encode_tcp(request_, 0x1234) == b"\x12\x34\0\0" + (len(pdu) + 1).to_bytes(2) + bytes([UNIT]) + pdu
    assert judge_answer(request_, UNIT, bytes.fromhex(answer)) == outcome
    dialect = ModbusRtu()
    sent = dialect.encode(request_)
    assert dialect.longest(request_) == len(sign(answer))
    assert list(dialect.feed(sign(answer), [sent])) == [Answered(sent, outcome)]


@pytest.mark.parametrize(
    ("request_", "pdu", "why"),
    [
        (EXAMPLES[0][0], "01 03 ACDB35", "function 1"),
        (EXAMPLES[0][0], "02 02 ACDB", "16 bits where 22"),
        (EXAMPLES[0][0], "02 04 ACDB3500", "32 bits where 22"),
        (EXAMPLES[0][0], "02 03 ACDB", "unreadable"),
        (EXAMPLES[1][0], "06 0002 0003", "(2, 3)"),
        (EXAMPLES[1][0], "06 0001 0004", "(1, 4)"),
        (EXAMPLES[1][0], "10 0001 0001", "function 16"),
        (EXAMPLES[1][0], "06 0001 0003 00", "unreadable"),
        (EXAMPLES[2][0], "0F 0013 0009", "(19, 9)"),
        (EXAMPLES[2][0], "05 0013 FF00", "function 5"),
    ],
)
def test_an_answer_to_something_else_is_odd(request_: Request, pdu: str, why: str) -> None:
    """Function, address, value, count and length are each compared with what was asked."""
    outcome = judge_answer(request_, UNIT, bytes.fromhex(pdu))
    assert isinstance(outcome, Odd)
    assert why in outcome.why


@pytest.mark.parametrize(("number", "pdu"), [(0, "82 02"), (1, "86 03"), (2, "8F 01")])
def test_an_exception_is_a_refusal(number: int, pdu: str) -> None:
    """An exception of the request's own function is a refusal in words."""
    outcome = judge_answer(EXAMPLES[number][0], UNIT, bytes.fromhex(pdu))
    assert isinstance(outcome, Denied)
    assert "illegal" in outcome.text()


def echoing() -> ModbusRtu:
    """Return a dialect that has learnt from a read that its line echoes."""
    dialect = ModbusRtu()
    sent = dialect.encode(Read(UNIT, 0, 1))
    assert len(list(dialect.feed(sent.frame + sign("03 02 0007"), [sent]))) == 1
    return dialect


def unlucky() -> Write:
    """Return a write of two registers whose frame begins with a whole acknowledgement of itself."""
    for address in range(0x10000):
        head = bytes([UNIT, 16]) + address.to_bytes(2) + b"\0\2"
        low, high = crc(head)
        if low == 4:  # the byte count of two registers
            return Write(UNIT, address, (high << 8, 0))
    raise AssertionError("no such address")


WRITES: list[Request] = [WriteOne(UNIT, 1, 3), SetCoil(UNIT, 0, on=False), SetCoils(UNIT, 0, (True, False)), unlucky()]


def acknowledgement(request: Request) -> bytes:
    """Return the answer of a unit that did what it was asked."""
    return sign(encode_rtu(request)[1:6])


@pytest.mark.parametrize("request_", WRITES)
def test_an_echo_is_no_acknowledgement(request_: Request) -> None:
    """On a line known to echo, the echo of a write settles nothing, however it comes in; with the answer it does."""
    frame, answer = encode_rtu(request_), acknowledgement(request_)
    for place in range(1, len(frame)):
        dialect = echoing()
        sent = dialect.encode(request_)
        assert list(dialect.feed(frame[:place], [sent])) == []
        assert list(dialect.feed(frame[place:], [sent])) == []
        assert list(dialect.feed(answer, [sent])) == [Answered(sent, Done())]


@pytest.mark.parametrize("request_", WRITES)
def test_behind_an_echo_a_refusal_is_heard(request_: Request) -> None:
    """The unit's exception behind the echo, or alone where the echo was lost, is its answer."""
    refusal = sign(bytes([encode_rtu(request_)[1] | 0x80, 4]))
    for before in (encode_rtu(request_), b""):
        dialect = echoing()
        sent = dialect.encode(request_)
        assert list(dialect.feed(before + refusal, [sent])) == [Answered(sent, Denied(4))]


def test_a_frame_can_begin_with_its_own_acknowledgement() -> None:
    """The trap is real: the first eight bytes of such a write are a good answer to it."""
    request = unlucky()
    assert encode_rtu(request)[:8] == acknowledgement(request)


@pytest.mark.parametrize("request_", WRITES)
def test_without_an_echo_one_answer_is_enough(request_: Request) -> None:
    """On a quiet line the acknowledgement itself settles the write."""
    dialect = ModbusRtu()
    sent = dialect.encode(request_)
    assert list(dialect.feed(acknowledgement(request_), [sent])) == [Answered(sent, Done())]


def test_which_answers_could_be_taken_for_each_other() -> None:
    """Single writes are alike with address and value, writes of several with address and count, reads with length."""
    dialect = ModbusRtu()
    assert dialect.alike(WriteOne(1, 2, 3), WriteOne(1, 2, 3))
    assert not dialect.alike(WriteOne(1, 2, 3), WriteOne(1, 2, 4))
    assert not dialect.alike(WriteOne(1, 2, 3), WriteOne(1, 1, 3))
    assert not dialect.alike(WriteOne(1, 2, 3), WriteOne(2, 2, 3))
    assert not dialect.alike(WriteOne(1, 2, 3), Write(1, 2, (3,)))
    assert dialect.alike(SetCoils(1, 2, (True, True)), SetCoils(1, 2, (False, True)))
    assert not dialect.alike(SetCoils(1, 2, (True, True)), SetCoils(1, 2, (True,)))
    assert dialect.alike(ReadDiscrete(1, 2, 3), ReadDiscrete(1, 9, 8))
    assert not dialect.alike(ReadDiscrete(1, 2, 3), ReadDiscrete(1, 2, 9))


def test_the_probes_of_discrete_inputs_differ_in_length() -> None:
    """Reads of the same inputs whose answers cannot be mistaken for each other are one byte apart."""
    dialect = ModbusRtu()
    probes = list(dialect.probes(ReadDiscrete(UNIT, 5, 20)))
    assert probes == [ReadDiscrete(UNIT, 5, count) for count in (1, 9, 17)]
    sent = [Sent(probe, b"") for probe in probes]
    assert len({dialect.longest(each.request) for each in sent}) == 3
