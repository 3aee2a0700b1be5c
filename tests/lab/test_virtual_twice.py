"""The same site twice: what is signed is the same to the byte, in one process and in two."""

import dataclasses
import subprocess
import sys

import pytest

from nebctl_lab.demo.site import SITE
from nebctl_lab.system import SitePlan, SubjectPlan, UnitPlan, VirtualSite
from nebctl_lab.system.course import Given, digest_of, give_course, measure_course
from nebctl_lab.virtual import run_virtual

SMALL_NL = 700_000
PLAN = SitePlan(
    units=(UnitPlan(), UnitPlan(name="neb-0002", device="jet")),
    subjects=(SubjectPlan(), SubjectPlan(name="MEX-002", unit="neb-0002")),
)


async def play(plan: SitePlan) -> str:
    """Give a dose with every kind of trouble and return the digest of all that was signed."""
    async with VirtualSite(plan) as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.begin("MEX-002", poured_nl=SMALL_NL)
        await site.until_emitted(150_000)
        site.inject("neb-0001", "flip_bit", 3)
        site.broker_down()
        await site.advance(5)
        await site.hang_host(4)
        site.broker_up()
        site.step_clock(3600)
        await site.advance(2)
        await site.press("resume")
        await site.advance(5)
        site.unplug()
        await site.advance(4)
        site.plug()
        await site.advance(5)
        await site.power_cut(10)
        await site.finish("neb-0002")
        await site.residual("neb-0002")
        await site.skip(86_400)
        await site.advance(20)
        return digest_of(site)


def test_twice_with_one_seed_is_the_same_to_the_byte() -> None:
    """Two runs of a troubled day sign the same records, heads and pharmacy log; another seed signs others."""
    first, second = run_virtual(play(PLAN)), run_virtual(play(PLAN))
    assert first == second
    assert run_virtual(play(dataclasses.replace(PLAN, seed=2))) != first


PROGRAM = """
from nebctl_lab.system import SitePlan
from nebctl_lab.system.course import give_course
from nebctl_lab.virtual import run_virtual
print(run_virtual(give_course(SitePlan(seed=7), 700_000)).digest)
"""


def test_in_two_processes_it_is_the_same_too() -> None:
    """Neither the order of a process's sets nor its addresses reach a record."""
    digests = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == 64


@pytest.fixture(scope="module")
def course() -> Given:
    """Give one course, for every test that looks at one."""
    return run_virtual(give_course(SitePlan(seed=7), SMALL_NL))


def test_a_course_of_five_days_is_all_there(course: Given) -> None:
    """Five doses on five days leave every record, each of them receipted, over four days and some minutes."""
    assert len(course.verdicts) == 5
    before, nights, after = 8, 4, 1  # the saline runs and two boots; the clock is told once a night; the last list
    assert course.records == course.receipted == before + 5 * 9 + nights + after
    assert 4 * 86_400 < course.simulated_s < 4 * 86_400 + 1000


def test_a_course_polls_in_its_doses_alone(course: Given) -> None:
    """A device is asked about six times a second in a dose, four of them for its status, and hardly ever between.

    Bound in requests, not in seconds, so that a slow machine proves it too: four nights at two a second would be
    half a million.
    """
    last_dose_s = course.simulated_s - 4 * 86_400
    assert 4 * 5 * 0.7 * last_dose_s < course.requests < 6.5 * 5 * 1.4 * last_dose_s


def test_a_measured_course_names_its_figures() -> None:
    """The figures that a benchmark prints are there."""
    figures = run_virtual(measure_course(poured_nl=SMALL_NL))
    assert (figures["doses"], figures["records"]) == (5, figures["receipted"])
    assert figures["simulated_days"] == pytest.approx(4.0, abs=0.1)
    assert figures["course_s"] > 0


@pytest.mark.req("S48")
def test_what_comes_from_a_seed_says_that_it_is_simulated() -> None:
    """Each record of a virtual site carries the mark of a simulation, under a site name that no live unit may have."""

    async def read() -> list[dict[str, object]]:
        async with VirtualSite() as site:
            return site.records()

    records = run_virtual(read())
    assert records
    assert all(record["sim"] is True for record in records)
    assert SITE.startswith("sim.")
