"""Points of a register map: a value with its unit, and the registers or coils that hold it."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

Number = int | Fraction
INTEGERS: Mapping[str, tuple[int, bool]] = {
    "bit": (1, False),
    "uint16": (16, False),
    "int16": (16, True),
    "bits16": (16, False),
    "uint32": (32, False),
    "int32": (32, True),
    "bits32": (32, False),
}
TYPES = (*INTEGERS, "float32", "ascii")
ORDERS: Mapping[bool, tuple[str, ...]] = {False: ("AB", "BA"), True: ("ABCD", "CDAB", "BADC", "DCBA")}
"""The orders of bytes of one register, and of two."""
ONE, MANY = 6, 16
"""The functions that write one register and several."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """One value of the map: value = raw x `scale` + `offset`, in `unit`.

    `length` is the number of characters of an `ascii`. `least`, `most` and `reset` are values; None: no limit, and 0
    after power-up. `names` gives numbers their words, `bits` gives bits theirs, counted from the lowest; `alarms` are
    those that mean a fault. `write_function` is `ONE` for a register that function 16 does not write.
    """

    name: str
    table: str
    address: int
    type: str
    order: str = "ABCD"
    length: int = 0
    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    unit: str = "1"
    readable: bool = True
    writable: bool = False
    least: Fraction | None = None
    most: Fraction | None = None
    reset: Fraction | None = None
    names: Mapping[str, int]
    bits: Mapping[str, int]
    alarms: tuple[str, ...] = ()
    write_function: int = MANY

    @property
    def size(self) -> int:
        """How many registers or coils it takes."""
        if self.type == "ascii":
            return -(-self.length // 2)
        return 2 if self.type.endswith("32") else 1

    @property
    def addresses(self) -> range:
        """The addresses that it takes."""
        return range(self.address, self.address + self.size)

    def pack(self, value: Number | str) -> tuple[int, ...]:
        """Return the registers of a value, rounded to the step that they can hold, and to the nearest limit of them."""
        if isinstance(value, str):
            data = value.encode("ascii").ljust(2 * self.size, b"\0")[: 2 * self.size]
        elif self.type == "float32":
            data = struct.pack(">f", (Fraction(value) - self.offset) / self.scale)
        else:
            data = self._pack_integer(round((Fraction(value) - self.offset) / self.scale))
        if self.type == "bit":
            return (data[-1] & 1,)
        return _words(_in_order(data, self.order))

    def unpack(self, words: tuple[int, ...]) -> Fraction:
        """Return the number that registers hold; a point of text is 0."""
        order = "AB" if self.type == "bit" else self.order
        data = _in_order(b"".join(word.to_bytes(2) for word in words), order)
        if self.type == "ascii":
            return Fraction(0)
        if self.type == "float32":
            number = struct.unpack(">f", data)[0]
            raw = Fraction(number) if abs(number) < float("inf") else Fraction(2**128)
        else:
            raw = Fraction(int.from_bytes(data, signed=INTEGERS[self.type][1]))
        return raw * self.scale + self.offset

    def allows(self, value: Fraction) -> bool:
        """Return whether the device takes this value."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def _pack_integer(self, raw: int) -> bytes:
        width, signed = INTEGERS[self.type]
        least = -(1 << width - 1) if signed else 0
        most = least + (1 << width) - 1
        return min(max(raw, least), most).to_bytes(max(2, width // 8), signed=signed)


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2))


def _in_order(data: bytes, order: str) -> bytes:
    """Return bytes in the order of the wire, or those of the wire with the most significant first: it is the same."""
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if order in ("BA", "BADC", "DCBA"):
        words = [word[::-1] for word in words]
    if order in ("CDAB", "DCBA") and len(words) == 2:
        words.reverse()
    return b"".join(words)
