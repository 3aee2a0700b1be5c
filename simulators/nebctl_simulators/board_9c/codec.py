"""Frames of the 9C main board as a board speaks them, written for the simulator alone.

`AA 55`, frame number u16, type u8, length u16, payload, CRC-16/MODBUS over number to payload, `0D 0A`; numbers have
their low byte first.
Source: https://github.com/zq9278/9C-Nebulizer-main (docs/HostProtocolReference.md, sections 2 and 3).
"""

from dataclasses import dataclass
from enum import IntEnum

from nebctl_simulators.mesh.codec import crc16

HEAD, TAIL = b"\xaa\x55", b"\r\n"
BEFORE_PAYLOAD, AFTER_PAYLOAD = 7, 4
LONGEST_PAYLOAD = 128
PATIENCE_NS = 100_000_000
"""An unfinished frame waits so long for its rest; the source gives no figure, this one is longer than any frame."""


class Kind(IntEnum):
    """The types of frames."""

    COMMAND = 0x01
    ACK = 0x02
    NACK = 0x03
    STATUS = 0x04
    EVENT = 0x05
    CONFIG = 0x06
    PID = 0x07
    RUNTIME = 0x08
    MAINTENANCE = 0x09
    FAN_PID = 0x0A
    PREHEAT_PID = 0x0B


@dataclass(frozen=True, slots=True)
class Frame:
    """One good frame."""

    number: int
    kind: int
    payload: bytes


def encode_frame(frame: Frame) -> bytes:
    """Return the frame as it goes over the wire."""
    body = frame.number.to_bytes(2, "little") + bytes([frame.kind]) + len(frame.payload).to_bytes(2, "little")
    body += frame.payload
    return HEAD + body + crc16(body).to_bytes(2, "little") + TAIL


def spoil_crc(frame: bytes) -> bytes:
    """Return a whole frame with one bit of its check changed."""
    return frame[:-4] + bytes([frame[-4] ^ 1]) + frame[-3:]


class FrameReader:
    """Cuts good frames out of a stream of bytes and drops, without a word, what is none."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fed_ns = 0

    def feed(self, data: bytes, now_ns: int) -> list[Frame]:
        """Return the frames that these bytes complete; `now_ns` is when they came."""
        if self._buffer and now_ns - self._fed_ns > PATIENCE_NS:
            self._buffer = b""
        self._buffer, self._fed_ns = self._buffer + data, now_ns
        frames: list[Frame] = []
        while self._next(frames):
            pass
        return frames

    def _next(self, frames: list[Frame]) -> bool:
        """Take one step through the buffer; False: it needs more bytes."""
        start = self._buffer.find(HEAD)
        if start < 0:
            self._buffer = self._buffer[-1:] if self._buffer.endswith(HEAD[:1]) else b""
            return False
        self._buffer = self._buffer[start:]
        if len(self._buffer) < BEFORE_PAYLOAD:
            return False
        length = int.from_bytes(self._buffer[5:7], "little")
        end = BEFORE_PAYLOAD + length + AFTER_PAYLOAD
        if length <= LONGEST_PAYLOAD and len(self._buffer) < end:
            return False
        frame = _parse(self._buffer[:end]) if length <= LONGEST_PAYLOAD else None
        if frame is None:
            self._buffer = self._buffer[1:]  # a head by chance: the next one may begin right behind it
        else:
            frames.append(frame)
            self._buffer = self._buffer[end:]
        return True


def _parse(data: bytes) -> Frame | None:
    body, check = data[2:-AFTER_PAYLOAD], int.from_bytes(data[-AFTER_PAYLOAD:-2], "little")
    if data[-2:] != TAIL or crc16(body) != check:
        return None
    return Frame(int.from_bytes(body[:2], "little"), body[2], body[5:])
