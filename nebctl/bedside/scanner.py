"""The unit's own scanner: codes from its link to the desk, a plug that was pulled, and what was no whole code."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from nebctl.core import events as ev
from nebctl.core.device import CommandFailed
from nebctl.core.guard import Refusal
from nebctl.core.scan.framing import PAUSE_NS, Framing, Half, expire, feed
from nebctl.ports import Link

log = logging.getLogger(__name__)

AGAIN_S = 1.0
"""How often a scanner that is not there is looked for."""
HALF = Refusal(code="code-half", sentence="A code was read in part, or typed by hand. Scan it again in one go.")
NONE = ev.Check(name="scanner", good=True, note="none set up: codes come from scripts alone")


class Scanner:
    """Reads one link for ever; `there` says whether the scanner is plugged in, `why` why it is not.

    `take` is given each code, `fail` what is no whole code; `changed` wakes the pages.
    """

    def __init__(
        self,
        link: Link,
        take: Callable[[str], Awaitable[None]],
        fail: Callable[[Refusal], Awaitable[None]],
        changed: Callable[[], None],
        now_ns: Callable[[], int],
    ) -> None:
        self._link = link
        self._take = take
        self._fail = fail
        self._changed = changed
        self._now_ns = now_ns
        self.there = False
        self.why = ""

    def check(self) -> ev.Check:
        """Return its line of the self-test; a scanner is not needed for what has been scanned already."""
        note = "plugged in" if self.there else "UNPLUGGED: plug it in before the next dose"
        return ev.Check(name="scanner", good=True, note=note)

    async def run(self) -> None:
        """Read codes until cancelled; a plug that was pulled is told, and looked for again."""
        try:
            while True:
                failed = await self._link.open()
                if failed is None:
                    self._tell(there=True, why="")
                    failed = await self._read()
                self._tell(there=False, why=failed.sentence())
                await asyncio.sleep(AGAIN_S)
        finally:
            self._link.close()

    async def _read(self) -> CommandFailed:
        """Read until the link is gone."""
        framing = Framing()
        while True:
            data = await self._next(framing)
            if isinstance(data, CommandFailed):
                return data
            now_ns = self._now_ns()
            framing, found = feed(framing, data, now_ns) if data else expire(framing, now_ns)
            for code in found:
                await (self._fail(HALF) if isinstance(code, Half) else self._take(code))

    async def _next(self, framing: Framing) -> bytes | CommandFailed:
        """Return the next bytes; none where a code that has begun does not go on."""
        if not framing.begun:
            return await self._link.read()
        try:
            async with asyncio.timeout(PAUSE_NS / 1e9):
                return await self._link.read()
        except TimeoutError:
            return b""

    def _tell(self, *, there: bool, why: str) -> None:
        if (there, why) == (self.there, self.why):
            return
        if there:
            log.info("the scanner is plugged in")
        else:
            log.warning("no scanner: %s", why)
        self.there, self.why = there, why
        self._changed()
