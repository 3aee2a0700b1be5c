"""Golden frames taken apart by hand: CRC, header and fields, without the codec that the drivers use.

A mistake in that codec, or in a profile, would otherwise agree with itself. Source: Modbus Application Protocol V1.1b3,
sections 6.1 to 6.6 and 6.12; Modbus over Serial Line V1.02, 2.5.1; Modbus Messaging on TCP/IP V1.0b, 3.1.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nebctl.core.faults import FieldError

from .profile import WRITE_ONE, Block, Point, Space

_READS = {3: Space.HOLDING, 4: Space.INPUT, 1: Space.COIL, 2: Space.DISCRETE}
_WRITES = {16: Space.HOLDING, 6: Space.HOLDING, 5: Space.COIL}
_COIL = {b"\xff\x00": 1, b"\x00\x00": 0}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What one request read or wrote: `words` are registers, or bits as 0 and 1."""

    function: int
    space: Space
    address: int
    words: tuple[int, ...]

    @property
    def reads(self) -> bool:
        """Return whether it is a read."""
        return self.function in _READS

    @property
    def end(self) -> int:
        """Return the address after the last one."""
        return self.address + len(self.words)

    def holds(self, point: Point) -> bool:
        """Return whether all of a point is part of it."""
        return point.space is self.space and self.address <= point.address and point.end <= self.end

    def of(self, point: Point) -> tuple[int, ...]:
        """Return the words of a point that it holds."""
        return self.words[point.address - self.address : point.end - self.address]

    def is_write_of(self, point: Point) -> bool:
        """Return whether it writes all of a point, by the point's own function."""
        return self.function == point.write_function and self.holds(point)

    def is_read_of(self, block: Block) -> bool:
        """Return whether it reads just this block."""
        return self.reads and (self.space, self.address, len(self.words)) == (block.space, block.address, block.count)


def crc(data: bytes) -> int:
    """Return the CRC of an RTU frame's bytes, whose low byte goes first on the wire."""
    register = 0xFFFF
    for bit in (byte >> place & 1 for byte in data for place in range(8)):
        register = register >> 1 ^ (0xA001 if (register ^ bit) & 1 else 0)
    return register


def read_frame(text: str) -> tuple[bytes, bytes]:
    """Return the head of a frame in hexadecimal digits (TCP: transaction and unit; RTU: the unit), and its function.

    Raises: `FieldError` for what is neither a TCP frame nor an RTU frame with a good CRC.
    """
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise FieldError("expected bytes", 'write hexadecimal digits, such as "28 03 0000 0002 C3F2"') from None
    told = crc(data[:-2])
    # The CRC decides: an RTU answer to a write at address 0 can look like a TCP header.
    if len(data) >= 4 and told == int.from_bytes(data[-2:], "little"):
        return data[:1], data[1:-2]
    if len(data) >= 8 and data[2:4] == b"\0\0" and int.from_bytes(data[4:6]) == len(data) - 6:
        return data[:2] + data[6:7], data[7:]
    right = f"write the frame anew; an RTU frame of these bytes ends in {told.to_bytes(2, 'little').hex().upper()}"
    raise FieldError("this is no Modbus TCP frame, and no RTU frame, whose CRC would be another", right)


def read_request(pdu: bytes) -> Exchange:
    """Return what a request asks for; a read's words are all 0 yet.

    Raises: `FieldError` for what is none of the requests that nebctl sends.
    """
    function, address, number = pdu[0], int.from_bytes(pdu[1:3]), int.from_bytes(pdu[3:5])
    if function in _READS and len(pdu) == 5 and number:
        return Exchange(function, _READS[function], address, (0,) * number)
    if function == 16 and pdu[5:6] == bytes([2 * number % 256]) and len(pdu) == 6 + 2 * number and number:
        return Exchange(function, Space.HOLDING, address, _words(pdu[6:]))
    if function == 6 and len(pdu) == 5:
        return Exchange(function, Space.HOLDING, address, (number,))
    if function == 5 and pdu[3:] in _COIL:
        return Exchange(function, Space.COIL, address, (_COIL[pdu[3:]],))
    known = ", ".join(map(str, sorted({*_READS, *_WRITES})))
    raise FieldError(f"this is no request of function {known}", "write a request that nebctl sends")


def read_answer(request: bytes, asked: Exchange, answer: bytes) -> Exchange:
    """Return the exchange with the words that the answer brings.

    Raises: `FieldError` for an answer that is not one to the request.
    """
    if not asked.reads:
        if answer != request[:5]:
            raise FieldError("this does not acknowledge the request", f"it would be {request[:5].hex(' ').upper()}")
        return asked
    count = len(asked.words)
    bits = asked.space.holds_bits
    size = (count + 7) // 8 if bits else 2 * count
    if answer[:2] != bytes([request[0], size]) or len(answer) != 2 + size:
        head = bytes([request[0], size]).hex(" ").upper()
        raise FieldError("this is no answer to the request", f"one begins {head} and has {size} bytes of data")
    words = tuple(answer[2 + at // 8] >> at % 8 & 1 for at in range(count)) if bits else _words(answer[2:])
    return Exchange(asked.function, asked.space, asked.address, words)


def unproven(
    blocks: Mapping[str, Block], written: Mapping[str, Point], exchanges: tuple[Exchange, ...]
) -> tuple[str, ...]:
    """Return what no golden frame shows: the reading of each block, and the writing of each point that is written."""
    reads = [f"the read of block {b.name}" for b in blocks.values() if not any(e.is_read_of(b) for e in exchanges)]
    bare = [point for point in written.values() if not any(e.is_write_of(point) for e in exchanges)]
    return (*reads, *(f"the write of {p.name}{_by(p)}" for p in bare))


def _by(point: Point) -> str:
    return f" by function {WRITE_ONE}" if point.write_function == WRITE_ONE else ""


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2))
