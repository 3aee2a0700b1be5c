"""What the values of a Modbus nebulizer mean together: one report, its on-time, and the losses of power it shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from nebctl.core.device import DeviceReport, EndCause, Output
from nebctl_drivers.profiles.profile import Profile, Roles
from nebctl_drivers.profiles.quantities import to_core

from .station import NS_PER_MS, Measured, describe, holds

REPORTED: Mapping[str, str] = {
    "current": "drive_ua",
    "frequency": "drive_hz",
    "power": "drive_uw",
    "temperature": "temp_mc",
    "volume": "device_nl",
    "gas_flow": "gas_sccm",
    "pressure": "pressure_pa",
}
"""Which field of a report each quantity of a profile fills."""
SENSES: Mapping[str, str] = {
    "current": "drive_mA",
    "frequency": "drive_Hz",
    "power": "drive_mW",
    "temperature": "temp_C",
    "volume": "device_nL",
    "gas_flow": "gas_slpm",
    "pressure": "pressure_kPa",
}
"""The trace columns of the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is known between readings.

    `boot` counts the losses of power that a read-back gave away, for a device without a counter of its own. `run` is
    the run last asked for, None before the first, and `max_on_ms` its limit. `armed` are the set values that power-up
    takes back, while they must read back. `on_ns` is how long the run was on by the host's clock, `read_ns` when it was
    last read and `running` what it then was. `end` is why it is off, NONE while it is on or nobody has looked.
    """

    boot: int = 1
    run: str | None = None
    max_on_ms: int = 0
    armed: Mapping[str, Decimal] = field(default_factory=dict)
    on_ns: int = 0
    read_ns: int | None = None
    running: bool = False
    stopping: bool = False
    end: EndCause = EndCause.POWER_UP


@dataclass(frozen=True, slots=True)
class Seen:
    """A reading: what is known after it, and the report of it."""

    observed: Observed
    report: DeviceReport


def begun(observed: Observed, run: str, max_on_ms: int, at_ns: int) -> Observed:
    """Return what is known when `run` is about to start, or to go on."""
    on_ns = observed.on_ns if observed.run == run else 0
    return replace(
        observed,
        run=run,
        max_on_ms=max_on_ms,
        armed={},
        on_ns=on_ns,
        read_ns=at_ns,
        running=False,
        stopping=False,
        end=EndCause.NONE,
    )


def stopped(observed: Observed, roles: Roles) -> Observed:
    """Return what is known once a stop is on its way: what it writes need not read back as the start left it."""
    written = {setting.point for setting in roles.stop}
    armed = {name: value for name, value in observed.armed.items() if name not in written}
    return replace(observed, armed=armed, stopping=True)


def look(observed: Observed, values: Mapping[str, Measured], at_ns: int, profile: Profile) -> Seen | str:
    """Return what a reading shows, or why it cannot be believed; a report that contradicts itself proves nothing."""
    roles = profile.roles
    assert roles is not None, profile.id
    output = _output(values, profile, roles)
    told = _told(values, profile, roles)
    if isinstance(output, str) or isinstance(told, str):
        return output if isinstance(output, str) else str(told)
    seen = _count(_note_restart(observed, values, profile), output, at_ns)
    end = EndCause.NONE if output is not Output.OFF else told.end or _guess_end(observed, seen, told)
    if output is Output.OFF and end is EndCause.NONE:
        return f"off, and still running by its own account ({describe(roles.off, values)})"
    seen = replace(seen, end=end)
    report = DeviceReport(
        at_ns=at_ns,
        output=output,
        run=told.run if roles.run else seen.run,
        on_ms=told.on_ms if told.on_ms is not None else seen.on_ns // NS_PER_MS,
        end=end,
        boot=told.boot if told.boot is not None else seen.boot,
        fault=told.fault,
        dry=told.dry,
        **_quantities(values, profile, roles),
    )
    return Seen(seen, report)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the device says of itself beside its output; None where it has no such point."""

    run: str | None
    on_ms: int | None
    boot: int | None
    dry: bool | None
    fault: str | None
    end: EndCause | None


def _output(values: Mapping[str, Measured], profile: Profile, roles: Roles) -> Output | str:
    found = []
    conditions = {Output.OFF: roles.off, Output.SWEEP: roles.sweep, Output.RUNNING: roles.running}
    for output, condition in conditions.items():
        held = holds(condition, values, profile) if condition else False
        if isinstance(held, str):
            return held
        if held:
            found.append(output)
    if len(found) == 1:
        return found[0]
    what = " and ".join(output.value for output in found) or "neither off nor running"
    return f"{what} ({describe({**roles.off, **roles.running}, values)})"


def _told(values: Mapping[str, Measured], profile: Profile, roles: Roles) -> _Told | str:
    needed = [name for name in (roles.run, roles.on_time, roles.boot) if name is not None]
    needed += [roles.fault.point] if roles.fault else []
    needed += [roles.ends[0]] if roles.ends else []
    odd = [name for name in needed if not values[name].sound]
    dry = holds(roles.dry, values, profile) if roles.dry else None
    if odd or isinstance(dry, str):
        return f"{odd[0]} is {values[odd[0]].status.value}" if odd else str(dry)
    run = _whole(values, roles.run)
    on_time = _number(values, roles.on_time)
    return _Told(
        run=f"{run:08x}" if run else None,
        on_ms=None if on_time is None else to_core(on_time, values[roles.on_time or ""].unit),
        boot=_whole(values, roles.boot),
        dry=dry,
        fault=_fault(values, profile, roles),
        end=_end(values, roles),
    )


def _number(values: Mapping[str, Measured], name: str | None) -> Decimal | None:
    value = values[name].value if name is not None else None
    return value if isinstance(value, Decimal) else None


def _whole(values: Mapping[str, Measured], name: str | None) -> int | None:
    value = _number(values, name)
    return None if value is None else int(value)


def _end(values: Mapping[str, Measured], roles: Roles) -> EndCause | None:
    if roles.ends is None:
        return None
    name, causes = roles.ends
    value = _number(values, name)
    # a cause that the profile does not know is no reason to doubt that it is off, and no reason to call it a good end
    return causes.get(value, EndCause.FAULT) if value is not None else EndCause.FAULT


def _fault(values: Mapping[str, Measured], profile: Profile, roles: Roles) -> str | None:
    if roles.fault is None:
        return None
    point = profile.points[roles.fault.point]
    value = values[point.name].value
    if isinstance(value, tuple):
        return "-".join(name for name in value if name in point.alarms) or None
    if value == roles.fault.none:
        return None
    names = {Decimal(number): name for name, number in point.names.items()}
    return names.get(value, f"FAULT-{value}") if isinstance(value, Decimal) else f"FAULT-{value}"


def _note_restart(observed: Observed, values: Mapping[str, Measured], profile: Profile) -> Observed:
    """Return what is known once a set value reads as power-up leaves it, although it was set to another."""
    for name in observed.armed:
        point, value = profile.points[name], _number(values, name)
        if value is not None and point.reset_value is not None and abs(value - point.reset_value) <= point.tolerance:
            return replace(observed, boot=observed.boot + 1, armed={})
    return observed


def _count(observed: Observed, output: Output, at_ns: int) -> Observed:
    """Count the whole time between two readings where it was on at either end: it may have been, none may be missed."""
    running = output is not Output.OFF
    since_ns = at_ns if observed.read_ns is None else observed.read_ns
    counted_ns = max(0, at_ns - since_ns) if running or observed.running else 0
    return replace(observed, on_ns=observed.on_ns + counted_ns, read_ns=at_ns, running=running)


def _guess_end(before: Observed, seen: Observed, told: _Told) -> EndCause:
    """Return why a device is off that does not say so itself; the reason found first stays."""
    restarted = seen.boot != before.boot
    if before.end is not EndCause.NONE and not restarted:
        return before.end
    if restarted:
        return EndCause.POWER_UP
    if told.dry:
        return EndCause.DRY
    if told.fault is None and seen.stopping:
        return EndCause.STOP
    spent = seen.on_ns // NS_PER_MS >= seen.max_on_ms
    return EndCause.MAX_ON if spent and told.fault is None else EndCause.FAULT


def _quantities(values: Mapping[str, Measured], profile: Profile, roles: Roles) -> dict[str, Any]:
    """Return the fields of the report that points fill; what is stale, no number or not plausible stays empty."""
    fields: dict[str, Any] = {}
    for quantity, name in roles.quantities.items():
        value = _number(values, name) if values[name].sound else None
        if value is not None:
            fields[REPORTED[quantity]] = to_core(value, profile.points[name].unit)
    return fields
