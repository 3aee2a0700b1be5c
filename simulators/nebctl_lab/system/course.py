"""A five-day course in virtual time: the demonstration's, without its waiting."""

import hashlib
import time
from dataclasses import dataclass
from datetime import timedelta

from nebctl_lab.system.hands import ALIQUOT_NL
from nebctl_lab.system.plan import DAYS, SitePlan
from nebctl_lab.system.site import VirtualSite

RECEIPT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a course left behind: its verdicts by unit and day, its records, and what it took.

    `requests` is how often the units asked their devices.
    `digest` is the SHA-256 (hex) over every record, every head and the pharmacy's own log, byte for byte; `course_s`
    are real seconds, `simulated_s` those of the site.
    """

    verdicts: tuple[str, ...]
    records: int
    receipted: int
    requests: int
    digest: str
    course_s: float
    simulated_s: float


async def give_course(plan: SitePlan | None = None, poured_nl: int = ALIQUOT_NL) -> Given:
    """Give every subject of the plan five daily doses, one subject after the other, with the nights skipped."""
    began = time.perf_counter()
    async with VirtualSite(plan) as site:
        verdicts = []
        for day in range(1, DAYS + 1):
            await site.skip_to(site.plan.begins + timedelta(days=day - 1))
            for subject in site.plan.subjects:
                outcome = await site.give(subject.name, day, poured_nl)
                verdicts.append(f"{subject.unit} {day} {outcome['verdict']}")
        await site.until(lambda: not any(site.waiting(unit) for unit in site.hosts), "every receipt", RECEIPT_S)
        records = [record for unit in site.hosts for record in site.raw_records(unit)]
        return Given(
            verdicts=tuple(verdicts),
            records=len(records),
            receipted=len(records) - sum(site.waiting(unit) for unit in site.hosts),
            requests=sum(standing.cable.asked for standing in site.standings.values()),
            digest=digest_of(site),
            course_s=time.perf_counter() - began,
            simulated_s=site.seconds,
        )


def digest_of(site: VirtualSite) -> str:
    """Return the SHA-256 in hex over all that a site has signed so far, byte for byte."""
    heads = [site.head(unit) for unit in site.hosts]
    records = [record for unit in site.hosts for record in site.raw_records(unit)]
    return hashlib.sha256("\n".join((*heads, *records, *site.pharmacy_records())).encode()).hexdigest()


async def measure_course(seed: int = 1, poured_nl: int = ALIQUOT_NL) -> dict[str, float]:
    """Return what a course of five doses with a mesh at 4 Hz costs: real seconds, and what was done in them.

    A poll is every 250 ms of a dose; between the doses time jumps.
    """
    given = await give_course(SitePlan(seed=seed), poured_nl)
    return {
        "course_s": round(given.course_s, 2),
        "simulated_days": round(given.simulated_s / 86_400, 2),
        "doses": len(given.verdicts),
        "records": given.records,
        "receipted": given.receipted,
        "requests": given.requests,
    }
