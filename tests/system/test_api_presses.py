"""The presses of a dose as the API takes and refuses them: each no has its code and its sentence."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import BRISK, Bench, kit_of
from nebctl_lab.codes import cup_code, scans
from nebctl_lab.demo.site import THERAPIST

pytestmark = pytest.mark.timeout(60)
DAY_S = 24 * 3600


def ask(bench: Bench, path: str, body: Any = None, *, method: str = "POST", **headers: str) -> tuple[int, Any]:
    """Send a request as it stands, with the right token and a therapist signed in, unless another token is given."""
    token = (bench.folder / "api.token").read_text("ascii")
    sent = {"authorization": f"Bearer {token}", **headers}
    if "authorization" not in headers:
        sent["nebctl-session"] = bench.api.sign_in(THERAPIST[0])
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    with closing(HTTPConnection(bench.unit.ready.removeprefix("http://"), timeout=10)) as connection:
        connection.request(method, path, data, {name: value for name, value in sent.items() if value})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def refused(code: str) -> Any:
    """Expect an answer with this code and a sentence that a person can act on."""
    return pytest.raises(Answer, match=rf"^409 {code}: .{{12,}}\.$")


@pytest.mark.parametrize("headers", [{"authorization": ""}, {"authorization": "Bearer wrong"}])
def test_a_token_is_asked_for(shared: Bench, headers: dict[str, str]) -> None:
    """Without the right token nothing is shown and nothing is done: 401 with a sentence."""
    for method, path in (("GET", "/api/state"), ("GET", "/api/events"), ("POST", "/api/scan"), ("POST", "/api/start")):
        status, answer = ask(shared, path, {}, method=method, **headers)
        assert status == 401
        assert answer["sentence"]
    assert shared.view()["state"] == "idle"


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}], ids=str
)
def test_another_site_is_refused(shared: Bench, headers: dict[str, str]) -> None:
    """Another Host or Origin is refused with 403 even with the token, as a page of another site would send them."""
    for path in ("/api/scan", "/api/stop"):
        status, answer = ask(shared, path, {}, **headers)
        assert status == 403
        assert answer["sentence"]


def test_stop_needs_no_token(shared: Bench) -> None:
    """STOP alone is for everybody: without a token it turns a running dose off."""
    shared.begin()
    assert ask(shared, "/api/stop", authorization="")[0] == 200
    shared.until_state("residual")
    assert shared.truth()["output"] == "OFF"


CHARGE = {"cup": cup_code(), "vial_emptied": True, "method": "declared", "volume": "3 mL"}


@pytest.mark.req("S06")
@pytest.mark.parametrize(
    "change",
    [
        {"volume": "3"},
        {"volume": 3},
        {"volume": "3,0 mL"},
        {"volume": "-3 mL"},
        {"volume": "NaN mL"},
        {"volume": "inf mL"},
        {"volume": "3 l"},
        {"volume": "2.0*10E8 mL"},
        {"method": "weighed"},
        {"low": "3.1 mL"},
        {"high": "1 mL"},
        {"vial_emptied": "yes"},
        {"vial_emptied": 1},
        {"cup": ""},
        {"cup": "C" * 401},
        {"dose": 2},
    ],
    ids=str,
)
def test_a_charge_must_be_said_rightly(shared: Bench, change: dict[str, Any]) -> None:
    """A volume without unit, with a comma, out of order or with an unknown member is refused with 400."""
    shared.scan()
    status, answer = ask(shared, "/api/charge", {**CHARGE, **change})
    assert status == 400
    assert len(answer["sentence"]) > 12
    assert shared.view()["state"] == "authorised"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"operator": NaN}', b" " * 20_000])
def test_a_body_must_be_right(shared: Bench, body: bytes) -> None:
    """What is no JSON object, or far too long, is refused with 400 and a sentence."""
    status, answer = ask(shared, "/api/scan", body)
    assert status == 400
    assert len(answer["sentence"]) > 12


def test_the_events_come_all_the_time(shared: Bench) -> None:
    """The event stream says so at least once a second even when nothing happens, and at once when something does."""
    with closing(shared.listen()) as events:
        next(events)
        began = time.monotonic()
        for _ in range(4):
            assert next(events)["state"] == "idle"
        assert time.monotonic() - began < 4
        shared.scan()
        assert any(view["state"] == "authorised" for view in _some(events, 3))


def _some(events: Iterator[Any], count: int) -> Iterator[Any]:
    return (next(events) for _ in range(count))


def test_every_press_has_its_time(shared: Bench) -> None:
    """Presses that have no place now are refused with the session's state, and change nothing."""
    for path, body in (
        ("/api/start", {"auth": "00000000"}),
        ("/api/pause", {"reason": "cough"}),
        ("/api/resume", {"operator": THERAPIST[0]}),
        ("/api/abandon", {"operator": THERAPIST[0]}),
        ("/api/residual", {"operator": THERAPIST[0], "refused": "spilled"}),
        ("/api/charge", CHARGE),
        ("/api/self-test", {}),
        ("/api/leave", {}),
    ):
        status, answer = ask(shared, path, body)
        assert (path, status) == (path, 409)
        assert answer["sentence"] == "That cannot be done now: the session is idle."
    assert shared.view()["state"] == "idle"


def test_a_self_test_does_not_touch_a_running_dose(shared: Bench) -> None:
    """The self-test, whose STOP is real, is refused while a dose runs, and the dose runs on."""
    shared.begin()
    with refused("not-now"):
        shared.api.post("/api/self-test")
    on_ms = shared.truth()["on_ms"]
    shared.pace(BRISK)
    view = shared.until_state("residual")
    assert view["on_ms"] > on_ms
    assert shared.of_session(view["review"]["session"], "pause") == []


@pytest.mark.req("S45")
def test_twenty_taps_are_one_start(shared: Bench) -> None:
    """Twenty presses of START at once make one start; the others are told that it runs."""
    auth = shared.make_ready()
    with ThreadPoolExecutor(20) as taps:
        answers = list(taps.map(lambda _: ask(shared, "/api/start", {"auth": auth}), range(20)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 19
    view = shared.until_state("running")
    assert len(shared.of_session(view["review"]["session"], "start")) == 1
    shared.api.post("/api/stop")


def test_another_review_is_not_started(shared: Bench) -> None:
    """START for another authorisation than the one under review is refused."""
    shared.make_ready()
    with refused("other-review"):
        shared.api.post("/api/start", auth="deadbeef")
    assert shared.view()["state"] == "ready"


@pytest.mark.req("S51")
def test_a_busy_unit_names_its_subject(shared: Bench) -> None:
    """A second session is refused as busy with the subject of the first."""
    shared.scan()
    with pytest.raises(Answer, match=f"^409 busy: This unit is busy with {shared.subject}"):
        shared.scan(shared.subjects[-1])


def test_the_wrong_kit_person_or_subject(shared: Bench) -> None:
    """Another subject's kit, an unknown kit, another day's kit, an unknown operator and subject: each has its code."""
    other = shared.subjects[-1]
    with refused("kit-other-subject"):
        shared.scan(kit=kit_of(other, 1))
    with refused("kit-serial"):
        shared.scan(kit="KIT-9999")
    with refused("kit-other-day"):
        shared.scan(day=2)
    with refused("identifier-unknown"):
        shared.scan("MEX-999")
    with refused("operator-unknown"):
        shared.api.post("/api/scan", operator="RT-99", **scans(shared.subject, kit_of(shared.subject, 1)))
    codes = [record["code"] for record in shared.records("refusal")][-5:]
    assert codes == ["kit-other-subject", "kit-serial", "kit-other-day", "identifier-unknown", "operator-unknown"]


def test_an_overfilled_cup_is_refused_before_its_kit_is_spent(shared: Bench) -> None:
    """A cup that may hold more than the day's limit is refused when it is weighed; nothing is recorded of it."""
    shared.scan()
    with refused("cup-too-full"):
        shared.charge(3_300_000)
    view = shared.view()
    assert view["state"] == "authorised"
    types = [record["typ"] for record in shared.of_session(view["review"]["session"])]
    assert types == ["identification", "authorisation"]
    shared.api.post("/api/stop")


@pytest.mark.parametrize(
    ("volume", "low", "high", "code"),
    [
        ("0 mL", "0 mL", "0 mL", "cup-too-empty"),
        ("0.000001 mL", "0 mL", "0.1 mL", "cup-too-empty"),
        ("3 mL", "0 mL", "3.1 mL", "cup-too-empty"),
        ("3 mL", "3 mL", "3 mL", "charge-interval"),
        ("2 mL", "1 mL", "3 mL", "charge-interval"),
        ("30 mL", "28.5 mL", "30.6 mL", "charge-too-large"),
    ],
)
def test_a_charge_that_cannot_be_is_refused(shared: Bench, volume: str, low: str, high: str, code: str) -> None:
    """A cup of nothing, and an interval that says nothing, are refused before anything is recorded of them."""
    shared.scan()
    with refused(code):
        shared.api.post(
            "/api/charge", cup=cup_code(), vial_emptied=True, method="weighed", volume=volume, low=low, high=high
        )
    assert shared.view()["state"] == "authorised"
    shared.api.post("/api/stop")


@pytest.mark.req("S06")
def test_what_cannot_be_left_or_added_is_a_slip(shared: Bench) -> None:
    """A residual above the charge, one whose interval says nothing, and a cup that was filled tenfold: given again."""
    shared.begin(on_ms=5_000)
    shared.api.post("/api/stop")
    shared.until_state("residual")
    left = {"volume": "1 mL", "low": "0.95 mL", "high": "1.05 mL"}
    wrong: tuple[tuple[str, dict[str, Any]], ...] = (
        ("residual-too-large", {"measured": {"volume": "9 mL", "low": "8 mL", "high": "10 mL"}}),
        ("residual-interval", {"measured": {"volume": "1 mL", "low": "0 mL", "high": "9999 mL"}}),
        ("residual-interval", {"measured": {"volume": "1 mL", "low": "1 mL", "high": "1 mL"}}),
        ("added-nothing", {"measured": left, "added": {"volume": "0 mL"}}),
        ("added-too-large", {"measured": left, "added": {"volume": "50 mL"}}),
        ("added-too-large", {"refused": "The cup fell.", "added": {"volume": "50 mL"}}),
    )
    for code, said in wrong:
        with refused(code):
            shared.api.post("/api/residual", operator=THERAPIST[0], method="weighed", **said)
    assert shared.view()["state"] == "residual"
    shared.settle()
    shared.turn_to_next()


@pytest.mark.req("S02")
def test_no_second_dose_on_one_day(shared: Bench) -> None:
    """After a dose that was stopped, its kit is refused the same day, and so is the next day's kit."""
    shared.begin()
    shared.api.post("/api/stop")
    shared.until_state("residual")
    shared.measure()
    shared.api.post("/api/leave")
    with refused("kit-opened"):
        shared.scan()
    with refused("kit-other-day"):
        shared.scan(day=2)


def test_an_authorisation_lasts_ten_minutes(shared: Bench) -> None:
    """A review that nobody started for ten minutes ends as an abort, and START finds nothing."""
    auth = shared.make_ready()
    shared.skip(601)
    shared.until_state("idle")
    with refused("not-now"):
        shared.api.post("/api/start", auth=auth)
    assert shared.records("abort")[-1]["reason"] == "authorisation expired"


def test_a_dose_is_signed(shared: Bench) -> None:
    """A signature needs a dose record and a known person, names that record, and ends the session."""
    shared.begin()
    shared.api.post("/api/stop")
    shared.until_state("residual")
    outcome = shared.measure()
    with refused("operator-unknown"):
        shared.api.post("/api/sign", operator="RT-99", meaning="I gave this dose and observed the subject.")
    view = shared.api.post("/api/sign", operator=THERAPIST[0], meaning="I gave this dose and observed the subject.")
    assert view["state"] == "idle"
    (signature,) = shared.of_session(outcome["session"], "signature")
    assert (signature["ref_seq"], signature["ref_leaf"]) == (outcome["seq"], outcome["leaf"])
    assert signature["printed"] == THERAPIST[1]


def test_pause_and_resume(shared: Bench) -> None:
    """A pause turns the output off, a resume goes on with the same run, and the outcome counts both parts."""
    shared.begin()
    shared.api.post("/api/pause", reason="cough")
    view = shared.until_state("paused")
    assert shared.truth()["output"] == "OFF"
    assert shared.api.post("/api/resume", operator=THERAPIST[0])["state"] == "running"
    shared.pace(BRISK)
    shared.until_state("residual")
    shared.pace(1)
    truth = shared.emitted_nl()
    outcome = shared.measure()
    assert outcome["end"] == "complete"
    assert outcome["low_nl"] <= truth <= outcome["high_nl"]
    typs = [record["typ"] for record in shared.of_session(view["review"]["session"])]
    assert [typ for typ in typs if typ in {"start", "pause", "resume", "dose"}] == ["start", "pause", "resume", "dose"]


@pytest.mark.req("S04")
@pytest.mark.req("S52")
def test_days_and_midnight(bench: Bench) -> None:
    """A review from before midnight is not started after it, and doses are given on their days alone."""
    bench.skip(14 * 3600 + 55 * 60)  # 23:55 at the site
    auth = bench.make_ready("MEX-001")
    bench.skip(6 * 60)
    with refused("day-changed"):
        bench.api.post("/api/start", auth=auth)
    bench.settle()
    bench.begin("MEX-002")
    bench.settle()
    bench.skip(10 * 3600)
    with refused("kit-other-day"):
        bench.scan("MEX-002", 2)
    bench.skip(14 * 3600)
    assert bench.scan("MEX-002", 2)["state"] == "authorised"
    bench.settle()
    bench.skip(4 * DAY_S)
    with refused("wrong-day"):
        bench.scan("MEX-002", 2)
    with refused("worklist-expired"):
        bench.skip(30 * DAY_S)
        bench.scan("MEX-003")


@pytest.mark.req("S04")
def test_the_interval_between_two_days(bench: Bench) -> None:
    """A dose in the evening and the next in the early morning are too near, and the wait is told."""
    bench.skip(14 * 3600)  # 23:00 at the site
    bench.begin()
    bench.settle()
    bench.skip(3 * 3600)
    with pytest.raises(Answer, match=r"too-soon: The last dose began too recently. Wait 1[67] h \d+ min\."):
        bench.scan(day=2)


@pytest.mark.req("S02")
def test_a_dose_elsewhere_counts_as_given(bench: Bench) -> None:
    """A dose that may have been given on another unit is not given here."""
    bench.unit.stop()
    bench.put_worklist(version=2, elsewhere=("MEX-002",))
    bench.start_unit()
    with refused("dose-given"):
        bench.scan("MEX-002")
    assert bench.scan("MEX-003")["state"] == "authorised"
