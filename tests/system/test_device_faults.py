"""A nebulizer or a wire that misbehaves in mid-dose: what the record says is always true."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import BRISK, CHARGED_HIGH_NL, Bench, View, until
from nebctl_lab.relay import tapped

pytestmark = pytest.mark.timeout(60)
WIRE = ["drop_reply", "late", "bad_crc", "garbage", "duplicate_reply", "split"]


def to_the_end(bench: Bench) -> View:
    """Let the dose come to its end, stopping it where it asks a person, and compare its outcome with the truth."""
    view = bench.until_state("residual", "paused")
    if view["state"] == "paused":
        bench.api.post("/api/stop")
        bench.until_state("residual")
    bench.pace(1)
    assert bench.truth()["output"] == "OFF"
    truth, left = bench.emitted_nl(), int(bench.truth()["cup_nl"])
    outcome = bench.measure()
    assert outcome["low_nl"] <= truth <= outcome["high_nl"]
    if outcome["end"] == "complete":
        assert bench.truth()["end"] == "DRY"
        assert left <= 150_000
    assert len(bench.of_session(outcome["session"], "dose")) == 1
    return outcome


@pytest.mark.parametrize("fault", WIRE)
def test_a_bad_wire(shared: Bench, fault: str) -> None:
    """Single answers that are lost, late, spoiled, doubled or split neither end a dose nor make its outcome untrue."""
    shared.begin()
    for _ in range(2):
        shared.device.post("/inject", fault=fault, count=2)
        until(lambda: not shared.device.get("/state")["faults"], "the wire recovers")
    assert shared.view()["state"] == "running"
    shared.api.post("/api/stop")
    outcome = to_the_end(shared)
    assert (outcome["end"], outcome["doubts"]) == ("stopped", [])


def test_a_bad_wire_from_start_to_end(shared: Bench) -> None:
    """A whole dose over a wire that spoils every kind of answer is complete, and its volume is true."""
    shared.begin()
    shared.pace(BRISK)
    for fault in WIRE:
        shared.device.post("/inject", fault=fault, count=1)
    assert to_the_end(shared)["end"] == "complete"


@pytest.mark.req("S23")
@pytest.mark.parametrize(("fault", "ms"), [("brownout", 0), ("hang", 300), ("hang", 900)])
def test_the_device_restarts(bench: Bench, fault: str, ms: int) -> None:
    """A device that restarts in mid-dose stays OFF; the dose is UNCERTAIN up to the whole charge, and alarmed."""
    bench.begin()
    bench.device.post("/inject", fault=fault, ms=ms)
    view = bench.until_state("residual", "paused")
    assert "device-restarted" in [alarm["condition"] for alarm in view["alarms"]]
    outcome = to_the_end(bench)
    assert (outcome["end"], outcome["high_nl"]) == ("uncertain", CHARGED_HIGH_NL)
    assert len(bench.of_session(outcome["session"], "start", "resume")) == 1


def test_the_device_restarts_at_rest(shared: Bench) -> None:
    """A device that restarted at the review is tested anew, and its dose is then given as any other."""
    auth = shared.make_ready()
    shared.device.post("/inject", fault="brownout")
    shared.until_state("charged")
    until(lambda: shared.view()["device"], "the nebulizer is known again")
    assert shared.api.post("/api/self-test")["state"] == "ready"
    assert shared.api.post("/api/start", auth=auth)["state"] == "running"
    shared.api.post("/api/stop")
    assert to_the_end(shared)["end"] == "stopped"


@pytest.mark.parametrize(("fault", "ms"), [("mute", 700), ("mute", 3000)])
def test_the_device_is_silent(shared: Bench, fault: str, ms: int) -> None:
    """A short silence is waited out; after a long one the device is off by itself, and nothing resumes."""
    shared.begin()
    shared.device.post("/inject", fault=fault, ms=ms)
    until(lambda: not shared.device.get("/state")["faults"], "the device speaks again")
    if ms < 2000:
        shared.pace(BRISK)
        assert to_the_end(shared)["end"] == "complete"
        return
    shared.until_state("paused", "residual")
    assert shared.truth()["end"] in {"BEAT", "STOP"}
    assert to_the_end(shared)["end"] != "complete"


@pytest.mark.req("S26")
def test_the_device_does_not_stop(shared: Bench) -> None:
    """A device that ignores STOP raises a high alarm within a second, is told again and again, and is found OFF."""
    shared.begin()
    shared.device.post("/inject", fault="stuck_on", count=25)
    began = time.monotonic()
    shared.api.post("/api/stop")

    def alarmed() -> list[str]:
        return [alarm["priority"] for alarm in shared.view()["alarms"] if alarm["condition"] == "cannot-stop"]

    assert until(alarmed, "the alarm that the device cannot be stopped") == ["high"]
    assert time.monotonic() - began < 1.5
    assert shared.truth()["output"] != "OFF", "the alarm came while the device still ran"
    outcome = to_the_end(shared)
    assert outcome["end"] == "stopped"


@pytest.mark.parametrize("fault", ["no_cup", "lost_resonance", "hardware"])
def test_the_device_finds_a_fault(bench: Bench, fault: str) -> None:
    """A fault that the device latches in mid-dose turns it off; the dose is told as far as it went."""
    # A unit of its own: three alarms with a stop and a start between lock one out (S25).
    bench.begin()
    bench.device.post("/inject", fault=fault)
    outcome = to_the_end(bench)
    assert outcome["end"] in {"stopped", "partial", "uncertain"}


@pytest.mark.req("S18")
def test_the_answer_to_start_is_lost(make_bench: Callable[..., Bench]) -> None:
    """A START whose answer is lost is asked about and never sent again: one run, which is known to be on."""
    with tapped_bench(make_bench, _without_start_answers) as bench:
        bench.begin()
        assert bench.truth()["output"] != "OFF"
        bench.api.post("/api/stop")
        assert to_the_end(bench)["end"] == "stopped"
        assert len(bench.records("start")) == 1


def test_nothing_is_heard_after_start(make_bench: Callable[..., Bench]) -> None:
    """When START and all after it stay unanswered, the unit asks for OFF, and the dose is UNCERTAIN, never repeated."""
    deaf = False

    def hears(payload: str) -> str | None:
        nonlocal deaf
        deaf = deaf or ",START," in payload
        return None if deaf else payload

    with tapped_bench(make_bench, hears) as bench:
        auth = bench.make_ready()
        with_answer = bench.api.post("/api/start", auth=auth)
        assert with_answer["state"] in {"starting", "stopping", "lost"}
        until(lambda: bench.truth()["output"] == "OFF", "the device is off")
        bench.until_state("stopping", "lost", "residual")
        with pytest.raises(Answer, match="busy"):
            bench.scan("MEX-002")
        bench.unit.stop(timeout_s=10)
        deaf = False
        bench.start_unit()
        (outcome,) = bench.records("dose")
        assert outcome["end"] == "uncertain"
        assert outcome["low_nl"] <= bench.emitted_nl() <= outcome["high_nl"]


def _without_start_answers(payload: str) -> str | None:
    return None if ",START," in payload else payload


@contextmanager
def tapped_bench(make_bench: Callable[..., Bench], answer: Callable[[str], str | None]) -> Iterator[Bench]:
    """Start a bench with a tap on the wire between unit and device."""
    bench = make_bench(subjects=2, tcp=True)
    bench.simulator.start()
    with tapped(bench.simulator.ready.split(" ")[0], answer) as url:
        bench.amend('port = "nebulizer"', f'port = "{url}"')
        yield bench.start_unit()
        bench.unit.stop()
