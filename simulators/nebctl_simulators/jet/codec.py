"""Modbus TCP as a server speaks it, written for the simulator alone: frames in, requests, answers out."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

HEADER = 7
LONGEST = 254  # the length field's greatest value: unit, function and 252 bytes of data
PATIENCE_NS = 500_000_000
"""A frame that stays unfinished for this long was left behind by a host that has gone."""

READ_HOLDING, READ_INPUT, WRITE_COIL, WRITE_REGISTERS, READ_COILS = 3, 4, 5, 16, 1


class Fault(IntEnum):
    """The exception codes of Modbus that the simulator uses."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4


class ModbusFault(Exception):  # noqa: N818 - the wire's own word for it is exception
    """A request that is refused."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its transaction number, the unit it is for, its function, and the function's data."""

    tid: int
    unit: int
    function: int
    data: bytes


class FrameReader:
    """Cuts frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fed_ns = 0

    def feed(self, data: bytes, now_ns: int) -> Iterator[Request]:
        """Take bytes that came at `now_ns` and yield the requests that they complete."""
        if now_ns - self._fed_ns > PATIENCE_NS:
            self._buffer = b""
        self._buffer, self._fed_ns = self._buffer + data, now_ns
        while len(self._buffer) > HEADER:
            length = int.from_bytes(self._buffer[4:6])
            if self._buffer[2:4] != b"\0\0" or not 2 <= length <= LONGEST:
                self._buffer = b""  # no Modbus: what follows cannot be cut either
                return
            if len(self._buffer) < 6 + length:
                return
            frame, self._buffer = self._buffer[: 6 + length], self._buffer[6 + length :]
            yield Request(int.from_bytes(frame[:2]), frame[6], frame[7], frame[8:])


def encode_answer(request: Request, data: bytes) -> bytes:
    """Return the frame that answers `request` with the function's own data."""
    return _frame(request, bytes([request.function]) + data)


def encode_fault(request: Request, fault: Fault) -> bytes:
    """Return the frame that refuses `request`."""
    return _frame(request, bytes([request.function | 0x80, fault]))


def _frame(request: Request, pdu: bytes) -> bytes:
    head = request.tid.to_bytes(2) + b"\0\0" + (len(pdu) + 1).to_bytes(2)
    return head + bytes([request.unit]) + pdu


def parse_read(data: bytes, most: int) -> tuple[int, int]:
    """Return address and count of a read of at most `most` items.

    Raises: ModbusFault for anything else.
    """
    address, count = int.from_bytes(data[:2]), int.from_bytes(data[2:])
    if len(data) != 4 or not 1 <= count <= most:
        raise ModbusFault(Fault.VALUE)
    return address, count


def parse_write(data: bytes) -> tuple[int, tuple[int, ...]]:
    """Return address and values of a write of registers.

    Raises: ModbusFault where count and length do not fit each other.
    """
    if len(data) < 7 or len(data) != 5 + data[4] or data[4] != 2 * int.from_bytes(data[2:4]):
        raise ModbusFault(Fault.VALUE)
    words = data[5:]
    return int.from_bytes(data[:2]), tuple(int.from_bytes(words[i : i + 2]) for i in range(0, len(words), 2))


def parse_coil(data: bytes) -> tuple[int, bool]:
    """Return address and value of a write of one coil.

    Raises: ModbusFault for a value that is neither on nor off.
    """
    if len(data) != 4 or data[2:] not in (b"\xff\0", b"\0\0"):
        raise ModbusFault(Fault.VALUE)
    return int.from_bytes(data[:2]), data[2] == 0xFF
