"""A test that carries a number must be able to fail: one planted fault for each promise on commands and uncertainty.

Each case breaks one thing that keeps a promise and runs one of the promise's own tests, in this process: it has to fail
in its own body. That it passes on the program as it is, the suite itself shows.
"""

import importlib
import io
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from nebctl.core import events as ev
from nebctl.core.effects import Record, StartAerosol
from nebctl.core.guard import RULES, Actuation, Permit
from nebctl.core.session import actions as do
from nebctl.core.session.state import Kind, State
from nebctl.core.session.table import TABLE, Row
from nebctl.pharmacy import events
from nebctl_simulators.mesh.controller import Controller
from nebctl_simulators.mesh.device import Device

ROOT = Path(__file__).parents[2]
Plant = tuple[str, object] | tuple[State, Kind, Row]
"""A place, `module:name`, with what stands there instead; or another row of the session's table."""


def _let_pass(command: Actuation, *_: object) -> Permit:
    return Permit(actuation=command)


async def _record_late(runner: Any, effect: Record) -> None:
    """Say that the intent is on disk, and write it afterwards."""
    if effect.intent:
        await runner._start(StartAerosol(run=runner.session.run or "0badcafe", max_on_ms=600_000))
    entries = await runner.commit(effect.drafts)
    if effect.intent:
        runner.witnessed.see_intent(entries[-1])
        runner._post_own(ev.IntentRecorded(seq=entries[-1].seq))


async def _start_twice(watch: Any, effect: StartAerosol) -> None:
    await watch.nebulizer.start(effect.run, effect.max_on_ms)
    watch._hear(await watch.nebulizer.start(effect.run, effect.max_on_ms))


async def _stop_in_turn(runner: Any, source: str) -> Any:
    return await runner.press(ev.StopPressed(source=source))


def _grants_more(controller: Any, run: str, granted_ms: int) -> Any:
    return _BEGIN(controller, run, 10 * granted_ms)


_BEGIN = Controller._begin
_SLOW_WATCHDOG = {**(Device.__init__.__kwdefaults__ or {}), "watchdog_ns": 3_000_000_000}


def _names_another(*arguments: Any) -> Any:
    draft = _CORRECTION(*arguments)
    return replace(draft, facts={**draft.facts, "ref": {}})


_CORRECTION = events._correction


CASES: dict[str, tuple[str, tuple[Plant, ...]]] = {
    "S13": (
        "tests/unit/test_runner_order.py::test_the_intent_is_on_disk_before_the_first_byte",
        (("nebctl.runner:Runner._record", _record_late), ("nebctl.runner:permit", _let_pass)),
    ),
    "S14": (
        "tests/simulators/test_sim_mesh_rules.py::test_a_repeated_start_is_answered_and_not_acted_on",
        (("nebctl_simulators.mesh.controller:_empties_cache", lambda _request: True),),
    ),
    "S15": (
        "tests/core/test_guard.py::test_each_condition_alone_refuses[unresolved]",
        (("nebctl.core.guard:RULES", tuple(rule for rule in RULES if rule[0] != "unresolved")),),
    ),
    "S16": (
        "tests/unit/test_runner_faults.py::test_an_unplugged_device_ends_uncertain_and_nothing_resumes",
        (("nebctl.core.session.actions:doubted", lambda session, _doubt: session),),
    ),
    "S17": (
        "tests/dose/test_dose_charge.py::test_a_class_rate_bears_no_witness[470]",
        (("nebctl.core.dose.settle:_amount_witness", lambda *_: "calibrated-time"),),
    ),
    "S18": (
        "tests/unit/test_runner_faults.py::test_an_unanswered_start_is_stopped_and_never_sent_again",
        (("nebctl.watch:DeviceWatch.start", _start_twice),),
    ),
    "S19": (
        "tests/pharmacy/test_settling.py::test_a_settlement_is_a_correction_and_both_are_shown",
        (("nebctl.pharmacy.events:_correction", _names_another),),
    ),
    "S20": (
        "tests/unit/test_runner_order.py::test_stop_overtakes_a_commit_that_hangs",
        (("nebctl.runner:Runner.stop", _stop_in_turn),),
    ),
    "S21": (
        "tests/core/test_session_table.py::test_stop_is_taken_in_every_state",
        ((State.SIGNING, Kind.STOP, (State.SIGNING, do.nothing)),),
    ),
    "S22": (
        "tests/simulators/test_sim_mesh_rules.py::test_output_ends_2000_ms_after_the_last_beat",
        (("nebctl_simulators.mesh.device:Device.__init__.__kwdefaults__", _SLOW_WATCHDOG),),
    ),
    "S23": (
        "tests/core/test_session_table.py::test_a_stopped_session_never_runs_again",
        ((State.STOPPING, Kind.OFF, (State.RUNNING, do.follow)),),
    ),
    "S24": (
        "tests/simulators/test_sim_mesh_rules.py::test_output_ends_when_the_granted_time_is_used_up",
        (("nebctl_simulators.mesh.controller:Controller._begin", _grants_more),),
    ),
    "S25": (
        "tests/core/test_lockout.py::test_the_third_cycle_locks_out",
        (("nebctl.core.lockout:is_locked", lambda *_: False),),
    ),
    "S26": (
        "tests/unit/test_runner_faults.py::test_a_device_that_stays_on_is_an_alarm_within_half_a_second",
        (("nebctl.watch:MISMATCH_S", 5.0), (State.STOPPING, Kind.RUNS, (State.STOPPING, do.only_stop))),
    ),
    "S27": (
        "tests/unit/test_runner_faults.py::test_a_silent_device_is_stopped_after_five_seconds",
        (("nebctl.watch:OVERDUE_S", 50.0),),
    ),
    "S28": (
        "tests/core/test_rate_alarm.py::test_a_rate_out_of_tolerance_alarms_within_a_minute",
        (("nebctl.core.session.heard:_NOTICED", {}),),
    ),
    "S29": (
        "tests/unit/test_runner_faults.py::test_a_dry_mesh_with_liquid_left_pauses_with_an_alarm",
        (("nebctl.core.session.classify:ran_dry_early", lambda _estimate: False),),
    ),
    "S30": (
        "tests/unit/test_probe.py::test_a_page_that_is_not_there_fails_both_in_time",
        (("nebctl.bedside.probe:_heard", lambda _drawn: importlib.import_module("nebctl.bedside.probe").NO_SOUND),),
    ),
}


@dataclass
class Outcome:
    """What came of the tests of one run: how many passed and failed in their own body, and in their fixtures."""

    passed: int = 0
    failed: int = 0
    broken: int = 0
    words: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a phase of a test."""
        if report.when == "call":
            self.passed += report.passed
            self.failed += report.failed
            self.words.append(str(report.longrepr)[-300:])
        elif report.when == "setup" and report.failed:
            self.broken += 1


def run(test: str) -> Outcome:
    """Run a test in this process, as it now is."""
    outcome = Outcome()
    with redirect_stdout(io.StringIO()):
        pytest.main(
            ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", str(ROOT / test)], plugins=[outcome]
        )
    return outcome


def plant(fault: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the program until the test ends."""
    if len(fault) == 3:
        state, kind, row = fault
        monkeypatch.setitem(TABLE[state], kind, row)
        return
    place, stead = fault
    module, _, name = place.partition(":")
    owner: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for step in path:
        owner = getattr(owner, step)
    monkeypatch.setattr(owner, last, stead)


@pytest.mark.parametrize("number", CASES)
@pytest.mark.filterwarnings("default")
def test_the_promise_s_own_test_fails_on_a_planted_fault(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once what keeps the promise is broken, its test fails: in its body, not in its set-up."""
    test, faults = CASES[number]
    for fault in faults:
        plant(fault, monkeypatch)
    broken = run(test)
    assert broken.failed, broken.words
    assert not broken.broken


def test_every_promise_on_commands_has_its_fault() -> None:
    """There is a case for each row of the table, S13 to S30."""
    assert set(CASES) == {f"S{number}" for number in range(13, 31)}
