"""What a unit looks for by itself between presses: doses of earlier days left open, and parts left unsigned."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from nebctl.contact import LOOK_S
from nebctl.core.admission import left_open
from nebctl.core.alarms import Condition
from nebctl.core.instant import NS_PER_S
from nebctl.core.leases import Worklist
from nebctl.ports import Clock
from nebctl.runner import Runner


async def watch_day(
    runner: Runner,
    clock: Clock,
    zone: ZoneInfo,
    worklist: Callable[[], Worklist | None],
    trusted: Callable[[], bool],
    max_unsigned_ns: int,
) -> None:
    """Raise an alarm while a dose of an earlier day is open (S53) or a part is unsigned too long (S55), for ever.

    Without a list, or by a clock that is not trusted, no dose is of an earlier day.
    """
    while True:
        now, listed = clock.instant(), worklist()
        if listed is not None and trusted():
            today = datetime.fromtimestamp(now.wall_ns // NS_PER_S, zone).date()
            _tell(runner, Condition.DOSE_LEFT_OPEN, stands=bool(left_open(listed, runner.history, today)))
        waited_ns = max((part.age_ns(now) for part in runner.history.unsigned), default=0)
        _tell(runner, Condition.UNSIGNED, stands=waited_ns >= max_unsigned_ns)
        await asyncio.sleep(LOOK_S)


def _tell(runner: Runner, condition: Condition, *, stands: bool) -> None:
    (runner.raise_alarm if stands else runner.clear_alarm)(condition)
