"""A nebulizer that remembers a run which the log does not name: alarm, one record, and what changes nothing."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.bedside.gaps import refuse_gaps, take_word
from nebctl.core.alarms import Condition
from nebctl.core.device import CommandFailed, EndCause, RunOutcome
from nebctl.core.history import UnitHistory, fold
from nebctl.core.ledger.records import Entry
from nebctl.core.limits import RUN_UNKNOWN, Passing
from nebctl.core.session import State
from nebctl.watch import MEMORY_ASKED

STRANGE = "deadbeef"
pytestmark = [pytest.mark.virtual, pytest.mark.req("S02")]
WORD = Passing(limit=RUN_UNKNOWN, operator="RT-07", reason="used with another unit")


def incidents(unit: Any) -> list[Any]:
    """Return the records that a run is unknown."""
    return [entry for entry in unit.store.of("incident") if entry.payload["kind"] == RUN_UNKNOWN]


async def found(make_unit: Any, run: str | None = STRANGE, history: UnitHistory | None = None) -> Any:
    """Return a unit whose nebulizer, when it is found, remembers this run."""
    unit = make_unit(history)
    unit.device.run, unit.device.end = run, EndCause.DRY
    await unit.begin()
    await settled(unit)
    return unit


def own_start() -> Entry:
    """Return a saline run of this unit's own."""
    return Entry(epoch=1, seq=99, jws="", leaf=b"", payload={"typ": "calibration", "run": "0badcafe"}, disclosures=())


async def settled(unit: Any) -> None:
    """Let two polls pass."""
    cycles = unit.cycles
    await unit.until(lambda: unit.cycles > cycles + 1)


async def again(unit: Any, **differs: Any) -> None:
    """Pull the plug and put it in again; `differs` changes the device meanwhile."""
    unit.device.unplug()
    await unit.until(lambda: unit.runner.witnessed.device is None)
    for name, value in differs.items():
        setattr(unit.device, name, value)
    unit.device.loss = None
    await unit.until(lambda: unit.runner.witnessed.device is not None)
    await settled(unit)


def asks(unit: Any) -> bool:
    """Return whether alarm and refusal stand; they do so together."""
    alarm = Condition.RUN_UNKNOWN in unit.runner.alarms
    assert (refuse_gaps(unit.runner) is not None) == alarm
    return alarm


async def test_an_unknown_run_is_alarmed_recorded_once_and_asked_about(make_unit: Any) -> None:
    """It stays one record over a loss of the wire and a restart of the unit, and is asked about until a person says."""
    unit = await found(make_unit)
    assert asks(unit)
    refusal = refuse_gaps(unit.runner)
    assert refusal is not None
    assert (refusal.code, STRANGE in refusal.sentence, "SIM-0001" in refusal.sentence) == (RUN_UNKNOWN, True, True)
    await again(unit)
    assert len(incidents(unit)) == 1
    await unit.end()
    unit = await found(make_unit, history=fold(UnitHistory(), unit.store.entries))
    assert (asks(unit), incidents(unit)) == (True, [])
    await take_word(unit.runner, WORD, "MEX-001", "KIT-0401")
    await settled(unit)
    assert not asks(unit)
    (word,) = unit.store.of("override")
    assert (word.payload["device"], word.payload["run"], word.payload["limit"]) == ("SIM-0001", STRANGE, RUN_UNKNOWN)
    await again(unit)
    await take_word(unit.runner, WORD, "MEX-001", "KIT-0401")
    assert not asks(unit)
    assert len(unit.store.of("override")) == 1
    await unit.end()


async def test_the_word_for_one_run_is_none_for_the_next(make_unit: Any) -> None:
    """A device that was used elsewhere once more is asked about once more; so is one that lost its power meanwhile."""
    unit = await found(make_unit)
    await take_word(unit.runner, WORD, "MEX-001", "KIT-0401")
    await again(unit, boot=8)
    assert not asks(unit)
    await again(unit, run="feedface")
    assert asks(unit)
    assert [entry.payload["run"] for entry in incidents(unit)] == [STRANGE, "feedface"]
    await unit.end()


async def test_what_a_device_forgets_stays_asked(make_unit: Any) -> None:
    """A question on record outlives a device that remembers another run of ours, none, or says nothing any more."""
    unit = await found(make_unit)
    entries = unit.store.entries
    await unit.end()
    for run in ("0badcafe", None):
        unit = await found(make_unit, run=run, history=fold(UnitHistory(), [*entries, own_start()]))
        assert asks(unit)
        assert incidents(unit) == []
        await take_word(unit.runner, WORD, "MEX-001", "KIT-0401")
        await settled(unit)
        assert not asks(unit)
        await unit.end()


async def test_another_limits_word_answers_no_run(make_unit: Any) -> None:
    """A confirmation of something else, or none, leaves the question open and no record."""
    unit = await found(make_unit)
    for passing in (None, replace(WORD, limit="too-soon")):
        await take_word(unit.runner, passing, "MEX-001", "KIT-0401")
    assert asks(unit)
    assert unit.store.of("override") == []
    await unit.end()


async def test_a_nebulizer_without_a_run_says_nothing(make_unit: Any) -> None:
    """A fresh one, or one that cannot tell, raises no alarm and leaves no record."""
    unit = await found(make_unit, run=None)
    assert not asks(unit)
    assert incidents(unit) == []
    await unit.end()


async def test_an_own_run_is_known_whatever_came_of_its_start(make_unit: Any) -> None:
    """An intent on disk names the run: after a start that was refused, or lost with the power, nothing new is said."""
    for fate in ("refused", "lost"):
        unit = await found(make_unit, run=None)
        unit.device.start_fate = fate
        await unit.ready()
        await unit.press_start()
        await unit.until(lambda unit=unit: unit.runner.session.state not in (State.INTENDED, State.STARTING))  # type: ignore[misc]
        await unit.runner.stop("page")
        await unit.end()
        unit = await found(make_unit, run="0badcafe", history=fold(UnitHistory(), unit.store.entries))
        assert not asks(unit)
        assert incidents(unit) == []
        await unit.end()


async def test_a_dose_of_our_own_is_never_in_question(unit: Any) -> None:
    """A wire that is lost in mid-dose and found again ends the dose as before, and nothing else is said."""
    await unit.running()
    await again(unit)
    assert unit.runner.session.state is State.RESIDUAL
    await unit.give_residual()
    await settled(unit)
    assert not asks(unit)
    assert incidents(unit) == []


async def test_in_a_dose_nothing_is_compared(unit: Any) -> None:
    """Another device at the same plug in mid-dose is looked at when the dose has its residual, not before."""
    await unit.running()
    await again(unit, run=STRANGE, on=False)
    assert unit.runner.session.state is State.RESIDUAL
    assert (Condition.RUN_UNKNOWN in unit.runner.alarms, incidents(unit)) == (False, [])
    await unit.give_residual()
    await settled(unit)
    assert asks(unit)
    assert len(incidents(unit)) == 1


async def test_the_incident_comes_before_the_word(unit: Any) -> None:
    """Who answers at once after the dose in which the device was exchanged answers for what is on record."""
    await unit.running()
    await again(unit, run=STRANGE, on=False)
    await unit.give_residual()
    assert incidents(unit) == []
    await take_word(unit.runner, WORD, "MEX-001", "KIT-0401")
    (incident,), (word,) = incidents(unit), unit.store.of("override")
    assert incident.seq < word.seq
    await settled(unit)
    assert not asks(unit)
    assert len(incidents(unit)) == 1


@pytest.mark.parametrize("lost", [1, MEMORY_ASKED - 1, MEMORY_ASKED])
async def test_an_answer_that_does_not_come_is_asked_for_again(make_unit: Any, lost: int) -> None:
    """Up to two lost answers change nothing; a device that never says is used as one that cannot tell."""
    unit = make_unit()
    unit.device.run, asked, say = STRANGE, [], unit.device.last_run

    async def last_run() -> RunOutcome | CommandFailed:
        asked.append(None)
        return unit.device.failed("LAST") if len(asked) <= lost else await say()  # type: ignore[no-any-return]

    unit.device.last_run = last_run
    await unit.begin()
    await settled(unit)
    assert asks(unit) == (lost < MEMORY_ASKED)
    assert len(asked) == min(lost + 1, MEMORY_ASKED)
    await unit.end()


async def test_silence_at_a_later_opening_answers_nothing(make_unit: Any) -> None:
    """A question that was open stays open when the same device, opened again, does not tell."""
    unit = await found(make_unit)

    async def nothing() -> CommandFailed:
        return unit.device.failed("LAST")  # type: ignore[no-any-return]

    unit.device.last_run = nothing
    await again(unit)
    assert asks(unit)
    await unit.end()


async def test_a_disk_that_takes_nothing_leaves_the_question_open(make_unit: Any) -> None:
    """Where the incident cannot be written, it is tried once, no word is taken, and still no dose begins."""
    unit = make_unit()
    unit.device.run, tried = STRANGE, []

    def fails(types: list[str]) -> bool:
        tried.extend(each for each in types if each in ("incident", "override"))
        return True

    unit.store.fails = fails
    await unit.begin()
    await settled(unit)
    await take_word(unit.runner, WORD, "MEX-001", "KIT-0401")
    await settled(unit)
    assert asks(unit)
    assert tried == ["incident"]
    unit.store.fails = lambda _: False
    await take_word(unit.runner, WORD, "MEX-001", "KIT-0401")
    assert asks(unit)
    entries = unit.store.entries
    await unit.end()
    unit = await found(make_unit, history=fold(UnitHistory(), entries))
    assert (asks(unit), len(incidents(unit))) == (True, 1)
    await unit.end()
