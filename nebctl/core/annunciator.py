"""What stands of the alarms and what is heard: raised, seen, quiet for a while, rising, over. Time is an argument."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from nebctl.core.alarms import MESSAGES, Condition, Priority
from nebctl.core.instant import NS_PER_S, Instant

LONGEST_QUIET_NS = 120 * NS_PER_S
"""No audio pause is longer, whatever a site's rules say (S43). Source: the usual default of bedside monitors."""
_RANK = {None: 0, Priority.LOW: 1, Priority.MEDIUM: 2, Priority.HIGH: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the loop sees now, for the question whether an alarm's cause still stands.

    `off`: the output reads back OFF. `present`: a device answers, and `heard`: it reported within its time.
    `unresolved`: the effect of a command is not known. `begun`: a dose is under way or waits for its residual.
    `running`: aerosol is made as asked. `paused`: the dose is. `locked`: no start may be made after alarms that came
    again and again.
    """

    off: bool
    present: bool
    heard: bool
    unresolved: bool
    begun: bool
    running: bool
    paused: bool
    locked: bool


def _always(_seen: Seen) -> bool:
    return True


def _event(_seen: Seen) -> bool:
    return False


def _held_up(seen: Seen) -> bool:
    return seen.begun and not seen.running


_CAUSES: dict[Condition, Callable[[Seen], bool]] = {
    Condition.CANNOT_STOP: lambda seen: not seen.off,
    Condition.RUNS_UNASKED: lambda seen: not seen.off,
    Condition.CUT_OFF: _event,
    Condition.NOT_STARTED: _held_up,
    Condition.LINK_LOST: lambda seen: not seen.present,
    Condition.COMMAND_UNRESOLVED: lambda seen: seen.unresolved,
    Condition.DEVICE_RESTARTED: _event,
    Condition.TELEMETRY_LOST: lambda seen: seen.begun and not seen.heard,
    Condition.PREMATURE_DRY: _held_up,
    Condition.STOPPED_ITSELF: _held_up,
    Condition.CUP_CHANGED: _held_up,
    Condition.CUP_OFF: _held_up,
    Condition.MESH_CHANGED: _held_up,
    Condition.RATE_LOW: lambda seen: seen.begun,
    Condition.RATE_HIGH: lambda seen: seen.begun,
    Condition.PAUSED_LONG: lambda seen: seen.paused,
    Condition.LOCKED_OUT: lambda seen: seen.locked,
    Condition.RECORDS_RESTORED: _event,
}
"""Whether the cause still stands. What is not here stands until whoever raised it says that it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One alarm: since when, how urgent by now, and whether a person has acknowledged it."""

    since: Instant
    priority: Priority
    acknowledged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """All that stands, the first raised first.

    `quiet_until_ns` is the monotonic time at which an audio pause ends, None while there is none; `quiet_over` the
    priority that it was begun over: what is more urgent ends it.
    """

    standing: Mapping[Condition, Standing] = field(default_factory=dict)
    quiet_until_ns: int | None = None
    quiet_over: Priority | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line for the log: `state` is raised, acknowledged, paused, escalated or cleared; `by` who, "" for nobody."""

    condition: Condition
    priority: Priority
    state: str
    by: str = ""


Told: TypeAlias = tuple[Alarms, tuple[Change, ...]]
NONE = Alarms()


def most_urgent(alarms: Alarms) -> Condition | None:
    """Return the most urgent alarm that nobody has acknowledged, the first raised of several, or None."""
    fresh = [name for name, each in alarms.standing.items() if not each.acknowledged]
    return max(fresh, key=lambda name: _RANK[alarms.standing[name].priority], default=None)


def heard(alarms: Alarms, now: Instant) -> Priority | None:
    """Return the priority whose melody is to be heard now; None means silence."""
    loudest = most_urgent(alarms)
    return None if loudest is None or quiet_left_ns(alarms, now) else alarms.standing[loudest].priority


def quiet_left_ns(alarms: Alarms, now: Instant) -> int:
    """Return how much of an audio pause is left, 0 where there is none."""
    return 0 if alarms.quiet_until_ns is None else max(0, alarms.quiet_until_ns - now.mono_ns)


def raised(alarms: Alarms, condition: Condition, now: Instant) -> Told:
    """Return the alarms with one more; what stands already is not raised again."""
    if condition in alarms.standing:
        return alarms, ()
    new = Standing(since=now, priority=MESSAGES[condition].priority)
    return _with(alarms, condition, new, "raised")


def acknowledged(alarms: Alarms, condition: Condition, by: str) -> Told:
    """Return the alarms after a person has seen one: it is shown on and no longer heard."""
    standing = alarms.standing.get(condition)
    if standing is None or standing.acknowledged:
        return alarms, ()
    return _with(alarms, condition, replace(standing, acknowledged=True), "acknowledged", by)


def paused(alarms: Alarms, now: Instant, length_ns: int, by: str) -> Told:
    """Return the alarms in an audio pause; where nothing sounds, or one is under way already, nothing changes (S43)."""
    loudest = most_urgent(alarms)
    if loudest is None or quiet_left_ns(alarms, now):
        return alarms, ()
    priority = alarms.standing[loudest].priority
    until_ns = now.mono_ns + min(length_ns, LONGEST_QUIET_NS)
    quiet = replace(alarms, quiet_until_ns=until_ns, quiet_over=priority)
    return quiet, (Change(condition=loudest, priority=priority, state="paused", by=by),)


def risen(alarms: Alarms, now: Instant, after_ns: int) -> Told:
    """Return the alarms of which those that nobody has acknowledged for so long are more urgent."""
    changes: tuple[Change, ...] = ()
    for condition, each in alarms.standing.items():
        higher = MESSAGES[condition].escalates
        late = now.mono_ns - each.since.mono_ns >= after_ns
        if higher is not None and each.priority is not higher and late and not each.acknowledged:
            alarms, more = _with(alarms, condition, replace(each, priority=higher), "escalated")
            changes += more
    return alarms, changes


def passed(alarms: Alarms, seen: Seen) -> Told:
    """Return the alarms without those whose cause is gone; one that latches waits until a person has seen it."""
    over = [name for name, each in alarms.standing.items() if each.acknowledged or not MESSAGES[name].latching]
    return cleared(alarms, (name for name in over if not stands(name, seen)))


def attended(alarms: Alarms, seen: Seen) -> Told:
    """Return the alarms after a person has dealt with what the page showed: only those with a cause still stand."""
    return cleared(alarms, (name for name in alarms.standing if not stands(name, seen)))


def cleared(alarms: Alarms, conditions: Iterable[Condition]) -> Told:
    """Return the alarms without these."""
    gone = [name for name in conditions if name in alarms.standing]
    changes = tuple(Change(condition=name, priority=alarms.standing[name].priority, state="cleared") for name in gone)
    return replace(alarms, standing={n: each for n, each in alarms.standing.items() if n not in gone}), changes


def stands(condition: Condition, seen: Seen) -> bool:
    """Return whether the cause of an alarm is still there."""
    return _CAUSES.get(condition, _always)(seen)


def _with(alarms: Alarms, condition: Condition, standing: Standing, state: str, by: str = "") -> Told:
    told = replace(alarms, standing={**alarms.standing, condition: standing})
    if not standing.acknowledged and _RANK[standing.priority] > _RANK[alarms.quiet_over]:
        told = replace(told, quiet_until_ns=None, quiet_over=None)  # it sounds through the pause (S43)
    return told, (Change(condition=condition, priority=standing.priority, state=state, by=by),)
