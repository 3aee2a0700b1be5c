"""Units, broker and pharmacy killed again and again under load, and what the checker finds when all is quiet again."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nebctl_lab.processes import Child
from nebctl_lab.stream.check import check_all
from nebctl_lab.stream.site import DRAIN_S, StreamSite

BLOW_S = (0.05, 0.6)
DOWN_S = (0.0, 0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Which storm: its seed, how many blows, and how many units write."""

    seed: int
    blows: int
    units: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Weathered:
    """What came of a storm: the kills by victim, how many records were receipted, and the checker's findings."""

    kills: dict[str, int]
    records: int
    findings: list[str]


def weather(storm: Storm, folder: Path, say: Callable[[str], object]) -> Weathered:
    """Let a storm pass over a new site in a folder, let it settle, and check what is left."""
    chance = random.Random(storm.seed)  # noqa: S311 - a storm is to be the same twice
    names = [f"neb-{number:04}" for number in range(1, storm.units + 1)]
    site = StreamSite(folder, names)
    writers = {name: site.writer(name) for name in names}
    echo = Child(
        "echo",
        ["-m", "nebctl_lab.stream.echo", "--mqtt", site.broker.url, "--seed", str(storm.seed)],
        folder / "echo.log",
    )
    kills = dict.fromkeys(("broker", "pharmacy", *names), 0)
    with _running(site, [*writers.values(), echo]):
        for blow in range(storm.blows):
            time.sleep(chance.uniform(*BLOW_S))
            for victim in chance.sample(sorted(kills), chance.choice((1, 1, 1, 2))):
                say(f"blow {blow + 1} of {storm.blows}: kill -9 {victim}")
                kills[victim] += 1
                _kill_and_restart(site, writers.get(victim), victim, chance.uniform(*DOWN_S))
        late = [name for name, writer in writers.items() if writer.stop(DRAIN_S) != 0]
    findings = [f"{name}: did not settle: {writers[name].tail(2)}" for name in late]
    findings += check_all(folder, site.trust, site.database, names)
    records = sum(len(site.journal(name).read_text("ascii").splitlines()) for name in names)
    return Weathered(kills=kills, records=records, findings=findings)


def _kill_and_restart(site: StreamSite, writer: Child | None, victim: str, down_s: float) -> None:
    if victim == "broker":
        site.broker.kill()
        time.sleep(down_s)
        site.broker.start()
        return
    child = writer or site.pharmacy
    child.kill()
    time.sleep(down_s)
    child.start()


@contextlib.contextmanager
def _running(site: StreamSite, children: list[Child]) -> Iterator[None]:
    try:
        site.broker.start()
        for child in (site.pharmacy, *children):
            child.start()
        yield
    finally:
        for child in (*children, site.pharmacy):
            child.kill()
        site.broker.kill()
