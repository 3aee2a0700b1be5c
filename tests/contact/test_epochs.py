"""The end of an epoch and the beginning of the next, through unit and pharmacy: a fork, a lost card, a stolen key."""

import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nebctl.config import LoadedConfig, load_config
from nebctl.core.ledger import head
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.epoch import Permit
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.keys import KeyFault, create_key, load_signer
from nebctl.pharmacy.epochs import Decision, open_epoch, revoke
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.setup import orders_name
from nebctl.reopening import reopen
from nebctl.store.epochs import Begun
from nebctl.unit import StartFault
from nebctl_lab.bedside import Answer
from nebctl_lab.codes import scans
from nebctl_lab.demo.site import SITE
from nebctl_lab.system import VirtualSite
from nebctl_lab.system.cards import key_of, old_card, rotate_key

SMALL_NL = 700_000
WISH = Decision(unit="neb-0001", by="PH-01", second="PH-02", reason="test")


def new_key(site: VirtualSite, epoch: int = 2) -> Vkey:
    """Make a new key in the place of the unit's, and return its public half for an epoch."""
    path = site.hosts["neb-0001"].folder / "neb-0001.key"
    path.unlink()
    return Vkey(head.origin(SITE, "neb-0001", epoch), ED25519, create_key(path).public)


def permit_of(site: VirtualSite, vkey: Vkey) -> str:
    """Let two pharmacists permit the next epoch."""
    with site.books() as books:
        permit = open_epoch(books, WISH, vkey)
    return permit.note(orders_name(SITE), load_signer(site.root / "keys" / "orders.key"))


def begin(site: VirtualSite, permit: str) -> Begun:
    """Begin the permitted epoch on the unit, which is off."""
    folder = site.hosts["neb-0001"].folder
    loaded = load_config(folder / "unit.toml")
    assert isinstance(loaded, LoadedConfig)
    at = site.hosts["neb-0001"].clock.instant()
    return reopen(loaded, folder / "neb-0001.key", permit.encode(), at, bytes)


def query(site: VirtualSite, sql: str) -> list[Any]:
    """Return rows of the pharmacy's database."""
    with contextlib.closing(sqlite3.connect(site.pharmacy.config.database)) as db:
        return db.execute(sql).fetchall()


async def receipted(site: VirtualSite) -> None:
    """Wait until the pharmacy keeps all that the unit has of its newest epoch."""

    def holds() -> bool:
        records = [record for record in site.records() if record["ep"] == site.records()[-1]["ep"]]
        kept = query(site, "SELECT max(ep), size FROM witness")[0]
        return tuple(kept) == (records[-1]["ep"], len(records))

    await site.until(holds, "every receipt", 60)


@contextlib.asynccontextmanager
async def forked(tmp_path: Path) -> AsyncIterator[VirtualSite]:
    """A unit that is off, whose old card gave a dose offline after its newer one had given another."""
    async with VirtualSite() as site:
        folder, copy = site.hosts["neb-0001"].folder, tmp_path / "card"
        await site.stop_unit()
        shutil.copytree(folder, copy)
        await site.start_unit()
        await receipted(site)
        await site.stop_unit()
        for path in copy.iterdir():
            shutil.copy2(path, folder / path.name)
        site.broker_down()
        await site.start_unit()
        await site.give(poured_nl=SMALL_NL)
        site.broker_up()
        await site.until(lambda: "log-forked" in site.alarms() or "receipt-ahead" in site.alarms(), "the alarm", 90)
        await site.stop_unit()
        yield site


@pytest.mark.virtual
async def test_a_fork_ends_in_a_new_epoch_that_carries_over_what_the_pharmacy_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The new epoch is bound to the last countersigned head; the dose of the fork is in it, and in nobody's way."""
    async with forked(tmp_path) as site:
        kept = query(site, "SELECT size, note FROM witness WHERE ep = 1")[0]
        old = site.records()
        permit = permit_of(site, new_key(site))
        begun = begin(site, permit)
        assert (begun.epoch, begun.divergent) == (2, len(old) - begun.fork_at)
        assert 0 < begun.fork_at < kept[0]
        await site.start_unit()
        assert site.alarms() == ()
        await receipted(site)
        genesis, *carried = [record for record in site.records() if record["ep"] == 2][: begun.divergent + 1]
        assert (genesis["prev_checkpoint"], genesis["fork_at"]) == (kept[1], begun.fork_at)
        assert [record["size"] for record in carried] == [record["seq"] for record in old[begun.fork_at :]]
        assert query(site, "SELECT max(seq) + 1 FROM rec WHERE ep = 1") == [(kept[0],)]
        session = next(record["session"] for record in old[begun.fork_at :] if record["typ"] == "dose")
        for typ in ("start", "dose"):
            assert f"carries over the {typ} of {session}, which no course counts yet" in caplog.text
        with pytest.raises(Answer, match="kit-opened"):
            await site.scan()


@pytest.mark.virtual
async def test_the_ended_epoch_takes_nothing_more_in(tmp_path: Path) -> None:
    """Once the new epoch is permitted, a unit that goes on in the old one is refused, with the evidence kept."""
    async with forked(tmp_path) as site:
        vkey = Vkey(head.origin(SITE, "neb-0001", 2), ED25519, create_key(tmp_path / "other.key").public)
        permit_of(site, vkey)
        before = query(site, "SELECT count(*) FROM rec")
        await site.start_unit()
        await site.advance(30)
        assert query(site, "SELECT count(*) FROM rec") == before
        assert "receipt-ahead" in site.alarms()
        assert query(site, "SELECT count > 0 FROM refusal WHERE reason = 'closed-epoch'") == [(1,)]


@pytest.mark.virtual
async def test_a_lost_card_goes_on_in_a_new_epoch(tmp_path: Path) -> None:
    """With nothing left of the old log, the new one begins in a new file, bound to what the pharmacy countersigned."""
    async with VirtualSite() as site:
        await receipted(site)
        await site.stop_unit()
        last = query(site, "SELECT note FROM witness WHERE ep = 1")[0][0]
        for path in site.hosts["neb-0001"].folder.glob("unit.db*"):
            path.unlink()
        begun = begin(site, permit_of(site, new_key(site)))
        assert begun == Begun(epoch=2, fork_at=0, divergent=0)
        await site.start_unit()
        await receipted(site)
        assert site.records()[0]["prev_checkpoint"] == last
        await site.scan()


@pytest.mark.virtual
@pytest.mark.req("S34")
async def test_a_card_from_before_a_rotation_whose_key_is_lost_goes_on_in_a_new_epoch(tmp_path: Path) -> None:
    """Copy and old key file are back and the new key is gone: the unit refuses, and the epoch that it names works.

    The new epoch is bound to the pharmacy's last head over both keys; every record that was receipted stays there.
    """
    async with VirtualSite() as site:
        await receipted(site)
        async with old_card(site, tmp_path / "card", with_key=True):
            await rotate_key(site)
            await site.give(poured_nl=SMALL_NL)
            await receipted(site)
        last, kept = query(site, "SELECT note, size FROM witness WHERE ep = 1")[0]
        copied = len(site.records())
        with pytest.raises(StartFault, match="Where that key is lost, begin a new epoch"):
            await site.start_unit()
        assert len(site.records()) == copied
        begun = begin(site, permit_of(site, new_key(site)))
        assert begun.divergent == 0
        await site.start_unit()
        await receipted(site)
        genesis = next(record for record in site.records("genesis") if record["ep"] == 2)
        assert genesis["prev_checkpoint"] == last
        assert query(site, "SELECT count(*) FROM rec WHERE ep = 1") == [(kept,)]
        with pytest.raises(Answer, match="run-unknown"):  # the dose is at the pharmacy, and in no record here
            await site.scan()
        word = {"limit": "run-unknown", "reason": "the pharmacy has it in epoch 1"}
        with pytest.raises(Answer, match="kit-used"):
            await site.post("/api/scan", operator="RT-07", **scans("MEX-001", site.subject().kit(1)), confirmed=word)


@pytest.mark.virtual
@pytest.mark.req("S34")
async def test_a_handover_that_nobody_holds_ends_in_a_new_epoch_of_the_new_key(tmp_path: Path) -> None:
    """A rotation that never reached the pharmacy, and whose card is lost, is told apart; its key opens a new epoch."""
    async with VirtualSite() as site:
        await receipted(site)
        async with old_card(site, tmp_path / "card"):
            await receipted(site)
            site.broker_down()
            done = await rotate_key(site)
        site.broker_up()
        await site.advance(60)  # until the pharmacy is back as well
        with pytest.raises(StartFault, match=f"names key {done.kid}.*; and no record that the pharmacy holds names it"):
            await site.start_unit()
        vkey = Vkey(head.origin(SITE, "neb-0001", 2), ED25519, load_signer(key_of(site)).public)
        begin(site, permit_of(site, vkey))
        await site.start_unit()
        await receipted(site)
        assert site.alarms() == ()
        await site.scan()


@pytest.mark.virtual
async def test_a_revoked_keys_later_records_are_refused_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    """From the revocation on nothing by that key is taken in; a new epoch needs a key that was never revoked."""
    async with VirtualSite() as site:
        await receipted(site)
        with site.books() as books:
            vkey = revoke(books, WISH)
        before = query(site, "SELECT count(*) FROM rec")
        await site.scan()
        await site.press("stop")
        await site.until(lambda: "refused (revoked)" in caplog.text, "the refusal", 30)
        assert f"key {head.kid(vkey)}, revoked 20" in caplog.text
        assert query(site, "SELECT count(*) FROM rec") == before
        assert query(site, "SELECT count(*) > 0 FROM evidence WHERE reason = 'revoked'") == [(1,)]
        with site.books() as books, pytest.raises(PharmacyFault, match="Open a new epoch"):
            revoke(books, WISH)
        again = Vkey(head.origin(SITE, "neb-0001", 2), ED25519, vkey.public)
        with site.books() as books, pytest.raises(PharmacyFault, match="revoked as"):
            open_epoch(books, WISH, again)
        await site.stop_unit()
        begin(site, permit_of(site, new_key(site)))
        await site.start_unit()
        await receipted(site)


@pytest.mark.virtual
async def test_a_permit_serves_one_unit_one_key_and_one_epoch(tmp_path: Path) -> None:
    """Another key file, a permit of somebody else's making, and a permit that was used are refused in words."""
    async with VirtualSite() as site:
        await receipted(site)
        await site.stop_unit()
        with site.books() as books, pytest.raises(PharmacyFault, match="two different persons"):
            open_epoch(books, Decision(unit="neb-0001", by="PH-01", second="PH-01", reason="x"), new_key(site))
        with site.books() as books, pytest.raises(PharmacyFault, match="neb-0001/2"):
            open_epoch(books, WISH, new_key(site, epoch=3))
        vkey = new_key(site)
        permit = permit_of(site, vkey)
        new_key(site)
        with pytest.raises(KeyFault, match="which the pharmacy permits"):
            begin(site, permit)
        forged = Permit(vkey=vkey, last=None).note(orders_name(SITE), create_key(tmp_path / "thief.key"))
        with pytest.raises(FormatError, match="permit signature"):
            begin(site, forged)
