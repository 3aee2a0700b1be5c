"""Every scenario that comes with nebctl: played against the real unit, as expected, and the same in two processes."""

import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import pytest

from nebctl_lab.scenario.shipped import open_scenario, shipped_names
from nebctl_lab.scenario.virtual import play

pytestmark = pytest.mark.timeout(200)
NOT_YET: dict[str, tuple[str, ...]] = {}
"""The promises that nebctl does not keep yet, by the scenario that shows it."""
ASKED_FOR = {
    *("clean-mesh", "clean-jet", "premature-stop", "power-cut", "host-hang", "unplug", "brown-out", "clogged-mesh"),
    *("cold-kit", "weak-compressor", "broker-gone", "clock-steps", "wrong-kit", "second-aliquot", "over-midnight"),
    *("shift-change", "thawed-then-cancelled", "moved-while-offline", "cup-swapped", "spilled", "topped-up"),
}


def play_again(name: str) -> str:
    """Play a scenario and return all that came of it as one text."""
    return json.dumps(play(open_scenario(name)).as_json())


def held_to(name: str) -> Any:
    """Return a scenario as a test that is marked with the promises it holds nebctl to, but for those not kept yet."""
    kept = [promise for promise in open_scenario(name).promises if promise not in NOT_YET.get(name, ())]
    return pytest.param(name, marks=[pytest.mark.req(promise) for promise in kept])


@pytest.fixture(scope="module")
def again() -> Iterator[dict[str, "Future[str]"]]:
    """Every scenario, played beside the tests in another process, which has another hash seed and another history."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        yield {name: process.submit(play_again, name) for name in shipped_names()}
        process.shutdown(cancel_futures=True)


def test_nothing_that_happens_on_a_ward_is_missing() -> None:
    """The scenarios that a ward needs are all there."""
    assert set(shipped_names()) >= ASKED_FOR


@pytest.mark.parametrize("name", [held_to(name) for name in shipped_names()])
def test_a_scenario_goes_as_expected_and_the_same_twice(name: str, again: "dict[str, Future[str]]") -> None:
    """Everything is as the file expects, what is not kept yet is what is known, and a second play is equal in all."""
    report = play(open_scenario(name))
    assert report.passed, report.text()
    assert report.open_promises == NOT_YET.get(name, ())
    assert all(report.heads.values())
    assert again[name].result() == json.dumps(report.as_json())
