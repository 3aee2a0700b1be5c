"""The stream of views that a page reads: the newest at once, at most one every 80 ms, and a word every half second."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

from nebctl.core.ledger.records import Json

HEARTBEAT_S = 0.5
"""A stream that has nothing new says so this often, for a page that hears nothing for 1 s covers its values (S46)."""
LEAST_GAP_S = 0.08
"""Two events on one stream are at least so far apart: a person sees no more, and a small computer has other work."""


async def views(
    show: Callable[[], dict[str, Json]], changed: Callable[[float], Awaitable[None]], closing: asyncio.Event
) -> AsyncIterator[str]:
    """Yield what `show` returns as server-sent events until `closing` is set.

    `changed` waits for news, at most so many seconds. News is sent at once where the last event is old enough. What
    comes while an event is on its way is not missed; a reader that is slow gets the newest, never what has piled up.
    """
    loop = asyncio.get_running_loop()
    while not closing.is_set():
        sent_s, news = loop.time(), asyncio.ensure_future(changed(HEARTBEAT_S))
        ending = asyncio.ensure_future(closing.wait())
        try:
            yield f"data: {json.dumps(show(), ensure_ascii=False)}\n\n"
            await asyncio.wait({news, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (news, ending):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await asyncio.sleep(max(0.0, sent_s + LEAST_GAP_S - loop.time()))
