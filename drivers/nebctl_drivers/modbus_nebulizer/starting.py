"""The writes of a start, and what it came to by the readings before and after it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, Output
from nebctl.core.faults import FieldError
from nebctl_drivers.profiles.profile import Fill, Roles
from nebctl_drivers.profiles.quantities import from_core

from .station import Measured, Station

Chosen: TypeAlias = tuple[tuple[str, Decimal], ...]
"""Points and what is written to them, in order; a point may be written twice."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a start's writes: `done` of `count` were acknowledged; `failure` ended them, None: nothing did."""

    done: int
    count: int
    failure: CommandFailed | None

    @property
    def nothing(self) -> bool:
        """Return whether certainly nothing was acted on."""
        return not self.done and self.failure is not None and self.failure.certainty is Certainty.NOT_DONE

    @property
    def complete(self) -> bool:
        """Return whether every write went out, the last one perhaps without an answer."""
        lost = self.failure is not None and self.failure.certainty is Certainty.UNKNOWN
        return self.done == self.count or (lost and self.done == self.count - 1)


def settings(
    station: Station, roles: Roles, run: str, max_on_ms: int, before: Mapping[str, Measured]
) -> Chosen | CommandFailed:
    """Return what a start writes, in order; `before` has the last command's number. Nothing outside a limit is sent."""
    chosen: list[tuple[str, Decimal]] = []
    try:
        for setting in roles.start:
            value = setting.value
            filled = _fill(station, setting.point, value, run, max_on_ms, before) if isinstance(value, Fill) else value
            station.write(setting.point, filled)
            chosen.append((setting.point, filled))
    except FieldError as error:
        return refuse("START", error.problem, error.right)
    return tuple(chosen)


def _fill(station: Station, name: str, fill: Fill, run: str, max_on_ms: int, before: Mapping[str, Measured]) -> Decimal:
    point = station.profile.points[name]
    if fill is Fill.RUN:
        return Decimal(int(run, 16))
    if fill is Fill.MAX_ON:
        value = from_core(max_on_ms, point.unit, point.layout.scale)
        if value <= 0:
            raise FieldError(f"{max_on_ms} ms is less than one step of {name}", "ask for a longer on-time")
        return value
    last = before[name].value
    if not isinstance(last, Decimal) or not before[name].sound:
        raise FieldError(f"the last number in {name} is {before[name].status.value}", "a number to count on from")
    limits = point.limits
    least, most = (limits.least, limits.most) if limits is not None else (Decimal(0), Decimal(0xFFFF))
    return last + 1 if least <= last + 1 <= most else least


def differing(station: Station, chosen: Mapping[str, Decimal], values: Mapping[str, Measured]) -> str:
    """Return which set values do not read back as they were written; empty where all do."""
    odd = []
    for name, wanted in chosen.items():
        point = station.profile.points[name]
        if not point.readable:
            continue
        value = values[name].value
        if not values[name].sound or not isinstance(value, Decimal) or abs(value - wanted) > point.tolerance:
            odd.append(f"{name} {value} where {wanted} was written")
    return ", ".join(odd)


def judge_start(
    before: DeviceReport, after: DeviceReport, *, run: str, sent: Sent, odd: str, overtaken: bool
) -> DeviceReport | CommandFailed:
    """Return `after` where the start of `run` was acted on, or that nobody can tell.

    `odd` is what does not read back as it was written; `overtaken` means that a STOP went out in the meantime, whose
    own read-back then counts.
    """
    failure = sent.failure
    if after.boot != before.boot:
        return doubt(f"a restart (boot {before.boot}, then {after.boot})", "no restart")
    if overtaken:
        return after
    if after.output is Output.OFF:
        if failure is not None and failure.certainty is Certainty.NOT_DONE:
            return failure  # it refused a write, and has stayed off for as long as a start takes
        acted = after.run == run and (before.run != run or after.on_ms > before.on_ms)
        if failure is None and acted:
            return after  # it was on and has ended since
        return doubt(f"{failure.seen if failure else 'every write acknowledged'}, and output off", "the run to be on")
    if after.run != run:
        return doubt(f"output {after.output.value} with run {after.run}", f"run {run}")
    if failure is not None and not sent.complete:
        return doubt(f"{failure.seen}, and output {after.output.value}", "every write acknowledged")
    if odd:
        return doubt(odd, "what was written to read back")
    return after


def refuse(command: str, seen: str, expected: str) -> CommandFailed:
    """Return a refusal before the wire."""
    return CommandFailed(
        command=command, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice="Nothing was sent."
    )


def doubt(seen: str, expected: str) -> CommandFailed:
    """Return that a start may have been acted on."""
    return CommandFailed(
        command="START", certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice="It may be on: stop it."
    )
