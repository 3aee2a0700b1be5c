"""The cut-off relay's program (docs/devices/watchdog-relay.md): a contact that opens by itself.

Its watchdog runs on real time, because the host and its beats do; its maximum on-time runs on plant time, like a dose.
"""

from enum import IntEnum

from nebctl_simulators.modbus import codec
from nebctl_simulators.modbus.codec import Fault, ModbusFault, Request, pack_registers

IDENTITY = 0x4E57
MAP_VERSION = 1
WATCHDOG_MS = 2000
NS_PER_MS = 1_000_000
BEAT, RUN, MAX_ON = 4, 6, 8
SERIAL_WORDS = 10


class Cause(IntEnum):
    """Why the contact last opened; NONE while it is closed."""

    POWER_UP = 0
    HOST = 1
    WATCHDOG = 2
    MAX_ON = 3
    NONE = 4


class Relay:
    """One relay from power-up on. `welded` is a fault for tests: the contact stays closed, and says so."""

    def __init__(self, serial: str, real_ns: int) -> None:
        self.serial = serial
        self.welded = False
        self._real_ns = real_ns
        self.restart()

    def restart(self) -> None:
        """Come up after a loss of power: open, and nothing remembered."""
        self.closed = False
        self.cause = Cause.POWER_UP
        self.run = self.max_on_ms = self.beat = 0
        self._closed_ns = 0
        self._beat_ns = self._real_ns

    @property
    def closed_ms(self) -> int:
        """How long the contact was closed in this run, in milliseconds of plant time."""
        return self._closed_ns // NS_PER_MS

    def pass_time(self, real_ns: int, dt_ns: int) -> int:
        """Let time pass and return for how many ns of plant time the contact was closed in it."""
        begun_ns, self._real_ns = self._real_ns, real_ns
        if not self.closed:
            return 0
        late_ns = real_ns - self._beat_ns - WATCHDOG_MS * NS_PER_MS
        closed_ns, cause = dt_ns, None
        if late_ns >= 0 and not self.welded:
            span_ns = max(1, real_ns - begun_ns)
            closed_ns, cause = dt_ns - dt_ns * min(late_ns, span_ns) // span_ns, Cause.WATCHDOG
        allowed_ns = max(0, self.max_on_ms * NS_PER_MS - self._closed_ns)  # a contact that was welded outlived it
        if closed_ns >= allowed_ns and not self.welded:
            closed_ns, cause = allowed_ns, Cause.MAX_ON
        self._closed_ns += closed_ns
        if cause is not None:
            self.closed, self.cause = False, cause
        return closed_ns

    def write_coil(self, address: int, on: bool) -> None:
        """Close or open the contact.

        Raises: ModbusFault for another coil, or for closing without a run that has on-time left.
        """
        if address != 0:
            raise ModbusFault(Fault.ADDRESS)
        if not on:
            if self.closed and not self.welded:
                self.closed, self.cause = False, Cause.HOST
            return
        if not self.run or self.closed_ms >= self.max_on_ms:
            raise ModbusFault(Fault.VALUE)
        if not self.closed:
            self.closed, self.cause, self._beat_ns = True, Cause.NONE, self._real_ns

    def read(self) -> tuple[int, ...]:
        """Return the registers from 0 on."""
        return (
            IDENTITY,
            MAP_VERSION,
            int(self.closed),
            self.cause,
            self.beat,
            WATCHDOG_MS,
            *_words(self.run),
            *_words(self.max_on_ms),
            *_words(self.closed_ms),
            *_text_words(self.serial),
        )

    def write(self, address: int, values: tuple[int, ...]) -> None:
        """Feed the watchdog, or set run and maximum on-time together.

        Raises: ModbusFault for anything else, and for a new run while the contact is closed.
        """
        if address == BEAT and len(values) == 1:
            self.beat, self._beat_ns = values[0], self._real_ns
        elif address == RUN and len(values) == 4:
            self._set_run(values[0] << 16 | values[1], values[2] << 16 | values[3])
        else:
            raise ModbusFault(Fault.ADDRESS)

    def ask(self, request: Request) -> bytes:
        """Return the data of the answer to a request for the relay.

        Raises: ModbusFault for a request that is refused.
        """
        if request.function == codec.READ_HOLDING:
            address, count = codec.parse_read(request.data, codec.MOST_REGISTERS)
            words = self.read()
            if address + count > len(words):
                raise ModbusFault(Fault.ADDRESS)
            return pack_registers(words[address : address + count])
        if request.function == codec.READ_COILS:
            if codec.parse_read(request.data, 1)[0] != 0:
                raise ModbusFault(Fault.ADDRESS)
            return bytes([1, self.closed])
        if request.function == codec.WRITE_COIL:
            self.write_coil(*codec.parse_coil(request.data))
            return request.data
        if request.function == codec.WRITE_REGISTERS:
            self.write(*codec.parse_write(request.data))
            return request.data[:4]
        raise ModbusFault(Fault.FUNCTION)

    def _set_run(self, run: int, max_on_ms: int) -> None:
        if self.closed or not run:
            raise ModbusFault(Fault.VALUE)
        if run != self.run:
            self._closed_ns = 0
        self.run, self.max_on_ms = run, max_on_ms


def _words(value: int) -> tuple[int, int]:
    value = min(value, 0xFFFF_FFFF)
    return value >> 16, value & 0xFFFF


def _text_words(text: str) -> tuple[int, ...]:
    data = text.encode("ascii").ljust(2 * SERIAL_WORDS, b"\0")
    return tuple(int.from_bytes(data[i : i + 2]) for i in range(0, 2 * SERIAL_WORDS, 2))
