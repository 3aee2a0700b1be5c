"""Modbus TCP frames without I/O: requests out, answers in, and whether an answer is one to the request.

This is the only module that imports pymodbus. Its framer and PDU codec do the bytes; it takes an answer of another
function or length for good, so everything is compared here with what was asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest, WriteSingleCoilResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
)

MOST_TRANSACTIONS = 0xFFFF
_HEADER = 7
_LONGEST = 254
_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    6: "busy",
    10: "no path to the unit",
    11: "the unit does not answer",
}


@dataclass(frozen=True, slots=True)
class Read:
    """Read `count` holding registers from `address` on."""

    unit: int
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Write:
    """Write holding registers from `address` on."""

    unit: int
    address: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SetCoil:
    """Write one coil."""

    unit: int
    address: int
    on: bool


Request: TypeAlias = Read | Write | SetCoil


@dataclass(frozen=True, slots=True)
class Words:
    """The registers that were read."""

    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """A write was acknowledged."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The unit refused the request with a Modbus exception."""

    code: int

    def text(self) -> str:
        """Return the exception in words."""
        return f"exception {self.code} ({_EXCEPTIONS.get(self.code, 'not one of the specification')})"


@dataclass(frozen=True, slots=True)
class Odd:
    """An answer under the request's number that is no answer to it."""

    why: str


Outcome: TypeAlias = Words | Done | Denied | Odd


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame from the wire: transaction number, unit, and the function with its data."""

    tid: int
    unit: int
    pdu: bytes


@dataclass(frozen=True, slots=True)
class NoModbus:
    """Bytes that are no Modbus TCP; where the next frame begins is not known any more."""

    sample: bytes


class FrameReader:
    """Cuts frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._framer = FramerSocket(DecodePDU(is_server=False))
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Frame | NoModbus]:
        """Take bytes and yield the frames that they complete; after `NoModbus` the stream is to be given up."""
        self._buffer += data
        while len(self._buffer) >= _HEADER:
            length = int.from_bytes(self._buffer[4:6])
            if self._buffer[2:4] != b"\0\0" or not 2 <= length <= _LONGEST:
                sample, self._buffer = self._buffer[:16], b""
                yield NoModbus(sample)
                return
            if len(self._buffer) < 6 + length:
                return
            _, unit, tid, pdu = self._framer.decode(self._buffer[: 6 + length])
            self._buffer = self._buffer[6 + length :]
            yield Frame(tid, unit, pdu)


def encode_request(request: Request, tid: int) -> bytes:
    """Return the frame of a request under the transaction number `tid`."""
    pdu = _build(request)
    pdu.dev_id, pdu.transaction_id = request.unit, tid
    return FramerSocket(DecodePDU(is_server=False)).buildFrame(pdu)


def next_transaction(tid: int) -> int:
    """Return the number after `tid`: 1 to 65535, and round again."""
    return tid % MOST_TRANSACTIONS + 1


def judge_answer(request: Request, frame: Frame) -> Outcome:
    """Return what `frame` says to `request`, which went out under the frame's number."""
    if frame.unit != request.unit:
        return Odd(f"an answer of unit {frame.unit} to a request to unit {request.unit}")
    function = _function(request)
    if len(frame.pdu) == 2 and frame.pdu[0] == function | 0x80:
        return Denied(frame.pdu[1])
    if frame.pdu[0] != function:
        return Odd(f"an answer of function {frame.pdu[0]} to function {function}")
    answer = DecodePDU(is_server=False).decode(frame.pdu)
    # what pymodbus reads must be all there is: it drops surplus bytes and takes missing ones for fewer registers
    if answer is None or bytes([answer.function_code]) + answer.encode() != frame.pdu:
        return Odd(f"the unreadable answer {frame.pdu.hex()}")
    return _compare(request, answer)


def _build(request: Request) -> ModbusPDU:
    match request:
        case Read():
            return ReadHoldingRegistersRequest(address=request.address, count=request.count)
        case Write():
            return WriteMultipleRegistersRequest(address=request.address, registers=list(request.values))
        case SetCoil():
            return WriteSingleCoilRequest(address=request.address, bits=[request.on])


def _function(request: Request) -> int:
    match request:
        case Read():
            return 3
        case Write():
            return 16
        case SetCoil():
            return 5


def _compare(request: Request, answer: ModbusPDU) -> Outcome:
    match request, answer:
        case Read(), ReadHoldingRegistersResponse():
            if len(answer.registers) != request.count:
                return Odd(f"{len(answer.registers)} registers where {request.count} were asked")
            return Words(tuple(answer.registers))
        case Write(), WriteMultipleRegistersResponse():
            told, asked = (answer.address, answer.count), (request.address, len(request.values))
        case SetCoil(), WriteSingleCoilResponse():
            told, asked = (answer.address, bool(answer.bits[0])), (request.address, request.on)
        case _:
            return Odd(f"a {type(answer).__name__}")
    return Done() if told == asked else Odd(f"an answer about {told} where {asked} was written")
