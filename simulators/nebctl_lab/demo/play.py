"""The demonstration from an empty folder to verified proofs: two units, five days, ten doses."""

import contextlib
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nebctl.clock import FileClock, write_clock_file
from nebctl.core.instant import NS_PER_S
from nebctl.pharmacy.database import reading
from nebctl.pharmacy.show import DoseLine, course_of
from nebctl_lab.bedside import Http
from nebctl_lab.demo.course import CourseFault, Therapist
from nebctl_lab.demo.proving import prove_all
from nebctl_lab.demo.report import Display, Report
from nebctl_lab.demo.site import FIRST_MORNING, GUEST, JET, MESH, Bedside, Site, furnish, prepare
from nebctl_lab.processes import Child
from nebctl_lab.system.saline import calibrate_bedside

NS_PER_DAY = 24 * 3600 * NS_PER_S
RECEIPT_WAIT_S = 15
LOOK_S = 0.05
DAYS = 5
MESH_SERIAL = "SIM-0001"
"""What the demonstration's mesh calls itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the demonstration was asked for; `speed` is simulated seconds a real second in a dose.

    With `guest`, one more subject is enrolled whose doses nobody gives, for a person to play with afterwards; the units
    then run on, and may have written more than is reported.
    """

    data: Path
    speed: int
    seed: int
    guest: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What there is at the end of the course; `pharmacy` is the address of its page."""

    site: Site
    report: Report
    therapists: Sequence[Therapist]
    pharmacy: str


def play(wishes: Wishes, display: Display, afterwards: Callable[[Stage], None]) -> Report:
    """Give five daily doses at two units, end the units and prove the doses; then call `afterwards`.

    For a guest the units are not ended.

    Raises: `SiteFault`, `ChildFault`, `CourseFault` or `Answer` where it does not come to its end.
    """
    began = time.monotonic()
    site = prepare(wishes.data)
    with contextlib.ExitStack() as stack:
        stack.enter_context(site.alone())
        pharmacy, therapists, units = _raise_curtain(stack, site, wishes, display)
        for day in range(1, DAYS + 1):
            set_time(site, day, wishes.speed)
            _give_all(therapists, day)
        for therapist in therapists:
            _wait_for_receipts(therapist.unit)
        for unit in () if wishes.guest else units:
            unit.stop()  # from here on nobody writes what is about to be counted
        display.say("the course is given; checking everything from the raw records")
        bedsides = [therapist.bedside for therapist in therapists]
        report = Report(
            doses=[dose for bedside in bedsides for dose in _doses(site, bedside)],
            proven=prove_all(site, tuple(bedside.unit for bedside in bedsides)),
            data=str(site.root),
            seconds=time.monotonic() - began,
        )
        afterwards(Stage(site=site, report=report, therapists=therapists, pharmacy=pharmacy))
    return report


def _raise_curtain(
    stack: contextlib.ExitStack, site: Site, wishes: Wishes, display: Display
) -> tuple[str, Sequence[Therapist], Sequence[Child]]:
    """Start every process; return the address of the pharmacy's page, and a therapist and the process of each unit."""
    broker = _child(stack, site, "broker", ["-m", "nebctl_lab.broker", "--port", "0"])
    jet_wire, jet_control = _simulator(stack, site, wishes, JET, ["jet", "--tcp", "127.0.0.1:0"])
    jet = replace(JET, port=f"tcp://{jet_wire}")
    furnish(site, broker.ready, (MESH, jet, *((GUEST,) if wishes.guest else ())))
    calibrate_bedside(site.unit(MESH.unit), MESH.device, seed=wishes.seed, serial=MESH_SERIAL, begins=FIRST_MORNING)
    mesh = [
        "mesh",
        "--pty",
        str(site.unit(MESH.unit) / MESH.port),
        "--state",
        str(site.unit(MESH.unit) / "nebulizer.state"),
        "--serial",
        MESH_SERIAL,
    ]
    _, mesh_control = _simulator(stack, site, wishes, MESH, mesh)
    pharmacy = _child(stack, site, "pharmacy", ["-m", "nebctl", "pharmacy", "run", "--config", str(site.pharmacy)])
    bedsides = {bedside: _unit(stack, site, bedside) for bedside in (MESH, jet)}
    therapists = [
        _therapist(site, wishes, display, bedside, unit, control)
        for (bedside, unit), control in zip(bedsides.items(), (mesh_control, jet_control), strict=True)
    ]
    display.say(f"in {site.root}: a broker, a pharmacy, two units with simulated nebulizers; speed {wishes.speed}")
    return pharmacy.ready.split()[-1], therapists, tuple(bedsides.values())


def _child(stack: contextlib.ExitStack, site: Site, name: str, arguments: list[str]) -> Child:
    child = Child(name, arguments, site.log(name)).start()
    stack.callback(child.stop)
    return child


def _simulator(
    stack: contextlib.ExitStack, site: Site, wishes: Wishes, bedside: Bedside, device: list[str]
) -> tuple[str, str]:
    """Start a simulated nebulizer; return the address of its wire and of its control."""
    common = ["--clock", str(site.clock), "--seed", str(wishes.seed), "--control", "0"]
    child = _child(stack, site, f"{bedside.unit}-simulator", ["-m", "nebctl", "sim", *device, *common])
    wire, control = child.ready.split(" control ")
    return wire, control


def _unit(stack: contextlib.ExitStack, site: Site, bedside: Bedside) -> Child:
    config = site.unit(bedside.unit) / "unit.toml"
    return _child(stack, site, bedside.unit, ["-m", "nebctl", "run", "--config", str(config)])


def _therapist(site: Site, wishes: Wishes, display: Display, bedside: Bedside, unit: Child, control: str) -> Therapist:
    return Therapist(
        bedside=bedside,
        unit=Http(unit.ready, (site.unit(bedside.unit) / "api.token").read_text("ascii")),
        device=Http(control),
        chance=random.Random(f"{wishes.seed} {bedside.unit}"),  # noqa: S311 - chance that repeats, not a secret
        speed=wishes.speed,
        watch=lambda day, view: display.dose(bedside.subject, day, view),
    )


def _give_all(therapists: Sequence[Therapist], day: int) -> None:
    """Let every therapist give the day's dose at the same time."""
    with ThreadPoolExecutor(len(therapists)) as hands:
        for given in [hands.submit(therapist.give, day) for therapist in therapists]:
            given.result()


def set_time(site: Site, day: int, speed: int) -> None:
    """Let it be nine in the morning of a study day, and time run at `speed` from there; the nights are skipped."""
    now = FileClock(site.clock).instant()
    morning_ns = int(FIRST_MORNING.timestamp()) * NS_PER_S + (day - 1) * NS_PER_DAY
    wall_ns = max(now.wall_ns, morning_ns)
    write_clock_file(site.clock, mono_ns=now.mono_ns + wall_ns - now.wall_ns, wall_ns=wall_ns, scale_milli=speed * 1000)


def _wait_for_receipts(unit: Http) -> None:
    deadline = time.monotonic() + RECEIPT_WAIT_S
    while unit.get("/api/state")["stream"]["waiting"]:
        if time.monotonic() > deadline:
            raise CourseFault(f"records were not receipted within {RECEIPT_WAIT_S} s")
        time.sleep(LOOK_S)


def _doses(site: Site, bedside: Bedside) -> list[dict[str, Any]]:
    """Return the course as the pharmacy computes it from the records."""
    with reading(site.pharmacy_db) as db:
        sheet = course_of(db, bedside.subject)
    return [_dose(line, bedside) for line in (sheet.lines if sheet else ()) if line.emitted is not None]


def _dose(line: DoseLine, bedside: Bedside) -> dict[str, Any]:
    assert line.emitted is not None
    return {
        "unit": line.unit,
        "subject": bedside.subject,
        "day": line.day,
        "device": bedside.device,
        "started": line.started,
        "ended": line.ended,
        "emitted_ml": line.emitted.best_nl / 1e6,
        "low_ml": line.emitted.low_nl / 1e6,
        "high_ml": line.emitted.high_nl / 1e6,
        "verdict": line.verdict,
        "end": line.end,
        "session": line.session,
        "kit": line.kit,
        "lot": line.lot,
    }
