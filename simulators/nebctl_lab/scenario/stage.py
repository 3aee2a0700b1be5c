"""What a scenario plays on, and what its player remembers while it plays."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from nebctl.pharmacy.books import Books
from nebctl.pharmacy.show import CourseSheet
from nebctl_lab.demo.site import THERAPIST
from nebctl_lab.scenario.form import Scenario, UnitWish
from nebctl_simulators.shim import ANY, Terms

Record = Mapping[str, Any]


class Truth(Protocol):
    """What is really so at one device, as far as every kind of device tells it: volumes in nL, RUN or OFF."""

    @property
    def emitted_nl(self) -> int: ...  # noqa: D102 - the members of a device's own truth
    @property
    def cup_nl(self) -> int: ...  # noqa: D102
    @property
    def output(self) -> str: ...  # noqa: D102


class Stage(Protocol):
    """A whole simulated site, as `nebctl_lab.scenario.virtual` builds one; every unit is named, times are seconds."""

    root: Path

    @property
    def seconds(self) -> float: ...  # noqa: D102 - what each does stands at the one class that does it
    @property
    def now(self) -> datetime: ...  # noqa: D102

    async def post(self, path: str, unit: str = "", **body: Any) -> Record: ...  # noqa: D102
    async def sign(self, unit: str = "", operator: str = "") -> Record: ...  # noqa: D102
    async def view(self, unit: str = "") -> Record: ...  # noqa: D102
    def state(self, unit: str = "") -> str: ...  # noqa: D102
    def alarms(self, unit: str = "") -> Sequence[str]: ...  # noqa: D102
    def records(self, *types: str, unit: str = "") -> Sequence[Record]: ...  # noqa: D102
    def head(self, unit: str = "") -> str: ...  # noqa: D102
    def verified(self, unit: str = "") -> Sequence[str]: ...  # noqa: D102
    def waiting(self, unit: str = "") -> int: ...  # noqa: D102
    def truth(self, unit: str = "") -> Truth: ...  # noqa: D102
    def pour(self, unit: str, volume_nl: int, temp_dc: int | None = None) -> None: ...  # noqa: D102
    def draw(self, unit: str) -> int: ...  # noqa: D102
    def unplug(self, unit: str = "") -> None: ...  # noqa: D102
    def plug(self, unit: str = "") -> None: ...  # noqa: D102
    def switch_device(self, on: bool, unit: str = "") -> None: ...  # noqa: D102
    def inject(  # noqa: D102
        self, unit: str, fault: str, count: int = 1, ms: int | None = None, terms: Terms = ANY
    ) -> None: ...
    def clear(self, unit: str = "") -> None: ...  # noqa: D102
    async def power_cut(self, seconds: float, unit: str = "") -> None: ...  # noqa: D102
    async def hang_host(self, seconds: float, unit: str = "") -> None: ...  # noqa: D102
    async def crash(self, unit: str = "") -> None: ...  # noqa: D102
    async def stop_unit(self, unit: str = "") -> None: ...  # noqa: D102
    async def start_unit(self, unit: str = "") -> None: ...  # noqa: D102
    def broker_down(self) -> None: ...  # noqa: D102
    def broker_up(self) -> None: ...  # noqa: D102
    def step_clock(self, seconds: float, unit: str = "") -> None: ...  # noqa: D102
    def books(self) -> AbstractContextManager[Books]: ...  # noqa: D102
    def course(self, subject: str) -> CourseSheet | None: ...  # noqa: D102
    async def advance(self, seconds: float) -> None: ...  # noqa: D102
    async def skip(self, seconds: float) -> None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Begun:
    """A START that was held: when, in seconds of the site, and what had really left the device by then."""

    seconds: float
    emitted_nl: int


@dataclass(slots=True, kw_only=True)
class Play:
    """One scenario under way on a stage.

    `begun` is each unit's last START; `emitted` is what each session really emitted, in nL, with its unit; `later` is
    what undoes itself at a time of the site; `excused` are sessions whose record is known, and said in the scenario,
    not to be true yet. `codes` is what two persons read where a subject's doses were given back.
    """

    scenario: Scenario
    site: Stage
    zone: ZoneInfo
    first: date
    begun: dict[str, Begun] = field(default_factory=dict)
    emitted: dict[str, tuple[str, int]] = field(default_factory=dict)
    later: list[tuple[float, str, Callable[[], None]]] = field(default_factory=list)
    excused: set[str] = field(default_factory=set)
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def local(self) -> datetime:
        """Return the site's true local time."""
        return self.site.now.astimezone(self.zone)

    @property
    def study_day(self) -> int:
        """Return the present day of the course, whose first is the day that the scenario begins on."""
        return (self.local.date() - self.first).days + 1

    def kit(self, subject: str, day: int) -> str:
        """Return a subject's kit of a day; "none" where there is none."""
        everybody = [name for unit in self.scenario.units for name in unit.subjects]
        kits = kits_of(self.scenario, subject) if subject in everybody else ()
        return kits[day - 1] if 0 < day <= len(kits) else "none"

    def wish(self, unit: str) -> UnitWish:
        """Return the scenario's description of a unit."""
        return next(wish for wish in self.scenario.units if wish.id == unit)

    def subject(self, unit: str) -> str:
        """Return who is treated at a unit where nobody is named."""
        return next(iter(self.wish(unit).subjects), "MEX-001")

    def operator(self) -> str:
        """Return who presses where nobody is named."""
        return THERAPIST[0]

    def emitted_nl(self, unit: str) -> int:
        """Return what has really been emitted since the unit's last START; before the first, in all."""
        begun = self.begun.get(unit)
        return self.site.truth(unit).emitted_nl - (begun.emitted_nl if begun else 0)

    def note_start(self, unit: str) -> None:
        """Remember that START is held now."""
        self.note_emitted(unit)
        self.begun[unit] = Begun(self.site.seconds, self.site.truth(unit).emitted_nl)

    def note_emitted(self, unit: str) -> None:
        """Remember what the newest session of a unit has really emitted by now."""
        starts = self.site.records("start", unit=unit) if unit in self.begun else ()
        if starts:
            self.emitted[str(starts[-1]["session"])] = (unit, self.emitted_nl(unit))

    def in_time(self, seconds: float, text: str, undo: Callable[[], None]) -> None:
        """Let something undo itself after so many seconds of the site."""
        self.later.append((self.site.seconds + seconds, text, undo))
        self.later.sort(key=lambda entry: entry[0])


def kits_of(scenario: Scenario, subject: str) -> tuple[str, ...]:
    """Return the kits of a subject's five days: KIT-0401 to KIT-0405 for the first subject, KIT-0501 … for the next."""
    everybody = [name for unit in scenario.units for name in unit.subjects]
    first = 401 + 100 * everybody.index(subject)
    return tuple(f"KIT-{number:04d}" for number in range(first, first + 5))
