"""START and STOP beside the screen, lamp and buzzer: the acts of the page under the same authorisation."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from nebctl.core.alarms import Priority
from nebctl.core.device import CommandFailed
from nebctl.core.hardware import HOLD_NS, START, STOP, lamp_of
from nebctl.core.melody import information, sounding
from nebctl.core.session import State
from nebctl.ports import Panel

log = logging.getLogger(__name__)

AGAIN_S = 1.0
LOOK_S = 0.05
"""How often what lamp and buzzer are to show is looked at."""


class Shown(NamedTuple):
    """What lamp and buzzer go by: the session's state, the highest alarm that stands, and the one that is to be heard.

    Each alarm is None where there is none; `ended` says that a dose has run dry by itself and waits for its residual.
    """

    state: State
    standing: Priority | None
    heard: Priority | None
    ended: bool = False


class Buttons:
    """Works one panel: STOP at its first edge, START where it is held. `stop` and `start` are what the buttons do."""

    def __init__(
        self,
        panel: Panel,
        stop: Callable[[], Awaitable[None]],
        start: Callable[[], Awaitable[None]],
        shows: Callable[[], Shown],
        now_ns: Callable[[], int],
    ) -> None:
        self._panel = panel
        self._stop = stop
        self._start = start
        self._shows = shows
        self._now_ns = now_ns
        self._down: asyncio.TimerHandle | None = None
        self._acts: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; lines that are gone are asked for again."""
        try:
            while True:
                failed = await self._panel.open()
                if failed is None:
                    failed = await self._work()
                self._let_go()
                log.warning("no buttons: %s", failed.sentence())
                await asyncio.sleep(AGAIN_S)
        finally:
            self._let_go()
            self._panel.close()

    async def _work(self) -> CommandFailed:
        showing = [asyncio.ensure_future(work()) for work in (self._light, self._sound)]
        try:
            while True:
                edges = await self._panel.read()
                if isinstance(edges, CommandFailed):
                    return edges
                for edge in edges:
                    self._take(edge.button, down=edge.down)
        finally:
            for each in showing:
                each.cancel()

    def _take(self, button: str, *, down: bool) -> None:
        if button == STOP and down:
            self._let_go()
            self._act(self._stop())
        elif button == START and down and self._down is None:
            self._down = asyncio.get_running_loop().call_later(HOLD_NS / 1e9, self._held)
        elif button == START and not down:
            self._let_go()

    def _held(self) -> None:
        """START was held long enough; it acts once, and not again before it was let go."""
        self._act(self._start())

    def _let_go(self) -> None:
        if self._down is not None:
            self._down.cancel()
            self._down = None

    def _act(self, act: Awaitable[None]) -> None:
        task = asyncio.ensure_future(act)
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)

    async def _light(self) -> None:
        while True:
            shown = self._shows()
            self._panel.light(on=lamp_of(shown.state, shown.standing).is_on(self._now_ns()))
            await asyncio.sleep(LOOK_S)

    async def _sound(self) -> None:
        """Play the melody of what is to be heard, in real time; another priority begins at once, as on the page.

        A dose that ends by itself has one tone where no alarm is to be heard (S29).
        """
        loop = asyncio.get_running_loop()
        before, began_s, toned = self._shows(), loop.time(), False
        playing: Priority | None = None
        while True:
            shown = self._shows()
            ends = shown.ended and not before.ended and shown.heard is None
            if ends or shown.heard is not playing:
                playing, began_s, toned = shown.heard, loop.time(), ends
            before = shown
            after_ms = round(1000 * (loop.time() - began_s))
            pitch, left_ms = information(after_ms) if toned else sounding(playing, after_ms)
            self._panel.sound(pitch)
            await asyncio.sleep(min(left_ms / 1000, LOOK_S))
