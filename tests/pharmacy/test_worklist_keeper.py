"""The unit's newest worklist: taken once, kept across restarts, and never exchanged for an older one."""

import logging
from pathlib import Path
from typing import Any

import pytest

from nebctl import keys
from nebctl.core.ledger.note import ED25519, Vkey, sign_note
from nebctl.core.orders import Worklist, worklist_text
from nebctl.worklists import WorklistKeeper

SITE, UNIT = "sim.mexcovid.example", "neb-0001"
SIGNER = keys.Ed25519Signer.from_seed(b"\x03" * 32)
ORDERS = Vkey(f"{SITE}/nebctl-pharmacy/orders", ED25519, SIGNER.public)
SECOND_NS = 10**9


def keeper(folder: Path, least_version: int = 0) -> WorklistKeeper:
    """Return the keeper of a unit whose log has seen `least_version`."""
    path = folder / "worklist.note"
    return WorklistKeeper(path, orders=ORDERS, site=SITE, unit=UNIT, verify=keys.verify, least_version=least_version)


def note(version: int) -> str:
    """Return a signed worklist without orders."""
    worklist = Worklist(
        version=version, issued_ns=SECOND_NS, expires_ns=9 * SECOND_NS, study="NCT", orders=(), operators=()
    )
    return sign_note(worklist_text(worklist, SITE, UNIT), ORDERS.name, SIGNER)


def version_of(found: WorklistKeeper) -> int | None:
    """Return the version that is kept; None means none."""
    current = found.current()
    return current.version if current else None


@pytest.mark.req("S50")
def test_an_older_list_is_refused_in_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A list with a lower version changes nothing, also after a restart, and the refusal says both versions."""
    first = keeper(tmp_path)
    draft = first.take(note(5))
    assert draft is not None
    assert draft.facts["version"] == 5
    for found in (first, keeper(tmp_path)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert found.take(note(4)) is None
        assert "older than the one that the unit has: saw version 4, expected one after 5" in caplog.text
        assert version_of(found) == 5
    assert version_of(keeper(tmp_path)) == 5


def test_the_same_list_again_is_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A retained list that comes again after each connection is neither recorded nor warned of."""
    found = keeper(tmp_path)
    found.take(note(5))
    with caplog.at_level(logging.WARNING):
        assert found.take(note(5)) is None
    assert caplog.text == ""


@pytest.mark.req("S50")
@pytest.mark.parametrize(("seen", "kept"), [(5, 5), (6, None)])
def test_a_restored_disk_does_not_bring_an_old_list_back(tmp_path: Path, seen: int, kept: int | None) -> None:
    """A list on the disk that is older than the unit's own log has seen is as good as none."""
    keeper(tmp_path).take(note(5))
    found = keeper(tmp_path, least_version=seen)
    assert version_of(found) == kept
    assert found.take(note(4)) is None


def test_a_list_that_the_disk_has_lost_is_taken_again(tmp_path: Path) -> None:
    """The list that the log knows as the newest is kept once more where its file is gone, and not recorded anew."""
    found = keeper(tmp_path, least_version=5)
    assert found.take(note(5)) is None
    assert version_of(found) == version_of(keeper(tmp_path, least_version=5)) == 5


@pytest.mark.req("S39")
@pytest.mark.parametrize("spoil", [lambda text: text.replace("NCT", "NCX"), lambda _: "\x00", lambda text: text[:40]])
def test_a_damaged_list_is_as_good_as_none(tmp_path: Path, spoil: Any) -> None:
    """What does not carry the pharmacy's good signature is not taken, from the wire or from the disk."""
    found = keeper(tmp_path)
    assert found.take(spoil(note(5))) is None
    (tmp_path / "worklist.note").write_text(spoil(note(5)), "utf-8")
    assert version_of(keeper(tmp_path)) is None
