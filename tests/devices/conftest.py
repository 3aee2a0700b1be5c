"""Simulated devices of every family as processes, and the command line that reads them."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.cli import main
from nebctl_lab.processes import Child

EXAMPLE = str(resources.files("nebctl_profiles").joinpath("modbus-nebulizer.toml"))


@contextlib.contextmanager
def simulator(folder: Path, *arguments: str) -> Iterator[Child]:
    """Run `nebctl sim …` until the block ends."""
    child = simulate(folder, *arguments)
    try:
        yield child
    finally:
        child.stop()


def simulate(folder: Path, *arguments: str) -> Child:
    """Start `nebctl sim …`."""
    name = "-".join(arguments[:1])
    log = folder / f"{name}-{os.getpid()}-{len(list(folder.glob('*.log')))}.log"
    return Child(name, ["-m", "nebctl_simulators", *arguments], log).start()


@dataclass(frozen=True)
class Fleet:
    """One device of every family, by the URL at which it is read."""

    mesh: str
    alicat: str
    balance: str
    board: str
    jet_tcp: str
    bus: str

    def unit(self, number: int) -> str:
        """Return the URL of a unit of the RS-485 bus: a nebulizer at 1 and 2, a gas controller 40 and a relay 41."""
        return f"serial://{self.bus}?unit={number}"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Start the whole fleet at once, most of it on real pseudo-terminals; nobody here changes what it does."""
    folder = tmp_path_factory.mktemp("fleet")
    ptys = {name: str(folder / name) for name in ("mesh", "alicat", "balance", "board", "bus")}
    stations = [f"modbus:{EXAMPLE}:unit=1", f"modbus:{EXAMPLE}:unit=2", "gas:unit=40", "relay:unit=41"]
    calls: Sequence[Sequence[str]] = (
        ("mesh", "--pty", ptys["mesh"], "--fill", "3 mL"),
        ("alicat", "--pty", ptys["alicat"]),
        ("balance", "--pty", ptys["balance"]),
        ("board-9c", "--pty", ptys["board"], "--fill", "3 mL"),
        ("jet", "--tcp", "127.0.0.1:0", "--fill", "3 mL"),
        ("bus", "--pty", ptys["bus"], *(word for station in stations for word in ("--station", station))),
    )
    with ThreadPoolExecutor() as pool:
        children = list(pool.map(lambda call: simulate(folder, *call), calls))
    try:
        yield Fleet(jet_tcp=f"tcp://{children[4].ready.split()[0]}", **ptys)
    finally:
        for child in children:
            child.stop()


@dataclass(frozen=True)
class Done:
    """What a call of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Return the JSON objects, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def devices(*words: str) -> Done:
    """Call `nebctl devices …` in this process."""
    done = CliRunner().invoke(main, ["devices", *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)
