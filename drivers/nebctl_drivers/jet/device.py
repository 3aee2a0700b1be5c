"""A jet nebulizer as a `Nebulizer`: gas flows while relay and gas controller both say so, and STOP takes both away.

Gas controllers keep none of S14, S22 and S24 by themselves; here the cut-off relay in the gas line keeps S22, and S24
where it counts the on-time itself.
Without the relay's answer the device does not open, so a jet without one cannot be started.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nebctl.core.device import Certainty, CommandFailed, Declaration, DeviceReport, EndCause, Identity, RunOutcome
from nebctl_drivers.commanding import StartGate, open_whole, refuse
from nebctl_drivers.stopping import AnyPart, StopSwitch
from nebctl_drivers.timing import Reply
from nebctl_drivers.watchdog_relay.cutoff import TRIAL, CutOff, try_contact

from .observing import Observed, Reading, begun, is_off, observe, report, should_end
from .parts import GasSource
from .profile import JetProfile

LONGEST_ON_MS = 3_600_000
PROTOCOL = "modbus-tcp"
DECLARATION = Declaration(
    keeps_s14=False,
    host_loss_off_ms=2000,
    max_on_in_device=True,
    senses=("temp_C", "gas_slpm", "pressure_kPa", "dry"),
)


class Jet:
    """One jet nebulizer: a gas source and a cut-off, each on a seat of its bus, which may be the same.

    `port` names the link for people, and `protocol` what is spoken there, for the record; `now_ns` is the host's
    monotonic time, which stamps the reports and counts the on-time. Time-outs run on the event loop's own clock.
    """

    def __init__(
        self,
        gas: GasSource,
        relay: CutOff,
        *,
        port: str,
        now_ns: Callable[[], int],
        profile: JetProfile,
        protocol: str = PROTOCOL,
    ) -> None:
        self._port = port
        self._protocol = protocol
        self._now_ns = now_ns
        self._profile = profile
        self._gas = gas
        self._relay = relay
        self._switch = StopSwitch(
            self._stop_parts,
            self._judge_off,
            expected="the relay open, the set-point 0 and no gas",
            advice="Close the gas by hand.",
        )
        self._observed = Observed()
        self._beats = 0
        self._tripping = False
        self._gate = StartGate(self._switch, longest_ms=LONGEST_ON_MS, zero=False)

    @property
    def declaration(self) -> Declaration:
        """Return which promises are kept below the host; the cut-off relay keeps them, S24 not every one."""
        relay = self._relay
        return replace(DECLARATION, max_on_in_device=relay.max_on_in_device, cut_off=relay.driver)

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._relay.loss or self._gas.loss

    async def open(self) -> Identity | CommandFailed:
        """Open the conversation afresh, turn off, and prove it by a read-back; it may be called again after a loss."""
        await self.close()
        return await open_whole(self._greet, self.close)

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue `run`: each write goes out once and never again, and the read-back decides.

        A caller that is cancelled learns nothing: gas may flow, and `stop` is the way out.
        """
        return await self._gate.run(run, max_on_ms, self._start_once)

    async def stop(self) -> DeviceReport | CommandFailed:
        """Open the relay and take the set-point away in this very call, again every 50 ms until both read back.

        Callers at the same time share one stop; a caller that is cancelled does not end it.
        """
        stopping = await self._switch.stop()
        if isinstance(stopping, CommandFailed):
            return stopping
        return report(self._observed, stopping, self._profile)

    async def beat(self) -> CommandFailed | None:
        """Feed the relay's watchdog; not after a STOP without proof of OFF, when the watchdog is the last hope."""
        self._beats += 1
        return await self._relay.feed(self._beats, self._switch.refuse_unproven)

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
        """Ask the relay for its last run; its closed time is what gas can have flowed at most, and a trial had none."""
        relay = await self._relay.read()
        if isinstance(relay, CommandFailed):
            return relay
        run, on_ms = (None, 0) if relay.run == TRIAL else (relay.run, relay.closed_ms)
        return RunOutcome(run=run, on_ms=on_ms, end=relay.cause, boot=self._observed.boot)

    async def trip_cut_off(self) -> CommandFailed | None:
        """Close and open the relay once, with no gas set; a jet whose STOP is not proven refuses."""
        refusal = self._switch.refuse_unproven()
        if refusal is not None:
            return refusal
        self._observed = replace(begun(self._observed, TRIAL, self._now_ns()), armed=False)
        self._tripping = True
        try:
            permit = self._switch.forbid_after()
            return await self._relay.arm(TRIAL, LONGEST_ON_MS, permit) or await try_contact(self._relay, permit)
        finally:
            self._tripping = False

    async def close(self) -> None:
        """End the conversation and wait for all that it began; the relay opens by itself when the beats end."""
        await self._relay.close()
        await self._gas.close()
        await self._switch.settled()

    async def _greet(self) -> Identity | CommandFailed:
        failure = await self._relay.open()
        if failure is not None:
            advice = "A jet starts with a cut-off relay alone: fit one (docs/devices/watchdog-relay.md)."
            return failure if self._relay.loss else replace(failure, command=f"open {self._port}", advice=advice)
        failure = await self._gas.open()
        if failure is not None:
            return failure
        relay = await self._relay.read()
        if isinstance(relay, CommandFailed):
            return relay
        off = await self.stop()
        if isinstance(off, CommandFailed):
            return replace(off, command=f"open {self._port}")
        return Identity(
            maker=self._gas.model.split()[0],
            model=f"{self._gas.model.split(maxsplit=1)[1]} with watchdog relay",
            serial=relay.serial,
            firmware="-",
            protocol=self._protocol,
            boot=self._observed.boot,
            max_on_ms=LONGEST_ON_MS,
            simulated=relay.serial.startswith("SIM-"),
        )

    async def _start_once(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        permit = self._switch.forbid_after()
        before = await self._read()
        if isinstance(before, CommandFailed):
            return replace(before, command="START", certainty=Certainty.NOT_DONE)
        if not is_off(before, self._profile) or before.gas.setpoint_sccm:
            return refuse("START", _describe(before), "the relay open, the set-point 0 and no gas")
        armed = await self._relay.arm(run, max_on_ms, permit)
        if armed is not None:
            return replace(armed, certainty=Certainty.NOT_DONE)  # the contact was not touched
        self._observed = replace(begun(self._observed, run, before.at_ns), armed=True)
        stuck = await try_contact(self._relay, permit)
        if stuck is not None:
            return stuck
        self._observed = begun(self._observed, run, self._now_ns())
        await self._relay.set_closed(closed=True, permit=permit)
        await self._gas.set_flow(self._profile.setpoint_sccm, permit)
        return await self._judge_start(run, overtaken=lambda: permit() is not None)

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

    def _stop_parts(self) -> tuple[AnyPart, AnyPart]:
        self._observed = replace(self._observed, set_sccm=self._gas.reset_sccm)
        return self._relay.stop_part(), self._gas.stop_part()

    def _judge_off(self, replies: tuple[Reply[Any], ...]) -> Reading | str:
        """Return the read-back where it proves OFF, else what it says."""
        count = len(self._relay.stop_part().reads)
        relay, gas = self._relay.parse_stop(replies[:count]), self._gas.parse_stop(replies[count:])
        if isinstance(relay, str) or isinstance(gas, str):
            return relay if isinstance(relay, str) else str(gas)
        reading = Reading(at_ns=gas.at_ns, relay=relay, gas=gas)
        if not is_off(reading, self._profile) or gas.setpoint_sccm:
            return _describe(reading)
        self._observed = self._after(reading)
        return reading

    async def _read(self) -> Reading | CommandFailed:
        relay = await self._relay.read()
        if isinstance(relay, CommandFailed):
            return relay
        if self._tripping:  # with no gas set, a contact that is tried lets nothing through
            relay = replace(relay, closed=False, cause=EndCause.BEAT)
        gas = await self._gas.read()
        return gas if isinstance(gas, CommandFailed) else Reading(at_ns=gas.at_ns, relay=relay, gas=gas)

    def _after(self, reading: Reading) -> Observed:
        return observe(self._observed, reading, self._profile, self._gas.reset_sccm)


def _describe(reading: Reading) -> str:
    contact = "closed" if reading.relay.closed else "open"
    gas = reading.gas
    return f"the relay {contact}, run {reading.relay.run}, set-point {gas.setpoint_sccm} and flow {gas.flow_sccm} sccm"


def _doubt_start(seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command="START", certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice="Gas may flow: stop it."
    )
