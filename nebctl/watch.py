"""The device as the loop sees it: polled, beaten, reopened after a loss; what it says becomes events."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import NoneType
from typing import TypeVar

from nebctl.core import events as ev
from nebctl.core.alarms import Condition
from nebctl.core.device import Certainty, CommandFailed, Declaration, DeviceReport, Identity, RunOutcome
from nebctl.core.device_memory import Remembered
from nebctl.core.effects import StartAerosol
from nebctl.core.monitor import AGREEING, Mismatch, believed, compare
from nebctl.core.session import BEGUN, LIVE, Session
from nebctl.core.trace import line, reading_of
from nebctl.ports import Nebulizer
from nebctl.witnessed import Witnessed

log = logging.getLogger(__name__)

BEAT_S = 0.4
"""The host beats at least every 500 ms in a session; a little earlier leaves room for one poll."""
OVERDUE_S = 5.0
"""Delivery does not go on for longer than this without a report (S27)."""
MISMATCH_S = 0.5
"""A device that still runs this long after STOP is an alarm of its own (S26)."""
RETRY_FIRST_S = 0.25
RETRY_MOST_S = 4.0
"""A lost device is looked for at once, then after 0.25 s, and each time after twice as long, up to this."""
CLOSE_WAIT_S = 0.3
STOP_PERIOD_S = 0.05
"""A STOP that fails is repeated, and not faster than this, however fast it fails."""
NEVER = float("-inf")
READ_LIMIT_S = 2.5
"""A beat and a reading that never end are given up while there is time to stop for the missing report (S27)."""
STOP_LIMIT_S = 5.0
START_LIMIT_S = 10.0
OPEN_LIMIT_S = 15.0
"""Drivers end their calls by themselves, sooner than these limits; a driver at fault shall not hold up the loop."""
WEDGED_S = 2 * OVERDUE_S
"""A driver at fault that has brought no report for so long is opened afresh."""

MEMORY_ASKED = 3
"""Outside of a dose a device is asked so often for its last run; drivers repeat what was lost on the wire besides."""

Answer = TypeVar("Answer")


class Contained:
    """A nebulizer that keeps to its port whatever its driver does: what is raised becomes a failure as a value.

    A call that does not end in its time, an answer of the wrong type and a cancellation that nobody asked for are
    contained too. `fault` is the newest of these, None once the driver has answered well again.
    """

    def __init__(self, driver: Nebulizer) -> None:
        self._driver = driver
        self._told: set[tuple[str, str]] = set()
        self.fault: CommandFailed | None = None

    @property
    def declaration(self) -> Declaration:
        """Return which promises the device keeps by itself."""
        return self._driver.declaration

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire to the device; None while there is one."""
        try:
            return self._driver.loss
        except Exception as error:
            return self._contain("loss", error)

    async def open(self) -> Identity | CommandFailed:
        """Open the conversation afresh, also after a loss; the output is proven OFF afterwards."""
        return await self._call("open", self._driver.open, Identity, OPEN_LIMIT_S)

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue a run, once; after anything but an answer the run may be on."""
        return await self._call("start", lambda: self._driver.start(run, max_on_ms), DeviceReport, START_LIMIT_S)

    async def stop(self) -> DeviceReport | CommandFailed:
        """Turn the output off now, ahead of everything else."""
        return await self._call("stop", self._driver.stop, DeviceReport, STOP_LIMIT_S)

    async def beat(self) -> CommandFailed | None:
        """Tell the device that the host's control loop is alive."""
        return await self._call("beat", self._driver.beat, NoneType, READ_LIMIT_S)

    async def status(self) -> DeviceReport | CommandFailed:
        """Read the device."""
        return await self._call("status", self._driver.status, DeviceReport, READ_LIMIT_S)

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Ask what the device remembers of its last run."""
        return await self._call("last run", self._driver.last_run, RunOutcome, READ_LIMIT_S)

    async def trip_cut_off(self) -> CommandFailed | None:
        """Try the independent cut-off, where there is one."""
        return await self._call("trip", self._driver.trip_cut_off, NoneType, STOP_LIMIT_S)

    async def close(self) -> None:
        """Close the conversation."""
        await self._call("close", self._driver.close, NoneType, READ_LIMIT_S)

    async def _call(
        self, name: str, call: Callable[[], Awaitable[object]], kind: type[Answer], limit_s: float
    ) -> Answer | CommandFailed:
        try:
            async with asyncio.timeout(limit_s):
                answer = await call()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._contain(name, error)
        except Exception as error:
            return self._contain(name, error)
        if isinstance(answer, CommandFailed):
            return answer
        if not isinstance(answer, kind):
            return self._contain(name, TypeError(f"an answer of type {type(answer).__name__}"))
        self.fault = None
        self._told = {told for told in self._told if told[0] != name}
        return answer

    def _contain(self, name: str, error: BaseException) -> CommandFailed:
        """Return the failure, and log it: with its traceback the first time, quietly while it repeats."""
        kind = type(error).__name__
        if (name, kind) in self._told:
            log.debug("device: %s failed again with %s", name, kind)
        else:
            self._told.add((name, kind))
            log.error("device: the driver failed at %s", name, exc_info=error)
        self.fault = CommandFailed(
            command=name,
            certainty=Certainty.UNKNOWN,
            seen=f"an error in the driver ({kind})",
            expected="an answer or a failure told",
            advice="It is tried again; show the log to an engineer.",
        )
        return self.fault


async def ask_last_run(device: Contained, times: int) -> RunOutcome | None:
    """Return what a device says of its last run, asked for at most so often; None where it does not say."""
    for _ in range(times):
        last = await device.last_run()
        if isinstance(last, RunOutcome):
            return last
        log.warning("device: its last run is not compared with the log: %s", last.sentence())
    return None


class DeviceWatch:
    """One nebulizer, read and commanded for the loop; times here are the event loop's, which is real time.

    `post` takes an event to the loop, `alarm` a condition to raise; `session` returns the session as it now stands.
    """

    def __init__(
        self,
        *,
        nebulizer: Nebulizer,
        witnessed: Witnessed,
        session: Callable[[], Session],
        post: Callable[[ev.Event], None],
        alarm: Callable[[Condition], None],
    ) -> None:
        self.nebulizer = Contained(nebulizer)
        self._witnessed = witnessed
        self._session = session
        self._post = post
        self._alarm = alarm
        self.last_report: DeviceReport | None = None
        self.remembered: Remembered | None = None
        self._heard_s = self._beaten_s = self._retry_at_s = NEVER
        self._retry_s = RETRY_FIRST_S
        self._overdue_told = False
        self._restarted = False
        self._compared = AGREEING
        self._stopping: asyncio.Task[None] | None = None

    def age_s(self) -> float:
        """Return the seconds since the device was last heard, infinite where it never was."""
        return _now_s() - self._heard_s

    async def poll(self) -> None:
        """Read the device once, or try to open it again; whatever goes wrong, the next poll tries anew."""
        try:
            await (self._reopen() if self._must_open() else self._read())
        except Exception:
            log.exception("device: a poll failed")
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
        if not self.is_stopping:
            stop = asyncio.ensure_future(self.nebulizer.stop())
            self._stopping = asyncio.get_running_loop().create_task(self._follow_stop(stop))

    @property
    def is_stopping(self) -> bool:
        """Return whether a STOP is on its way that has not been read back yet."""
        return self._stopping is not None and not self._stopping.done()

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

    def _must_open(self) -> bool:
        """Say whether the device is to be greeted: unknown, lost, restarted, or behind a driver that stays at fault."""
        wedged = self.nebulizer.fault is not None and self.age_s() > WEDGED_S
        return self._witnessed.device is None or self.nebulizer.loss is not None or self._restarted or wedged

    async def _reopen(self) -> None:
        if self._witnessed.device is not None:
            self._lose()
        if _now_s() < self._retry_at_s:
            return
        device = await self.nebulizer.open()
        self._retry_at_s = _now_s() + self._retry_s
        self._retry_s = min(2 * self._retry_s, RETRY_MOST_S)
        if isinstance(device, CommandFailed):
            log.debug("device: %s", device.sentence())
            return
        last = await self._ask_memory(device)
        self._witnessed.see_device(device)
        self._heard_s = _now_s()
        self._overdue_told = self._restarted = False
        self._post(ev.LinkBack(device=device, last=last))

    async def _ask_memory(self, device: Identity) -> RunOutcome | None:
        """Ask what the device remembers before anybody can begin a dose with it; None where it does not say.

        What it said at an earlier opening then still counts, and what is on record of it: no question goes by silence.
        """
        last = await ask_last_run(self.nebulizer, 1 if self._session().state in BEGUN else MEMORY_ASKED)
        if last is not None or self.remembered is None or self.remembered.device != device.serial:
            self.remembered = Remembered(device=device.serial, last=last)
        return last

    def _lose(self) -> None:
        loss = self.nebulizer.loss or self.nebulizer.fault
        self._witnessed.see_device(None)
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
        """Turn what a command brought back into an event; what cannot be taken counts as not heard."""
        try:
            self._take(result)
        except Exception:
            log.exception("device: an answer could not be taken")

    def _take(self, result: DeviceReport | CommandFailed) -> None:
        if isinstance(result, CommandFailed):
            if self.nebulizer.loss is None:
                self._post(ev.CommandLost(failure=result))
            elif self._witnessed.device is not None or self._live():
                self._lose()
            return
        line(reading_of(result, result.at_ns, paused=False))  # a report at fault must fail here, not in the loop
        self._take_report(result)

    def _take_report(self, told: DeviceReport) -> None:
        """Take a report at its word for as long as what the device senses of itself bears it out (S26)."""
        self._compared = compare(self._compared, told)
        mismatch = self._compared.lasting(told.at_ns)
        result = believed(told, mismatch)
        device = self._witnessed.device
        self._restarted |= device is not None and device.boot != result.boot
        self.last_report = result
        self._witnessed.see_report(result)
        self._post(ev.Reported(report=result))
        if mismatch is Mismatch.NOT_DRIVEN and self._live() and not self.is_stopping:
            self._post(ev.CommandLost(failure=_not_driven(told)))
        self._heard_s = _now_s()  # only now: a report that could not be taken is a report that is missing
        self._overdue_told = False
        self._retry_s = RETRY_FIRST_S


def _not_driven(report: DeviceReport) -> CommandFailed:
    """Return what is wrong with a START whose device says that it runs, and does not: it is stopped for it."""
    return CommandFailed(
        command="start",
        certainty=Certainty.UNKNOWN,
        seen=f"a run that says it is on with {(report.drive_ua or 0) / 1000:.1f} mA at the mesh",
        expected="the current of a driven mesh",
        advice="Look at cup, mesh and plug.",
    )


def _now_s() -> float:
    return asyncio.get_running_loop().time()
