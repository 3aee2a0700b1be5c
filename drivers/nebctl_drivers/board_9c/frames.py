"""The frames of the 9C main board: bytes to frames and back, without any I/O.

AA 55 | frame id u16 | type u8 | payload length u16 | payload | CRC-16/MODBUS u16 | 0D 0A, every number little-endian,
the CRC over everything between the two marks and itself.

Source: HostProtocolReference.md of the board's makers (github.com/zq9278/9C-Nebulizer-main), sections 2, 3 and 10.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

HEAD = b"\xaa\x55"
TAIL = b"\r\n"
MAX_PAYLOAD = 128
OVERHEAD = 11
_HEADER = struct.Struct("<HBH")
_HEADER_END = len(HEAD) + _HEADER.size
_SAMPLE = 40


class FrameType(IntEnum):
    """What a frame carries."""

    CMD = 0x01
    ACK = 0x02
    NACK = 0x03
    STATUS = 0x04
    EVENT = 0x05
    CONFIG = 0x06
    PID = 0x07
    RUNTIME = 0x08
    MAINT = 0x09
    FAN_PID = 0x0A
    PREHEAT_PID = 0x0B


_LENGTHS = {
    FrameType.CMD: range(1, MAX_PAYLOAD + 1),
    FrameType.ACK: range(4, 5),
    FrameType.NACK: range(4, 5),
    FrameType.STATUS: range(20, 22),
    FrameType.EVENT: range(12, 13),
    FrameType.CONFIG: range(7, 9),
    FrameType.PID: range(20, 21),
    FrameType.RUNTIME: range(46, MAX_PAYLOAD + 1),
    FrameType.MAINT: range(5, 6),
    FrameType.FAN_PID: range(20, 21),
    FrameType.PREHEAT_PID: range(20, 21),
}
"""The lengths that a type's payload may have: a header that names another is noise, and is not waited for.

STATUS and CONFIG grew by one byte with the keep-warm switch; RUNTIME has grown five times, so more is taken.
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; `frame_id` is the host's own in ACK and NACK, and the board's, from 0x8000 on, in all data."""

    frame_id: int
    type: FrameType
    payload: bytes


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC_TABLE = tuple(map(_crc_of, range(256)))


def checksum(data: bytes) -> int:
    """Return CRC-16/MODBUS over `data`."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def encode_frame(frame: Frame) -> bytes:
    """Return the frame as it goes on the wire.

    Raises: `ValueError` where the frame would break the protocol's own rules.
    """
    if not 0 <= frame.frame_id <= 0xFFFF or len(frame.payload) not in _LENGTHS[frame.type]:
        raise ValueError(f"{frame} is no frame of the 9C board")
    body = _HEADER.pack(frame.frame_id, frame.type, len(frame.payload)) + frame.payload
    return HEAD + body + checksum(body).to_bytes(2, "little") + TAIL


class FrameReader:
    """Cuts the received bytes into frames; what is no good frame is dropped, never mended.

    After a frame that is not good the search goes on one byte behind its head, so that a good frame inside what the bad
    one claimed is found. `dropped` counts the bytes that were no frame, `sample` holds the first of them for a person;
    at most one frame's bytes are kept.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.dropped = 0
        self.sample = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take received bytes, in pieces of any size, and return the frames that they complete."""
        self._buffer += data
        frames = []
        while self._align():
            size = self._size()
            if size is None:
                self._drop(1)
            elif len(self._buffer) < size:
                break
            elif (frame := _parse(bytes(self._buffer[:size]))) is None:
                self._drop(1)
            else:
                frames.append(frame)
                del self._buffer[:size]
        return frames

    def forget_sample(self) -> None:
        """Begin a new sample."""
        self.sample = b""

    def _align(self) -> bool:
        """Put the next head at the buffer's beginning; False means that there is no whole header yet."""
        at = self._buffer.find(HEAD)
        if at < 0:
            at = len(self._buffer) - self._buffer.endswith(HEAD[:1])
        self._drop(at)
        return len(self._buffer) >= _HEADER_END

    def _size(self) -> int | None:
        """Return the bytes of the frame that the header announces; None where no frame has such a header."""
        _, kind, length = _HEADER.unpack_from(self._buffer, len(HEAD))
        return OVERHEAD + length if length in _LENGTHS.get(kind, ()) else None

    def _drop(self, count: int) -> None:
        self.sample += bytes(self._buffer[: min(count, _SAMPLE - len(self.sample))])
        self.dropped += count
        del self._buffer[:count]


def _parse(raw: bytes) -> Frame | None:
    body = raw[len(HEAD) : -4]
    if not raw.endswith(TAIL) or int.from_bytes(raw[-4:-2], "little") != checksum(body):
        return None
    frame_id, kind, _ = _HEADER.unpack_from(body)
    return Frame(frame_id, FrameType(kind), body[_HEADER.size :])
