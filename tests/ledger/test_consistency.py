"""That a log only grew between two countersigned heads: proven by the bundle, refused for every field that is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency

from nebctl.bundle import VerifiedGrowth, verify_growth, write_growth
from nebctl.cli.verify import verify as verify_command
from nebctl.core.ledger import tree
from nebctl.core.ledger.consistency import ConsistencyProof, format_consistency, parse_consistency
from nebctl.core.ledger.encoding import b64
from nebctl.core.ledger.keyring import rotation
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.keys import Ed25519Signer, later_stem, write_public

MOST = 300
DATA = [f"record {number}".encode() for number in range(MOST)]
LEAVES = [tree.leaf_hash(each) for each in DATA]
PEER = InmemoryTree(algorithm="sha256")
for each in DATA:
    PEER.append_entry(each)


def growth(book: Any, old: int, new: int | None = None) -> str:
    """Return the consistency proof from the first `old` records to the first `new` of a book."""
    size = len(book.entries) if new is None else new
    path = tree.consistency_path(book.leaves[:size], old)
    return format_consistency(ConsistencyProof(old_size=old, path=path, new_note=book.receipt(size)))


@pytest.fixture
def case(book: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Write the proof that the book grew from 5 to 13 records, and the trusted keys."""
    write_growth(tmp_path / "bundle", book.receipt(5), growth(book, 5))
    return tmp_path / "bundle", book.trust(tmp_path / "trust")


def run(*arguments: object) -> Result:
    """Call `nebctl verify`."""
    return CliRunner().invoke(verify_command, [str(each) for each in arguments])


def test_a_log_that_grew_is_proven(book: Any, case: tuple[Path, Path]) -> None:
    """Both heads are said with their times, and the keys that were relied on."""
    directory, trust = case
    assert isinstance(verify_growth(directory, trust), VerifiedGrowth)
    said = run(directory, "--trust", trust)
    assert said.exit_code == 0, said.output
    for part in ("only records were added", "older   5 records", "newer   13 records", book.vkey.fingerprint()):
        assert part in said.stdout
    facts = json.loads(run(directory, "--trust", trust, "--json").stdout)
    assert (facts["verified"], facts["old_size"], facts["new_size"]) == (True, 5, 13)
    assert facts["pharmacy_key"]["sha256"] == book.pharmacy.fingerprint()


@pytest.mark.parametrize("old", range(1, 14))
def test_every_older_head_is_proven(book: Any, tmp_path: Path, old: int) -> None:
    """From every size on, the equal one included, the book's growth is proven."""
    write_growth(tmp_path / "bundle", book.receipt(old), growth(book, old))
    assert isinstance(verify_growth(tmp_path / "bundle", book.trust(tmp_path / "trust")), VerifiedGrowth)


@pytest.mark.req("S34")
def test_a_fork_is_never_proven(book: Any, new_book: Callable[[], Any], tmp_path: Path) -> None:
    """Two histories under one key, each with good signatures, have no proof that leads from one to the other."""
    fork = new_book()
    fork.give("2026-11-21-000000")
    while len(fork.entries) < 13:
        fork.give(f"2026-11-22-{len(fork.entries):06}")
    trust = book.trust(tmp_path / "trust")
    for text in (growth(fork, 5, 13), growth(book, 5).replace(book.receipt(), fork.receipt(13))):
        write_growth(tmp_path / "bundle", book.receipt(5), text)
        (found,) = verify_growth(tmp_path / "bundle", trust)  # type: ignore[misc]
        assert found.what == "consistency path"


def _lines(text: str, at: int, *instead: str) -> str:
    lines = text.split("\n")
    return "\n".join([*lines[:at], *instead, *lines[at + 1 :]])


WRONG: dict[str, tuple[Callable[[str, str], tuple[str, str]], str]] = {
    "another old size": (lambda old, new: (old, _lines(new, 0, "old 6")), "consistency old size"),
    "an old size that is no number": (lambda old, new: (old, _lines(new, 0, "old 05")), "consistency old size"),
    "a first line that says nothing": (lambda old, new: (old, _lines(new, 0, "olde 5")), "consistency line 1"),
    "a hash too few": (lambda old, new: (old, _lines(new, 2)), "consistency path"),
    "a hash too many": (lambda old, new: (old, _lines(new, 2, *new.split("\n")[2:0:-1])), "consistency path"),
    "hashes in another order": (
        lambda old, new: (old, _lines(_lines(new, 1, new.split("\n")[2]), 2, new.split("\n")[1])),
        "consistency path",
    ),
    "a hash of another length": (lambda old, new: (old, _lines(new, 1, "AAAA")), "consistency line 2"),
    "a hash in another spelling": (
        lambda old, new: (old, _lines(new, 1, new.split("\n")[1].rstrip("=") + "==")),
        "consistency line 2",
    ),
    "no blank line": (lambda old, new: (old, new.replace("\n\n", "\n")), "consistency"),
    "more hashes than a tree has levels": (
        lambda old, new: (old, _lines(new, 1, *[new.split("\n")[1]] * 65)),
        "consistency",
    ),
    "the heads in the other order": (lambda old, new: (new.partition("\n\n")[2], new), "consistency old size"),
    "an old head of another size": (lambda old, new: (old.replace("\n5\n", "\n6\n"), new), "old head signature"),
    "an old head of another log": (
        lambda old, new: (old.replace("0001/1\n5", "0002/1\n5"), new),
        "trusted key neb-0002.vkey",
    ),
    "an old head without the pharmacy": (lambda old, new: (old[: old.rindex("\N{EM DASH}")], new), "old receipt"),
    "a new head of another size": (lambda old, new: (old, new.replace("\n13\n", "\n14\n")), "new head signature"),
    "a new head without the pharmacy": (lambda old, new: (old, new[: new.rindex("\N{EM DASH}")]), "new receipt"),
    "no old head": (lambda old, new: ("", new), "note"),
}


@pytest.mark.req("S34")
@pytest.mark.parametrize("name", WRONG)
def test_every_field_counts(case: tuple[Path, Path], name: str) -> None:
    """Whatever field of whichever file is wrong, the finding names it."""
    directory, trust = case
    harm, what = WRONG[name]
    old, new = (directory / "old.checkpoint", directory / "new.tlog-consistency")
    write_growth(directory, *harm(old.read_text(), new.read_text()))
    found = verify_growth(directory, trust)
    assert isinstance(found, list)
    assert found[0].what == what, found
    said = run(directory, "--trust", trust)
    assert (said.exit_code, said.stdout.startswith("REFUSED unit "), what in said.stdout) == (1, True, True), (
        said.stdout
    )


@pytest.mark.req("S34")
def test_every_one_bit_change_is_refused(case: tuple[Path, Path]) -> None:
    """At every place of both files one flipped bit is refused."""
    directory, trust = case
    for path in directory.iterdir():
        data = path.read_bytes()
        for at in range(len(data)):
            path.write_bytes(data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :])
            assert isinstance(verify_growth(directory, trust), list), (path.name, at)
        path.write_bytes(data)


def test_keys_come_from_the_trust_folder_alone(case: tuple[Path, Path], book: Any, new_book: Any) -> None:
    """Heads by another unit's key, under the same names, are refused; so is a foreign file beside them."""
    directory, trust = case
    forger = new_book(entries=list(book.entries))
    forger.signer = forger.witness
    write_growth(directory, forger.receipt(5), growth(forger, 5))
    (found,) = verify_growth(directory, trust)  # type: ignore[misc]
    assert found.what == "old head signature"
    (directory / "neb-0001.vkey").write_text(f"{forger.vkey.text()}\n")
    assert run(directory, "--trust", trust).stdout == (
        "REFUSED unit unknown: bundle: saw neb-0001.vkey, expected only new.tlog-consistency, old.checkpoint\n"
    )


def test_growth_over_a_rotation_is_proven_by_both_keys(book: Any, tmp_path: Path) -> None:
    """The older head is by the key before the handover, the newer by the one after it; both are said."""
    trust, old = book.trust(tmp_path / "trust"), book.receipt(5)
    first, new = book.vkey, Ed25519Signer.from_seed(b"n" * 32)
    book.add(rotation(len(book.entries), book.vkey.name, new))
    book.signer, book.vkey = new, Vkey(book.vkey.name, ED25519, new.public)
    handed_over = len(book.entries)
    book.give("2026-11-29-7f3a9c")
    write_growth(tmp_path / "bundle", old, growth(book, 5))
    (found,) = verify_growth(tmp_path / "bundle", trust)  # type: ignore[misc]
    assert found.what == "new head signature"
    write_public(trust, later_stem("neb-0001", 1, handed_over), book.vkey)
    result = verify_growth(tmp_path / "bundle", trust)
    assert isinstance(result, VerifiedGrowth)
    assert (result.unit, result.head) == (first, book.vkey)
    said = run(tmp_path / "bundle", "--trust", trust).stdout
    assert first.fingerprint() in said
    assert book.vkey.fingerprint() in said


def test_roots_and_paths_are_the_peers_at_every_size() -> None:
    """From 0 to 300 records every root is pymerkle's."""
    for size, root in enumerate(tree.Frontier().roots(LEAVES), 1):
        assert root == tree.root_of(LEAVES[:size]) == PEER.get_root(size)
    assert tree.root_of([]) == PEER.get_root(0)


@given(st.integers(1, MOST), st.data())
def test_paths_hold_from_any_size_to_any_other(new: int, data: st.DataObject) -> None:
    """Up to 300 records our paths hold, and the peer's own proof between the same sizes leads to the same two roots."""
    old = data.draw(st.integers(1, new))
    index = data.draw(st.integers(0, new - 1))
    roots = tree.root_of(LEAVES[:old]), tree.root_of(LEAVES[:new])
    assert tree.verify_consistency(old, roots[0], new, roots[1], tree.consistency_path(LEAVES[:new], old))
    assert tree.verify_inclusion(LEAVES[index], index, new, tree.inclusion_path(LEAVES[:new], index), roots[1])
    verify_consistency(*roots, PEER.prove_consistency(old, new))


@given(st.integers(0, 2**62), st.lists(st.binary(min_size=32, max_size=32), max_size=64))
def test_the_text_is_read_as_it_was_written(old: int, path: list[bytes]) -> None:
    """Whatever the size and the hashes, the text gives them back."""
    proof = ConsistencyProof(old_size=old, path=tuple(path), new_note=f"x\n1\n{b64(bytes(32))}\n\n\N{EM DASH} x AAAA\n")
    assert parse_consistency(format_consistency(proof)) == proof
