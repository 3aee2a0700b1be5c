"""Keeping a stream going: again after every fault, with longer and longer pauses while nothing lasts."""

import asyncio
import itertools
import logging
import math
from collections.abc import Callable, Coroutine, Iterator

from nebctl.publish.connection import BrokerFault, obey_cancellation

FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0
STOOD_S = 2.0
"""A connection that ended sooner was no good: a broker that lets us in and then refuses is asked less and less."""


def backoff(random: Callable[[], float]) -> Iterator[float]:
    """Yield pauses in seconds, doubling from 0.25 s to 30 s, each shortened by up to half; `random` is in [0, 1)."""
    for attempt in itertools.count():
        longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempt, 16))
        yield longest * (1 - 0.5 * random())


async def stream_forever(
    stream: Callable[[Callable[[], None]], Coroutine[None, None, None]],
    *,
    random: Callable[[], float],
    log: logging.Logger,
    note: Callable[[str], None],
) -> None:
    """Run `stream` again and again; only cancellation ends it.

    `stream` calls its argument once its connection stands. `note` takes the last fault in one line.
    """
    pauses, last, since = backoff(random), "", math.inf
    clock = asyncio.get_running_loop().time

    def established() -> None:
        nonlocal last, since
        last, since = "", clock()
        log.info("connected to the broker")

    while True:
        since = math.inf
        try:
            # A task of its own: a task group leaves a count of cancellations behind that is not ours (Python 3.11).
            await asyncio.create_task(stream(established))
        except* BrokerFault as faults:
            text = _first(faults)
            if text != last:
                log.warning("%s; trying again", text)
            last = text
            note(text)
        except* Exception as faults:  # nothing unforeseen may end the stream
            log.exception("the stream broke and starts again", exc_info=faults)
            note(_first(faults))
        obey_cancellation()
        if clock() - since >= STOOD_S:
            pauses = backoff(random)
        await asyncio.sleep(next(pauses))


def _first(fault: BaseException) -> str:
    while isinstance(fault, BaseExceptionGroup):
        fault = fault.exceptions[0]
    return str(fault) or type(fault).__name__
