"""What a unit has beside its screen, by configuration: scanner, buttons, lamp and buzzer."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from nebctl.bedside.buttons import Buttons, Shown
from nebctl.bedside.desk import Desk
from nebctl.bedside.logins import Logins
from nebctl.bedside.probe import Probe
from nebctl.bedside.scanner import NONE, Scanner
from nebctl.core import events as ev
from nebctl.core.alarms import Priority
from nebctl.core.guard import Refusal
from nebctl.core.hardware import HOLD_NS
from nebctl.core.ledger.records import Json
from nebctl.core.session import IllegalEventError, State
from nebctl.ports import Clock, Link, Panel
from nebctl.runner import Refused, Runner

NOT_REVIEWED = Refusal(
    code="not-reviewed", sentence="Nothing is under review. Review the dose on the screen, then hold START."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The wires to what stands beside the screen; None for what this unit has not."""

    scanner: Link | None = None
    panel: Panel | None = None


NOTHING_BESIDE = Beside()


class Hardware:
    """Ties what stands beside the screen to the desk."""

    def __init__(self, beside: Beside, runner: Runner, desk: Desk, logins: Logins, clock: Clock) -> None:
        self._runner = runner
        self._desk = desk
        self._logins = logins
        self._clock = clock
        self._scanner = self._make_scanner(beside.scanner)
        self._buttons = self._make_buttons(beside.panel)

    def works(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Yield what runs as long as the unit does."""
        for part in (self._scanner, self._buttons):
            if part is not None:
                yield part.run

    async def checks(self, probe: Probe) -> tuple[ev.Check, ...]:
        """Return the lines of the self-test: what the page answers, and the scanner."""
        return (*await probe.checks(), NONE if self._scanner is None else self._scanner.check())

    def shown(self) -> dict[str, Json]:
        """Return what a page shows of scans, and whether the scanner is "none", "there" or "unplugged"."""
        plugged = "none" if self._scanner is None else "there" if self._scanner.there else "unplugged"
        return {**self._desk.tray.as_json(self._now_ns()), "scanner": plugged}

    async def start(self) -> None:
        """START beside the screen was held: it starts the dose that was reviewed there, by the person who is signed in.

        The whole hold lies after the review came up, as on the page: a finger that was there before has read nothing.
        What speaks against it is shown on the page, as if the page's own START had been held.
        """
        auth = self._runner.session.authorisation
        reviewed = auth is not None and self._desk.reviewed == auth.auth
        held = self._now_ns() - self._desk.reviewed_ns >= HOLD_NS
        if auth is None or not reviewed or not held or not self._logins.has(auth.operator):
            self._tell(NOT_REVIEWED)
            return
        try:
            await self._desk.start(auth.auth, auth.operator)
        except Refused as refused:
            self._tell(refused.refusal)
        except IllegalEventError as illegal:
            sentence = f"That cannot be done now: the session is {illegal.state.value}."
            self._tell(Refusal(code="not-now", sentence=sentence))

    def _tell(self, refusal: Refusal) -> None:
        self._desk.tray.fail(refusal)
        self._runner.tell_changed()

    async def stop(self) -> None:
        """STOP beside the screen was pressed; nobody needs to be known for it."""
        await self._desk.stop("button")

    def _now_ns(self) -> int:
        return self._clock.instant().mono_ns

    def _make_scanner(self, link: Link | None) -> Scanner | None:
        if link is None:
            return None
        return Scanner(link, self._desk.take_code, self._desk.take_half, self._runner.tell_changed, self._now_ns)

    def _make_buttons(self, panel: Panel | None) -> Buttons | None:
        return None if panel is None else Buttons(panel, self.stop, self.start, self._shows, self._now_ns)

    def _shows(self) -> Shown:
        alarming, session = self._runner.alarming, self._runner.session
        standing = [each.priority for each in alarming.standing.values()]
        highest = next((priority for priority in Priority if priority in standing), None)
        ended = session.state is State.RESIDUAL and not session.stopped_by and not session.doubts
        return Shown(session.state, highest, alarming.heard(), ended=ended)
