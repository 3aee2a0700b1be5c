"""A nebulizer with a Modbus register map as a `Nebulizer`: what its profile says decides all that is written to it.

Modbus numbers no commands, so each write of a start goes out once, and the readings before and after it decide what
came of it. Nothing is written to a device that has not proven who it is.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from nebctl.core.device import Certainty, CommandFailed, Declaration, DeviceReport, Identity, Output, RunOutcome
from nebctl_drivers.commanding import StartGate, open_whole
from nebctl_drivers.modbus_talk import ModbusSeat, write_once
from nebctl_drivers.profiles.profile import Block, Fill, Profile, Roles
from nebctl_drivers.profiles.roles import reset_points
from nebctl_drivers.stopping import StopPart, StopSwitch
from nebctl_drivers.timing import Permit, Reply

from .blocks import Blocks, parse
from .observing import SENSES, Observed, Seen, begun, look, stopped
from .starting import Chosen, Sent, differing, doubt, judge_start, refuse, settings
from .station import Station

PROTOCOL = "modbus"
SETTLE_S = 0.05
"""A start is looked at this often until it shows."""
_SIMULATED = "SIM-"
"""A simulated device's serial number begins so, as the watchdog relay's does."""


class ModbusNebulizer:
    """One nebulizer at one unit id of a bus.

    `port` names the wire for people; `now_ns` is the host's monotonic time, which ages what was read. The profile is
    one of a nebulizer, and whether it may drive a real one is asked of `profiles.refuse_live` before.
    """

    def __init__(self, seat: ModbusSeat, profile: Profile, *, unit: int, port: str, now_ns: Callable[[], int]) -> None:
        assert profile.roles is not None, f"{profile.id} is the profile of no nebulizer"
        self._profile, self._roles = profile, profile.roles
        self._seat, self._port, self._now_ns = seat, port, now_ns
        self._station = Station(profile, unit)
        self._blocks = Blocks(seat, self._station, now_ns)
        state = _state_points(profile, self._roles)
        self._reported = frozenset((*state, *self._roles.quantities.values()))
        self._state = self._station.blocks_of(state)
        self._slow = tuple(b for b in self._station.blocks_of(self._roles.quantities.values()) if b not in self._state)
        read_back = (s.point for s in self._roles.stop if profile.points[s.point].readable)
        self._proof = self._station.blocks_of((*state, *read_back))
        self._stops = {s.point: s.value for s in self._roles.stop if isinstance(s.value, Decimal)}
        self._switch: StopSwitch[DeviceReport] = StopSwitch(
            self._stop_parts, self._judge_stop, expected="the output off", advice="Use the device's own switch."
        )
        self._observed = Observed()
        self._gate = StartGate(self._switch, longest_ms=self._roles.longest_on_ms, zero=False)
        self._known = False
        self._boot: int | None = None
        self._beats = 0

    @property
    def declaration(self) -> Declaration:
        """Return which promises the device keeps by itself, as its profile says."""
        roles = self._roles
        senses = tuple(column for quantity, column in SENSES.items() if quantity in roles.quantities)
        return Declaration(
            keeps_s14=roles.keeps_s14,
            host_loss_off_ms=roles.host_loss_off_ms,
            max_on_in_device=roles.max_on_in_device,
            senses=(*senses, "dry") if roles.dry else senses,
        )

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    async def open(self) -> Identity | CommandFailed:
        """Open the conversation afresh, prove who answers, turn it off, and prove that too."""
        await self.close()
        failure = await self._seat.open()
        if failure is not None:
            return failure
        return await open_whole(self._greet, self.close)

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue `run`: each write goes out once and never again, and the read-back decides.

        A caller that is cancelled learns nothing: it may be on, and `stop` is the way out.
        """
        return await self._gate.run(run, max_on_ms, self._start_once)

    async def stop(self) -> DeviceReport | CommandFailed:
        """Send what turns it off in this very call, and again every 50 ms until the read-back shows OFF.

        Callers at the same time share one stop. To a device that never proved who it is, nothing is sent.
        """
        if not self._known:
            failed = refuse("STOP", f"no {self._profile.model} that proved who it is", "one")
            return replace(failed, certainty=Certainty.UNKNOWN, advice="Use the device's own switch.")
        self._observed = stopped(self._observed, self._roles)
        return await self._switch.stop()

    async def beat(self) -> CommandFailed | None:
        """Feed the device's watchdog, where it has one; not after a STOP without proof of OFF: it is the last hope."""
        name = self._roles.beat
        if name is None:
            return None
        if not self._known:
            return refuse("BEAT", f"no {self._profile.model} that proved who it is", "one")
        limits = self._profile.points[name].limits
        least, most = (int(limits.least), int(limits.most)) if limits is not None else (0, 0xFFFF)
        self._beats += 1
        number = Decimal(least + self._beats % (most - least + 1))
        return await write_once(self._seat, self._station.write(name, number), "BEAT", self._switch.refuse_unproven)

    async def status(self) -> DeviceReport | CommandFailed:
        """Read the device; a quantity whose block cannot be read stays empty once it is stale.

        Beside the state one slow block is read, the one that waits longest: others on the bus wait for a turn too.
        """
        due = [block for block in self._slow if self._blocks.is_due(block)]
        if due and self._seat.loss is None:
            await self._blocks.refresh_one(min(due, key=self._blocks.tried_ns), attempts=1)
        return await self._look(self._state)

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Return what the device now says of its run; one without a run of its own is known by this host's alone."""
        report = await self._look(self._state)
        if isinstance(report, CommandFailed):
            return report
        return RunOutcome(run=report.run, on_ms=report.on_ms, end=report.end, boot=report.boot)

    async def trip_cut_off(self) -> CommandFailed | None:
        """Do nothing: there is no cut-off here."""
        return None

    async def close(self) -> None:
        """End the conversation and wait for all that it began."""
        await self._seat.close()
        await self._switch.settled()
        self._blocks.forget()

    async def _greet(self) -> Identity | CommandFailed:
        wrong = await self._blocks.identify(self._port)
        if wrong is not None:
            self._known = self._known and wrong.certainty is not Certainty.NOT_DONE  # silence is no other device
            return wrong
        self._known = True
        await self._look(self._state)  # a loss of power shows now, before STOP writes over what it left
        off = await self.stop()
        if isinstance(off, CommandFailed):
            return replace(off, command=f"open {self._port}")
        serial = await self._text(self._roles.serial)
        if isinstance(serial, CommandFailed):
            return serial
        firmware = await self._text(self._roles.firmware)
        if isinstance(firmware, CommandFailed):
            return firmware
        self._boot = off.boot
        return Identity(
            maker=self._profile.maker,
            model=self._profile.model,
            serial=serial,
            firmware=firmware,
            protocol=PROTOCOL,
            boot=off.boot,
            max_on_ms=self._roles.longest_on_ms,
            simulated=serial.startswith(_SIMULATED),
        )

    async def _text(self, name: str | None) -> str | CommandFailed:
        """Return a point as a text; "-" where the device has none, or nothing there that is one."""
        if name is None:
            return "-"
        failure = await self._blocks.refresh(self._station.blocks_of([name]))
        if failure is not None:
            return failure
        measured = self._blocks.measure([name])[name]
        return str(measured.value) or "-" if measured.sound else "-"

    async def _start_once(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        stops, permit = self._switch.count, self._switch.forbid_after()
        numbers = [s.point for s in self._roles.start if s.value is Fill.NUMBER]
        before = await self._look((*self._state, *self._extra(numbers)))
        if isinstance(before, CommandFailed):
            return replace(before, command="START", certainty=Certainty.NOT_DONE)
        if before.output is not Output.OFF:
            return refuse("START", f"output {before.output.value}", "output off")
        if before.boot != self._boot:  # it is not the device, as it stood, that the host tested and authorised
            return refuse("START", f"boot {before.boot}, restarted since it was opened", f"boot {self._boot}")
        left_ms = max_on_ms if self._roles.run else max_on_ms - (before.on_ms if before.run == run else 0)
        chosen = settings(self._station, self._roles, run, left_ms, self._blocks.measure(numbers))
        if isinstance(chosen, CommandFailed):
            return chosen
        if self._switch.count == stops:
            self._observed = begun(self._observed, run, max_on_ms, self._now_ns())
        sent = await self._write(chosen, permit)
        if sent.failure is not None and sent.nothing:
            return sent.failure
        if sent.failure is None and self._switch.count == stops and not self._roles.boot:
            self._observed = replace(self._observed, armed=reset_points(self._profile.points, self._roles))
        return await self._judge_start(before, run, chosen, sent, stops)

    async def _write(self, chosen: Chosen, permit: Permit) -> Sent:
        """Send the writes of a start in their order, each once, until one fails."""
        for done, (name, value) in enumerate(chosen):
            failure = await write_once(self._seat, self._station.write(name, value), "START", permit)
            if failure is not None:
                return Sent(done, len(chosen), replace(failure, seen=f"{failure.seen} to the write of {name}"))
        return Sent(len(chosen), len(chosen), None)

    async def _judge_start(
        self, before: DeviceReport, run: str, chosen: Chosen, sent: Sent, stops: int
    ) -> DeviceReport | CommandFailed:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._roles.start_within_ms / 1000
        blocks = (*self._state, *self._extra(name for name, _ in chosen if self._profile.points[name].block))
        while True:
            after = await self._look(blocks)
            if isinstance(after, CommandFailed):
                return doubt(f"{after.seen} at the read-back", "a read-back")
            overtaken = self._switch.count != stops
            if after.output is not Output.OFF or overtaken or loop.time() >= until:
                break
            await asyncio.sleep(SETTLE_S)
        odd = differing(self._station, dict(chosen), self._blocks.measure(dict(chosen)))
        return judge_start(before, after, run=run, sent=sent, odd=odd, overtaken=overtaken)

    def _extra(self, points: Iterable[str]) -> tuple[Block, ...]:
        return tuple(block for block in self._station.blocks_of(points) if block not in self._state)

    async def _look(self, blocks: Sequence[Block]) -> DeviceReport | CommandFailed:
        """Read blocks, of which the state's are some, and return the report."""
        failure = await self._blocks.refresh(blocks)
        if failure is not None:
            return failure
        seen = self._see()
        if isinstance(seen, str):
            return CommandFailed(
                command="read",
                certainty=Certainty.UNKNOWN,
                seen=seen,
                expected=f"the state of a {self._profile.model}, as its profile has it",
                advice="Compare the profile with the device's manual.",
            )
        self._observed = seen.observed
        return seen.report

    def _see(self) -> Seen | str:
        values = self._blocks.measure(self._reported)
        return look(self._observed, values, self._blocks.at_ns(self._state), self._profile)

    def _stop_parts(self) -> tuple[StopPart[Any, Any], ...]:
        writes = tuple(self._station.write(name, value) for name, value in self._stops.items())
        return (StopPart(self._seat, writes, tuple(self._station.read(block) for block in self._proof)),)

    def _judge_stop(self, replies: tuple[Reply[Any], ...]) -> DeviceReport | str:
        """Return the report of a device that is off and stays so: what the stop wrote reads back too."""
        for block, reply in zip(self._proof, replies, strict=True):
            taken = parse(reply)
            if isinstance(taken, str):
                return f"{block.name}: {taken}"
            self._blocks.keep(block, taken)
        seen = self._see()
        if isinstance(seen, str):
            return seen
        odd = differing(self._station, self._stops, self._blocks.measure(self._stops))
        if seen.report.output is not Output.OFF or odd:
            return odd or f"output {seen.report.output.value}"
        self._observed = seen.observed
        return seen.report


def _state_points(profile: Profile, roles: Roles) -> list[str]:
    """Return the points that every report needs afresh."""
    named = [roles.run, roles.on_time, roles.boot, roles.fault and roles.fault.point, roles.ends and roles.ends[0]]
    conditions = [*roles.off, *roles.sweep, *roles.running, *roles.dry]
    armed = [] if roles.boot else [*reset_points(profile.points, roles)]
    return [*conditions, *(name for name in named if name), *armed]
