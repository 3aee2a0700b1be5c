"""The unit's newest worklist: taken once, kept across restarts, and never exchanged for an older one."""

import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nebctl import keys
from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.leases import Leased
from nebctl.core.ledger.note import ED25519, Vkey, sign_note
from nebctl.core.orders import Order, PlannedDose, Worklist, worklist_text
from nebctl.worklists import WorklistKeeper

SITE, UNIT = "sim.mexcovid.example", "neb-0001"
SIGNER = keys.Ed25519Signer.from_seed(b"\x03" * 32)
ORDERS = Vkey(f"{SITE}/nebctl-pharmacy/orders", ED25519, SIGNER.public)
SECOND_NS = 10**9


def keeper(folder: Path, least_version: int = 0) -> WorklistKeeper:
    """Return the keeper of a unit whose log has seen `least_version`."""
    path = folder / "worklist.note"
    return WorklistKeeper(path, orders=ORDERS, site=SITE, unit=UNIT, verify=keys.verify, least_version=least_version)


def lease(sequence: int) -> Order:
    """Return MEX-001's order with the dose of Day 1 under this lease."""
    dose = PlannedDose(day=1, dose=1, kit="KIT-0401", lot="L", not_after_ns=9 * SECOND_NS, sequence=sequence)
    return Order(order="o", subject="MEX-001", day1=None, doses=(dose,), history=())


def moved(sequence: int) -> KnownKit:
    """Return the kit of Day 1 under a lease of another unit."""
    return KnownKit(
        kit="KIT-0401",
        lot="L",
        lot_state=LotState.RELEASED,
        expires=date(2026, 12, 31),
        state=KitState.DISPENSED,
        since_ns=SECOND_NS,
        subject="MEX-001",
        day=1,
        held_by="neb-0002",
        dose=1,
        sequence=sequence,
    )


def note(version: int, *orders: Order, kits: tuple[KnownKit, ...] = ()) -> str:
    """Return a signed worklist."""
    worklist = Worklist(
        version=version,
        issued_ns=SECOND_NS,
        expires_ns=9 * SECOND_NS,
        study="NCT",
        orders=orders,
        operators=(),
        kits=kits,
    )
    return sign_note(worklist_text(worklist, SITE, UNIT), ORDERS.name, SIGNER)


def overtaken(found: WorklistKeeper) -> frozenset[Leased]:
    """Return the doses whose lease on the kept list is not the newest."""
    current = found.current()
    assert current is not None
    return current.overtaken


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


@pytest.mark.req("S50")
@pytest.mark.parametrize("seen_on", ["the unit's own lease", "a kit that another unit holds"])
def test_a_newer_list_with_an_older_lease_starts_nothing_by_it(tmp_path: Path, seen_on: str) -> None:
    """What was seen of a dose's lease outlives lists, restarts and the loss of the list; a later one is good again."""
    found = keeper(tmp_path)
    found.take(note(1, lease(3)) if seen_on.startswith("the unit") else note(1, kits=(moved(3),)))
    assert overtaken(found) == frozenset()
    found.take(note(2, lease(2)))
    leased = frozenset({("MEX-001", 1, 1)})
    assert overtaken(found) == overtaken(keeper(tmp_path)) == leased
    (tmp_path / "worklist.note").unlink()
    again = keeper(tmp_path, least_version=2)
    again.take(note(2, lease(2)))
    assert overtaken(again) == leased
    again.take(note(3, lease(3)))
    assert overtaken(again) == frozenset()
    again.take(note(4, lease(0)))
    assert overtaken(again) == leased, "a list that tells no lease is older than any that does"


@pytest.mark.req("S50")
def test_a_list_is_not_taken_where_its_leases_cannot_be_remembered(tmp_path: Path) -> None:
    """What was seen is on disk before the list is: a full disk leaves the list of before."""
    found = keeper(tmp_path)
    found.take(note(1, lease(1)))
    (tmp_path / "leases-seen.new").mkdir()
    with pytest.raises(OSError, match="leases-seen"):
        found.take(note(2, lease(2)))
    assert version_of(found) == version_of(keeper(tmp_path)) == 1


@pytest.mark.req("S50")
@pytest.mark.parametrize("content", [None, "", "[[1]]", "{}x", "[[null, 1, 1, []]]"])
def test_a_damaged_memory_of_leases_begins_with_the_list(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """What the list on disk told is seen though the memory of leases is gone, and damage to that is said in the log."""
    keeper(tmp_path).take(note(1, lease(3)))
    memory = tmp_path / "leases-seen.json"
    memory.unlink() if content is None else memory.write_text(content, "utf-8")
    with caplog.at_level(logging.WARNING):
        found = keeper(tmp_path)
    assert ("leases-seen.json cannot be read" in caplog.text) is (content is not None)
    assert version_of(found) == 1
    found.take(note(2, lease(2)))
    assert overtaken(found) == overtaken(keeper(tmp_path)) == frozenset({("MEX-001", 1, 1)})


@pytest.mark.req("S50")
def test_a_unit_that_lost_its_list_and_is_sent_an_older_one_says_so(tmp_path: Path) -> None:
    """No list and an older one are two different sentences; a newer one ends both."""
    found = keeper(tmp_path, least_version=5)
    assert found.absent().code == "no-worklist"
    found.take(note(4))
    assert found.absent().code == "list-older"
    assert "sent list 4, and this unit has had list 5" in found.absent().sentence
    assert found.current() is None
    found.take(note(6))
    assert version_of(found) == 6
    assert found.absent().code == "no-worklist"


@pytest.mark.req("S39")
@pytest.mark.parametrize("spoil", [lambda text: text.replace("NCT", "NCX"), lambda _: "\x00", lambda text: text[:40]])
def test_a_damaged_list_is_as_good_as_none(tmp_path: Path, spoil: Any) -> None:
    """What does not carry the pharmacy's good signature is not taken, from the wire or from the disk."""
    found = keeper(tmp_path)
    assert found.take(spoil(note(5))) is None
    (tmp_path / "worklist.note").write_text(spoil(note(5)), "utf-8")
    assert version_of(keeper(tmp_path)) is None
