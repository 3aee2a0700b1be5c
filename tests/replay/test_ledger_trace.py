"""`nebctl ledger trace`: the trace of a session as it was recorded, or why it cannot be had."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nebctl.cli import main
from nebctl.core.trace_text import TraceText, read_trace
from nebctl_lab.system import VirtualSite
from nebctl_lab.virtual import run_virtual

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


def trace(database: Path, *options: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["ledger", "trace", str(database), *options])


def test_the_only_trace_is_printed_as_it_was_recorded(ledger: Path) -> None:
    """The text is a trace, byte for byte, and its session may be named or not."""
    done = trace(ledger)
    assert done.exit_code == 0
    read = read_trace(done.stdout_bytes.splitlines(keepends=True), "trace")
    assert isinstance(read, TraceText), read
    assert len(read.readings) > 100
    refused = trace(ledger, "--session", "none")
    assert (refused.exit_code, "has no trace of none; it has 2026-" in refused.stderr) == (2, True)
    session = refused.stderr.split()[-1]
    assert trace(ledger, "--session", session).stdout_bytes == done.stdout_bytes


def test_a_database_without_traces_is_told(ledger: Path) -> None:
    """The pharmacy keeps no traces, and the answer says that there is none."""
    done = trace(ledger.parents[2] / "pharmacy.db")
    assert (done.exit_code, "has 0 traces" in done.stderr) == (2, True)


def test_an_altered_trace_is_not_handed_out(ledger: Path, tmp_path: Path) -> None:
    """A trace that is not what its stored SHA-256 says is refused with 1."""
    copy = tmp_path / "unit.db"
    copy.write_bytes(ledger.read_bytes().replace(b",running,", b",runninf,", 1))
    done = trace(copy)
    assert (done.exit_code, "is not what its SHA-256 says" in done.stderr) == (1, True)
