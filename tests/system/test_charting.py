"""Charting through the API: each observation is a signed record, private but for its moment, and holds a start back."""

from typing import Any

import pytest

from nebctl.core.charting import Moment
from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import Bench
from nebctl_lab.demo.site import THERAPIST

pytestmark = pytest.mark.timeout(60)
VITAL = {"heart_rate_bpm": 92, "resp_rate_per_min": 22, "spo2_percent": 94}
CIRCUIT = {"placement": "before-humidifier", "expiratory_filter": True, "bias_flow_ml_per_min": 2000}


def chart(bench: Bench, moment: Moment, **seen: Any) -> dict[str, Any]:
    """Chart something and return what the page then shows of it."""
    shown = bench.api.post("/api/chart", operator=THERAPIST[0], moment=moment.value, **seen)
    return dict(shown["charted"])


def refused(code: str) -> Any:
    """Expect a refusal with this code and a sentence that a person can act on."""
    return pytest.raises(Answer, match=rf"^409 {code}: .{{12,}}\.$")


def test_a_dose_is_charted_before_during_and_after(shared: Bench, schemas: Any) -> None:
    """Five moments of a dose are five records of its session; who, what and how are private, moment and reason not."""
    auth = shared.make_ready()
    assert chart(shared, Moment.PRE, interface="mask", breath_sounds="wheeze", **VITAL)["interface"] == "mask"
    with refused("chart-moment"):
        chart(shared, Moment.MID, tolerance="good")
    shared.api.post("/api/start", auth=auth)
    shared.until_state("running")
    chart(shared, Moment.MID, tolerance="cough", spo2_percent=93)
    shared.api.post("/api/pause", reason="asked by the therapist")
    shared.until_state("paused")
    chart(shared, Moment.PAUSE, reason="cough", text="Two minutes.")
    shared.api.post("/api/stop")
    shared.until_state("residual")
    chart(shared, Moment.STOP, reason="asked")
    shared.refuse_residual()
    assert chart(shared, Moment.POST, **VITAL)["moments"] == ["pre", "mid", "post", "pause", "stop"]
    written = shared.records("chart")[-5:]
    assert [(one["moment"], one.get("reason")) for one in written] == [
        ("pre", None),
        ("mid", None),
        ("pause", "cough"),
        ("stop", "asked"),
        ("post", None),
    ]
    assert len({one["session"] for one in written}) == 1
    assert written[0]["operator"] == THERAPIST[0]
    assert written[0]["heart_rate_bpm"] == 92
    public = {name: value for name, value in written[0].items() if name not in schemas_private(schemas)}
    assert schemas.faults(public) == []


def schemas_private(schemas: Any) -> set[str]:
    """Return the members of a chart that are private."""
    return set(schemas.texts["chart"]["$defs"]["private"]["properties"])


def test_an_in_line_start_waits_for_its_circuit(shared: Bench) -> None:
    """In-line, a start is refused until humidifier or HME are charted as out; after that it starts."""
    auth = shared.make_ready()
    chart(shared, Moment.PRE, interface="in-line", humidifier_removed=False, **CIRCUIT)
    with refused("in-line-humidifier"):
        shared.api.post("/api/start", auth=auth)
    chart(shared, Moment.PRE, heart_rate_bpm=80)
    with refused("in-line-humidifier"):  # what is charted later of something else takes nothing back
        shared.api.post("/api/start", auth=auth)
    assert shared.view()["state"] == "ready"
    assert chart(shared, Moment.PRE, interface="in-line", humidifier_removed=True, **CIRCUIT)["humidifier_removed"]
    shared.api.post("/api/start", auth=auth)
    shared.until_state("running")


def test_what_cannot_be_is_not_recorded(shared: Bench) -> None:
    """A heart rate of 900, an unknown word and an empty observation leave no record, and each has its sentence."""
    shared.make_ready()
    before = len(shared.records("chart"))
    with refused("chart-value"):
        chart(shared, Moment.PRE, heart_rate_bpm=900)
    with refused("chart-empty"):
        chart(shared, Moment.PRE)
    with pytest.raises(Answer, match="400 body: breath_sounds: 'loud' is not one of clear, wheeze"):
        chart(shared, Moment.PRE, breath_sounds="loud")
    assert len(shared.records("chart")) == before


def test_an_adverse_event_is_a_private_record(shared: Bench) -> None:
    """An event of a known subject is recorded; one of a stranger, or of a day that lies ahead, is not."""
    event = {"grade": "2", "relation": "possible", "action": "none", "text": "Coughed for two minutes."}
    today = shared.view()["local"]["date"]
    shared.api.post("/api/adverse", operator=THERAPIST[0], subject="MEX-001", onset=today, **event)
    for subject, onset, code in (("MEX-999", today, "adverse-subject"), ("MEX-001", "2199-01-01", "adverse-ahead")):
        with refused(code):
            shared.api.post("/api/adverse", operator=THERAPIST[0], subject=subject, onset=onset, **event)
    [record] = shared.records("adverse")
    assert {name: record[name] for name in ("subject", "onset", "operator")} == {
        "subject": "MEX-001",
        "onset": today,
        "operator": THERAPIST[0],
    }
