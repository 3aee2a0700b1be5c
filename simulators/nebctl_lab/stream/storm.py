"""Units, broker and pharmacy killed again and again under load: `python -m nebctl_lab.stream.storm --seed 1`.

Prints its seed, then what it does, and at the end what the checker found; exits with 1 where it found anything.
"""

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nebctl_lab.processes import Child
from nebctl_lab.stream import mosquitto
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


def main() -> int:
    """Read the command line, and weather storms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first storm's seed")
    parser.add_argument("--storms", type=int, default=1, help="how many, each with the next seed")
    parser.add_argument("--blows", type=int, default=12, help="how many times something is killed")
    parser.add_argument("--units", type=int, default=2, help="how many units write")
    arguments = parser.parse_args()
    if (advice := mosquitto.missing()) is not None:
        sys.stderr.write(f"storm: {advice}\n")
        return 2
    for seed in range(arguments.seed, arguments.seed + arguments.storms):
        sys.stdout.write(f"storm: seed {seed}\n")
        storm = Storm(seed=seed, blows=arguments.blows, units=arguments.units)
        with tempfile.TemporaryDirectory(prefix="nebctl-storm-") as name:
            weathered = weather(storm, Path(name), lambda text: sys.stdout.write(f"  {text}\n"))
        sys.stdout.write(f"  {weathered.records} records, {sum(weathered.kills.values())} kills: ")
        sys.stdout.write("all receipted once, in order, nothing invented\n" if not weathered.findings else "NOT WELL\n")
        sys.stdout.writelines(f"    {finding}\n" for finding in weathered.findings)
        if weathered.findings:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
