"""A unit's card that is put back to an older copy, with or without its key file, and a key that was replaced."""

import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from nebctl.core.ledger.check import Finding
from nebctl.keys import load_trust, load_unit_trust, verify
from nebctl.rekeying import Rotated, rotate
from nebctl.store.audit import Auditor
from nebctl.store.reader import LedgerFile
from nebctl_lab.system.host import read_config
from nebctl_lab.system.site import VirtualSite

UNIT = "neb-0001"
RECEIPTS_S = 60.0


def key_of(site: VirtualSite) -> Path:
    """Return the unit's key file."""
    return site.hosts[UNIT].folder / f"{UNIT}.key"


@contextlib.asynccontextmanager
async def old_card(site: VirtualSite, copy: Path, *, with_key: bool = False) -> AsyncIterator[None]:
    """Copy the unit's card, let the body happen, and put the copy back into the unit, which is then off.

    With `with_key` the key file lies on the card too.
    """
    folder = site.hosts[UNIT].folder
    beginnings = ("unit.db", "worklist", key_of(site).name) if with_key else ("unit.db", "worklist")
    await site.stop_unit()
    shutil.copytree(folder, copy)
    await site.start_unit()
    yield
    await site.stop_unit()
    _put_back(copy, folder, beginnings)


def _put_back(copy: Path, folder: Path, beginnings: tuple[str, ...]) -> None:
    for path in folder.iterdir():
        if path.name.startswith(beginnings):
            path.unlink()
    for path in copy.iterdir():
        if path.name.startswith(beginnings):
            shutil.copy2(path, folder / path.name)


async def rotate_key(site: VirtualSite) -> Rotated:
    """Stop the unit, hand its log over to a new key, and start it again."""
    host = site.hosts[UNIT]
    await site.stop_unit()
    done = rotate(read_config(host.folder / "unit.toml"), key_of(site), host.clock.instant(), secrets.token_bytes)
    await site.start_unit()
    return done


def findings(site: VirtualSite) -> list[str]:
    """Return what an auditor finds in the unit's ledger."""
    trust = site.root / "trust"
    auditor = Auditor(unit_key=partial(load_unit_trust, trust), pharmacy=load_trust(trust, "pharmacy"), verify=verify)
    with LedgerFile.open(site.hosts[UNIT].folder / "unit.db") as file:
        return [found.sentence() for found in auditor.audit(file) if isinstance(found, Finding)]


async def receipted(site: VirtualSite) -> None:
    """Wait until nothing waits for a receipt."""
    await site.until(lambda: site.waiting() == 0, "every receipt", RECEIPTS_S)
