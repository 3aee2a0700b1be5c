"""START and STOP beside the screen, lamp and buzzer: the acts of the page under the same authorisation."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from nebctl.core.alarms import Priority
from nebctl.core.device import CommandFailed
from nebctl.core.hardware import HOLD_NS, START, STOP, lamp_of
from nebctl.core.melody import sounding
from nebctl.core.session import State
from nebctl.ports import Panel

log = logging.getLogger(__name__)

AGAIN_S = 1.0
LOOK_S = 0.05
"""How often what lamp and buzzer are to show is looked at."""


class Buttons:
    """Works one panel: STOP at its first edge, START where it is held.

    `stop` and `start` are what the buttons do; `shows` is the session's state, the highest priority of an alarm that
    stands, and the priority whose melody is to be heard, each None where there is none.
    """

    def __init__(
        self,
        panel: Panel,
        stop: Callable[[], Awaitable[None]],
        start: Callable[[], Awaitable[None]],
        shows: Callable[[], tuple[State, Priority | None, Priority | None]],
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
            state, priority, _ = self._shows()
            self._panel.light(on=lamp_of(state, priority).is_on(self._now_ns()))
            await asyncio.sleep(LOOK_S)

    async def _sound(self) -> None:
        """Play the melody of what is to be heard, in real time; another priority begins at once, as on the page."""
        loop = asyncio.get_running_loop()
        playing, began_s = None, loop.time()
        while True:
            _, _, heard = self._shows()
            if heard is not playing:
                playing, began_s = heard, loop.time()
            pitch, left_ms = sounding(playing, round(1000 * (loop.time() - began_s)))
            self._panel.sound(pitch)
            await asyncio.sleep(min(left_ms / 1000, LOOK_S))
