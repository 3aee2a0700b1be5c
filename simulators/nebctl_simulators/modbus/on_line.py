"""What a device does that hears and speaks by its Modbus line alone."""

from nebctl_simulators.modbus.line import ModbusLine
from nebctl_simulators.shim import Injection


class OnLine:
    """The wire's side of a device; every call names the real time in ns."""

    _line: ModbusLine

    def step(self, real_ns: int) -> bytes:
        """Let time pass and return the bytes that are due to the host."""
        return self._line.step(real_ns)

    def feed(self, data: bytes, real_ns: int) -> bytes:
        """Take bytes from the host and return those that are due to it."""
        return self._line.feed(data, real_ns)

    def next_ns(self) -> int | None:
        """Return when bytes are due that the line still holds back; None: none are."""
        return self._line.next_ns()

    def injections(self) -> list[Injection]:
        """Return the line's faults as they happened, oldest first."""
        return self._line.injections()
