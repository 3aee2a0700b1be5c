"""A dose estimated again from its stored trace: the trace is read row by row, and another volume is a finding."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.cli.ledger import ledger as command
from nebctl.core import reestimate
from nebctl.core.dose.charge import Interval
from nebctl.core.ledger.check import Finding
from nebctl.core.reestimate import NotReplayed, check_again, re_estimate
from nebctl.core.trace import HEADER
from nebctl.keys import verify
from nebctl.store.audit import Auditor, LogTally
from nebctl.store.reader import LedgerFile

FIRST, SECOND = "2026-02-14-7f3a9c", "2026-02-15-0a0b0c"
GOOD = f"{HEADER}\n" + "".join(f"{second}.000,running,,,,,,,,,\n" for second in range(4))


async def write(bench: Any, *traces: str) -> Path:
    """Write a ledger with a dose for each trace."""
    bench.write_trust()
    ledger = await bench.open()
    for session, trace in zip((FIRST, SECOND), traces, strict=False):
        await bench.give_dose(ledger, session, trace)
    await ledger.take_receipt(bench.receipt(ledger.head_note))
    await ledger.close()
    path: Path = bench.path
    return path


def audit(bench: Any) -> list[Finding | LogTally]:
    """Return everything that a deep audit says."""
    auditor = Auditor(unit_key=lambda *_: bench.unit_vkey, pharmacy=bench.pharmacy_vkey, verify=verify, deep=True)
    with LedgerFile.open(bench.path) as file:
        return list(auditor.audit(file))


async def test_a_trace_is_read_to_its_end(bench: Any) -> None:
    """A trace that reads well is counted; what is wrong in another is named by its line and column."""
    spoiled = GOOD.replace("2.000,running", "2.000,flying")
    await write(bench, GOOD, spoiled)
    found, tally = audit(bench)
    assert isinstance(found, Finding)
    assert (found.seq, found.what, found.seen) == (4, "trace line 4, state", '"flying"')
    assert isinstance(tally, LogTally)
    assert sum(tally.not_replayed.values()) + tally.estimated == 1


async def test_the_command_says_what_was_not_estimated(bench: Any) -> None:
    """--deep never passes a trace that was only read for a dose that was estimated again."""
    path = await write(bench, GOOD)
    arguments = ["verify", str(path), "--trust", str(bench.trust)]
    deep = CliRunner().invoke(command, [*arguments, "--deep"])
    assert deep.exit_code == 0, deep.output
    assert deep.stdout.startswith("VERIFIED 1 unit, 3 records")
    assert "estimated again" in deep.stdout
    assert "estimated again" not in CliRunner().invoke(command, arguments).stdout


@pytest.mark.parametrize("name", ["low_nl", "best_nl", "high_nl"])
async def test_another_volume_is_a_finding(bench: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Where low, best or high come out otherwise, the finding names the member, what it says and what came out."""
    volume = {"low_nl": 2_900_000, "best_nl": 2_950_000, "high_nl": 3_000_000}
    await write(bench, GOOD)
    told: list[Any] = []

    def estimate(csv: str, records: Any) -> Interval:
        told.extend((csv, [entry.payload["typ"] for entry in records]))
        return Interval(**volume)

    monkeypatch.setattr(reestimate, "re_estimate", estimate)
    (tally,) = audit(bench)
    assert isinstance(tally, LogTally)
    assert tally.estimated == 1
    assert told == [GOOD, ["start", "dose"]]
    volume[name] += 1
    found, tally = audit(bench)
    assert isinstance(found, Finding)
    assert (found.what, found.seen) == (f"member {name}", str(volume[name] - 1))
    assert str(volume[name]) in found.expected


async def test_an_unknown_estimator_is_never_replayed(bench: Any) -> None:
    """A dose that names no estimator is not estimated again by any other; a spoiled trace is a finding."""
    await write(bench, GOOD, GOOD)
    with LedgerFile.open(bench.path) as file:
        (log,) = file.logs()
        from nebctl.core.ledger.envelope import parse_entry

        dose = parse_entry(file.text_at(log, 2))
    assert re_estimate(GOOD, [dose]) == NotReplayed("None")
    found = check_again("", [dose])
    assert isinstance(found, Finding)
    assert found.what == "trace line 1, header"
