"""Proofs checked by programs that nobody here wrote: Go's note and tlog, npm's jose and @sigstore/verify."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.ledger.note import Vkey
from nebctl.keys import write_public

from .conftest import HERE, PATIENCE_S, ROOT, need

VECTORS: dict[str, Any] = json.loads((ROOT / "docs" / "ledger-vectors.json").read_text(encoding="utf-8"))
UNIT, PHARMACY = (VECTORS["keys"][name]["vkey"] for name in ("unit", "pharmacy"))
GOCODE = Path("/usr/share/gocode")
NPM_PEERS = ROOT / ".peers-npm"
CRYPTOGRAPHIC = {"inclusion path", "head signature", "new head signature", "consistency path"}
"""Words of errors that any implementation must find; others are about this project's stricter rules."""
NOT_THEIRS = {"another size", "the lines in the other order", "a line too many", "the unit's line twice"}


@pytest.fixture(scope="session")
def go_check(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return our little program on Go's note and tlog, compiled."""
    go = shutil.which("go")
    need(go, "go", "apt install golang-go")
    need((GOCODE / "src/golang.org/x/mod/sumdb").is_dir(), "x/mod", "apt install golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    source = {"GO111MODULE": "off", "GOPATH": str(GOCODE), "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    built = subprocess.run(
        [str(go), "build", "-o", str(folder / "tlog_check"), str(HERE / "tlog_check.go")],
        env={**os.environ, **source},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert built.returncode == 0, built.stderr
    return folder / "tlog_check"


@pytest.fixture(scope="session")
def node() -> str:
    """Return the JavaScript interpreter, where the peers for it are installed."""
    found = shutil.which("node")
    need(found, "node", "apt install nodejs npm")
    need((NPM_PEERS / ".installed").exists(), ".peers-npm", "make peers")
    return str(found)


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


def write(folder: Path, **texts: str) -> list[Path]:
    """Write files and return their paths."""
    for name, text in texts.items():
        (folder / name).write_bytes(text.encode())
    return [folder / name for name in texts]


def is_for_all(case: dict[str, Any]) -> bool:
    """Return whether every implementation must agree on a case: a good one, or one whose hash or signature is wrong."""
    theirs = case["desc"].removeprefix("the receipt has ") not in NOT_THEIRS
    return case["error"] is None or (case["error"] in CRYPTOGRAPHIC and theirs)


BUNDLES = [case for case in VECTORS["bundles"] if is_for_all(case)]
GROWTH = [case for case in VECTORS["growth"] if is_for_all(case)]


def test_the_peers_are_asked_about_both() -> None:
    """Among what the peers are shown are good and bad proofs of both kinds."""
    for shown, least in ((BUNDLES, 8), (GROWTH, 4)):
        assert sum(case["error"] is None for case in shown) >= 1
        assert sum(case["error"] is not None for case in shown) >= least - 1


@pytest.mark.parametrize("case", BUNDLES, ids=lambda case: case["desc"].replace(" ", "-"))
def test_go_proves_and_refuses_the_same_doses(go_check: Path, tmp_path: Path, case: dict[str, Any]) -> None:
    """Go's note.Open and tlog.CheckRecord say of every bundle what our verifier says."""
    said = run(go_check, UNIT, PHARMACY, *write(tmp_path, record=case["jws"], proof=case["proof"]))
    assert (said.returncode == 0) == (case["error"] is None), said
    assert said.stdout == ("ok 4 13\n" if case["error"] is None else ""), said


@pytest.mark.parametrize("case", GROWTH, ids=lambda case: case["desc"].replace(" ", "-"))
def test_go_proves_and_refuses_the_same_growth(go_check: Path, tmp_path: Path, case: dict[str, Any]) -> None:
    """Go's tlog.CheckTree says of every pair of heads what our verifier says."""
    old, new = write(tmp_path, old=case["old"], new=case["new"])
    said = run(go_check, UNIT, PHARMACY, old, "grew", new)
    assert (said.returncode == 0) == (case["error"] is None), said


@pytest.mark.parametrize("case", BUNDLES, ids=lambda case: case["desc"].replace(" ", "-"))
def test_jose_and_sigstore_prove_and_refuse_the_same_doses(node: str, tmp_path: Path, case: dict[str, Any]) -> None:
    """npm's jose reads the record, @sigstore/verify the note and the path, and both agree with our verifier."""
    pem, vkey = write_public(tmp_path, "neb-0001", Vkey.parse(UNIT))
    record, proof = write(tmp_path, record=case["jws"], proof=case["proof"])
    said = run(node, HERE / "tlog_check.mjs", NPM_PEERS, pem, vkey, record, proof)
    assert (said.returncode == 0) == (case["error"] is None), said
    assert case["error"] is not None or said.stdout == "ok 4 13\n"
