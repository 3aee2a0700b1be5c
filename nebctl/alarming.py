"""The alarms of a unit at its edge: the core's state, kept with the clock's time, and what is still to be recorded."""

from collections import deque
from collections.abc import Callable, Mapping

from nebctl.core import annunciator, lockout
from nebctl.core.alarms import OF_THE_DOSE, Condition, Priority
from nebctl.core.annunciator import Change, Seen, Standing, Told
from nebctl.core.device import Output
from nebctl.core.instant import NS_PER_S
from nebctl.core.regimen import SiteRules
from nebctl.core.session import BEGUN, State
from nebctl.ports import Clock
from nebctl.witnessed import Witnessed


class Alarming:
    """What stands, what is heard, and whether starts are locked out.

    `unrecorded` are the changes that the log has yet to hear of, oldest first. `tell` is called after each change;
    `cycles` are what the log says towards a lock-out.
    """

    def __init__(self, clock: Clock, site: SiteRules, tell: Callable[[], None], cycles: lockout.Recorded) -> None:
        self._clock = clock
        self._site = site
        self._tell = tell
        self._alarms = annunciator.NONE
        self._cycles = lockout.taken_over(cycles, clock.instant())
        self.unrecorded: deque[Change] = deque()

    @property
    def standing(self) -> Mapping[Condition, Standing]:
        """Return every alarm that stands, the first raised first."""
        return self._alarms.standing

    def heard(self) -> Priority | None:
        """Return the priority whose melody is to be heard now; None means silence."""
        return annunciator.heard(self._alarms, self._clock.instant())

    def quiet_left_s(self) -> int:
        """Return the seconds that are left of an audio pause, rounded up; 0 while there is none."""
        return -(-annunciator.quiet_left_ns(self._alarms, self._clock.instant()) // NS_PER_S)

    def raise_alarm(self, condition: Condition) -> None:
        """Raise an alarm, if it does not stand already."""
        if condition in OF_THE_DOSE:
            self._cycles = lockout.alarm_raised(self._cycles)
        self._take(annunciator.raised(self._alarms, condition, self._clock.instant()))

    def clear_alarm(self, condition: Condition) -> None:
        """Clear an alarm whose cause is gone, as whoever raised it knows."""
        self._take(annunciator.cleared(self._alarms, (condition,)))

    def acknowledge(self, condition: Condition, by: str) -> None:
        """Take it that a person has seen an alarm."""
        self._take(annunciator.acknowledged(self._alarms, condition, by))

    def quiet(self, by: str) -> None:
        """Begin an audio pause; `by` is "" for a person who is not signed in."""
        self._take(annunciator.paused(self._alarms, self._clock.instant(), self._site.audio_pause_ns, by))

    def seen(self, state: State, witnessed: Witnessed, *, heard: bool) -> Seen:
        """Return what the causes of alarms are judged by; `heard`: the device reported within its time."""
        return Seen(
            off=witnessed.output is Output.OFF,
            present=witnessed.device is not None,
            heard=heard,
            unresolved=witnessed.unresolved is not None,
            begun=state in BEGUN,
            running=state is State.RUNNING,
            paused=state is State.PAUSED,
            locked=self.locked,
        )

    def attend(self, seen: Seen) -> None:
        """Take it that a person has dealt with all that the page showed."""
        self._take(annunciator.attended(self._alarms, seen))

    def tick(self, seen: Seen) -> None:
        """Let time do its work: what is over goes, what nobody acknowledged rises."""
        self._take(annunciator.passed(self._alarms, seen))
        if self.locked:
            self.raise_alarm(Condition.LOCKED_OUT)
        self._take(annunciator.risen(self._alarms, self._clock.instant(), self._site.escalate_ns))

    def turned_off(self) -> None:
        """Take it that the output is off: half of a cycle, where an alarm came before (S25)."""
        self._cycles = lockout.turned_off(self._cycles)

    @property
    def locked(self) -> bool:
        """Return whether no start may be made now."""
        return lockout.is_locked(self._cycles, self._clock.instant(), self._site.lockout_window_ns)

    def locks(self, *, looking: bool = False) -> bool:
        """Return whether a start now is one too many, and raise the alarm where it is; `looking`: none is made yet."""
        window_ns, most = self._site.lockout_window_ns, self._site.lockout_cycles
        now = self._clock.instant()
        asked = lockout.start_asked(self._cycles, now, most=most, window_ns=window_ns)
        locked = lockout.is_locked(asked, now, window_ns)
        if locked or not looking:
            self._cycles = asked
        if locked:
            self.raise_alarm(Condition.LOCKED_OUT)
        return locked

    def _take(self, told: Told) -> None:
        self._alarms, changes = told
        if changes:
            self.unrecorded.extend(changes)
            self._tell()
