"""Who may ask the unit for what: the page's cookie, the machine's token, other pages, and nobody."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from nebctl.bedside.logins import Logins
from nebctl_lab.codes import scans
from nebctl_lab.people import PIN

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def client(ward: Any) -> Iterator[httpx.Client]:
    """Give an HTTP client that keeps cookies, as a browser does."""
    with httpx.Client(base_url=ward.address, timeout=5) as opened:
        yield opened


IDLE_S = 900


def log_in(client: httpx.Client, operator: str = "RT-07", pin: str = PIN, **headers: str) -> httpx.Response:
    """Ask for a login as the page does."""
    own = {"origin": str(client.base_url).rstrip("/")}
    return client.post("/api/login", json={"operator": operator, "pin": pin}, headers=own | headers)


def test_a_login_is_a_cookie_that_scripts_cannot_read(client: httpx.Client, ward: Any) -> None:
    """A login gives a cookie for this unit alone, HttpOnly and SameSite=Strict; an unknown badge gives none."""
    refused = log_in(client, "RT-99")
    assert (refused.status_code, refused.json()["code"]) == (409, "operator-unknown")
    assert "set-cookie" not in refused.headers
    cookie = log_in(client).headers["set-cookie"]
    assert cookie.startswith("nebctl-neb-0001=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert client.get("/api/state").status_code == 200
    client.post("/api/logout", headers={"origin": ward.address})
    assert client.get("/api/state").status_code == 401


def test_only_the_unit_s_own_page_presses_by_cookie(client: httpx.Client, ward: Any) -> None:
    """By cookie, a press without an Origin, or with another page's, is refused; the unit's own page passes."""
    log_in(client)
    own = ward.address
    other = "http://localhost:" + own.rpartition(":")[2]
    for origin in ({}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"}, {"origin": other}):
        answer = client.post("/api/leave", headers=origin)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin"), origin
    assert client.post("/api/leave", headers={"origin": own}).json()["code"] == "not-now"
    assert log_in(client, origin="http://127.0.0.1:1").status_code == 403


def test_a_person_answers_for_herself_alone(client: httpx.Client, ward: Any) -> None:
    """Who is logged in presses and refuses a residual in no other name; a script signs its person in as well."""
    log_in(client)
    own = {"origin": ward.address}
    bodies = {
        "scan": {"operator": "PH-01", **scans("MEX-001", "KIT-0401")},
        "resume": {"operator": "PH-01"},
        "abandon": {"operator": "PH-01"},
        "residual": {"operator": "PH-01", "refused": "no syringe"},
    }
    answers = {name: client.post(f"/api/{name}", json=body, headers=own).json() for name, body in bodies.items()}
    assert {name: answer["code"] for name, answer in answers.items()} == dict.fromkeys(bodies, "operator-other")
    by_script = {"authorization": f"Bearer {(ward.site.unit('neb-0001') / 'api.token').read_text('ascii')}"}
    body = {"operator": "RT-07"}
    assert httpx.post(f"{ward.address}/api/resume", json=body, headers=by_script).status_code == 401
    by_script["nebctl-session"] = ward.machine.sign_in("RT-07")
    assert httpx.post(f"{ward.address}/api/resume", json=body, headers=by_script).json()["code"] == "not-now"


@pytest.mark.req("S21")
def test_nobody_sees_no_subject_but_may_stop(client: httpx.Client) -> None:
    """With nobody logged in the page's stream has clock, device and alarms but no subject; STOP alone is obeyed."""
    with client.stream("GET", "/api/page") as stream:
        line = next(stream.iter_lines())
    assert "MEX" not in line
    assert "KIT" not in line
    assert '"operator": null' in line
    assert '"alarms": []' in line
    for path in ("/api/state", "/api/events"):
        assert client.get(path).status_code == 401
    for name in ("scan", "charge", "start", "pause", "resume", "residual", "sign", "leave"):
        assert client.post(f"/api/{name}", json={}).status_code == 401
    assert client.post("/api/stop").status_code == 200


def test_what_stop_answers_to_nobody(client: httpx.Client) -> None:
    """The answer to a STOP without a badge shows no more than the locked page does."""
    answer = client.post("/api/stop").json()
    assert answer["state"] == "idle"
    assert {"review", "due", "course", "outcome"} & set(answer) == set()


def test_every_answer_is_guarded(client: httpx.Client, ward: Any) -> None:
    """Each file and each answer forbids foreign code, frames, copies and guesses of its type; other hosts get none."""
    for path in ("/", "/page.css", "/page.js", "/text.en.json", "/api/state", "/api/nothing", "/api/page"):
        with client.stream("GET", path) as answer:
            headers = answer.headers
        if path == "/api/nothing":
            assert answer.status_code == 404
            continue
        assert headers["content-security-policy"].startswith("default-src 'none'; "), path
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    for path in ("/", "/api/page"):
        assert client.get(path, headers={"host": "evil.example"}).status_code == 403


def test_a_login_that_nobody_uses_ends() -> None:
    """A login ends 15 minutes after its last use; looking whose it is does not count as use."""
    now = [0.0]
    tokens = iter(("one", "two"))
    logins = Logins(fresh=lambda: next(tokens), now_s=lambda: now[0], idle_s=IDLE_S)
    first, second = logins.begin("RT-07", "a"), logins.begin("RT-08", "b")
    now[0] = IDLE_S - 1
    assert logins.use(first) == ("RT-07", "a")
    assert logins.operator(second) == ("RT-08", "b")
    now[0] = IDLE_S
    assert (logins.operator(first), logins.use(second)) == (("RT-07", "a"), None)
    logins.end(first)
    assert logins.operator(first) is None
    assert logins.use("") is None
