"""What a simulated site consists of, as small values."""

from dataclasses import dataclass
from datetime import datetime

from nebctl_lab.demo.site import FIRST_MORNING, ZONE

DAYS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPlan:
    """One bedside unit with its simulated device.

    `device` is a name of `devices.DEVICES`: mesh, jet, modbus or board-9c. `preset` None means the usual one of that
    device, `device_seed` None that the device follows from the site's seed and the unit's place. A mesh that is
    `calibrated` had its saline runs on the evening before; jets have none. `balance` puts an MT-SICS balance under the
    cup, `cut_off` a relay between a mesh and its controller; such a device had no saline runs.
    """

    name: str = "neb-0001"
    device: str = "mesh"
    preset: str | None = None
    device_seed: int | None = None
    calibrated: bool = True
    balance: bool = False
    cut_off: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectPlan:
    """One subject at a unit; `kits` () means five of its own, `begins` is the site's day that is Day 1 here."""

    name: str = "MEX-001"
    unit: str = "neb-0001"
    kits: tuple[str, ...] = ()
    begins: int = 1

    def kit(self, day: int) -> str:
        """Return the kit of a study day."""
        return self.all_kits()[day - 1]

    def all_kits(self) -> tuple[str, ...]:
        """Return the kits in the order of the days."""
        return self.kits or tuple(f"KIT-{self.name.rpartition('-')[2]}{day}" for day in range(1, DAYS + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """A site: its units, its subjects, and the seed that all its chance comes from.

    `begins` is the moment at which everything is switched on, `poll_ms` how often a unit reads its device in a dose.
    """

    seed: int = 1
    units: tuple[UnitPlan, ...] = (UnitPlan(),)
    subjects: tuple[SubjectPlan, ...] = (SubjectPlan(),)
    begins: datetime = FIRST_MORNING
    zone: str = ZONE
    poll_ms: int = 250
