"""Several devices on one pair of wires: each hears all that the host says, and those that are not there are silent."""

from collections.abc import Sequence
from functools import reduce
from itertools import zip_longest

from nebctl_simulators.serve import OnWire


class Bus:
    """Devices behind one wire; what two of them say at the same moment collides, as on a real bus.

    What one device answers is not given to the others: each of these simulated devices ignores it anyway.
    """

    def __init__(self, devices: Sequence[OnWire]) -> None:
        self._devices = tuple(devices)

    @property
    def is_plugged(self) -> bool:
        """Whether the cable was in at the last step; a fault that pulls one device's cable pulls the whole bus."""
        return all(device.is_plugged for device in self._devices)

    def step(self, real_ns: int) -> bytes:
        """Let time pass and return the bytes that are due to the host."""
        return collide([device.step(real_ns) for device in self._devices])

    def feed(self, data: bytes, real_ns: int) -> bytes:
        """Take bytes from the host and return those that are due to it."""
        return collide([device.feed(data, real_ns) for device in self._devices])

    def next_ns(self) -> int | None:
        """Return when bytes are due next; None: nothing waits."""
        times = [due_ns for device in self._devices if (due_ns := device.next_ns()) is not None]
        return min(times, default=None)


def collide(said: Sequence[bytes]) -> bytes:
    """Return what a host hears when these talk at once: a bit is 1 only where everybody who still talks sends a 1.

    Alone, a device is heard as it is.
    """
    talking = [data for data in said if data]
    if len(talking) < 2:
        return b"".join(talking)
    columns = zip_longest(*talking, fillvalue=0xFF)
    return bytes(reduce(lambda one, other: one & other, column) for column in columns)
