"""The vectors that any other implementation can run, run by this one."""

import json
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.ledger import tree
from nebctl.core.ledger.encoding import unb64
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.proof import ProofChecked, check_proof
from nebctl.keys import verify

FOLDER = Path(__file__).parent / "vectors"


def load(name: str) -> dict[str, Any]:
    """Read one vector file."""
    loaded: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return loaded


BUNDLES = load("bundles.json")


@pytest.mark.parametrize("case", load("inclusion.json")["cases"], ids=lambda case: case["desc"])
def test_inclusion_vectors(case: dict[str, Any]) -> None:
    """Each inclusion proof holds or fails as the vector says."""
    path = [unb64(each) for each in case["path"]]
    held = tree.verify_inclusion(unb64(case["leaf"]), case["index"], case["size"], path, unb64(case["root"]))
    assert held is case["ok"]


@pytest.mark.parametrize("case", load("consistency.json")["cases"], ids=lambda case: case["desc"])
def test_consistency_vectors(case: dict[str, Any]) -> None:
    """Each consistency proof holds or fails as the vector says."""
    path = [unb64(each) for each in case["path"]]
    old, new = unb64(case["old_root"]), unb64(case["new_root"])
    assert tree.verify_consistency(case["old_size"], old, case["new_size"], new, path) is case["ok"]


@pytest.mark.parametrize("case", BUNDLES["cases"], ids=lambda case: case["desc"])
def test_bundle_vectors(case: dict[str, Any]) -> None:
    """Each bundle is proven, or refused for what the vector names."""
    unit, pharmacy = Vkey.parse(BUNDLES["unit"]), Vkey.parse(BUNDLES["pharmacy"])
    result = check_proof(case["jws"], case["disclosures"], case["proof"], unit=unit, pharmacy=pharmacy, verify=verify)
    refused = None if isinstance(result, ProofChecked) else result[0].what
    assert refused == case["error"]


def test_the_format_stands_still(book: Any) -> None:
    """Today's code writes the vectors' good bundle to the byte: keys, salts and Ed25519 leave nothing to chance."""
    good = BUNDLES["cases"][0]
    entry = book.entries[4]
    assert (entry.jws, book.proof(4), list(entry.disclosures)) == (good["jws"], good["proof"], good["disclosures"])


def test_every_vector_says_what_it_is() -> None:
    """Descriptions are there and stand once."""
    for name in ("inclusion.json", "consistency.json", "bundles.json"):
        told = [case["desc"] for case in load(name)["cases"]]
        assert all(told)
        assert len(told) == len(set(told)), name
