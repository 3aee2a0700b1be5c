"""How requests and answers lie in a stream of bytes: Modbus TCP, and Modbus RTU on a serial line or behind TCP.

Source: MODBUS Messaging on TCP/IP Implementation Guide 1.0b, and MODBUS over Serial Line 1.02 with its Annex B.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from nebctl_simulators.modbus.codec import Request

HEADER = 7
LONGEST = 254  # the length field's greatest value: unit, function and 252 bytes of data
PATIENCE_NS = 500_000_000
"""A frame that stays unfinished for this long was left behind by a host that has gone."""
GAP_NS = 20_000_000
LONGEST_RTU = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """What a unit says before it is framed; `tid` is the number of the request in Modbus TCP."""

    tid: int
    unit: int
    function: int
    data: bytes


class Framing(Protocol):
    """One of the two ways to lay Modbus in a stream, with what has come of an unfinished request."""

    @property
    def has_broadcast(self) -> bool:
        """Whether unit 0 means all of them."""
        ...

    @property
    def has_check(self) -> bool:
        """Whether a frame carries a check that a fault can spoil."""
        ...

    def feed(self, data: bytes, now_ns: int) -> Iterator[Request]:
        """Take bytes that came at `now_ns` and yield the requests that they complete."""
        ...

    def pack(self, answer: Answer) -> bytes:
        """Return the frame of an answer."""
        ...


class TcpFraming:
    """Modbus TCP: a header with number and length; unit 0 is a unit like any other."""

    has_broadcast = False
    has_check = False

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
            yield Request(tid=int.from_bytes(frame[:2]), unit=frame[6], function=frame[7], data=frame[8:], raw=frame)

    def pack(self, answer: Answer) -> bytes:
        """Return the frame of an answer."""
        head = answer.tid.to_bytes(2) + b"\0\0" + (len(answer.data) + 2).to_bytes(2)
        return head + bytes([answer.unit, answer.function]) + answer.data


class RtuFraming:
    """Modbus RTU: a frame ends where its function says, or with its check where the function is unknown.

    After a frame with a wrong check the line is deaf until it was silent for `gap_ns`. The specification's 3.5
    characters are shorter than the time for which a pseudo-terminal holds a frame's second half back, so the default
    is 20 ms, which is shorter than any host's patience.
    """

    has_broadcast = True
    has_check = True

    def __init__(self, gap_ns: int = GAP_NS) -> None:
        self._gap_ns = gap_ns
        self._buffer = b""
        self._fed_ns = 0
        self._deaf = False

    def feed(self, data: bytes, now_ns: int) -> Iterator[Request]:
        """Take bytes that came at `now_ns` and yield the requests that they complete."""
        if now_ns - self._fed_ns > self._gap_ns:
            self._buffer, self._deaf = b"", False
        self._fed_ns = now_ns
        if not self._deaf:
            self._buffer += data
        while not self._deaf and (length := request_length(self._buffer)) is not None:
            frame, self._buffer = self._buffer[:length], self._buffer[length:]
            if crc16(frame):
                self._buffer, self._deaf = b"", True
                return
            yield Request(unit=frame[0], function=frame[1], data=frame[2:-2], raw=frame)

    def pack(self, answer: Answer) -> bytes:
        """Return the frame of an answer."""
        body = bytes([answer.unit, answer.function]) + answer.data
        return body + crc16(body).to_bytes(2, "little")


FIXED = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6}
COUNTED = {15: 6, 16: 6, 20: 2, 21: 2, 23: 10}
"""Where in a request of this function stands how many bytes follow."""


def request_length(buffer: bytes) -> int | None:
    """Return the length of the request at the start of the buffer; None: it has not all come yet."""
    if len(buffer) < 4:
        return None
    if (fixed := FIXED.get(buffer[1])) is not None:
        return fixed if len(buffer) >= fixed else None
    if (place := COUNTED.get(buffer[1])) is not None:
        whole = place + 1 + buffer[place] + 2 if len(buffer) > place else LONGEST_RTU
        return whole if len(buffer) >= whole else None
    if crc16(buffer) == 0 or len(buffer) >= LONGEST_RTU:
        return len(buffer)
    return None


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1  # noqa: PLW2901 - eight shifts of one value
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def crc16(data: bytes) -> int:
    """Return the check of Modbus RTU, sent low byte first; over a whole frame with its check it is 0."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ _CRC[(value ^ byte) & 0xFF]
    return value


def spoil_check(frame: bytes) -> bytes:
    """Return an RTU frame with a wrong check."""
    return frame[:-1] + bytes([frame[-1] ^ 0x55])


def build_framing(name: str) -> Framing:
    """Return a new framing: "rtu" or "tcp"."""
    return RtuFraming() if name == "rtu" else TcpFraming()
