"""Begin a new epoch of a unit's log: the unit's own half of what the pharmacy permits by two persons."""

from collections.abc import Callable
from pathlib import Path

from nebctl import SOFTWARE
from nebctl.config import LoadedConfig
from nebctl.core.history import UnitHistory, fold
from nebctl.core.instant import Instant
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.epoch import Permit
from nebctl.core.ledger.head import kid, origin, verify_cosignature
from nebctl.core.ledger.note import ED25519, Vkey, parse_note
from nebctl.keys import KeyFault, load_signer, load_trust, load_vkey, verify
from nebctl.store.epochs import Begun, begin_epoch
from nebctl.store.faults import StoreFault
from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile
from nebctl.store.sealing import Sealer


def reopen(loaded: LoadedConfig, key: Path, permit_note: bytes, at: Instant, random: Callable[[int], bytes]) -> Begun:
    """Begin the epoch that a permit names, signed by the key file `key`; the unit must not run.

    Raises: `FormatError` where the permit is not this unit's or not the pharmacy's; `KeyFault` for a key file;
    `StoreFault` where the unit runs, or a session is open in its log.
    """
    unit = loaded.config.unit
    trust, path = loaded.path(unit.trust), loaded.path(unit.data) / "unit.db"
    permit = Permit.open(permit_note, load_vkey(trust / "pharmacy-orders.vkey"), verify)
    witness = load_trust(trust, "pharmacy")
    _check_own(loaded, permit, witness)
    signer, epoch = load_signer(key), permit.origin.epoch
    if signer.public != permit.vkey.public:
        seen = f"key {kid(Vkey(permit.vkey.name, ED25519, signer.public))}"
        advice = "Use the key whose .vkey the pharmacy was given."
        raise KeyFault(key, seen, f"key {kid(permit.vkey)}, which the pharmacy permits", advice)
    _refuse_open_session(path)
    stamp = Stamp(unit=unit.id, epoch=epoch, software=SOFTWARE, config_sha256=loaded.sha256, simulated=unit.simulated)
    sealer = Sealer(site=unit.site, stamp=stamp, signer=signer, verify=verify, witness=witness, random=random)
    return begin_epoch(path, sealer, permit, at)


def _check_own(loaded: LoadedConfig, permit: Permit, witness: Vkey) -> None:
    """Check that the permit is this unit's, and that its head is one that the pharmacy countersigned.

    Raises: `FormatError`.
    """
    unit, epoch = loaded.config.unit, permit.origin.epoch
    expected = origin(unit.site, unit.id, epoch)
    if permit.vkey.name != expected:
        raise FormatError("permit", permit.vkey.name, expected)
    last = permit.last_head()
    if last is None or permit.last is None:
        return
    if last.origin != origin(unit.site, unit.id, epoch - 1):
        raise FormatError("permit head", last.origin, f"epoch {epoch - 1} of this unit")
    note = parse_note(permit.last)
    if verify_cosignature(note.text, note.lines[-1].text(), witness, verify) is None:
        raise FormatError("permit head", "no good countersignature", f"one by {witness.name}")


def _refuse_open_session(path: Path) -> None:
    """Refuse to leave a session behind without its outcome: the next start in the old epoch records it."""
    if not path.exists():
        return
    with LedgerFile.open(path) as file:
        history = fold(UnitHistory(), (entry for _, entry in read(file)))
    if history.open:
        raise StoreFault(
            seen=f"session {', '.join(history.open)} without its outcome",
            expected="a log in which every session has ended",
            advice="Start the unit once, so that it records what became of it; then stop it and call again.",
        )
