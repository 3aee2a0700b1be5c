"""The demonstration from an empty folder to verified proofs."""

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
from nebctl_lab.demo.site import FIRST_MORNING, MESH, Bedside, Site, furnish, prepare
from nebctl_lab.processes import Child

NS_PER_DAY = 24 * 3600 * NS_PER_S
RECEIPT_WAIT_S = 15
LOOK_S = 0.05
DAYS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the demonstration was asked for; `speed` is simulated seconds a real second in a dose."""

    data: Path
    speed: int
    seed: int


def play(wishes: Wishes, display: Display) -> Report:
    """Give five daily doses and prove them.

    Raises: `SiteFault`, `ChildFault` or `CourseFault` where it does not come to its end.
    """
    began = time.monotonic()
    site = prepare(wishes.data)
    display.say(f"a site in {site.root}: keys, an approved study protocol, {MESH.unit}, {MESH.subject}")
    with contextlib.ExitStack() as stack:
        broker = _child(stack, site, "broker", ["-m", "nebctl_lab.broker", "--port", "0"])
        furnish(site, broker.ready, (MESH,))
        _child(stack, site, "pharmacy", ["-m", "nebctl", "pharmacy", "run", "--config", str(site.pharmacy)])
        therapist = _bedside(stack, site, wishes, display, MESH)
        display.say(f"broker {broker.ready}, pharmacy, simulated nebulizer and unit are up; speed {wishes.speed}")
        for day in range(1, DAYS + 1):
            _set_time(site, day, wishes.speed)
            therapist.give(day)
        _wait_for_receipts(therapist.unit)
    display.say("every process has ended; checking everything from the raw records")
    proven = prove_all(site, (MESH.unit,))
    return Report(doses=_doses(site, MESH), proven=proven, data=str(site.root), seconds=time.monotonic() - began)


def _child(stack: contextlib.ExitStack, site: Site, name: str, arguments: list[str]) -> Child:
    child = Child(name, arguments, site.log(name)).start()
    stack.callback(child.stop)
    return child


def _bedside(stack: contextlib.ExitStack, site: Site, wishes: Wishes, display: Display, bedside: Bedside) -> Therapist:
    folder = site.unit(bedside.unit)
    device = ["-m", "nebctl", "sim", "mesh", "--pty", str(folder / "nebulizer"), "--clock", str(site.clock)]
    device += ["--seed", str(wishes.seed), "--control", "0", "--state", str(folder / "nebulizer.state")]
    simulator = _child(stack, site, f"{bedside.unit}-simulator", device)
    unit = _child(stack, site, bedside.unit, ["-m", "nebctl", "run", "--config", str(folder / "unit.toml")])
    token = (folder / "api.token").read_text("ascii")
    return Therapist(
        bedside=bedside,
        unit=Http(unit.ready, token),
        device=Http(simulator.ready.split(" control ")[1]),
        chance=random.Random(wishes.seed),  # noqa: S311 - chance that repeats, not a secret
        watch=lambda day, view: display.dose(bedside.subject, day, view),
    )


def _set_time(site: Site, day: int, speed: int) -> None:
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
    return [_dose(line, bedside) for line in _given(sheet.lines if sheet else ())]


def _given(lines: tuple[DoseLine, ...]) -> Iterator[DoseLine]:
    return (line for line in lines if line.emitted is not None)


def _dose(line: DoseLine, bedside: Bedside) -> dict[str, Any]:
    assert line.emitted is not None
    return {
        "unit": line.unit,
        "subject": bedside.subject,
        "day": line.day,
        "device": "mesh",
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
