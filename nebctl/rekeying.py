"""Hand a unit's log over to a new signing key, in steps that may be cut off at any moment and then called again."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nebctl import SOFTWARE
from nebctl.config import LoadedConfig
from nebctl.core.instant import Instant
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.head import kid
from nebctl.core.ledger.note import Vkey
from nebctl.keys import KeyFault, create_key, load_signer, load_trust, verify
from nebctl.ports import Signer
from nebctl.store.epochs import newest_epoch
from nebctl.store.faults import StoreFault
from nebctl.store.sealing import Sealer
from nebctl.store.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """A log that was handed over: to which key, and how many records it then had."""

    vkey: Vkey
    size: int

    @property
    def kid(self) -> str:
        """Return the new key's ID, 8 hex digits."""
        return kid(self.vkey)


def rotate(
    loaded: LoadedConfig,
    key: Path,
    at: Instant,
    random: Callable[[int], bytes],
    make_key: Callable[[Path], Signer] = create_key,
) -> Rotated:
    """Hand the log over to a new key in place of the file `key`, and destroy the old one; the unit must not run.

    The new key lies beside the old one as `KEY.next` until the log names it. Where a call was cut off, the next one
    goes on from there.
    Raises: `StoreFault` where the unit runs or its log is not whole; `KeyFault` for a key file.
    """
    path = loaded.path(loaded.config.unit.data) / "unit.db"
    if not path.exists():
        advice = "Start the unit once, or make another key with `nebctl keys create`."
        raise StoreFault(seen=f"no ledger {path}", expected="one that the key has signed", advice=advice)
    fresh = key.with_name(f"{key.name}.next")
    if fresh.exists() and (done := _handed_over(loaded, path, load_signer(fresh), at, random)):
        _replace(key, fresh)
        return done
    with _opened(loaded, path, load_signer(key), at, random) as writer:
        writer.check_may_sign()
        fresh.unlink(missing_ok=True)  # a key that the log never named
        writer.rotate(make_key(fresh), at)
        done = Rotated(vkey=writer.vkey, size=writer.tip.size)
    _replace(key, fresh)
    return done


def _handed_over(
    loaded: LoadedConfig, path: Path, new: Signer, at: Instant, random: Callable[[int], bytes]
) -> Rotated | None:
    """Return what an earlier call reached; None means that the log does not know the new key yet."""
    try:
        with _opened(loaded, path, new, at, random) as writer:
            return Rotated(vkey=writer.vkey, size=writer.tip.size)
    except StoreFault as fault:
        if fault.lasting:
            return None
        raise


@contextlib.contextmanager
def _opened(
    loaded: LoadedConfig, path: Path, signer: Signer, at: Instant, random: Callable[[int], bytes]
) -> Iterator[Writer]:
    unit = loaded.config.unit
    stamp = Stamp(
        unit=unit.id, epoch=newest_epoch(path), software=SOFTWARE, config_sha256=loaded.sha256, simulated=unit.simulated
    )
    sealer = Sealer(
        site=unit.site,
        stamp=stamp,
        signer=signer,
        verify=verify,
        witness=load_trust(loaded.path(unit.trust), "pharmacy"),
        random=random,
    )
    with contextlib.closing(Writer(path, sealer)) as writer:
        writer.open(at)
        yield writer


def _replace(key: Path, fresh: Path) -> None:
    """Put the new key in the old one's place, and write over the old one's bytes.

    Raises: `KeyFault` where the folder cannot be written.
    """
    try:
        key.chmod(0o600)
        with key.open("r+b") as old:
            length = len(old.read())
            fresh.replace(key)
            old.seek(0)
            old.write(bytes(length))
            old.flush()
            os.fsync(old.fileno())
        folder = os.open(key.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        advice = f"The log names the new key already: let {fresh.name} take the place of {key.name}."
        raise KeyFault(key, error.strerror or str(error), "a file that can be replaced", advice) from None
