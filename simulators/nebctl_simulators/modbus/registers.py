"""The registers and coils of one unit, by the points of its map: what reads give, and what writes may do."""

from fractions import Fraction

from nebctl_simulators.modbus import codec
from nebctl_simulators.modbus.codec import Fault, ModbusFault, Request
from nebctl_simulators.modbus.points import ONE, Number, Point
from nebctl_simulators.modbus.profile import RegisterMap

READ_TABLES = {
    codec.READ_COILS: "coil",
    codec.READ_DISCRETE: "discrete",
    codec.READ_HOLDING: "holding",
    codec.READ_INPUT: "input",
}


class Registers:
    """The memory behind the map. Gaps between the points of a block read as 0; outside of the blocks is nothing."""

    def __init__(self, device_map: RegisterMap) -> None:
        self._map = device_map
        self._words: dict[tuple[str, int], int] = {}
        self._writable = {
            (point.table, address): point
            for point in device_map.points.values()
            if point.writable
            for address in point.addresses
        }
        self.reset()

    def reset(self) -> None:
        """Forget what was written, as after a loss of power."""
        self._words.clear()
        for point in self._map.points.values():
            if point.writable:
                self.put(point, point.reset or 0)

    def put(self, point: Point, value: Number | str) -> None:
        """Let a point hold a value."""
        for address, word in zip(point.addresses, point.pack(value), strict=True):
            self._words[point.table, address] = word

    def value(self, point: Point) -> Fraction:
        """Return the number that a point holds."""
        return point.unpack(tuple(self._words.get((point.table, address), 0) for address in point.addresses))

    def read(self, request: Request) -> bytes:
        """Return the data that answers a read.

        Raises: ModbusFault for what the map does not have.
        """
        table = READ_TABLES[request.function]
        is_bits = table in ("coil", "discrete")
        address, count = codec.parse_read(request.data, codec.MOST_BITS if is_bits else codec.MOST_REGISTERS)
        wanted = range(address, address + count)
        if not self._map.ranges[table].issuperset(wanted):
            raise ModbusFault(Fault.ADDRESS)
        words = tuple(self._words.get((table, place), 0) for place in wanted)
        return codec.pack_bits(tuple(word == 1 for word in words)) if is_bits else codec.pack_registers(words)

    def write(self, request: Request) -> tuple[list[Point], bytes]:
        """Carry out a write and return the points that it set, in the order of their addresses, and the answer's data.

        Nothing is written where anything is wrong.
        Raises: ModbusFault for a place that cannot be written, or not by this function, half of a value, and a value
        outside its limits.
        """
        table, address, values = _parse_write(request)
        words = {(table, address + place): value for place, value in enumerate(values)}
        if not words.keys() <= self._writable.keys():
            raise ModbusFault(Fault.ADDRESS)
        points = list(dict.fromkeys(self._writable[place] for place in words))
        if any((table, place) not in words for point in points for place in point.addresses):
            raise ModbusFault(Fault.ADDRESS)
        if request.function == codec.WRITE_REGISTERS and any(point.write_function == ONE for point in points):
            raise ModbusFault(Fault.FUNCTION)
        for point in points:
            if not point.allows(point.unpack(tuple(words[table, place] for place in point.addresses))):
                raise ModbusFault(Fault.VALUE)
        self._words |= words
        return points, request.data[:4]


def _parse_write(request: Request) -> tuple[str, int, tuple[int, ...]]:
    if request.function == codec.WRITE_COIL:
        address, on = codec.parse_coil(request.data)
        return "coil", address, (int(on),)
    if request.function == codec.WRITE_COILS:
        address, bits = codec.parse_coils(request.data)
        return "coil", address, tuple(int(bit) for bit in bits)
    if request.function == codec.WRITE_REGISTER:
        address, value = codec.parse_single(request.data)
        return "holding", address, (value,)
    address, values = codec.parse_write(request.data)
    return "holding", address, values
