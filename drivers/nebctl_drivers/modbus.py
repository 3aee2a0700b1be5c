"""Modbus requests and answers without I/O, and whether an answer is one to the request.

This is the only module that imports pymodbus. Its framers and PDU codec do the bytes; it takes an answer of another
function or length for good, so everything is compared here with what was asked.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsRequest,
    WriteMultipleCoilsResponse,
    WriteSingleCoilRequest,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

# It says on its own what a broken answer is like; here that is a value, and the caller's to say.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
_DECODER = DecodePDU(is_server=False)
_SOCKET, _RTU = FramerSocket(_DECODER), FramerRTU(_DECODER)
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
class ReadInput:
    """Read `count` input registers from `address` on."""

    unit: int
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class ReadCoils:
    """Read `count` coils from `address` on."""

    unit: int
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class ReadDiscrete:
    """Read `count` discrete inputs from `address` on."""

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
class WriteOne:
    """Write one holding register by function 6, for devices that know no other."""

    unit: int
    address: int
    value: int


@dataclass(frozen=True, slots=True)
class SetCoil:
    """Write one coil."""

    unit: int
    address: int
    on: bool


@dataclass(frozen=True, slots=True)
class SetCoils:
    """Write coils from `address` on."""

    unit: int
    address: int
    values: tuple[bool, ...]


ReadRequest: TypeAlias = Read | ReadInput | ReadCoils | ReadDiscrete
WriteRequest: TypeAlias = Write | WriteOne | SetCoil | SetCoils
Request: TypeAlias = ReadRequest | WriteRequest


@dataclass(frozen=True, slots=True)
class Words:
    """The registers that were read."""

    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bits:
    """The coils or discrete inputs that were read."""

    values: tuple[bool, ...]


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
    """An answer that is no answer to the request."""

    why: str


Outcome: TypeAlias = Words | Bits | Done | Denied | Odd


def encode_tcp(request: Request, tid: int) -> bytes:
    """Return the Modbus TCP frame of a request under the transaction number `tid`."""
    pdu = _build(request)
    pdu.transaction_id = tid
    return _SOCKET.buildFrame(pdu)


def encode_rtu(request: Request) -> bytes:
    """Return the RTU frame of a request: unit, function, data, CRC."""
    return _RTU.buildFrame(_build(request))


def cut_tcp(frame: bytes) -> tuple[int, int, bytes]:
    """Return transaction number, unit and PDU of a whole Modbus TCP frame."""
    _, unit, tid, pdu = _SOCKET.decode(frame)
    return tid, unit, pdu


def has_good_crc(frame: bytes) -> bool:
    """Return whether the last two bytes of an RTU frame are its CRC."""
    return FramerRTU.compute_CRC(frame[:-2]) == int.from_bytes(frame[-2:])


def function_of(request: Request) -> int:
    """Return the function code of a request."""
    match request:
        case ReadCoils():
            return 1
        case ReadDiscrete():
            return 2
        case Read():
            return 3
        case ReadInput():
            return 4
        case SetCoil():
            return 5
        case WriteOne():
            return 6
        case SetCoils():
            return 15
        case Write():
            return 16


def answer_length(request: Request) -> int:
    """Return the bytes of the PDU that answers `request`."""
    match request:
        case Read() | ReadInput():
            return 2 + 2 * request.count
        case ReadCoils() | ReadDiscrete():
            return 2 + (request.count + 7) // 8
        case Write() | WriteOne() | SetCoil() | SetCoils():
            return 5


def judge_answer(request: Request, unit: int, pdu: bytes) -> Outcome:
    """Return what a PDU of `unit` says to `request`."""
    if unit != request.unit:
        return Odd(f"an answer of unit {unit} to a request to unit {request.unit}")
    function = function_of(request)
    if len(pdu) == 2 and pdu[0] == function | 0x80:
        return Denied(pdu[1])
    if pdu[0] != function:
        return Odd(f"an answer of function {pdu[0]} to function {function}")
    answer = _DECODER.decode(pdu)
    # what pymodbus reads must be all there is: it drops surplus bytes and takes missing ones for fewer registers
    if answer is None or bytes([answer.function_code]) + answer.encode() != pdu:
        return Odd(f"the unreadable answer {pdu.hex()}")
    return _compare(request, answer)


def _build(request: Request) -> ModbusPDU:
    pdu = _build_pdu(request)
    pdu.dev_id = request.unit
    return pdu


def _build_pdu(request: Request) -> ModbusPDU:
    match request:
        case Read():
            return ReadHoldingRegistersRequest(address=request.address, count=request.count)
        case ReadInput():
            return ReadInputRegistersRequest(address=request.address, count=request.count)
        case ReadCoils():
            return ReadCoilsRequest(address=request.address, count=request.count)
        case ReadDiscrete():
            return ReadDiscreteInputsRequest(address=request.address, count=request.count)
        case Write():
            return WriteMultipleRegistersRequest(address=request.address, registers=list(request.values))
        case WriteOne():
            return WriteSingleRegisterRequest(address=request.address, registers=[request.value])
        case SetCoil():
            return WriteSingleCoilRequest(address=request.address, bits=[request.on])
        case SetCoils():
            return WriteMultipleCoilsRequest(address=request.address, bits=list(request.values))


def _compare(request: Request, answer: ModbusPDU) -> Outcome:
    match request, answer:
        case Read(), ReadHoldingRegistersResponse():
            return _compare_words(request.count, answer.registers)
        case ReadInput(), ReadInputRegistersResponse():
            return _compare_words(request.count, answer.registers)
        case ReadCoils(), ReadCoilsResponse():
            return _compare_bits(request.count, answer.bits)
        case ReadDiscrete(), ReadDiscreteInputsResponse():
            return _compare_bits(request.count, answer.bits)
        case SetCoils(), WriteMultipleCoilsResponse():
            told, asked = (answer.address, answer.count), (request.address, len(request.values))
        case Write(), WriteMultipleRegistersResponse():
            told, asked = (answer.address, answer.count), (request.address, len(request.values))
        case WriteOne(), WriteSingleRegisterResponse():
            told, asked = (answer.address, answer.registers[0]), (request.address, request.value)
        case SetCoil(), WriteSingleCoilResponse():
            told, asked = (answer.address, bool(answer.bits[0])), (request.address, request.on)
        case _:
            return Odd(f"a {type(answer).__name__}")
    return Done() if told == asked else Odd(f"an answer about {told} where {asked} was written")


def _compare_words(count: int, registers: Sequence[int]) -> Outcome:
    if len(registers) != count:
        return Odd(f"{len(registers)} registers where {count} were asked")
    return Words(tuple(registers))


def _compare_bits(count: int, bits: Sequence[bool]) -> Outcome:
    if len(bits) != (count + 7) // 8 * 8:
        return Odd(f"{len(bits)} bits where {count} were asked")
    return Bits(tuple(bits[:count]))
