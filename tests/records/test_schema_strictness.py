"""What a schema and the strict reader refuse, and that the folder of schemas is whole."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import canonical, envelope, jws
from nebctl.core.ledger.encoding import FormatError, b64url
from nebctl.core.ledger.records import ENVELOPE, PHARMACY_TYPES, SESSION_FIELDS, TYPES, Draft, SessionDay
from nebctl.keys import Ed25519Signer

FOLDER = Path(__file__).parents[2] / "docs" / "records"
STAMP = envelope.Stamp(unit="neb-0001", epoch=1, software="test", config_sha256="0" * 64, simulated=True)
AT = Instant(mono_ns=5, wall_ns=1_771_063_200_000_000_000, boot="boot", clock=ClockState(sync=True, source="sim"))
DAY = SessionDay(session="2026-02-14-7f3a9c", day=1, tz="America/Mexico_City", date_local="2026-02-14")
PAUSE = Draft(
    typ="pause",
    facts={"reason": "cough", "on_ms": 1000, "low_nl": 1, "best_nl": 2, "high_nl": 3},
    session=DAY,
)


def built(draft: Draft) -> dict[str, Any]:
    """Return the payload of a draft as the first record of a log."""
    payload, _ = envelope.build(
        draft, 0, bytes(32), AT, STAMP, bytes(16), [bytes([i] * 16) for i in range(len(draft.private))]
    )
    return payload


def without(payload: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a payload without one member."""
    return {member: value for member, value in payload.items() if member != name}


def test_every_type_of_record_has_a_schema_and_every_schema_a_type(schemas: Any) -> None:
    """The folder holds the types that the code knows, the pharmacy's own among them, and nothing else."""
    assert schemas.texts.keys() == TYPES | PHARMACY_TYPES


def test_every_schema_is_one_of_draft_2020_12(schemas: Any) -> None:
    """Each file is valid by the meta-schema that it names, and is called by its own file name."""
    for path in FOLDER.glob("*.schema.json"):
        text = json.loads(path.read_text("utf-8"))
        jsonschema_rs.meta.validate(text)
        assert text["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert text["$id"].rpartition("/")[2] == path.name


def test_the_envelope_of_the_schema_is_the_one_of_the_code() -> None:
    """Every record's own members are the same on the page and in the strict reader."""
    text = json.loads((FOLDER / "envelope.schema.json").read_text("utf-8"))
    assert set(text["required"]) == set(text["properties"]) == ENVELOPE
    assert set(text["$defs"]["in-session"]["required"]) == SESSION_FIELDS


def test_the_index_names_every_schema() -> None:
    """The page of the folder has a line for each type."""
    index = (FOLDER / "README.md").read_text("utf-8")
    assert {path.name for path in FOLDER.glob("*.schema.json")} == set(
        re.findall(r"\]\(([\w-]+\.schema\.json)\)", index)
    )


def test_examples_of_types_that_nothing_writes_yet_can_be_records(schemas: Any) -> None:
    """A schema's example, put in an envelope, is a record that signs, reads back and fits the schema."""
    shown = {typ: text["examples"] for typ, text in schemas.texts.items() if "examples" in text}
    assert {"override", "handover"} <= shown.keys()
    for typ, examples in shown.items():
        for facts in examples:
            payload = built(Draft(typ=typ, facts=facts, session=DAY if typ == "handover" else None))
            assert schemas.faults(payload) == []
            signer = Ed25519Signer.from_seed(b"\x01" * 32)
            assert envelope.parse_entry(jws.sign(payload, signer, "0" * 8)).payload == payload


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p | {"low_ml": 1}, "low_ml"),
        (lambda p: without(p, "low_nl") | {"low_ul": 0}, "low_nl"),
        (lambda p: p | {"note": "x"}, "note"),
        (lambda p: without(p, "on_ms"), "on_ms"),
        (lambda p: without(p, "session"), "session"),
        (lambda p: without(p, "salt"), "salt"),
        (lambda p: p | {"low_nl": -1}, "-1"),
        (lambda p: p | {"low_nl": "1 nL"}, "integer"),
        (lambda p: p | {"low_nl": 1.5}, "1.5"),
        (lambda p: p | {"high_nl": 2**53}, "9007199254740992"),
        (lambda p: p | {"typ": "resume"}, "pause"),
    ],
)
def test_a_record_with_one_thing_wrong_does_not_fit(change: Any, said: str, schemas: Any) -> None:
    """An unknown member, another unit, text, a fraction, a number that is too large or a missing member is found."""
    payload = built(PAUSE)
    assert schemas.faults(payload) == []
    found = schemas.faults(change(payload), "pause")
    assert any(said in fault for fault in found), found


@pytest.mark.parametrize("number", ["1.0", "1.5", "1e3", "-0", "9007199254740992", "NaN", "01"])
def test_a_number_that_is_not_a_plain_whole_one_is_never_read(number: str) -> None:
    """A float, also one without a fraction, and every second spelling of a number is refused by the strict reader."""
    data = canonical.encode(built(PAUSE)).replace(b'"on_ms":1000', f'"on_ms":{number}'.encode())
    header = b64url(jws.header_bytes("0" * 8))
    with pytest.raises(FormatError):
        envelope.parse_entry(f"{header}.{b64url(data)}.{b64url(bytes(64))}")


@pytest.mark.parametrize("typ", ["dose", "start", "charge", "signature"])
def test_a_private_fact_in_the_open_does_not_fit(typ: str, schemas: Any) -> None:
    """A subject or an operator is never a public member of a record."""
    found = schemas.faults(built(Draft(typ=typ, facts={"subject": "MEX-001"}, session=DAY)))
    assert any("subject" in fault and "nevaluated" in fault for fault in found), found


def test_a_withheld_private_fact_fits_and_an_unknown_one_does_not(schemas: Any) -> None:
    """What stands beside a record has a schema of its own: no other fact, no other kind of value."""
    whole = {"subject": "MEX-001", "operator": "RT-07"}
    assert schemas.private_faults("start", whole) == []
    assert schemas.private_faults("start", whole | {"name": "x"}) != []
    assert schemas.private_faults("start", whole | {"subject": "Maria"}) != []
