"""The 9C main board as a `Nebulizer`: cold mist alone, never resumed by the board itself, and OFF proven in order.

The board answers queries and commands from two tasks of its own, and a START from a third of a second to more than one
later. So a query's answer says nothing of a command before it, unless that command is acknowledged already.
Source: host_comm_service.c and app_tasks.c in the makers' repository.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from nebctl.core.device import Certainty, CommandFailed, Declaration, DeviceReport, EndCause, Identity, RunOutcome
from nebctl.ports import Link
from nebctl_drivers.bus import Bus, Permit, Reply, Seat
from nebctl_drivers.commanding import StartGate, open_whole
from nebctl_drivers.reading import read
from nebctl_drivers.stopping import StopPart, StopSwitch

from .dialect import Answer, Board9CDialect, LateAnswer, Request, Told
from .observing import (
    Observed,
    Reading,
    begun,
    from_runtime,
    from_status,
    is_spent,
    is_stalled,
    not_begun,
    observe,
    report,
    should_end,
    stopped,
    stopping,
    why_not_off,
)
from .payloads import Command, Runtime, Status
from .profile import Board9CProfile, read_board_profile
from .settings import ADVICE, MOST_MINUTES, Wanted, data_of, settle, whole_minutes
from .starting import MS_PER_MINUTE, doubt, find_obstacle, judge_start

LONGEST_ON_MS = MOST_MINUTES * MS_PER_MINUTE
PROTOCOL = "9c-host"
DECLARATION = Declaration(
    keeps_s14=False,
    host_loss_off_ms=3000,
    max_on_in_device=True,
    senses=("temp_C", "dry"),
)


class Board9C:
    """One 9C main board on one link.

    `port` names the link for people, and stands for the serial number that the board does not tell; `now_ns` is the
    host's monotonic time, which stamps the reports. `simulated` is what the caller knows of the other end, because the
    board's protocol has no word for it. Time-outs run on the event loop's own clock.
    """

    def __init__(
        self,
        link: Link,
        *,
        port: str,
        now_ns: Callable[[], int],
        profile: Board9CProfile | None = None,
        simulated: Callable[[], bool] = lambda: False,
    ) -> None:
        self._port = port
        self._now_ns = now_ns
        self._profile = profile if profile is not None else read_board_profile()
        self._simulated = simulated
        bus: Bus[Request, Told] = Bus(link, Board9CDialect(), self._profile.timing, now_ns=now_ns)
        self._seat: Seat[Request, Told] = bus.seat(probe=Request(Command.GET_STATUS), unasked=self._hear)
        self._switch: StopSwitch[DeviceReport] = StopSwitch(
            self._begin_stop,
            self._judge_off,
            expected="STOP acknowledged, then a STATUS at rest with the mist board not running",
            advice="Use the device's own switch.",
        )
        self._observed = Observed()
        self._heard_ns = 0
        self._hot: bool | None = None
        self._boot: int | None = None
        self._acked: Reply[Told] | None = None
        self._acked_order = 0
        self._tokens = itertools.count(1)
        self._awaited: tuple[Request, asyncio.Future[Answer | None]] | None = None
        self._gate = StartGate(self._switch, longest_ms=LONGEST_ON_MS, zero=True)

    @property
    def declaration(self) -> Declaration:
        """Return which promises the board keeps by itself: it goes off 3 s after the last beat, where S22 wants 2 s."""
        return DECLARATION

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    async def open(self) -> Identity | CommandFailed:
        """Open the conversation afresh, turn off, and prove it by a read-back; it may be called again after a loss."""
        await self.close()
        failure = await self._seat.open()
        if failure is not None:
            return failure
        self._heard_ns = self._now_ns()
        identity = await open_whole(self._greet, self.close)
        self._boot = identity.boot if isinstance(identity, Identity) else None
        return identity

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue `run` for the whole minutes that are left of its maximum, and return what is then read.

        START is sent once and never again. With less than one minute left it is refused: the board counts no seconds.
        """
        return await self._gate.run(run, max_on_ms, self._start_once)

    async def stop(self) -> DeviceReport | CommandFailed:
        """Put STOP on the wire in this very call, and again every 50 ms until OFF is read behind its acknowledgement.

        Callers at the same time share one stop; a caller that is cancelled does not end it.
        """
        return await self._switch.stop()

    async def beat(self) -> CommandFailed | None:
        """Feed the board's watchdog; not after a STOP without proof of OFF, when the watchdog is the last hope."""
        result = await self._seat.ask(Request(Command.HEARTBEAT), self._switch.refuse_unproven)
        if isinstance(result, CommandFailed):
            return replace(result, command="BEAT")
        if isinstance(result, Reply) and isinstance(result.answer, Answer) and not result.answer.error:
            return None
        return CommandFailed(
            command="BEAT",
            certainty=Certainty.UNKNOWN,
            seen="no acknowledgement",
            expected="one",
            advice="The next beat follows by itself.",
        )

    async def status(self) -> DeviceReport | CommandFailed:
        """Read the board; a run that is dry, open, heated, spent or paused by the board is turned off (S23, S29)."""
        reading = await self._look("read the board")
        if isinstance(reading, CommandFailed):
            return reading
        cause = should_end(self._observed, reading, self._profile)
        if cause is EndCause.NONE:
            return report(self._observed, reading, self._profile)
        self._observed = replace(self._observed, ended=cause)
        return await self.stop()

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Return what is known of the last run; the board itself remembers none, so after its restart it is None."""
        reading = await self._look("read the board")
        if isinstance(reading, CommandFailed):
            return reading
        seen = self._observed
        if seen.run is None or seen.ended is EndCause.POWER_UP:
            return RunOutcome(run=None, on_ms=0, end=EndCause.POWER_UP, boot=seen.boot)
        return RunOutcome(run=seen.run, on_ms=seen.on_ms, end=seen.ended, boot=seen.boot)

    async def trip_cut_off(self) -> CommandFailed | None:
        """Do nothing: there is no cut-off here."""
        return None

    async def close(self) -> None:
        """End the conversation and wait for all that it began; the board pauses by itself when the beats end."""
        await self._seat.close()
        await self._switch.settled()

    # Reading.

    def _hear(self, told: Told, at_ns: int) -> None:
        """Take what the board says by itself, and an answer to START that comes after its time."""
        if isinstance(told, Status):
            self._heard_ns, self._hot = at_ns, told.hot
        elif isinstance(told, LateAnswer) and self._awaited is not None:
            request, answer = self._awaited
            if told.request == request and not answer.done():
                answer.set_result(told.answer)

    async def _look(self, name: str) -> Reading | CommandFailed:
        """Return a reading that is new, of a board whose control loop runs, with a mist board that answers."""
        silent_ns = self._now_ns() - self._heard_ns
        if self._seat.loss is None and silent_ns > self._profile.stale_ns:
            return _mistrust(name, f"no STATUS for {silent_ns // 1_000_000} ms", "one every 500 ms")
        found = await read(
            self._seat,
            Request(Command.GET_RUNTIME),
            name=name,
            parse=lambda reply: _with_time(data_of(reply, Runtime), reply.at_ns),
            expected="a RUNTIME frame of the 9C board",
            advice=ADVICE,
        )
        if isinstance(found, CommandFailed):
            return found
        reading = from_runtime(found[0], found[1], hot=self._hot)
        self._observed = observe(self._observed, reading, self._profile)
        if is_stalled(self._observed, reading, self._profile):
            return _mistrust(name, "a board whose own time stands still", "a control loop that runs")
        if not reading.mist_online:
            return _mistrust(name, why_not_off(reading), "a mist board that answers")
        return reading

    async def _greet(self) -> Identity | CommandFailed:
        first = await self._look(f"open {self._port}")
        if isinstance(first, CommandFailed) and self._seat.loss is None and self._observed.last is None:
            heard = self._seat.heard()
            return replace(first, seen=heard or first.seen, advice="Check [device] driver and port. " + first.advice)
        if isinstance(first, Reading):
            await self._clear_spent(first, "open")
        off = await self.stop()
        if isinstance(off, CommandFailed):
            return replace(off, command=f"open {self._port}")
        return Identity(
            maker="9C",
            model="nebulizer main board",
            serial=self._port,
            firmware="-",
            protocol=PROTOCOL,
            boot=self._observed.boot,
            max_on_ms=LONGEST_ON_MS,
            simulated=self._simulated(),
        )

    async def _clear_spent(self, reading: Reading, name: str, permit: Permit | None = None) -> Reading | CommandFailed:
        """Clear a fault whose cause is seen to be gone, and read again; every other fault stays for a person."""
        if not is_spent(reading, self._profile):
            return reading
        self._observed = stopping(self._observed)
        result = await self._seat.ask(Request(Command.CLEAR_FAULT), permit)
        return result if isinstance(result, CommandFailed) else await self._look(name)

    # Stopping.

    def _begin_stop(self) -> Sequence[StopPart[Request, Told]]:
        self._observed = stopping(self._observed)
        self._acked = None
        if self._awaited is not None and not self._awaited[1].done():
            self._awaited[1].set_result(None)
        # STOP stands among the reads because its acknowledgement is half of the proof
        reads = (Request(Command.STOP), Request(Command.GET_STATUS))
        return (StopPart(self._seat, (), reads),)

    def _judge_off(self, replies: tuple[Reply[Told], ...]) -> DeviceReport | str:
        """Return the proof of OFF, or why there is none: a STATUS counts only behind this stop's acknowledgement."""
        stop, shown = replies
        answer, status = stop.answer, data_of(shown, Status)
        if isinstance(answer, Answer) and not answer.error and self._acked is None:
            self._acked, self._acked_order = stop, answer.order
        if self._acked is None:
            return f"STOP {data_of(stop, Status)}"
        if isinstance(status, str):
            return status
        assert isinstance(shown.answer, Answer)
        if shown.answer.data_order < self._acked_order:
            return "a STATUS from before STOP was acknowledged"
        reading = from_status(status, shown.at_ns)
        # before a START was seen to mist, "not running" may be older than it
        if self._observed.unseen and shown.at_ns - self._acked.at_ns < self._profile.mist_poll_ns:
            return "a mist board that was not asked since STOP"
        against = why_not_off(reading)
        if against:
            return against
        # a reading that was under way when STOP began may have told of the run after `stopping`
        self._observed = stopped(observe(stopping(self._observed), reading, self._profile))
        return report(self._observed, reading, self._profile)

    # Starting.

    async def _start_once(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        permit = self._switch.forbid_after()
        before = await self._look("START")
        if isinstance(before, Reading):
            before = await self._clear_spent(before, "START", permit)
        if isinstance(before, CommandFailed):
            return replace(before, certainty=Certainty.NOT_DONE)
        known = self._observed
        left_ms = max_on_ms - (known.on_ms if known.run == run else 0)
        obstacle = find_obstacle(known, before, self._profile, boot=self._boot, left_ms=left_ms)
        if obstacle is not None:
            return obstacle
        minutes = whole_minutes(left_ms)
        failure = await self._prepare(minutes, permit)
        if failure is not None:
            return replace(failure, certainty=Certainty.NOT_DONE)
        now_ns = self._now_ns()
        fresh = begun(self._observed, run, max_on_ms, at_ns=now_ns, granted_s=minutes * 60)
        self._observed = replace(fresh, cold=True)
        answer = await self._ask_start(permit)
        if isinstance(answer, CommandFailed):
            if answer.certainty is Certainty.NOT_DONE:
                self._observed = not_begun(self._observed, known)
            return answer
        after = await self._read_after(permit)
        if isinstance(after, CommandFailed):
            return doubt(f"{after.seen} when it was read afterwards", "a read-back")
        overtaken = permit() is not None
        result = judge_start(
            self._observed, after, answer, self._profile, boot=self._boot, minutes=minutes, overtaken=overtaken
        )
        if isinstance(result, CommandFailed) and result.certainty is Certainty.NOT_DONE:
            self._observed = not_begun(self._observed, known)
        return result

    async def _prepare(self, minutes: int, permit: Permit) -> CommandFailed | None:
        """Set the board up and beat once, so that its 3 s begin anew; None means that START may go out."""
        wanted = Wanted(minutes=minutes, air_level=self._profile.air_level, mist_level=self._profile.mist_level)
        failure = await settle(self._seat, wanted, self._profile, permit) or await self.beat()
        return replace(failure, command="START") if failure is not None else permit()

    async def _ask_start(self, permit: Permit) -> Answer | CommandFailed | None:
        """Send START once; None means that no answer came even in the long time that the mist board's reset takes."""
        request = Request(Command.START, token=next(self._tokens))
        late: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._awaited = (request, late)
        try:
            result = await self._seat.ask(request, permit)
            if isinstance(result, CommandFailed):
                return replace(result, command="START")
            if isinstance(result, Reply) and isinstance(result.answer, Answer):
                return result.answer
            await asyncio.wait({late}, timeout=self._profile.start_answer_s)
            return late.result() if late.done() else None
        finally:
            self._awaited = None

    async def _read_after(self, permit: Permit) -> Reading | CommandFailed:
        if permit() is None:
            await self.beat()  # the board's 3 s went on while it thought
        return await self._look("START")


def _with_time(runtime: Runtime | str, at_ns: int) -> tuple[Runtime, int] | str:
    return runtime if isinstance(runtime, str) else (runtime, at_ns)


def _mistrust(name: str, seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command=name,
        certainty=Certainty.UNKNOWN,
        seen=seen,
        expected=expected,
        advice="Press STOP, look at the device, and switch it off and on.",
    )
