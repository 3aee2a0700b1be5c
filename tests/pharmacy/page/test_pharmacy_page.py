"""The pharmacy's page: who may see it, and what it shows."""

import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nebctl.core.ledger.records import Draft
from nebctl.pharmacy.config import read_config

HOST = "127.0.0.1:8081"
TOKEN = "a-token"
SESSION = "2026-02-14-0000aa"


@pytest.mark.req("S38")
async def test_the_overview_says_what_there_is(own: httpx.AsyncClient, course: Any) -> None:
    """Doses stand with verdict and interval, in doubt or due; units with contact and receipts; lots with their kits."""
    course.stand()
    course.give(2, end="uncertain", low_nl=0, best_nl=1_000_000, high_nl=3_020_000, verdict="UNCERTAIN")
    course.receipt()
    course.pharmacy.take(b"nonsense")
    view = (await own.get("/api/overview")).json()
    [subject], [seen], [lot] = view["subjects"], view["units"], view["lots"]
    assert (subject["subject"], subject["unit"], subject["day1"]) == ("MEX-001", "neb-0001", "2026-02-14")
    assert [(dose["day"], dose["state"], dose["verdict"], dose["kit"]) for dose in subject["doses"]] == [
        (1, "complete", "WITHIN", "KIT-0401"),
        (2, "uncertain", "UNCERTAIN", "KIT-0402"),
        (3, "due", None, "KIT-0403"),
        (4, "due", None, "KIT-0404"),
        (5, "due", None, "KIT-0405"),
    ]
    first = subject["doses"][0]
    assert (first["low_nl"], first["best_nl"], first["high_nl"]) == (2_800_000, 2_950_000, 3_000_000)
    assert (seen["unit"], seen["records"], seen["receipted"], seen["unreceipted_s"]) == ("neb-0001", 6, 6, None)
    assert (seen["last_contact"], seen["last_receipt"]) == ("2026-02-14T10:00:00.000Z",) * 2
    assert seen["refused"] == {"format": 1}
    assert (lot["lot"], lot["state"]) == ("EXO2020A", "RELEASED")
    assert [kit["state"] for kit in lot["kits"]] == ["USED", "OPENED", "DISPENSED", "DISPENSED", "DISPENSED"]
    assert (lot["kits"][2]["subject"], lot["kits"][2]["day"]) == ("MEX-001", 3)
    assert view["simulated"] is True


async def test_a_damaged_record_does_not_hide_the_others(own: httpx.AsyncClient, course: Any) -> None:
    """A record that cannot be read is shown as such, in its place; its detail says why it cannot be shown."""
    course.stand()
    course.give(2)
    course.pharmacy.db.execute("DROP TRIGGER rec_no_update")
    course.pharmacy.db.execute("UPDATE rec SET jws = CAST(x'fffe' AS TEXT) WHERE seq = 2")
    [subject] = (await own.get("/api/overview")).json()["subjects"]
    assert [dose["state"] for dose in subject["doses"][:3]] == ["damaged", "complete", "due"]
    answer = await own.get("/api/dose", params={"session": SESSION})
    assert (answer.status_code, answer.json()["code"]) == (409, "damaged")


async def test_one_dose_in_detail(own: httpx.AsyncClient, course: Any) -> None:
    """A dose is shown with its members, its private facts and the signatures that name it, and no other's."""
    course.stand()
    for ref, meaning in ((2, "I gave this dose."), (0, "Another record.")):
        draft = Draft(typ="signature", facts={"ref_seq": ref, "meaning": meaning}, private={"operator": "RT-07"})
        course.take(course.unit.write(draft))
    kept = (await own.get("/api/dose", params={"session": SESSION, "unit": "neb-0001"})).json()
    assert (kept["unit"], kept["epoch"], kept["seq"]) == ("neb-0001", 1, 2)
    assert kept["members"]["verdict"] == "WITHIN"
    assert kept["private"] == {"subject": "MEX-001"}
    assert [(each["operator"], each["meaning"]) for each in kept["signatures"]] == [("RT-07", "I gave this dose.")]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"session":1}', b'{"session":"a","x":1}', b" " * 5000])
async def test_a_call_that_names_no_dose(body: bytes, own: httpx.AsyncClient) -> None:
    """A body that is no dose's name is refused with a sentence."""
    answer = await own.post("/api/verify", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "body")


async def test_the_token_is_shown_once_and_becomes_a_cookie(web: httpx.AsyncClient) -> None:
    """Without the token nothing is shown; with it the browser gets a cookie for HTTP alone and a clean address."""
    for path in ("/api/overview", "/api/dose?session=x", "/page.js"):
        assert (await web.get(path)).status_code == 401
    refused = await web.get("/", params={"token": "a-guess"})
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    assert "pharmacy.token" in refused.text
    entered = await web.get("/", params={"token": TOKEN})
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert "<title>nebctl pharmacy</title>" in (await web.get("/")).text
    assert (await web.get("/api/overview")).status_code == 200


async def test_other_hosts_and_pages_get_nothing(web: httpx.AsyncClient) -> None:
    """A request under another host's name, or from another page, is refused even with the cookie."""
    await web.get("/", params={"token": TOKEN})
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}):
        assert (await web.get("/api/overview", headers=headers)).status_code == 403, headers
    body = {"session": SESSION}
    assert (await web.post("/api/verify", json=body)).status_code == 403
    assert (await web.post("/api/verify", json=body, headers={"origin": f"http://{HOST}"})).status_code == 404


async def test_every_answer_is_guarded(web: httpx.AsyncClient) -> None:
    """Each answer, a refusal too, forbids foreign code, frames, copies and guesses of its type; nothing changes."""
    await web.get("/", params={"token": TOKEN})
    for path in ("/", "/page.css", "/page.js", "/parts.js", "/api/overview", "/api/dose", "/?token=x"):
        headers = (await web.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; "), path
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/", "/api/overview", "/api/dose"):
            assert (await web.request(method, path)).status_code == 405


@pytest.mark.parametrize("bind", ["0.0.0.0:8081", "pharmacy.example:80", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000"])
def test_the_page_binds_to_this_machine_alone(bind: str, tmp_path: Path) -> None:
    """A `bind` that is not loopback with a port is refused in its line."""
    config = tmp_path / "pharmacy.toml"
    config.write_text(f'{CONFIG}\n[page]\nbind = "{bind}"\n', "utf-8")
    [fault] = read_config(config)
    assert (fault.field, fault.line) == ("page.bind", CONFIG.count("\n") + 3)
    assert "this machine only" in fault.problem


CONFIG = """
[pharmacy]
site = "sim.mexcovid.example"
study = "NCT04276987"
data = "."
witness_key = "witness.key"
orders_key = "orders.key"
log_key = "log.key"
zone = "UTC"
sim = true

[mqtt]
url = "mqtt://127.0.0.1:1"
"""


def test_the_service_serves_its_page(course: Any, tmp_path: Path) -> None:
    """`nebctl pharmacy run` prints its page's address; the fresh token beside the database is its owner's alone."""
    course.stand()
    course.pharmacy.db.close()
    for number, name in enumerate(("witness", "orders", "log"), start=2):  # one key for each use
        seed = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        (tmp_path / f"{name}.key").write_bytes(seed.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (tmp_path / f"{name}.key").chmod(0o400)
    (tmp_path / "pharmacy.toml").write_text(f'{CONFIG}\n[page]\nbind = "127.0.0.1:0"\n', "utf-8")
    command = [sys.executable, "-m", "nebctl", "pharmacy", "run", "--config", str(tmp_path / "pharmacy.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
        try:
            ready = service.stdout.readline().split() if service.stdout else []
            assert ready[:2] == ["ready", "sim.mexcovid.example"]
            token = tmp_path / "pharmacy.token"
            assert stat.S_IMODE(token.stat().st_mode) == 0o600
            headers = {"authorization": f"Bearer {token.read_text('ascii')}"}
            answer = httpx.post(f"{ready[2]}/api/verify", json={"session": SESSION}, headers=headers, timeout=10)
            assert answer.json()["good"] is True, answer.text
        finally:
            service.send_signal(signal.SIGTERM)
        assert service.wait(10) == 0
