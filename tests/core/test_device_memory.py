"""What a device remembers of its last run, held against the log: the decision as a table, and what records say."""

from typing import Any

import pytest

from nebctl.core.device import EndCause, RunOutcome
from nebctl.core.device_memory import NO_RUNS, Question, Remembered, RunsKnown, followed, question
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


def incident(run: str) -> Draft:
    """Return the record of a run that is asked about for the first time."""
    asked = question(NO_RUNS, remembered(run))
    assert asked is not None
    assert asked.incident is not None
    return asked.incident


def entry(typ: str, epoch: int = 1, **facts: Any) -> Entry:
    """Return a record with these facts."""
    return Entry(epoch=epoch, seq=0, jws="", leaf=b"", payload={"typ": typ, **facts}, disclosures=())


def of(draft: Draft) -> Entry:
    """Return a draft as a record."""
    return entry(draft.typ, **draft.facts)


SILENT = Remembered(device=DEVICE, last=None)
FORGOTTEN = RunsKnown(intended=KNOWN.intended, told=KNOWN.told - {(DEVICE, STRANGE)}, answered=KNOWN.answered)
TABLE: dict[str, tuple[RunsKnown, Remembered | None, str | None, bool]] = {
    "no device was opened": (KNOWN, None, None, False),
    "a fresh device, or one that remembers nothing": (NO_RUNS, remembered(None), None, False),
    "a device that does not tell": (NO_RUNS, SILENT, None, False),
    "a run that a start names": (FORGOTTEN, remembered(OURS), None, False),
    "our run on a device that has another serial number since": (KNOWN, remembered(OURS, OTHER), None, False),
    "a saline run": (FORGOTTEN, remembered(TRIAL), None, False),
    "an unknown run for the first time": (NO_RUNS, remembered(STRANGE), STRANGE, True),
    "an unknown run that is on record": (KNOWN, remembered(STRANGE), STRANGE, False),
    "the same run on another device": (KNOWN, remembered(STRANGE, OTHER), STRANGE, True),
    "a run that a person answered for": (FORGOTTEN, remembered(AGAIN), None, False),
    "that run on another device": (FORGOTTEN, remembered(AGAIN, OTHER), AGAIN, True),
    "a question that a dose of ours came upon": (KNOWN, remembered(OURS), STRANGE, False),
    "a question that a saline run came upon": (KNOWN, remembered(TRIAL), STRANGE, False),
    "a question to a device that has forgotten": (KNOWN, remembered(None), STRANGE, False),
    "a question to a device that does not tell": (KNOWN, SILENT, STRANGE, False),
    "a newer run before a question on record": (KNOWN, remembered("0000beef"), "0000beef", True),
    "a question whose record came back": (
        RunsKnown(intended=frozenset((STRANGE,)), told=frozenset(((DEVICE, STRANGE),))),
        remembered(STRANGE),
        None,
        False,
    ),
}


@pytest.mark.req("S02")
@pytest.mark.parametrize(("known", "told", "run", "new"), TABLE.values(), ids=TABLE)
def test_what_is_asked_about(known: RunsKnown, told: Remembered | None, run: str | None, new: bool) -> None:
    """Only a run that no intent names, and that nobody answered for on this device, is asked about and recorded."""
    asked = question(known, told)
    assert (asked.run if asked else None) == run
    assert (asked is not None and asked.incident is not None) == new
    assert asked is None or (told is not None and asked.device == told.device)


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
    told = followed(NO_RUNS, [of(incident(STRANGE))])
    assert question(told, remembered(STRANGE)) == Question(device=DEVICE, run=STRANGE, incident=None)
    passing = Passing(limit=RUN_UNKNOWN, operator="RT-07", reason="the pharmacy says: go on")
    answered = followed(told, [of(passing.of_run(DEVICE, STRANGE, "MEX-007", "KIT-0401"))])
    assert question(answered, remembered(STRANGE)) is None
    others = [entry("incident", kind="restored"), entry("override", limit="too-soon", kind="soft"), entry("boot")]
    assert followed(answered, others) is answered


def test_the_incident_says_all_that_the_device_said() -> None:
    """Device, run, on-time, end and boot counter stand in the record, none of them under an envelope's own name."""
    assert dict(incident(STRANGE).facts) == {
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
