"""The device as the loop sees it: polled, beaten, reopened after a loss; what it says becomes events."""

import asyncio
import logging
from collections.abc import Callable

from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.device import Certainty, CommandFailed, DeviceReport
from nebctl.core.effects import StartAerosol
from nebctl.core.session import LIVE, Session
from nebctl.ports import Clock, Nebulizer
from nebctl.tracing import TraceRows
from nebctl.witnessed import Witnessed

log = logging.getLogger(__name__)

BEAT_S = 0.4
"""The host beats at least every 500 ms in a session; a little earlier leaves room for one poll."""
OVERDUE_S = 5.0
"""Delivery does not go on for longer than this without a report (S27)."""
MISMATCH_S = 0.5
"""A device that still runs this long after STOP is an alarm of its own (S26)."""
REOPEN_S = 1.0
CLOSE_WAIT_S = 0.3
STOP_PERIOD_S = 0.05
"""A STOP that fails is repeated, and not faster than this, however fast it fails."""
NEVER = float("-inf")


class DeviceWatch:
    """One nebulizer, read and commanded for the loop; times here are the event loop's, which is real time.

    `post` takes an event to the loop, `alarm` a condition to raise; `session` returns the session as it now stands.
    """

    def __init__(
        self,
        *,
        nebulizer: Nebulizer,
        clock: Clock,
        witnessed: Witnessed,
        rows: TraceRows,
        session: Callable[[], Session],
        post: Callable[[ev.Event], None],
        alarm: Callable[[Condition], None],
    ) -> None:
        self.nebulizer = nebulizer
        self._clock = clock
        self._witnessed = witnessed
        self._rows = rows
        self._session = session
        self._post = post
        self._alarm = alarm
        self.last_report: DeviceReport | None = None
        self._heard_s = self._beaten_s = self._opened_s = NEVER
        self._overdue_told = False
        self._restarted = False
        self._stopping: asyncio.Task[None] | None = None

    def age_s(self) -> float:
        """Return the seconds since the device was last heard, infinite where it never was."""
        return _now_s() - self._heard_s

    async def poll(self) -> None:
        """Read the device once, or try to open it again."""
        if self.nebulizer.loss is not None or self._restarted:
            await self._reopen()
        else:
            await self._read()
        if self._live() and not self._overdue_told and self.age_s() > OVERDUE_S:
            self._overdue_told = True
            self._post(ev.ReportOverdue(seconds=int(self.age_s())))

    async def start(self, effect: StartAerosol) -> None:
        """Send a start that the gate let pass; until its result is known, it is unresolved."""
        self._witnessed.unresolved = "start"
        self._witnessed.output = None
        result = await self.nebulizer.start(effect.run, effect.max_on_ms)
        self._beaten_s = _now_s()
        self._hear(result)
        unknown = isinstance(result, CommandFailed) and result.certainty is Certainty.UNKNOWN
        self._witnessed.unresolved = "start" if unknown else None

    def send_stop(self) -> None:
        """Begin a stop now, ahead of everything; its result comes back as an event."""
        if self._stopping is None or self._stopping.done():
            stop = asyncio.ensure_future(self.nebulizer.stop())
            self._stopping = asyncio.get_running_loop().create_task(self._follow_stop(stop))

    async def close(self) -> None:
        """Give a stop under way a moment, then end the conversation; without beats the device goes off by itself."""
        if self._stopping is not None:
            await asyncio.wait({self._stopping}, timeout=CLOSE_WAIT_S)
        await self.nebulizer.close()
        if self._stopping is not None:
            self._stopping.cancel()
            await asyncio.wait({self._stopping})

    async def _follow_stop(self, stop: "asyncio.Future[DeviceReport | CommandFailed]") -> None:
        try:
            await self._follow_stop_to_its_end(stop)
        finally:
            stop.cancel()

    async def _follow_stop_to_its_end(self, stop: "asyncio.Future[DeviceReport | CommandFailed]") -> None:
        began_s = _now_s()
        done, _ = await asyncio.wait({stop}, timeout=MISMATCH_S)
        if not done:
            self._alarm(Condition.CANNOT_STOP)
        result = await stop
        if isinstance(result, CommandFailed):
            self._witnessed.unresolved = "stop"
            await self._fail_stop(began_s)
        self._hear(result)

    async def _fail_stop(self, began_s: float) -> None:
        """Say that OFF is not proven, and keep a STOP that fails at once from being repeated without a breath."""
        if self.last_report is not None and not self._live():
            self._alarm(Condition.CANNOT_STOP)
        await asyncio.sleep(began_s + STOP_PERIOD_S - _now_s())

    def _live(self) -> bool:
        return self._session().state in LIVE

    async def _reopen(self) -> None:
        if self._witnessed.device is not None:
            self._lose()
        if _now_s() - self._opened_s < REOPEN_S:
            return
        self._opened_s = _now_s()
        device = await self.nebulizer.open()
        if isinstance(device, CommandFailed):
            log.debug("device: %s", device.sentence())
            return
        last = await self.nebulizer.last_run()
        self._witnessed.see_device(device)
        self._heard_s = _now_s()
        self._overdue_told = self._restarted = False
        self._post(ev.LinkBack(device=device, last=None if isinstance(last, CommandFailed) else last))

    def _lose(self) -> None:
        loss = self.nebulizer.loss
        self._witnessed.see_device(None)
        if self._live():
            self._rows.add_loss(self._session(), self._clock.instant().mono_ns)
        self._post(ev.LinkLost(sentence=loss.sentence() if loss else "the wire is gone"))

    async def _read(self) -> None:
        if self._live() and _now_s() - self._beaten_s >= BEAT_S:
            self._beaten_s = _now_s()
            await self.nebulizer.beat()
        report = await self.nebulizer.status()
        if isinstance(report, DeviceReport):
            self._hear(report)
        elif self.nebulizer.loss is not None and self._witnessed.device is not None:
            self._lose()

    def _hear(self, result: DeviceReport | CommandFailed) -> None:
        """Turn what a command brought back into an event."""
        if isinstance(result, CommandFailed):
            if self.nebulizer.loss is None:
                self._post(ev.CommandLost(failure=result))
            elif self._witnessed.device is not None or self._live():
                self._lose()
            return
        device = self._witnessed.device
        self._restarted |= device is not None and device.boot != result.boot
        self.last_report = result
        self._heard_s = _now_s()
        self._overdue_told = False
        self._witnessed.see_report(result)
        self._rows.add(self._session(), result)
        self._post(ev.Reported(report=result))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
