"""What every test shares: virtual time and long forms by markers, and that each test states the fact it proves."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from nebctl.core.ledger import disclosure
from nebctl.core.ledger.records import Entry
from nebctl_lab.virtual import VirtualLoop

SAID = pytest.StashKey[list[str]]()


class LastResults:
    """Keeps how each test last went, also where several workers ran them, for `make requirements`."""

    def __init__(self, cache: pytest.Cache) -> None:
        """Begin with nothing run; `cache` keeps what went before."""
        self._cache = cache
        self._now: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test without its case: failed where any case of it did."""
        name = report.nodeid.partition("[")[0]
        if report.failed:
            self._now[name] = "failed"
        elif report.when == "call" and report.passed:
            self._now.setdefault(name, "passed")

    def pytest_sessionfinish(self) -> None:
        """Write it down beside what was not run now."""
        self._cache.set("nebctl/results", {**self._cache.get("nebctl/results", {}), **self._now})


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers of virtual time and of long forms."""
    config.stash[SAID] = []
    if not hasattr(config, "workerinput") and (cache := getattr(config, "cache", None)):
        config.pluginmanager.register(LastResults(cache))
    config.addinivalue_line("markers", "virtual: run on a loop whose time jumps to the next timer")
    config.addinivalue_line("markers", "soak: has a long form, which --soak asks for; `make soak` runs these alone")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the length of the long forms."""
    parser.addoption("--soak", type=int, default=0, metavar="N", help="run tests marked `soak` N times as long")


@pytest.fixture(scope="session")
def soak(request: pytest.FixtureRequest) -> int:
    """How many times a long form goes round; 0 is the short form of every day. Long forms have no time limit."""
    return int(request.config.getoption("--soak"))


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give a test marked `virtual` the jumping loop, every other one the ordinary loop."""
    if item.get_closest_marker("virtual"):
        return {"virtual": VirtualLoop}
    return {"real": asyncio.SelectorEventLoop}


@pytest.fixture
def ended() -> Callable[[Iterable[int]], bool]:
    """Wait for the end of processes, by their numbers, and return whether all of them ended within 20 s."""

    def wait(pids: Iterable[int]) -> bool:
        until, left = time.monotonic() + 20, [*pids]
        while (left := [pid for pid in left if _lives(pid)]) and time.monotonic() < until:
            time.sleep(0.05)
        return not left

    return wait


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line at the end of the run, such as a seed that was tried, also where all went well."""
    return request.config.stash[SAID].append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests said."""
    for line in terminalreporter.config.stash[SAID]:
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a test that does not say what it proves; take the time limit from long forms."""
    if config.getoption("--soak"):
        for item in items:
            item.add_marker(pytest.mark.timeout(0), append=False)  # before a limit of its own
    silent = [item.nodeid for item in items if isinstance(item, pytest.Function) and not item.function.__doc__]
    if silent:
        raise pytest.UsageError("each test states the fact it proves in a docstring; missing: " + ", ".join(silent))


_RECORDS = Path(__file__).parents[1] / "docs" / "records"
_SHARED = ("common", "envelope")


@dataclass(frozen=True)
class Schemas:
    """Every schema by its record type, and what one of them says of a record."""

    texts: Mapping[str, dict[str, Any]]
    registry: jsonschema_rs.Registry

    def faults(self, payload: Mapping[str, Any], typ: str = "") -> list[str]:
        """Return what the schema of the record's type has against its payload."""
        return self._faults(self.texts[typ or payload["typ"]], payload)

    def private_faults(self, typ: str, revealed: Mapping[str, Any]) -> list[str]:
        """Return what the type's schema has against the private facts beside a record."""
        return self._faults({"$ref": f"{self.texts[typ]['$id']}#/$defs/private"}, revealed)

    def of_entry(self, entry: Entry) -> list[str]:
        """Return what the schemas have against a record and what stands beside it."""
        typ = str(entry.payload["typ"])
        if typ not in self.texts:
            return [f"docs/records has no {typ}.schema.json"]
        private = self.private_faults(typ, disclosure.check(entry.payload, entry.disclosures))
        return [f"{typ}: {fault}" for fault in (*self.faults(entry.payload), *private)]

    def _faults(self, schema: Mapping[str, Any], value: Mapping[str, Any]) -> list[str]:
        validator = jsonschema_rs.Draft202012Validator(dict(schema), registry=self.registry, offline=True)
        return [f"{'/'.join(map(str, fault.instance_path))}: {fault.message}" for fault in validator.iter_errors(value)]


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    """Return every schema of the folder."""
    texts = {
        path.name.removesuffix(".schema.json"): json.loads(path.read_text("utf-8"))
        for path in _RECORDS.iterdir()
        if path.name.endswith(".schema.json")
    }
    registry = jsonschema_rs.Registry([(text["$id"], text) for text in texts.values()])
    return Schemas({typ: text for typ, text in texts.items() if typ not in _SHARED}, registry)
