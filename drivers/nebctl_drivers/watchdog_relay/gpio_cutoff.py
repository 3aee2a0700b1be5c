"""The cut-off relay on GPIO lines as a part of a nebulizer: on no bus, so that its STOP acts in the very call."""

from collections.abc import Callable

from nebctl.core.device import CommandFailed
from nebctl_drivers.stopping import LocalStop
from nebctl_drivers.timing import NOT_OPEN, Permit, Reply

from .gpio import GpioRelay
from .gpio_lines import GpioPlace, Lines, open_lines
from .registers import RelayReading

GPIO_RELAY = "gpio-relay"


class GpioCutOff:
    """The relay at `place`; `open_at` gives its lines, and `now_ns` is the host's monotonic time.

    What is known of a run outlives the lines, as it does in a relay of its own, but not this program.
    """

    driver = GPIO_RELAY
    max_on_in_device = False

    def __init__(
        self,
        place: GpioPlace,
        *,
        now_ns: Callable[[], int],
        open_at: Callable[[GpioPlace], Lines | CommandFailed] = open_lines,
    ) -> None:
        self._place = place
        self._now_ns = now_ns
        self._open_at = open_at
        self._relay: GpioRelay | None = None
        self._has_lines = False
        self._missing = NOT_OPEN

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there are no lines, or which of them failed; None while they obey."""
        if not self._has_lines or self._relay is None:
            return self._missing
        return self._relay.broken

    async def open(self) -> CommandFailed | None:
        """Take the lines, which holds the contact open from then on, and read the contact. None means open."""
        await self.close()
        lines = self._open_at(self._place)
        if isinstance(lines, CommandFailed):
            self._missing = lines
            return lines
        if self._relay is None:
            self._relay = GpioRelay(lines, name=self._place.name, now_ns=self._now_ns)
        else:
            self._relay.move_to(lines)
        self._has_lines = True
        failure = self._relay.cut()
        reading = self._relay.read() if failure is None else failure
        if isinstance(reading, CommandFailed):
            await self.close()
            self._missing = reading
            return reading
        return None

    async def close(self) -> None:
        """Open the contact and give the lines back; closing twice is harmless."""
        if self._relay is not None and self._has_lines:
            self._relay.release()
        self._has_lines, self._missing = False, NOT_OPEN

    async def read(self) -> RelayReading | CommandFailed:
        """Read the contact, and what this host knows of its run."""
        return self._read()

    async def feed(self, number: int, permit: Permit | None) -> CommandFailed | None:  # noqa: ARG002 - pulses bear none
        """Pulse once more."""
        relay = self._ready()
        return relay if isinstance(relay, CommandFailed) else await relay.feed(permit)

    async def arm(self, run: str, max_on_ms: int, permit: Permit | None) -> CommandFailed | None:
        """Name the run (8 hex digits) and its maximum on-time; this host counts it."""
        relay = self._ready()
        if isinstance(relay, CommandFailed):
            return relay
        return (permit() if permit is not None else None) or relay.arm(run, max_on_ms)

    async def set_closed(self, *, closed: bool, permit: Permit | None) -> CommandFailed | None:
        """Close or open the contact; the first closing of a run takes 2 s, for the one-shot is tried in it."""
        relay = self._ready()
        if isinstance(relay, CommandFailed):
            return relay
        return await (relay.close_contact(permit) if closed else relay.open_contact())

    async def trip(self, permit: Permit | None) -> CommandFailed | None:
        """Let the one-shot run out once."""
        relay = self._ready()
        if isinstance(relay, CommandFailed):
            return relay
        failure = await relay.trip(permit)
        relay.cut()
        return failure

    def stop_part(self) -> LocalStop[RelayReading]:
        """Return the clear line, and the sense line that proves it."""
        return LocalStop(self._cut, (self._show,))

    def parse_stop(self, replies: tuple[Reply[RelayReading], ...]) -> RelayReading | str:
        """Return the reading."""
        [reply] = replies
        return reply.answer

    def _ready(self) -> GpioRelay | CommandFailed:
        """Return the relay with its lines, a line that failed among them: each call tries it anew."""
        return self._relay if self._relay is not None and self._has_lines else self._missing

    def _cut(self) -> CommandFailed | None:
        relay = self._ready()
        return relay if isinstance(relay, CommandFailed) else relay.cut()

    def _show(self) -> Reply[RelayReading] | CommandFailed:
        reading = self._read()
        return reading if isinstance(reading, CommandFailed) else Reply(reading, reading.at_ns)

    def _read(self) -> RelayReading | CommandFailed:
        relay = self._ready()
        return relay if isinstance(relay, CommandFailed) else relay.read()
