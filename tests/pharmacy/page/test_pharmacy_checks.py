"""Each check of a kept dose holds for an honest one, and fails where it must."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from nebctl import keys
from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import b64url
from nebctl.core.ledger.records import Draft
from nebctl.pharmacy.show import course_of
from nebctl_protocols import default_site_rules

SESSION = "2026-02-14-0000aa"
TEXT = "The text is canonical"
SIGNED = "The unit signed the record"
NAMED = "The record names its place"
LEAF = "The leaf is the text's hash"
PATH = "The path leads to the countersigned root"
HEAD = "The unit signed the head"
COUNTERSIGNED = "The pharmacy countersigned the head"
PRIVATE = "The private facts are the signed ones"
VERDICT = "The verdict follows from volume and limits"
PRESCRIBED = "The limits follow from the unit's study protocol and site rules"
OWN = "The limits are the pharmacy's"
STARTED = "The session started before, and ended once"
ALL = {TEXT, SIGNED, NAMED, LEAF, PATH, HEAD, COUNTERSIGNED, PRIVATE, VERDICT, PRESCRIBED, OWN, STARTED}


async def failing(own: httpx.AsyncClient, session: str = SESSION) -> set[str]:
    """Return the names of the checks that fail, all of them having been made."""
    answer = (await own.post("/api/verify", json={"session": session})).json()
    assert {check["name"] for check in answer["checks"]} == ALL
    assert all(check["seen"] for check in answer["checks"])
    found = {check["name"] for check in answer["checks"] if not check["good"]}
    assert answer["good"] == (not found)
    return found


async def test_a_whole_dose_passes_every_check(own: httpx.AsyncClient, course: Any) -> None:
    """Each check of an honest dose holds, and says by which values."""
    course.stand()
    assert await failing(own) == set()
    answer = (await own.post("/api/verify", json={"session": SESSION, "unit": "neb-0001"})).json()
    seen = {check["name"]: check["seen"] for check in answer["checks"]}
    assert seen[PATH].startswith("leaf 2 of 4, by 2 hashes to root ")
    assert seen[VERDICT] == "WITHIN, for 2.80 to 3.00 mL against 2.7 mL to 3.15 mL"
    assert seen[PRESCRIBED] == "2.7 mL to 3.15 mL, by the texts in record 0"
    assert seen[PRIVATE] == "1 of 1 as they were signed: subject"
    assert seen[STARTED] == "started by record 1, one outcome, record 2"
    assert seen[COUNTERSIGNED].startswith("by sim.mexcovid.example/nebctl-pharmacy, key ")


def dose_text(db: Any) -> str:
    """Return the text of the dose record."""
    return str(db.execute("SELECT jws FROM rec WHERE seq = 2").fetchone()[0])


def alter_text(db: Any, text: str) -> None:
    """Put another text in the dose record's place."""
    db.execute("UPDATE rec SET jws = ? WHERE seq = 2", (text,))


def spell_otherwise(db: Any) -> None:
    """Write the payload with a space that means nothing."""
    head, payload, signature = dose_text(db).split(".")
    parsed = jws.parse(dose_text(db))
    assert payload == b64url(parsed.payload_bytes)
    alter_text(db, f"{head}.{b64url(parsed.payload_bytes.replace(b'{', b'{ ', 1))}.{signature}")


def sign_otherwise(db: Any) -> None:
    """Sign the record by a key that is not the unit's."""
    parsed = jws.parse(dose_text(db))
    other = keys.Ed25519Signer.from_seed(b"\x07" * 32)
    alter_text(db, jws.assemble(parsed.signing_input, other.sign(parsed.signing_input)))


def say_otherwise(db: Any) -> None:
    """Change the dose's verdict under its old signature."""
    parsed = jws.parse(dose_text(db))
    payload = parsed.payload_bytes.replace(b'"verdict":"WITHIN"', b'"verdict":"OVER"')
    alter_text(db, jws.assemble(jws.signing_input(parsed.kid, payload), parsed.signature))


def alter_line(number: int) -> Callable[[Any], None]:
    """Return what spoils one signature line of the receipt."""

    def alter(db: Any) -> None:
        lines = db.execute("SELECT note FROM witness").fetchone()[0].split("\n")
        at = next(i for i, line in enumerate(lines) if not line) + 1 + number
        middle = len(lines[at]) - 20
        changed = "A" if lines[at][middle] != "A" else "B"
        lines[at] = lines[at][:middle] + changed + lines[at][middle + 1 :]
        db.execute("UPDATE witness SET note = ?", ("\n".join(lines),))

    return alter


def alter(statement: str) -> Callable[[Any], None]:
    """Return what runs one statement on the tables."""
    return lambda db: db.execute(statement)


OF_TEXT = {SIGNED, NAMED, PRIVATE, VERDICT, PRESCRIBED, OWN, STARTED}
TAMPERED = {
    "another spelling": (spell_otherwise, {TEXT, LEAF, PATH} | OF_TEXT),
    "another signer": (sign_otherwise, {SIGNED, LEAF, PATH}),
    "another verdict": (say_otherwise, {SIGNED, LEAF, PATH, VERDICT}),
    "another leaf": (alter("UPDATE rec SET leaf = zeroblob(32) WHERE seq = 2"), {LEAF}),
    "another record's leaf": (alter("UPDATE rec SET leaf = zeroblob(32) WHERE seq = 3"), {PATH}),
    "a record taken out": (alter("DELETE FROM rec WHERE seq = 3"), {PATH}),
    "the start taken out": (alter("DELETE FROM rec WHERE seq = 1"), {PATH, STARTED}),
    "the config's leaf": (alter("UPDATE rec SET leaf = zeroblob(32) WHERE seq = 0"), {PATH, PRESCRIBED}),
    "the unit's line": (alter_line(0), {HEAD}),
    "the pharmacy's line": (alter_line(1), {COUNTERSIGNED}),
    "no receipt": (alter("DELETE FROM witness"), {PATH, HEAD, COUNTERSIGNED}),
    "a private fact taken out": (alter("DELETE FROM disclosure WHERE seq = 2"), {PRIVATE}),
    "another's private fact": (
        alter("UPDATE disclosure SET disc = (SELECT disc FROM disclosure WHERE seq = 1) WHERE seq = 2"),
        {PRIVATE},
    ),
    "a log under another name": (
        alter("UPDATE rec SET jws = (SELECT jws FROM rec WHERE seq = 1) WHERE seq = 2"),
        {NAMED, LEAF, PATH, PRIVATE, VERDICT, PRESCRIBED, OWN, STARTED},
    ),
}


@pytest.mark.req("S34")
@pytest.mark.parametrize("case", TAMPERED)
async def test_what_was_altered_in_the_database_is_found(case: str, own: httpx.AsyncClient, course: Any) -> None:
    """Whatever a person with the file in hand alters, exactly the checks that speak of it fail."""
    course.stand()
    for name in ("rec_no_update", "rec_no_delete"):
        course.pharmacy.db.execute(f"DROP TRIGGER {name}")
    change, expected = TAMPERED[case]
    change(course.pharmacy.db)
    assert await failing(own) == expected


SOFT = {"lower_nl": 1_000_000, "upper_nl": 3_150_000}
LOW = {"low_nl": 1_100_000, "best_nl": 1_200_000, "high_nl": 1_300_000}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (LOW | {"verdict": "WITHIN"}, {VERDICT}),
        (LOW | {"verdict": "WITHIN", "limits": SOFT}, {PRESCRIBED, OWN}),
        ({"planned_nl": 2_000_000}, {PRESCRIBED}),
        ({"high_nl": 3_030_000}, {VERDICT, STARTED}),
        ({"start_seq": 0}, {STARTED}),
    ],
)
async def test_what_the_unit_itself_says_wrong_is_found(
    facts: dict[str, Any], expected: set[str], own: httpx.AsyncClient, course: Any
) -> None:
    """A unit that signs a wrong verdict, softer limits, another dose, too much volume or a wrong start is found."""
    course.stand(**facts)
    assert await failing(own) == expected


async def test_softer_site_rules_are_found(own: httpx.AsyncClient, course: Any) -> None:
    """A unit whose own site rules are softer than the pharmacy's agrees with itself, and not with the pharmacy."""
    course.configure(default_site_rules().replace('"90 %"', '"30 %"'))
    course.give(1, **LOW, verdict="WITHIN", limits={"lower_nl": 900_000, "upper_nl": 3_150_000})
    course.receipt()
    assert await failing(own) == {OWN}


async def test_a_dose_without_its_study_protocol_is_found(own: httpx.AsyncClient, course: Any) -> None:
    """A unit that never recorded what it gives by has limits that follow from nothing."""
    course.give(1)
    course.receipt()
    assert await failing(own) == {PRESCRIBED}


async def test_a_session_starts_once_and_ends_once(own: httpx.AsyncClient, course: Any) -> None:
    """A dose without a start is found, and so is a session that has two outcomes; other sessions stand as they are."""
    course.configure()
    course.give(1, started=False)
    course.give(2)
    course.give(3)
    course.take(course.unit.write(Draft(typ="abort", facts={"dose": 1}, session=course.place(3))))
    course.receipt()
    assert await failing(own) == {STARTED}
    assert await failing(own, course.place(2).session) == set()
    assert await failing(own, course.place(3).session) == {STARTED}


async def test_a_dose_that_waits_for_its_receipt(own: httpx.AsyncClient, course: Any) -> None:
    """A record that came after the last receipt is not yet under any countersigned head, and the page says so."""
    course.stand()
    course.give(2)
    assert await failing(own, course.place(2).session) == {PATH, HEAD, COUNTERSIGNED}
    view = (await own.get("/api/overview")).json()
    [subject], [seen] = view["subjects"], view["units"]
    assert [dose["receipted"] for dose in subject["doses"]] == [True, False, None, None, None]
    assert (seen["records"], seen["receipted"], seen["unreceipted_s"]) == (6, 4, 60)


@pytest.mark.parametrize("name", [{"session": "2026-02-14-ffffff"}, {"session": SESSION, "unit": "neb-0002"}])
async def test_a_dose_that_is_not_kept(name: dict[str, str], own: httpx.AsyncClient, course: Any) -> None:
    """A session without a dose record, or of another unit, is told as such."""
    course.stand()
    answer = await own.post("/api/verify", json=name)
    assert (answer.status_code, answer.json()["code"]) == (404, "dose")
    assert answer.json()["sentence"].startswith("no dose records of session 2026-02-14-")


def test_the_course_is_judged_by_the_prescribed_limits(course: Any) -> None:
    """The course's verdict follows from the study protocol in the unit's log, whatever limits the dose states."""
    course.stand(**LOW, verdict="WITHIN", limits=SOFT)
    sheet = course_of(course.pharmacy.db, "MEX-001")
    assert sheet is not None
    assert (sheet.lines[0].verdict, sheet.lines[0].recorded) == ("UNDER", "WITHIN")
