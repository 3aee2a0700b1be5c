"""The cable comes out in mid-dose: an alarm, an uncertain dose between its bounds, and nothing that resumes."""

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import CHARGED_HIGH_NL, Bench, until
from nebctl_lab.demo.site import THERAPIST

pytestmark = pytest.mark.timeout(60)


def pull(bench: Bench, ms: int) -> None:
    """Take the cable out for `ms` of real time, and wait until the unit has noticed."""
    bench.device.post("/inject", fault="unplug", ms=ms)
    view = bench.until_state("lost", "residual")
    alarms = {alarm["condition"]: alarm for alarm in view["alarms"]}
    assert alarms["link-lost"]["priority"] == "high"


@pytest.mark.req("S16")
@pytest.mark.req("S23")
def test_unplugged_and_plugged_in_again(bench: Bench) -> None:
    """Plugged in again, the device is found OFF and stays so; the dose is UNCERTAIN between tracked and charged."""
    session = bench.begin(poured_nl=3_000_000)
    pull(bench, 1500)
    bench.until_state("residual")
    assert bench.truth()["output"] == "OFF"
    truth, on_ms = bench.emitted_nl(), bench.truth()["on_ms"]
    outcome = bench.measure()
    assert (outcome["session"], outcome["end"], outcome["verdict"]) == (session, "uncertain", "UNCERTAIN")
    assert outcome["low_nl"] <= truth <= outcome["high_nl"] == 3_020_000
    assert "the link was lost in mid-dose" in outcome["doubts"]
    bench.api.post("/api/leave")
    assert (bench.truth()["output"], bench.truth()["on_ms"]) == ("OFF", on_ms)
    assert [record["typ"] for record in bench.records("start", "resume", "dose")] == ["start", "dose"]
    assert "link-lost" in [record["condition"] for record in bench.records("alarm")]


def test_unplugged_for_good(bench: Bench) -> None:
    """A person who switched the device off by hand abandons the dose; the unit then waits for its nebulizer."""
    bench.begin()
    pull(bench, 600_000)
    until(lambda: bench.view()["emitted"] is None, "a volume that nobody measures any more is not shown")
    with pytest.raises(Answer, match="operator-unknown"):
        bench.api.post("/api/abandon", operator="NOBODY")
    bench.api.post("/api/abandon", operator=THERAPIST[0])
    assert bench.until_state("residual")["state"] == "residual"
    outcome = bench.refuse_residual()
    assert outcome["end"] == "uncertain"
    assert {"uncertain-end", "residual-refused"} <= set(outcome["deviations"])
    assert outcome["low_nl"] <= bench.emitted_nl() <= outcome["high_nl"] == CHARGED_HIGH_NL
    bench.api.post("/api/leave")
    with pytest.raises(Answer, match="no-device"):
        bench.scan("MEX-002")
    bench.device.post("/clear")
    until(lambda: bench.view()["device"], "the nebulizer is found again")
    assert bench.truth()["output"] == "OFF"
    assert bench.scan("MEX-002")["state"] == "authorised"


def test_stop_is_pressed_while_unplugged(bench: Bench) -> None:
    """STOP on a wire that is gone answers at once, keeps the session lost, and changes nothing of the outcome."""
    bench.begin()
    pull(bench, 1500)
    assert bench.api.post("/api/stop")["state"] in {"lost", "residual"}
    bench.until_state("residual")
    truth = bench.emitted_nl()
    outcome = bench.measure()
    assert outcome["end"] == "uncertain"
    assert outcome["low_nl"] <= truth <= outcome["high_nl"]


def test_unplugged_before_the_start(bench: Bench) -> None:
    """Unplugged at the review, START is refused until the self-test has passed anew."""
    auth = bench.make_ready()
    bench.device.post("/inject", fault="unplug", ms=400)
    bench.until_state("charged")
    with pytest.raises(Answer):
        bench.api.post("/api/start", auth=auth)
    until(lambda: bench.view()["device"], "the nebulizer is found again")
    assert bench.api.post("/api/self-test")["state"] == "ready"
    assert bench.api.post("/api/start", auth=auth)["state"] == "running"
    bench.api.post("/api/stop")
    bench.until_state("residual")
