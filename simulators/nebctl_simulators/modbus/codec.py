"""Requests and answers of Modbus without any framing: what stands between unit and check."""

from dataclasses import dataclass
from enum import IntEnum

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
WRITES = frozenset({WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS})
ADDRESSED = frozenset({*range(1, 7), 15, 16, 22, 23})
READS = frozenset({READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT})
MOST_REGISTERS, MOST_BITS = 125, 2000
MOST_WRITTEN_REGISTERS, MOST_WRITTEN_BITS = 123, 1968
"""Source: Modbus Application Protocol V1.1b3, 6.1 to 6.4, 6.11 and 6.12."""
ADDRESSES = 65_536


class Fault(IntEnum):
    """The exception codes of Modbus that the simulators use."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4


class ModbusFault(Exception):  # noqa: N818 - the wire's own word for it is exception
    """A request that is refused."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: the unit it is for, its function, the function's data, and all its bytes as they came.

    `tid` is the transaction number of Modbus TCP, 0 where the framing has none.
    """

    unit: int
    function: int
    data: bytes
    raw: bytes
    tid: int = 0

    @property
    def address(self) -> int | None:
        """The first address that it names; None for a function that names none."""
        return int.from_bytes(self.data[:2]) if self.function in ADDRESSED and len(self.data) >= 2 else None


def parse_read(data: bytes, most: int) -> tuple[int, int]:
    """Return address and count of a read of at most `most` items.

    Raises: ModbusFault for anything else.
    """
    address, count = int.from_bytes(data[:2]), int.from_bytes(data[2:])
    if len(data) != 4 or not 1 <= count <= most:
        raise ModbusFault(Fault.VALUE)
    if address + count > ADDRESSES:
        raise ModbusFault(Fault.ADDRESS)
    return address, count


def parse_write(data: bytes) -> tuple[int, tuple[int, ...]]:
    """Return address and values of a write of registers.

    Raises: ModbusFault where count and length do not fit each other.
    """
    count = int.from_bytes(data[2:4])
    good = len(data) >= 7 and len(data) == 5 + data[4] and data[4] == 2 * count
    if not good or count > MOST_WRITTEN_REGISTERS:
        raise ModbusFault(Fault.VALUE)
    words = data[5:]
    return int.from_bytes(data[:2]), tuple(int.from_bytes(words[i : i + 2]) for i in range(0, len(words), 2))


def parse_single(data: bytes) -> tuple[int, int]:
    """Return address and value of a write of one register.

    Raises: ModbusFault for another length.
    """
    if len(data) != 4:
        raise ModbusFault(Fault.VALUE)
    return int.from_bytes(data[:2]), int.from_bytes(data[2:])


def parse_coil(data: bytes) -> tuple[int, bool]:
    """Return address and value of a write of one coil.

    Raises: ModbusFault for a value that is neither on nor off.
    """
    if len(data) != 4 or data[2:] not in (b"\xff\0", b"\0\0"):
        raise ModbusFault(Fault.VALUE)
    return int.from_bytes(data[:2]), data[2] == 0xFF


def parse_coils(data: bytes) -> tuple[int, tuple[bool, ...]]:
    """Return address and values of a write of coils.

    Raises: ModbusFault where count and length do not fit each other.
    """
    count = int.from_bytes(data[2:4])
    good = len(data) >= 6 and len(data) == 5 + data[4] and data[4] == -(-count // 8)
    if not good or not 1 <= count <= MOST_WRITTEN_BITS:
        raise ModbusFault(Fault.VALUE)
    return int.from_bytes(data[:2]), tuple(bool(data[5 + place // 8] >> place % 8 & 1) for place in range(count))


def pack_registers(words: tuple[int, ...]) -> bytes:
    """Return the data of an answer with registers."""
    return bytes([2 * len(words)]) + b"".join(word.to_bytes(2) for word in words)


def pack_bits(bits: tuple[bool, ...]) -> bytes:
    """Return the data of an answer with coils or discrete inputs, the first one in the lowest bit."""
    packed = bytearray(-(-len(bits) // 8))
    for place, bit in enumerate(bits):
        packed[place // 8] |= bit << place % 8
    return bytes([len(packed)]) + bytes(packed)
