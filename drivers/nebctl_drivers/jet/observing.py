"""What the readings of gas controller and relay mean together: one device's report, its on-time and its restarts."""

from dataclasses import dataclass, field, replace

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl_drivers.gas_controller.registers import GasReading
from nebctl_drivers.watchdog_relay.registers import RelayReading

from .profile import NS_PER_MS, JetProfile
from .sputter import Sputter, feel, interrupted, is_dry


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Relay and gas read one after the other; `at_ns` is the host's monotonic time of the last answer."""

    at_ns: int
    relay: RelayReading
    gas: GasReading


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known between readings.

    `run` is the run that was last asked for, None before the first; `armed` that the relay was given it and must know
    it; `set_sccm` the set-point that must read back, 0 where none must. `on_ns` is how long gas has flowed in the run.
    `read_ns` is when the gas was last read, None after a break in which nobody read it; `flowing` whether it flowed
    then. `no_flow_ns` is since when a closed relay gives no gas. `ended` is why this driver itself ended the run, NONE
    where it did not. `boot` rises with every power-up of one of the two that a read-back gives away.
    """

    boot: int = 1
    run: str | None = None
    armed: bool = False
    set_sccm: int = 0
    on_ns: int = 0
    read_ns: int | None = None
    flowing: bool = False
    no_flow_ns: int | None = None
    sputter: Sputter = field(default_factory=Sputter)
    ended: EndCause = EndCause.NONE


def begun(observed: Observed, run: str, at_ns: int) -> Observed:
    """Return what is known when `run` is about to start, or to go on."""
    fresh = observed if observed.run == run else replace(observed, on_ns=0, sputter=Sputter())
    sputter = interrupted(fresh.sputter)
    return replace(fresh, run=run, read_ns=at_ns, flowing=False, no_flow_ns=None, sputter=sputter, ended=EndCause.NONE)


def observe(observed: Observed, reading: Reading, profile: JetProfile, reset_sccm: int) -> Observed:
    """Return what is known after a reading; a read-back of power-up values counts as a restart."""
    seen = _note_restart(observed, reading, reset_sccm)
    flowing = reading.gas.flow_sccm > profile.flowing_sccm
    since_ns = reading.at_ns if observed.read_ns is None else observed.read_ns
    # The whole time between two readings counts where gas flowed at either end: it may have, and none may be missed.
    counted_ns = reading.at_ns - since_ns if flowing or observed.flowing else 0
    driven = reading.relay.closed and flowing
    sputter = (
        feel(seen.sputter, reading.at_ns, reading.gas.flow_sccm, reading.gas.pressure_pa, profile)
        if driven
        else interrupted(seen.sputter)
    )
    missing = reading.relay.closed and not flowing
    return replace(
        seen,
        on_ns=seen.on_ns + counted_ns,
        read_ns=reading.at_ns,
        flowing=flowing,
        no_flow_ns=(since_ns if seen.no_flow_ns is None else seen.no_flow_ns) if missing else None,
        sputter=sputter,
    )


def should_end(observed: Observed, reading: Reading, profile: JetProfile) -> EndCause:
    """Return why the driver is to end the run by itself; NONE where it is not (S29)."""
    if not reading.relay.closed:
        return EndCause.NONE
    if is_dry(observed.sputter, reading.at_ns, profile):
        return EndCause.DRY
    no_flow_ns = observed.no_flow_ns
    away = no_flow_ns is not None and reading.at_ns - no_flow_ns >= profile.no_flow_ns
    return EndCause.FAULT if away else EndCause.NONE


def is_off(reading: Reading, profile: JetProfile) -> bool:
    """Return whether nothing can make aerosol: the contact is open and no gas flows."""
    return not reading.relay.closed and reading.gas.flow_sccm <= profile.flowing_sccm


def report(observed: Observed, reading: Reading, profile: JetProfile) -> DeviceReport:
    """Return the reading in the words that every driver shares."""
    off = is_off(reading, profile)
    return DeviceReport(
        at_ns=reading.at_ns,
        output=Output.OFF if off else Output.RUNNING,
        run=observed.run or reading.relay.run,
        on_ms=_on_ms(observed, reading),
        end=_end(observed, reading) if off else EndCause.NONE,
        boot=observed.boot,
        fault=_fault(observed, reading, profile),
        dry=observed.ended is EndCause.DRY or is_dry(observed.sputter, reading.at_ns, profile),
        temp_mc=reading.gas.temp_mc,
        gas_sccm=reading.gas.flow_sccm,
        pressure_pa=reading.gas.pressure_pa,
    )


def _note_restart(observed: Observed, reading: Reading, reset_sccm: int) -> Observed:
    relay_forgot = observed.armed and reading.relay.run != observed.run
    gas_forgot = observed.set_sccm != reset_sccm and reading.gas.setpoint_sccm == reset_sccm
    if not (relay_forgot or gas_forgot):
        return observed
    return replace(observed, boot=observed.boot + 1, armed=False, set_sccm=reset_sccm)


def _on_ms(observed: Observed, reading: Reading) -> int:
    if observed.run is None:
        return reading.relay.closed_ms
    on_ms = observed.on_ns // NS_PER_MS
    # Gas flows through a closed contact only, so the relay's own count bounds what a gap between readings adds.
    return min(on_ms, reading.relay.closed_ms) if reading.relay.run == observed.run else on_ms


def _end(observed: Observed, reading: Reading) -> EndCause:
    return observed.ended if observed.ended is not EndCause.NONE else reading.relay.cause


def _fault(observed: Observed, reading: Reading, profile: JetProfile) -> str | None:
    gas, relay = reading.gas, reading.relay
    if not relay.closed and gas.flow_sccm > profile.flowing_sccm:
        return "GAS-PAST-RELAY"
    if observed.ended is EndCause.FAULT and relay.closed:
        return "NO-GAS"  # once the run is over, its end says so; a fault that outlived it would bar every later start
    if gas.alarms:
        return "GAS-" + "-".join(gas.alarms)
    if observed.set_sccm and gas.setpoint_sccm != observed.set_sccm:
        return "SET-POINT-CHANGED"
    low = gas.flow_sccm * 100 < observed.set_sccm * profile.low_percent
    return "LOW-GAS" if relay.closed and low else None
