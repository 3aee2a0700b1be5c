"""A jet nebulizer as a `Nebulizer`: gas flows while relay and gas controller both say so, and STOP takes both away.

Gas controllers keep none of S14, S22 and S24 by themselves; here the cut-off relay in the gas line keeps S22 and S24.
Without the relay's answer the device does not open, so a jet without one cannot be started.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from nebctl.core.device import Certainty, CommandFailed, Declaration, DeviceReport, EndCause, Identity, RunOutcome
from nebctl.ports import Link
from nebctl_drivers.gas_controller.registers import GasMap
from nebctl_drivers.modbus_tcp import ModbusTcp, Pending, Permit
from nebctl_drivers.watchdog_relay.registers import RelayMap, RelayReading

from .observing import Observed, Reading, begun, is_off, observe, report, should_end
from .profile import JetProfile, read_jet_profile
from .stopping import ReadBack, StopUntilOff

LONGEST_ON_MS = 3_600_000
PROTOCOL = "modbus-tcp"
DECLARATION = Declaration(
    keeps_s14=False,
    host_loss_off_ms=2000,
    max_on_in_device=True,
    senses=("temp_C", "gas_slpm", "pressure_kPa", "dry"),
)
_RUN_DIGITS = frozenset("0123456789abcdef")


class Jet:
    """One jet nebulizer on one link.

    `port` names the link for people; `now_ns` is the host's monotonic time, which stamps the reports and counts the
    on-time. Time-outs run on the event loop's own clock.
    """

    def __init__(self, link: Link, *, port: str, now_ns: Callable[[], int], profile: JetProfile | None = None) -> None:
        self._port = port
        self._now_ns = now_ns
        self._profile = profile if profile is not None else read_jet_profile()
        self._gas = GasMap(self._profile.gas_unit)
        self._relay = RelayMap(self._profile.relay_unit)
        self._wire = ModbusTcp(link, now_ns=now_ns, timeout_s=self._gas.timeout_s)
        self._observed = Observed()
        self._beats = 0
        self._starting = False
        self._stopping: asyncio.Task[DeviceReport | CommandFailed] | None = None
        self._stops = 0
        self._off_unproven = False

    @property
    def declaration(self) -> Declaration:
        """Return which promises are kept below the host; the cut-off relay keeps them."""
        return DECLARATION

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._wire.loss

    async def open(self) -> Identity | CommandFailed:
        """Open the conversation afresh, turn off, and prove it by a read-back; it may be called again after a loss."""
        await self.close()
        failure = await self._wire.open()
        if failure is not None:
            return failure
        identity: Identity | CommandFailed | None = None
        try:
            identity = await self._greet()
        finally:
            if not isinstance(identity, Identity):
                await self.close()
        return identity

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue `run`: each write goes out once and never again, and the read-back decides.

        A caller that is cancelled learns nothing: gas may flow, and `stop` is the way out.
        """
        if len(run) != 8 or not set(run) <= _RUN_DIGITS or not int(run, 16) or not 1 <= max_on_ms <= LONGEST_ON_MS:
            expected = f"eight hexadecimal digits that are not all 0, and 1 to {LONGEST_ON_MS} ms"
            return _refuse("START", f"run {run!r} for {max_on_ms} ms", expected)
        if self._starting:
            return _refuse("START", "another start under way", "one start at a time")
        refusal = self._refuse_unproven()
        if refusal is not None:
            return refusal
        self._starting = True
        try:
            return await self._start_once(run, max_on_ms)
        finally:
            self._starting = False

    async def stop(self) -> DeviceReport | CommandFailed:
        """Open the relay and take the set-point away in this very call, again every 50 ms until both read back.

        Callers at the same time share one stop; a caller that is cancelled does not end it.
        """
        if self._stopping is None or self._stopping.done():
            self._stops += 1
            self._off_unproven = True
            self._observed = replace(self._observed, set_sccm=self._gas.reset_sccm)
            stop = StopUntilOff(
                self._wire,
                writes=(self._relay.open_contact, self._gas.write_setpoint(0)),
                reads=(self._relay.read_all, self._gas.read_setpoint, self._gas.read_process),
                judge=self._why_not_off,
            )
            self._stopping = asyncio.create_task(self._stop_until_off(stop, stop.begin()))
        return await asyncio.shield(self._stopping)

    async def beat(self) -> CommandFailed | None:
        """Feed the relay's watchdog; not after a STOP without proof of OFF, when the watchdog is the last hope."""
        self._beats += 1
        return await self._wire.write(self._relay.feed(self._beats), "BEAT", self._refuse_unproven)

    async def status(self) -> DeviceReport | CommandFailed:
        """Read relay and gas controller; a jet that has run dry, or gets no gas, is turned off first (S29)."""
        reading = await self._read()
        if isinstance(reading, CommandFailed):
            return reading
        self._observed = self._after(reading)
        cause = should_end(self._observed, reading, self._profile)
        if cause is EndCause.NONE:
            return report(self._observed, reading, self._profile)
        self._observed = replace(self._observed, ended=cause)
        return await self.stop()

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Ask the relay for its last run; its closed time is what gas can have flowed at most."""
        relay = await self._read_relay()
        if isinstance(relay, CommandFailed):
            return relay
        return RunOutcome(run=relay.run, on_ms=relay.closed_ms, end=relay.cause, boot=self._observed.boot)

    async def close(self) -> None:
        """End the conversation and wait for all that it began; the relay opens by itself when the beats end."""
        await self._wire.close()
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    async def _greet(self) -> Identity | CommandFailed:
        relay = await self._read_relay()
        if isinstance(relay, CommandFailed):
            advice = "A jet starts with a cut-off relay alone: fit one (docs/devices/watchdog-relay.md)."
            return relay if self._wire.loss else replace(relay, command=f"open {self._port}", advice=advice)
        off = await self.stop()
        if isinstance(off, CommandFailed):
            return replace(off, command=f"open {self._port}")
        return Identity(
            maker="Alicat",
            model="MC with watchdog relay",
            serial=relay.serial,
            firmware="-",
            protocol=PROTOCOL,
            boot=self._observed.boot,
            max_on_ms=LONGEST_ON_MS,
            simulated=relay.serial.startswith("SIM-"),
        )

    async def _start_once(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        stops = self._stops
        before = await self._read()
        if isinstance(before, CommandFailed):
            return replace(before, command="START", certainty=Certainty.NOT_DONE)
        if not is_off(before, self._profile) or before.gas.setpoint_sccm:
            return _refuse("START", _describe(before), "the relay open, the set-point 0 and no gas")
        permit = self._forbid_after_stop(stops)
        armed = await self._wire.write(self._relay.arm(run, max_on_ms), "START", permit)
        if armed is not None:
            return replace(armed, certainty=Certainty.NOT_DONE)  # the contact was not touched
        self._observed = replace(begun(self._observed, run, before.at_ns), armed=True)
        stuck = await self._try_cut_off(permit)
        if stuck is not None:
            return stuck
        self._observed = begun(self._observed, run, self._now_ns())
        await self._wire.write(self._relay.close_contact, "START", permit)
        await self._wire.write(self._gas.write_setpoint(self._profile.setpoint_sccm), "START", permit)
        return await self._judge_start(run, overtaken=lambda: self._stops != stops)

    async def _try_cut_off(self, permit: Permit) -> CommandFailed | None:
        """Close and open the relay while no gas is set: a contact that sticks is found before gas flows (S22)."""
        for request, closed in ((self._relay.close_contact, True), (self._relay.open_contact, False)):
            failure = await self._wire.write(request, "START", permit if closed else None)
            if failure is not None:
                return failure if closed else replace(failure, certainty=Certainty.UNKNOWN)
            relay = await self._read_relay()
            if isinstance(relay, CommandFailed):
                return _doubt_start(f"{relay.seen} in the relay's test", "a read-back")
            if relay.closed is not closed:
                word = "closed" if closed else "open"
                return _doubt_start(f"a relay that is not {word} when it was told to be", f"the relay {word}")
        return None

    async def _judge_start(self, run: str, *, overtaken: Callable[[], bool]) -> DeviceReport | CommandFailed:
        """Return what the read-back says of a start whose writes may have been lost."""
        after = await self._read()
        if isinstance(after, CommandFailed):
            return _doubt_start(f"{after.seen} at the read-back", "a read-back")
        wanted = self._profile.setpoint_sccm
        on = after.relay.closed and after.relay.run == run and after.gas.setpoint_sccm == wanted
        if not on and not overtaken():
            self._observed = self._after(after)
            return _doubt_start(_describe(after), f"the relay closed for run {run} and the set-point {wanted} sccm")
        self._observed = self._after(after)
        if on and not overtaken():
            self._observed = replace(self._observed, set_sccm=wanted)
        return report(self._observed, after, self._profile)

    async def _stop_until_off(
        self, stop: StopUntilOff, sent: list[Pending | CommandFailed]
    ) -> DeviceReport | CommandFailed:
        try:
            words = await stop.run(sent)
        finally:
            self._wire.end_stop()
        self._off_unproven = isinstance(words, CommandFailed)
        if isinstance(words, CommandFailed):
            return words
        reading = self._parse(words)
        assert isinstance(reading, Reading), reading  # its words were judged OFF
        self._observed = self._after(reading)
        return report(self._observed, reading, self._profile)

    def _why_not_off(self, words: ReadBack) -> str:
        reading = self._parse(words)
        if isinstance(reading, str):
            return reading
        off = is_off(reading, self._profile) and not reading.gas.setpoint_sccm
        return "" if off else _describe(reading)

    def _parse(self, words: ReadBack) -> Reading | str:
        relay, gas = self._relay.parse(words.relay), self._gas.parse(words.setpoint, words.process)
        if isinstance(relay, str) or isinstance(gas, str):
            return f"a relay with {relay}" if isinstance(relay, str) else f"a gas controller with {gas}"
        return Reading(at_ns=words.at_ns, relay=relay, gas=gas)

    async def _read(self) -> Reading | CommandFailed:
        relay = await self._wire.read(self._relay.read_all, "read the relay")
        if isinstance(relay, CommandFailed):
            return relay
        setpoint = await self._wire.read(self._gas.read_setpoint, "read the gas controller")
        if isinstance(setpoint, CommandFailed):
            return setpoint
        process = await self._wire.read(self._gas.read_process, "read the gas controller")
        if isinstance(process, CommandFailed):
            return process
        words = ReadBack(relay=relay[0], setpoint=setpoint[0], process=process[0], at_ns=process[1])
        reading = self._parse(words)
        return _unreadable(reading) if isinstance(reading, str) else reading

    async def _read_relay(self) -> RelayReading | CommandFailed:
        words = await self._wire.read(self._relay.read_all, "read the relay")
        if isinstance(words, CommandFailed):
            return words
        relay = self._relay.parse(words[0])
        return _unreadable(f"a relay with {relay}") if isinstance(relay, str) else relay

    def _after(self, reading: Reading) -> Observed:
        return observe(self._observed, reading, self._profile, self._gas.reset_sccm)

    def _refuse_unproven(self) -> CommandFailed | None:
        if not self._off_unproven:
            return None
        return _refuse("request", "a STOP whose effect is not proven", "a read-back of OFF after it; stop again")

    def _forbid_after_stop(self, stops: int) -> Permit:
        def permit() -> CommandFailed | None:
            return None if self._stops == stops else _refuse("START", "a STOP in the meantime", "none")

        return permit


def _describe(reading: Reading) -> str:
    contact = "closed" if reading.relay.closed else "open"
    gas = reading.gas
    return f"the relay {contact}, run {reading.relay.run}, set-point {gas.setpoint_sccm} and flow {gas.flow_sccm} sccm"


def _doubt_start(seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command="START", certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice="Gas may flow: stop it."
    )


def _unreadable(seen: str) -> CommandFailed:
    return CommandFailed(
        command="read",
        certainty=Certainty.UNKNOWN,
        seen=seen,
        expected="values as docs/devices/jet.md has them",
        advice="Check unit ids and register maps.",
    )


def _refuse(command: str, seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command=command, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice="Nothing was sent."
    )
