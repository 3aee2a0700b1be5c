"""A unit that ends in mid-dose, asked to or not: the output goes off, and the log says what is known."""

import contextlib
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import BRISK, Bench, kit_of, until

pytestmark = pytest.mark.timeout(60)
GENEROUS_S = 4.0


def off(bench: Bench) -> bool:
    """Return whether the output is really off."""
    return bool(bench.truth()["output"] == "OFF")


def only_outcome(bench: Bench) -> dict[str, Any]:
    """Return the dose record, of which there must be exactly one."""
    (outcome,) = bench.records("dose")
    return outcome


def verified(bench: Bench, nebctl: Callable[..., Any]) -> bool:
    """Return whether the whole ledger holds."""
    done = nebctl("ledger", "verify", bench.folder / "unit.db", "--trust", bench.site.trust)
    return bool(done.returncode == 0)


@pytest.mark.req("S23")
def test_asked_to_end_in_mid_dose(bench: Bench, nebctl: Callable[..., Any]) -> None:
    """SIGTERM turns the output off by STOP, records the dose as stopped, and ends with 0 within the time given."""
    bench.begin()
    began = time.monotonic()
    assert bench.unit.stop(timeout_s=10) == 0
    assert time.monotonic() - began < GENEROUS_S
    truth = bench.truth()
    assert (truth["output"], truth["end"]) == ("OFF", "STOP")
    outcome = only_outcome(bench)
    assert outcome["end"] == "stopped"
    assert outcome["low_nl"] <= bench.emitted_nl() <= outcome["high_nl"]
    assert [record["refused"] for record in bench.records("residual")] == [True]
    assert verified(bench, nebctl)


def test_asked_to_end_with_a_page_open(bench: Bench) -> None:
    """A page that listens to the events does not hold the unit up, and neither does a session before its start."""
    bench.make_ready()
    with contextlib.closing(bench.listen()) as events:
        next(events)
        began = time.monotonic()
        assert bench.unit.stop(timeout_s=10) == 0
        assert time.monotonic() - began < GENEROUS_S
    assert bench.records("abort")
    assert bench.records("dose", "start") == []


@pytest.mark.parametrize("fault", ["mute", "unplug"])
def test_asked_to_end_without_an_answer(bench: Bench, fault: str) -> None:
    """A nebulizer that does not answer holds nothing up: it goes off by itself, and the next start tells the dose."""
    bench.begin()
    bench.device.post("/inject", fault=fault, ms=60_000)
    until(lambda: fault == "mute" or not bench.plug.is_symlink(), "the cable is out")
    began = time.monotonic()
    assert bench.unit.stop(timeout_s=10) == 0
    assert time.monotonic() - began < GENEROUS_S
    until(lambda: off(bench), "the device's own watchdog")
    truth = bench.emitted_nl()
    bench.device.post("/clear")
    bench.start_unit()
    outcome = only_outcome(bench)
    assert outcome["end"] == "uncertain"
    assert outcome["low_nl"] <= truth <= outcome["high_nl"]


@pytest.mark.req("S02")
@pytest.mark.req("S16")
@pytest.mark.req("S22")
@pytest.mark.req("S23")
@pytest.mark.req("S36")
def test_killed_in_mid_dose(bench: Bench, nebctl: Callable[..., Any]) -> None:
    """Killed, the device goes off by its own watchdog; restarted, the dose is UNCERTAIN and cannot be given again."""
    bench.begin(poured_nl=3_000_000)
    bench.pace(20)
    until(lambda: bench.view()["on_ms"] >= 90_000, "a second and more, after which rows of the trace are on disk")
    bench.pace(1)
    bench.unit.kill()
    began = time.monotonic()
    until(lambda: off(bench), "the device's own watchdog", GENEROUS_S)
    assert time.monotonic() - began < GENEROUS_S
    assert bench.truth()["end"] in {"BEAT", "HOST"}
    truth, on_ms = bench.emitted_nl(), bench.truth()["on_ms"]
    bench.put_worklist(version=2, again="R")
    bench.start_unit()
    outcome = only_outcome(bench)
    assert (outcome["end"], outcome["verdict"]) == ("uncertain", "UNCERTAIN")
    assert outcome["high_nl"] == outcome["charge"]["high_nl"] == 3_020_000
    assert 0 < outcome["low_nl"] <= truth <= outcome["high_nl"]
    assert outcome["best_nl"] > 0, "the rows that were on disk are counted"
    with pytest.raises(Answer, match="dose-given"):
        bench.scan(kit=kit_of("MEX-001", 1) + "R")
    assert bench.view()["state"] == "idle"
    assert (bench.truth()["output"], bench.truth()["on_ms"]) == ("OFF", on_ms)
    assert verified(bench, nebctl), "the trace is kept under its hash"


@pytest.mark.req("S10")
@pytest.mark.req("S36")
@pytest.mark.parametrize("phase", ["authorised", "charged", "residual", "signing"])
def test_killed_in_another_phase(make_bench: Callable[..., Bench], phase: str, nebctl: Callable[..., Any]) -> None:
    """A kill leaves no phantom: an abort before the start, UNCERTAIN before the residual, what was settled after."""
    bench = make_bench(subjects=3, calibrated=phase == "signing").start()
    _bring_to(bench, phase)
    before = [record["seq"] for record in bench.records()]
    bench.unit.kill()
    bench.start_unit()
    records = bench.records()
    assert [record["seq"] for record in records][: len(before)] == before
    outcomes = [(record["typ"], record.get("end")) for record in records if record["typ"] in {"dose", "abort"}]
    expected = {"residual": ("dose", "uncertain"), "signing": ("dose", "complete")}
    assert outcomes == [expected.get(phase, ("abort", None))]
    assert bench.view()["state"] == "idle"
    if phase == "authorised":
        assert bench.scan()["state"] == "authorised"
    else:
        with pytest.raises(Answer, match="kit-opened"):
            bench.scan()
    assert verified(bench, nebctl)


def _bring_to(bench: Bench, phase: str) -> None:
    if phase == "authorised":
        bench.pace(1)
        bench.scan()
    elif phase == "charged":
        bench.make_ready()
    else:
        bench.begin()
        bench.pace(BRISK)
        bench.until_state("residual")
        bench.pace(1)
        if phase == "signing":
            assert bench.measure()["end"] == "complete"


def test_the_host_hangs(bench: Bench) -> None:
    """A daemon that hangs in mid-dose loses the device, which goes off by itself; the outcome is true."""
    bench.begin()
    bench.unit.send(signal.SIGSTOP)
    until(lambda: off(bench), "the device's own watchdog", GENEROUS_S)
    assert bench.truth()["end"] == "BEAT"
    bench.unit.send(signal.SIGCONT)
    view = bench.until_state("paused", "residual")
    assert view["alarms"]
    if view["state"] == "paused":
        bench.api.post("/api/stop")
        bench.until_state("residual")
    truth = bench.emitted_nl()
    outcome = bench.measure()
    assert outcome["end"] != "complete"
    assert outcome["low_nl"] <= truth <= outcome["high_nl"]
