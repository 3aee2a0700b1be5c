"""The balance under a cup, asked again and again on a line of its own: its newest weight, or none."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from nebctl.core.device import CommandFailed
from nebctl_drivers.balance.device import Balance, BalanceIdentity, Weight

log = logging.getLogger(__name__)

POLL_S = 0.1
FRESH_NS = 1_000_000_000
"""An older weight is none: at 0.4 mL/min it would already be 7 uL off."""
RETRY_FIRST_S = 0.5
RETRY_MOST_S = 8.0
"""A balance that is not there is looked for after 0.5 s, then each time after twice as long, up to this."""
FASTEST_UG_S = 20_000
"""No nebulizer empties its cup faster: 1.2 mL/min, twice what a fast mesh makes; a planning figure."""
SHIFT_UG = 30_000
"""By so much a hose that was touched may pull; a planning figure."""
LONGEST_RUN_NS = 2 * 3600 * 1_000_000_000
"""So long after its last start a run is over for certain."""


class UnderCup:
    """A balance that weighs a cup while somebody else drives what empties it; nothing here waits for the balance.

    Weights have an unknown zero, but one and the same for a whole run. A balance that was lost in a run, and may have
    taken a new zero, is believed again only where its weight shows that it has not; else it is silent until the next
    run. `now_ns` is the time that stamps the nebulizer's reports, `simulated` whether a simulated balance may be had.
    """

    def __init__(self, balance: Balance, *, port: str, now_ns: Callable[[], int], simulated: bool) -> None:
        self._balance = balance
        self._port = port
        self._now_ns = now_ns
        self._simulated = simulated
        self._task: asyncio.Task[None] | None = None
        self._retry_s = RETRY_FIRST_S
        self._run: str | None = None
        self._run_ns = 0
        self._newest: Weight | None = None
        self._taken_ns = -1
        self._rejoins = self._estranged = False
        self._told = ""

    def begin(self) -> None:
        """Begin to weigh, unless it is done already."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._watch())

    async def end(self) -> None:
        """End the weighing and leave the balance."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._balance.close()

    def note_run(self, run: str) -> None:
        """Note which run begins or goes on: another one may have another zero."""
        self._run_ns = self._now_ns()
        if run != self._run:
            self._run, self._newest = run, None
            self._rejoins = self._estranged = False

    def take_ug(self) -> int | None:
        """Return the newest weight, each one once; None where there is none that is new and no older than a second."""
        newest = self._newest
        if newest is None or newest.at_ns == self._taken_ns or self._now_ns() - newest.at_ns > FRESH_NS:
            return None
        self._taken_ns = newest.at_ns
        return newest.ug

    async def _watch(self) -> None:
        while True:
            try:
                wait_s = await (self._weigh() if self._balance.is_believed else self._open())
            except Exception as error:
                wait_s = self._fail(f"an error in the driver ({type(error).__name__})")
                log.debug("balance", exc_info=error)
            await asyncio.sleep(wait_s)

    async def _open(self) -> float:
        """Open the balance, also after a loss, and return how long to wait."""
        identity = await self._balance.open()
        if isinstance(identity, CommandFailed):
            return self._fail(identity.sentence())
        if identity.serial.startswith("SIM-") and not self._simulated:
            await self._balance.close()
            return self._fail("a simulated balance on a unit that is not simulated: it is not believed")
        self._greet(identity)
        return 0.0

    def _greet(self, identity: BalanceIdentity) -> None:
        if self._now_ns() - self._run_ns > LONGEST_RUN_NS:
            self._newest, self._estranged = None, False
        self._rejoins = self._newest is not None
        self._retry_s, self._told = RETRY_FIRST_S, ""
        log.info("balance %s: %s weighs the cup", self._port, identity.serial)

    async def _weigh(self) -> float:
        weight = await self._balance.weigh(stable=False)
        if isinstance(weight, Weight):
            self._hear(weight)
        return POLL_S

    def _hear(self, weight: Weight) -> None:
        """Take a weight, unless its zero may be another than that of the run so far."""
        if self._rejoins and self._newest is not None:
            self._rejoins, self._estranged = False, not has_same_zero(self._newest, weight)
            if self._estranged:
                log.warning("balance %s: it may have another zero now; its weights count from the next run", self._port)
        if not self._estranged:
            self._newest = weight

    def _fail(self, why: str) -> float:
        """Say once why nothing is weighed, and return how long to wait before the next trial."""
        if why != self._told:
            self._told = why
            log.warning("balance %s: %s", self._port, why)
        wait_s, self._retry_s = self._retry_s, min(2 * self._retry_s, RETRY_MOST_S)
        return wait_s


def has_same_zero(before: Weight, after: Weight) -> bool:
    """Return whether a balance that was away surely kept its zero.

    The cup may have lost what a nebulizer can make meanwhile. A balance that took a new zero would show about nothing,
    so a weight that was already near nothing proves nothing.
    """
    away_s = max(0, after.at_ns - before.at_ns) / 1e9
    most_ug = SHIFT_UG + FASTEST_UG_S * away_s
    return abs(after.ug - before.ug) <= most_ug < abs(before.ug) / 2
