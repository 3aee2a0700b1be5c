"""The page about replaying a trace: its commands work as they stand, on the ledger of a dose given in virtual time."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nebctl.cli import main
from nebctl_lab.system import VirtualSite
from nebctl_lab.virtual import run_virtual

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "how-to" / "replay-a-trace.md").read_text("utf-8")
REFERENCE = (DOCS / "reference" / "trace.md").read_text("utf-8")
SMALL_NL = 700_000


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database of a unit that has given one small dose."""
    root = tmp_path_factory.mktemp("site")

    async def give() -> None:
        async with VirtualSite(root=root) as site:
            await site.give(poured_nl=SMALL_NL)

    run_virtual(give())
    return root / "units" / "neb-0001" / "unit.db"


@pytest.fixture
def home(tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with that ledger where the page has it, and the page's calibration."""
    unit = tmp_path / "demo-data" / "units" / "neb-0001"
    unit.mkdir(parents=True)
    shutil.copy(ledger, unit)
    (calibration,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "cal.json").write_text(calibration)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands() -> Iterator[str]:
    """Yield the page's commands in order."""
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        yield from (line for line in block.splitlines() if not language and line.startswith("nebctl "))


def run(command: str) -> Result:
    """Run one command; what stands behind > is a file."""
    words, _, target = command.partition(" > ")
    done = CliRunner().invoke(main, shlex.split(words)[1:])
    if target:
        Path(target).write_bytes(done.stdout_bytes)
    return done


def test_every_command_of_the_page_works(home: Path) -> None:
    """Each command of the page ends with 0, and leaves the trace, the curve and the object that the page names."""
    done = {command: run(command) for command in commands()}
    assert len(done) >= 6
    assert {command: each.output for command, each in done.items() if each.exit_code} == {}
    assert (home / "trace.csv").read_text().startswith("t_s,state,")
    assert "<svg" in (home / "curve.svg").read_text()
    last = json.loads(list(done.values())[-1].stdout.splitlines()[-1])
    assert len(last["rows"]) == len((home / "trace.csv").read_text().splitlines()) - 1


def test_the_reference_names_every_member(home: Path) -> None:
    """Every member of the object and every option of the command stands on the reference page."""
    run(next(command for command in commands() if "ledger trace" in command))
    figures = json.loads(run("nebctl dose estimate trace.csv --preset mesh.solo --charge-ml 3 --json").stdout)
    named = set(re.findall(r"`([a-z_]+)`", REFERENCE))
    assert set(figures) - named == set()
    offered = set(re.findall(r"--[a-z-]+", run("nebctl dose estimate --help").stdout)) - {"--help"}
    assert offered - set(re.findall(r"--[a-z-]+", REFERENCE)) == set()
