"""Builds the simulated site that a scenario wants, and plays it there in virtual time."""

from functools import partial
from zoneinfo import ZoneInfo

from nebctl.core.ledger.check import Finding
from nebctl.keys import load_trust, load_unit_trust
from nebctl.keys import verify as verify_signature
from nebctl.store.audit import Auditor, LogTally
from nebctl_lab.demo.site import FIRST_MORNING, ZONE
from nebctl_lab.scenario.form import Scenario
from nebctl_lab.scenario.player import Player
from nebctl_lab.scenario.stage import kits_of
from nebctl_lab.scenario.timeline import Report
from nebctl_lab.system import SitePlan, SubjectPlan, UnitPlan, VirtualSite
from nebctl_lab.virtual import run_virtual
from nebctl_simulators.mesh.device import Device as Mesh
from nebctl_simulators.plant import Liquid


def play(scenario: Scenario, seed: int | None = None) -> Report:
    """Play a scenario on a site of its own and return what happened; `seed` None is the scenario's own.

    Nothing of the site is left: it lives in a folder that is removed.
    """
    chance = scenario.seed if seed is None else seed
    return run_virtual(_play(scenario, chance))


class ScenarioSite(VirtualSite):
    """A virtual site with hands that reach into a cup, and whose ledgers can be verified while it runs."""

    def pour(self, unit: str, volume_nl: int, temp_dc: int | None = None) -> None:
        """Pour into a unit's cup; `temp_dc` is the liquid's temperature in tenths of a degree, None the room's.

        Raises: `ValueError` for a volume that does not fit, or a cup whose plant knows no temperature.
        """
        device = self.device(unit)
        if temp_dc is None:
            device.pour(volume_nl)
        elif isinstance(device, Mesh):
            device.pour(volume_nl, Liquid(temp_dc=temp_dc))
        else:
            raise ValueError("this cup's plant knows no temperature")

    def draw(self, unit: str) -> int:
        """Draw what is in a unit's cup and return it in nL."""
        return self.device(unit).empty_cup()

    def verified(self, unit: str = "") -> tuple[str, ...]:
        """Return what `nebctl ledger verify --deep` finds in a unit's ledger; nothing where all of it holds.

        A dose that is only told as not replayed is named too: a unit of this nebctl writes none.
        """
        trust = self.root / "trust"
        auditor = Auditor(
            unit_key=partial(load_unit_trust, trust),
            pharmacy=load_trust(trust, "pharmacy"),
            verify=verify_signature,
            deep=True,
        )
        with self._ledger(unit) as file:
            results = tuple(auditor.audit(file))
        found = [result.sentence() for result in results if isinstance(result, Finding)]
        skipped = [name for result in results if isinstance(result, LogTally) for name in result.not_replayed]
        return (*found, *(f"a dose by {name} was not estimated again" for name in skipped))


async def _play(scenario: Scenario, seed: int) -> Report:
    async with ScenarioSite(plan_of(scenario, seed)) as site:
        return await Player(scenario, site, seed).play()


def plan_of(scenario: Scenario, seed: int) -> SitePlan:
    """Return the site that a scenario describes."""
    return SitePlan(
        seed=seed,
        units=tuple(
            UnitPlan(
                name=unit.id,
                device=unit.device,
                preset=unit.preset,
                balance=unit.balance,
                calibrated=unit.calibrated,
            )
            for unit in scenario.units
        ),
        subjects=tuple(
            SubjectPlan(name=subject, unit=unit.id, kits=kits_of(scenario, subject))
            for unit in scenario.units
            for subject in unit.subjects
        ),
        begins=FIRST_MORNING if scenario.begins is None else scenario.begins.replace(tzinfo=ZoneInfo(ZONE)),
    )
