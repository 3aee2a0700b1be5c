"""What the self-test asks of the page itself: does it draw, and may it make a sound (S30)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nebctl.core import events as ev

ANSWER_S = 2.0
"""A page draws within a frame, and a stream brings the question within 0.5 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A page's answer: it drew a frame; `sound` says that its browser lets it be heard."""

    sound: bool


class Probe:
    """Asks every page that listens; `question` is the number of the question that is open, None while there is none.

    `display` and `sound` say what this unit has by configuration; what it has not is said so, and holds nothing up.
    """

    def __init__(self, *, display: bool, sound: bool, tell: Callable[[], None]) -> None:
        self._display = display
        self._sound = sound
        self._tell = tell
        self._asked = 0
        self._answer: asyncio.Future[Drawn] | None = None

    @property
    def question(self) -> int | None:
        """Return the number of the question that is open."""
        return self._asked if self._answer is not None else None

    def answer(self, question: int, drawn: Drawn) -> None:
        """Take a page's answer; an old one, or a second one, is nothing."""
        if question == self._asked and self._answer is not None and not self._answer.done():
            self._answer.set_result(drawn)

    async def checks(self) -> tuple[ev.Check, ...]:
        """Return the lines of the self-test."""
        drawn = await self._ask() if self._display or self._sound else None
        return (_shown(drawn) if self._display else NO_DISPLAY, _heard(drawn) if self._sound else NO_SOUND)

    async def _ask(self) -> Drawn | None:
        self._asked += 1
        self._answer = asyncio.get_running_loop().create_future()
        self._tell()
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answer
        except TimeoutError:
            return None
        finally:
            self._answer = None


NO_DISPLAY = ev.Check(name="display", good=True, note="none set up: no page is asked whether it draws")
NO_SOUND = ev.Check(name="sound", good=True, note="none set up: alarms are shown, not heard")


def _shown(drawn: Drawn | None) -> ev.Check:
    note = "NO ANSWER: look at the screen, and restart its browser" if drawn is None else "the page draws"
    return ev.Check(name="display", good=drawn is not None, note=note)


def _heard(drawn: Drawn | None) -> ev.Check:
    if drawn is not None and drawn.sound:
        return ev.Check(name="sound", good=True, note="one tone was played: it must have been heard")
    if drawn is None:
        return ev.Check(name="sound", good=False, note="NO ANSWER: look at the screen, and restart its browser")
    return ev.Check(name="sound", good=False, note="the browser plays no sound: touch the page, then test again")
