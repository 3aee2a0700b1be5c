"""Proofs of doses before and after a rotation: each record, and each head, by the key that was valid there."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nebctl.bundle import Verified, verify_bundle
from nebctl.core.ledger.keyring import rotation
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.keys import Ed25519Signer, later_stem, load_unit_ring, write_public

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify-dose.sh"


@pytest.fixture
def rotated(book: Any, tmp_path: Path) -> Any:
    """A log that was handed over after its first doses, a dose by the new key, and a trust folder with both."""
    book.trust(tmp_path / "trust")
    new = Ed25519Signer.from_seed(hashlib.sha256(b"new").digest())
    book.add(rotation(len(book.entries), book.vkey.name, new))
    book.signer, book.vkey = new, Vkey(book.vkey.name, ED25519, new.public)
    book.first_of_new = len(book.entries)
    write_public(tmp_path / "trust", later_stem(book.unit, book.epoch, book.first_of_new), book.vkey)
    book.give("2026-11-29-7f3a9c")
    return book


def script(directory: Path, trust: Path) -> "subprocess.CompletedProcess[str]":
    """Run the shell verifier."""
    return subprocess.run([SCRIPT, directory, trust], capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("seq", [4, -1])
def test_doses_of_both_keys_are_proven(rotated: Any, tmp_path: Path, seq: int) -> None:
    """Both verifiers prove an old dose and a new one under the newest head, and name the keys they relied on."""
    directory = rotated.bundle(tmp_path / "bundle", rotated.entries[seq])
    result = verify_bundle(directory, tmp_path / "trust")
    assert isinstance(result, Verified), result
    assert result.head == rotated.vkey
    assert (result.unit == rotated.vkey) is (seq == -1)
    shown = script(directory, tmp_path / "trust")
    assert shown.returncode == 0, shown.stderr
    assert [line.split()[-1] for line in shown.stdout.splitlines()[-3:] if " sha256 " in line][:-1] == [
        key.fingerprint() for key in dict.fromkeys((result.unit, result.head))
    ]


def test_a_key_is_believed_only_where_it_was_valid(rotated: Any, tmp_path: Path) -> None:
    """Where the folder says that the new key signs from another place on, or not at all, nothing is proven by it."""
    trust = tmp_path / "trust"
    directory = rotated.bundle(tmp_path / "bundle", rotated.entries[-1])
    stem = later_stem(rotated.unit, rotated.epoch, rotated.first_of_new)
    for first in (len(rotated.entries) + 1, None):
        for ending in ("pem", "vkey"):
            if first is not None:
                shutil.copy(
                    trust / f"{stem}.{ending}", trust / f"{later_stem(rotated.unit, rotated.epoch, first)}.{ending}"
                )
            (trust / f"{stem}.{ending}").unlink()
        stem = later_stem(rotated.unit, rotated.epoch, first or 0)
        assert isinstance(verify_bundle(directory, trust), list)
        refused = script(directory, trust)
        assert (refused.returncode, "record header" in refused.stderr) == (1, True)


def test_an_old_record_by_the_new_key_is_refused(rotated: Any, tmp_path: Path) -> None:
    """A dose that claims a place from before the handover, signed by the new key, is a forgery by whoever has it."""
    rotated.entries = rotated.entries[:3]
    forged = rotated.give("2026-11-23-7f3a9c")
    directory = rotated.bundle(tmp_path / "bundle", forged)
    assert isinstance(verify_bundle(directory, tmp_path / "trust"), list)
    assert script(directory, tmp_path / "trust").returncode == 1


def test_the_ring_of_a_trust_folder(rotated: Any, tmp_path: Path) -> None:
    """The folder's keys are read in the order of their places; files of other names are none of them."""
    trust = tmp_path / "trust"
    (trust / "neb-0001.1.x.vkey").write_text("no key")
    (trust / "neb-0001.1.007.vkey").write_text("no key")
    ring = load_unit_ring(trust, "neb-0001", 1)
    assert [span.first for span in ring.spans] == [0, rotated.first_of_new]
    assert ring.newest == rotated.vkey
