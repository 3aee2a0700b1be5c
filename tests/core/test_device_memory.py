"""What a device remembers of its last run, held against the log: the decision as a table, and what records say."""

from typing import Any

import pytest

from nebctl.core.device import EndCause, RunOutcome
from nebctl.core.device_memory import ASKS, NO_RUNS, Remembered, RunsKnown, Standing, followed, judge
from nebctl.core.history import UnitHistory, fold
from nebctl.core.ledger.records import Draft, Entry
from nebctl.core.limits import RUN_UNKNOWN, Passing

OURS, TRIAL, STRANGE, AGAIN = "0badcafe", "5a11e001", "deadbeef", "feedface"
DEVICE, OTHER = "NEB-1", "NEB-2"
KNOWN = RunsKnown(
    intended=frozenset((OURS, TRIAL)),
    told=frozenset(((DEVICE, STRANGE), (DEVICE, AGAIN))),
    answered=frozenset(((DEVICE, AGAIN),)),
)


def remembered(run: str | None, device: str = DEVICE) -> Remembered:
    """Return what a device says of its last run."""
    return Remembered(device=device, last=RunOutcome(run=run, on_ms=91_000, end=EndCause.DRY, boot=7))


def entry(typ: str, epoch: int = 1, **facts: Any) -> Entry:
    """Return a record with these facts."""
    return Entry(epoch=epoch, seq=0, jws="", leaf=b"", payload={"typ": typ, **facts}, disclosures=())


def of(draft: Draft) -> Entry:
    """Return a draft as a record."""
    return entry(draft.typ, **draft.facts)


TABLE = {
    "no device was opened, or none told": (KNOWN, None, Standing.SILENT),
    "a fresh device, or one that remembers nothing": (KNOWN, remembered(None), Standing.SILENT),
    "a run that a start names": (KNOWN, remembered(OURS), Standing.OURS),
    "our run on a device that another serial number has since": (KNOWN, remembered(OURS, OTHER), Standing.OURS),
    "a saline run": (KNOWN, remembered(TRIAL), Standing.OURS),
    "an unknown run for the first time": (NO_RUNS, remembered(STRANGE), Standing.NEW),
    "an unknown run that is on record": (KNOWN, remembered(STRANGE), Standing.OPEN),
    "the same run on another device": (KNOWN, remembered(STRANGE, OTHER), Standing.NEW),
    "a run that a person answered for": (KNOWN, remembered(AGAIN), Standing.ANSWERED),
    "that run on another device": (KNOWN, remembered(AGAIN, OTHER), Standing.NEW),
}


@pytest.mark.req("S02")
@pytest.mark.parametrize(("known", "told", "standing"), TABLE.values(), ids=TABLE)
def test_how_a_last_run_stands_to_the_log(known: RunsKnown, told: Remembered | None, standing: Standing) -> None:
    """Only a run that no intent names, and that nobody answered for on this very device, is asked about."""
    assert judge(known, told) is standing
    assert (standing in ASKS) == (standing in (Standing.NEW, Standing.OPEN))


def test_every_intent_names_its_run_in_every_epoch() -> None:
    """Starts, resumes and saline runs are ours, whatever came of them; a record from before runs were named is none."""
    log = [
        entry("start", run=OURS),
        entry("abort"),
        entry("resume", run=OURS),
        entry("calibration", step="begun", run=TRIAL),
        entry("calibration", step="ended", runs=[]),
        entry("start"),
        entry("start", run=None),
        entry("genesis", epoch=2),
        entry("start", epoch=2, run=AGAIN),
    ]
    assert followed(NO_RUNS, log).intended == {OURS, TRIAL, AGAIN}


def test_the_records_of_a_question_are_read_back() -> None:
    """The incident that was written makes the run told, a person's word answers it; other records change nothing."""
    told = followed(NO_RUNS, [of(remembered(STRANGE).incident())])
    assert judge(told, remembered(STRANGE)) is Standing.OPEN
    passing = Passing(limit=RUN_UNKNOWN, operator="RT-07", reason="the pharmacy says: go on")
    answered = followed(told, [of(passing.of_run(DEVICE, STRANGE, "MEX-007", "KIT-0401"))])
    assert judge(answered, remembered(STRANGE)) is Standing.ANSWERED
    others = [entry("incident", kind="restored"), entry("override", limit="too-soon", kind="soft"), entry("boot")]
    assert followed(answered, others) is answered


def test_the_incident_says_all_that_the_device_said() -> None:
    """Device, run, on-time, end and boot counter stand in the record, none of them under an envelope's own name."""
    assert dict(remembered(STRANGE).incident().facts) == {
        "kind": "run-unknown",
        "device": DEVICE,
        "run": STRANGE,
        "device_on_ms": 91_000,
        "device_end": "dry",
        "device_boot": 7,
    }


def test_the_history_of_a_unit_has_its_runs() -> None:
    """Folding a log in two parts, or at once, gives the same runs."""
    log = [entry("incident", kind=RUN_UNKNOWN, device=DEVICE, run=STRANGE), entry("boot", clk={}), entry("genesis")]
    once = fold(UnitHistory(), log)
    assert once.runs == fold(fold(UnitHistory(), log[:1]), log[1:]).runs
    assert once.runs.told == {(DEVICE, STRANGE)}
