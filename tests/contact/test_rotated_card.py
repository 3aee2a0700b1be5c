"""A card put back to a copy from before a rotation of the unit's key: the unit rejoins, or says what a person does."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from nebctl.cli.ledger import ledger as command
from nebctl.store.faults import StoreFault
from nebctl.unit import StartFault
from nebctl_lab.system import VirtualSite
from nebctl_lab.system.cards import findings, key_of, old_card, receipted, rotate_key

SMALL_NL = 700_000
pytestmark = [pytest.mark.virtual, pytest.mark.req("S34")]


async def refused(site: VirtualSite) -> str:
    """Return why the unit does not start; nothing was signed and nothing lost by the attempt."""
    before = site.raw_records()
    with pytest.raises(StartFault) as caught:
        await site.start_unit()
    assert site.raw_records() == before
    return str(caught.value)


def restore(site: VirtualSite, copy: Path) -> None:
    """Put the copy back by the command, which marks it."""
    for path in site.hosts["neb-0001"].folder.glob("unit.db*"):
        path.unlink()
    place = site.hosts["neb-0001"].folder / "unit.db"
    words = ["restore", str(copy / "unit.db"), str(place), "--trust", str(site.root / "trust")]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("rotations", [1, 2])
@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("waiting", [False, True])
async def test_the_new_key_gets_the_handover_back(tmp_path: Path, rotations: int, marked: bool, waiting: bool) -> None:
    """With the new key file the unit fetches every lost record, each `key` record among them, and signs with that key.

    So it is over one rotation and two, for a copy that `restore` marked and one that nobody knows of, and where records
    of the old key waited for their receipt in the copy.
    """
    async with VirtualSite() as site:
        await receipted(site)
        if waiting:
            site.broker_down()
        async with old_card(site, tmp_path / "card"):
            if waiting:
                assert site.waiting()
                site.broker_up()
            for _ in range(rotations):
                done = await rotate_key(site)
            await site.give(poured_nl=SMALL_NL)
            await receipted(site)
            lost = site.raw_records()
        if marked:
            restore(site, tmp_path / "card")
        assert len(site.raw_records()) < len(lost)
        await site.start_unit()
        assert site.raw_records()[: len(lost) - 1] == lost[:-1]
        assert findings(site) == []
        (incident,) = site.records("incident")
        assert (incident["kind"], incident["to_size"]) == ("restored", incident["seq"])
        assert done.size <= len(lost)
        assert [alarm["condition"] for alarm in (await site.view())["alarms"]] == ["records-restored"]
        await receipted(site)
        assert findings(site) == []
        assert [record["end"] for record in site.records("dose")] == ["complete"]


async def test_without_the_pharmacy_the_new_key_signs_nothing(tmp_path: Path) -> None:
    """Offline the unit says which key no record names and where to start it; it rejoins once it reaches the pharmacy.

    A receipt from before the rotation lifts the mark of the restoration, and still nothing is signed.
    """
    async with VirtualSite() as site:
        await receipted(site)
        async with old_card(site, tmp_path / "card"):
            done = await rotate_key(site)
            await receipted(site)
            lost = site.raw_records()
        restore(site, tmp_path / "card")
        place, receipt = site.hosts["neb-0001"].folder / "unit.db", tmp_path / "receipt.note"
        receipt.write_text(CliRunner().invoke(command, ["receipt", str(tmp_path / "card" / "unit.db")]).stdout)
        words = ["rejoin", str(place), "--receipt", str(receipt), "--trust", str(site.root / "trust")]
        site.broker_down()
        for settle in (False, True):
            if settle:
                assert CliRunner().invoke(command, words).exit_code == 0
            said = await refused(site)
            assert f"no record names key {done.kid} of the key file" in said
            assert "Start the unit where it reaches the pharmacy" in said
        site.broker_up()
        await site.advance(60)  # until the pharmacy is back as well
        await site.start_unit()
        assert site.raw_records()[: len(lost) - 1] == lost[:-1]
        assert findings(site) == []


async def test_the_old_key_signs_nothing_after_its_handover(tmp_path: Path) -> None:
    """Where the key file went back too, the unit names key and record, signs nothing, and rejoins by the new file."""
    async with VirtualSite() as site:
        await receipted(site)
        async with old_card(site, tmp_path / "card", with_key=True):
            done = await rotate_key(site)
            await receipted(site)
            lost = site.raw_records()
            shutil.copy2(key_of(site), tmp_path / "new.key")
        kept = site.pharmacy_records()
        said = await refused(site)
        assert f"expected key {done.kid}, to which record {done.size - 1} at the pharmacy hands this log over" in said
        assert "Put the key file" in said
        assert "nebctl pharmacy epoch" in said
        assert site.pharmacy_records() == kept
        key_of(site).unlink()
        shutil.copy2(tmp_path / "new.key", key_of(site))
        await site.start_unit()
        assert site.raw_records()[: len(lost) - 1] == lost[:-1]
        await receipted(site)
        assert findings(site) == []


async def test_a_marked_copy_keeps_a_key_that_lies_beside_it(tmp_path: Path) -> None:
    """`nebctl keys rotate` on a copy that was put back destroys no key: one that it does not name may be the newest."""
    async with VirtualSite() as site:
        await receipted(site)
        async with old_card(site, tmp_path / "card", with_key=True):
            await rotate_key(site)
            await receipted(site)
            beside = key_of(site).with_name("neb-0001.key.next")
            shutil.copy2(key_of(site), tmp_path / "new.key")
        restore(site, tmp_path / "card")
        shutil.copy2(tmp_path / "new.key", beside)
        site.broker_down()
        with pytest.raises(StoreFault, match="restored at"):
            await rotate_key(site)
        assert beside.read_bytes() == (tmp_path / "new.key").read_bytes()
