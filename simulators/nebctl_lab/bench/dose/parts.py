"""Which runs `nebctl bench dose` takes: populations by name, each judged as one or two columns of the table see it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from nebctl_lab.bench.dose.run import Case, Column, Course, Origin, Stress

MESHES, JETS = (Column.MESH, Column.MESH_BALANCE), (Column.JET, Column.JET_BALANCE)
SOLO = Case(preset="mesh.solo", column=Column.MESH_BALANCE)
LC = Case(preset="jet.lc", column=Column.JET_BALANCE)
MESH_STRESS = (Stress.WILD, Stress.NOISE, Stress.COLD, Stress.COLD_UNTOLD, Stress.STALE, Stress.STALE_UNTOLD)
JET_STRESS = (Stress.WILD, Stress.NOISE, Stress.WEAKENED, Stress.STALE)
BALANCE_STRESS = (Stress.DRIPS, Stress.HOSE)
LOSSES = (Course.SUDDEN, Course.RAMP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`runs` runs of one case, seen by `columns`."""

    case: Case
    columns: tuple[Column, ...]
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many runs: of the main presets, of their premature stops, of the other presets, of each stress and loss.

    `second` is how many of each kind the second simulator makes, `cost` how many of each main preset are timed.
    """

    cost: int
    main: int
    premature: int
    other: int
    stress: int
    loss: int
    second: int


USUAL = Extent(cost=3, main=1000, premature=1100, other=200, stress=200, loss=200, second=200)
SHORT = Extent(cost=2, main=100, premature=110, other=20, stress=20, loss=20, second=20)
QUICK = Extent(cost=1, main=4, premature=3, other=1, stress=1, loss=2, second=1)
"""Enough to show that every part works; its figures prove nothing."""


def parts(extent: Extent) -> Mapping[str, Part]:
    """Return the populations by their names."""
    return {**_usual(extent), **_stopped(extent), **_losing(extent), **_stressed(extent), **_second(extent)}


def _usual(extent: Extent) -> dict[str, Part]:
    others = {
        name: Part(case=replace(SOLO, preset=name), columns=MESHES, runs=extent.other)
        for name in ("mesh.eflow", "mesh.innospire")
    }
    return {
        "mesh.solo": Part(case=SOLO, columns=MESHES, runs=extent.main),
        "jet.lc": Part(case=LC, columns=JETS, runs=extent.main),
        **others,
        "jet.lc, f calibrated": Part(
            case=replace(LC, share_known=True), columns=(Column.JET_BALANCE,), runs=extent.other
        ),
    }


def _stopped(extent: Extent) -> dict[str, Part]:
    return {
        f"{case.preset}, premature": Part(
            case=replace(case, course=Course.PREMATURE), columns=columns, runs=extent.premature
        )
        for case, columns in ((SOLO, MESHES), (LC, JETS))
    }


def _losing(extent: Extent) -> dict[str, Part]:
    return {
        f"{case.preset}, {course.value}": Part(case=replace(case, course=course), columns=columns, runs=extent.loss)
        for case, columns in ((SOLO, MESHES), (LC, JETS))
        for course in LOSSES
    }


def _stressed(extent: Extent) -> dict[str, Part]:
    of_meshes = [(SOLO, MESHES, stress) for stress in MESH_STRESS]
    of_jets = [(LC, JETS, stress) for stress in JET_STRESS]
    of_balances = [(case, (case.column,), stress) for case in (SOLO, LC) for stress in BALANCE_STRESS]
    return {
        f"{case.preset}, {stress.value}": Part(case=replace(case, stress=stress), columns=columns, runs=extent.stress)
        for case, columns, stress in (*of_meshes, *of_jets, *of_balances)
    }


def _second(extent: Extent) -> dict[str, Part]:
    return {
        f"second {case.preset}, {course.value}": Part(
            case=replace(case, origin=Origin.SECOND, course=course), columns=columns, runs=extent.second
        )
        for case, columns in ((SOLO, MESHES), (LC, JETS))
        for course in Course
    }
