"""The vectors that any other implementation can run, run by this one and, the bundles, by the shell script too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws as peer_jws
from joserfc.jwk import OKPKey
from pymerkle import InmemoryTree

from nebctl.bundle import write_bundle
from nebctl.core.ledger import disclosure, tree
from nebctl.core.ledger.check import check_record
from nebctl.core.ledger.consistency import Grown, check_consistency
from nebctl.core.ledger.encoding import FormatError, b64, b64url, unb64
from nebctl.core.ledger.head import open_receipt
from nebctl.core.ledger.keyring import KeyRing
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.proof import ProofChecked, check_proof
from nebctl.keys import verify, write_public

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "docs" / "ledger-vectors.json").read_text(encoding="utf-8"))
UNIT, PHARMACY = (Vkey.parse(VECTORS["keys"][name]["vkey"]) for name in ("unit", "pharmacy"))
LISTS = ("inclusion", "consistency", "records", "notes", "bundles", "growth")


def cases(name: str) -> Any:
    """Return the parameters of a test over one list of cases."""
    return pytest.mark.parametrize("case", VECTORS[name], ids=lambda case: case["desc"].replace(" ", "-"))


def assert_error(found: str | None, expected: str | None) -> None:
    """Assert that what was found is what was expected: nothing, or words that begin so."""
    assert (found is None) == (expected is None), (found, expected)
    assert found is None or found.startswith(str(expected)), (found, expected)


def test_the_file_is_what_its_script_writes() -> None:
    """docs/ledger-vectors.json is made by scripts/ledger_vectors.py, which uses nothing of nebctl."""
    command = [sys.executable, str(ROOT / "scripts" / "ledger_vectors.py"), "--check"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (said.returncode, said.stderr) == (0, ""), said
    for path in (ROOT / "scripts").glob("ledger_*.py"):
        assert "import nebctl" not in path.read_text(encoding="utf-8")
        assert "from nebctl" not in path.read_text(encoding="utf-8")


def test_every_vector_says_what_it_is() -> None:
    """Descriptions stand once in each list, and each list has both good and bad ones."""
    for name in LISTS:
        told = [case["desc"] for case in VECTORS[name]]
        assert len(told) == len(set(told)), name
        assert {case["error"] is None for case in VECTORS[name]} == {True, False}, name
    assert set(VECTORS["about"]) >= {*LISTS, "roots", "keys", "error"}


def test_root_vectors() -> None:
    """Each root is ours and pymerkle's."""
    texts = [text.encode() for text in VECTORS["roots"]["texts"]]
    peer = InmemoryTree(algorithm="sha256")
    for case in VECTORS["roots"]["cases"]:
        size = case["size"]
        assert b64(tree.root_of(map(tree.leaf_hash, texts[:size]))) == case["root"]
        assert size == 0 or b64(peer.get_root(size)) == case["root"]
        if size < len(texts):
            peer.append_entry(texts[size])


@cases("inclusion")
def test_inclusion_vectors(case: dict[str, Any]) -> None:
    """Each inclusion proof holds or fails as the vector says."""
    path = [unb64(each) for each in case["path"]]
    held = tree.verify_inclusion(unb64(case["leaf"]), case["index"], case["size"], path, unb64(case["root"]))
    assert held is (case["error"] is None)


@cases("consistency")
def test_consistency_vectors(case: dict[str, Any]) -> None:
    """Each consistency proof holds or fails as the vector says."""
    path = [unb64(each) for each in case["path"]]
    old, new = unb64(case["old_root"]), unb64(case["new_root"])
    held = tree.verify_consistency(case["old_size"], old, case["new_size"], new, path)
    assert held is (case["error"] is None)


@pytest.mark.req("S34")
@cases("records")
def test_record_vectors(case: dict[str, Any]) -> None:
    """Each record is read, or refused for what the vector names."""
    error = None
    try:
        entry = check_record(case["jws"], case["disclosures"], UNIT, verify)
        assert b64(entry.leaf) == case["leaf"]
        assert len(disclosure.check(entry.payload, case["disclosures"])) == len(case["disclosures"])
    except FormatError as fault:
        error = fault.where
    assert_error(error, case["error"])


@cases("records")
def test_joserfc_reads_the_good_records(case: dict[str, Any]) -> None:
    """A general JWS library verifies every good record, and refuses what is signed by nobody or by another."""
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64url(UNIT.public)})
    registry = peer_jws.JWSRegistry(algorithms=["Ed25519"])
    try:
        read = peer_jws.deserialize_compact(case["jws"], key, registry=registry)
    except Exception:
        assert case["error"] is not None
    else:
        assert case["error"] not in {"signature", "JWS signature"}
        assert read.payload or case["error"] == "JSON"


@pytest.mark.req("S34")
@cases("notes")
def test_note_vectors(case: dict[str, Any]) -> None:
    """Each receipt is opened, or refused for what the vector names."""
    error = None
    try:
        receipt = open_receipt(case["note"], UNIT, PHARMACY, verify)
        assert (receipt.checkpoint.size, receipt.time_s) == (case["size"], case["time"])
    except FormatError as fault:
        error = fault.where
    assert_error(error, case["error"])


@pytest.mark.req("S34")
@cases("bundles")
def test_bundle_vectors(case: dict[str, Any]) -> None:
    """Each bundle is proven, or refused for what the vector names."""
    result = check_proof(
        case["jws"], case["disclosures"], case["proof"], unit=KeyRing.of(UNIT), pharmacy=PHARMACY, verify=verify
    )
    if case["error"] == "trusted key":
        assert not isinstance(result, ProofChecked)
        return
    assert_error(None if isinstance(result, ProofChecked) else result[0].what, case["error"])


@pytest.mark.req("S34")
@cases("bundles")
def test_bundle_vectors_by_the_script(case: dict[str, Any], tmp_path: Path) -> None:
    """verify-dose.sh, with openssl and sha256sum alone, proves and refuses the same bundles, and says why."""
    write_public(tmp_path / "trust", "neb-0001", UNIT)
    write_public(tmp_path / "trust", "pharmacy", PHARMACY)
    write_bundle(tmp_path / "bundle", case["jws"], case["proof"], case["disclosures"])
    command = [str(ROOT / "scripts" / "verify-dose.sh"), str(tmp_path / "bundle"), str(tmp_path / "trust")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    if case["error"] is None:
        assert (said.returncode, said.stderr) == (0, ""), said
        assert UNIT.fingerprint() in said.stdout
        assert PHARMACY.fingerprint() in said.stdout
    else:
        assert (said.returncode, said.stdout) == (1, ""), said
        assert said.stderr.startswith("REFUSED "), said
        assert case["script"] in said.stderr, said


@pytest.mark.req("S34")
@cases("growth")
def test_growth_vectors(case: dict[str, Any]) -> None:
    """Each pair of heads is proven to be of one growing log, or refused for what the vector names."""
    result = check_consistency(case["old"], case["new"], unit=KeyRing.of(UNIT), pharmacy=PHARMACY, verify=verify)
    assert_error(None if isinstance(result, Grown) else result[0].what, case["error"])
