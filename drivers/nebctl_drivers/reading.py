"""A read through the guard: asked again where no good answer came, because reading twice does no harm."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from nebctl.core.device import Certainty, CommandFailed

from .exchange import A, R
from .seat import Seat
from .timing import Permit, Reply, Silence

T = TypeVar("T")
ATTEMPTS = 3


async def read(
    seat: Seat[R, A],
    request: R,
    *,
    name: str,
    parse: Callable[[Reply[A]], T | str],
    expected: str,
    advice: str,
    attempts: int = ATTEMPTS,
    permit: Permit | None = None,
) -> T | CommandFailed:
    """Return what `parse` makes of the answer, asked for at most `attempts` times.

    `parse` returns a text where the answer is no good: what is wrong with it. The failure's `seen` is what was seen
    last, and `name` its command.
    """
    seen = ""
    for _ in range(attempts):
        result = await seat.ask(request, permit)
        if isinstance(result, CommandFailed):
            return replace(result, command=name)
        value = result.seen if isinstance(result, Silence) else parse(result)
        if not isinstance(value, str):
            return value
        seen = value
    return CommandFailed(
        command=name,
        certainty=Certainty.UNKNOWN,
        seen=f"{seen} ({attempts} times asked)",
        expected=expected,
        advice=advice,
    )
