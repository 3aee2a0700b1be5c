"""The unit's newest worklist: kept on disk, so that a dose needs no network; an older one is refused."""

import hashlib
import logging
import os
from pathlib import Path

from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft
from nebctl.core.orders import Worklist, WorklistFault, WorklistRefused, parse_worklist
from nebctl.ports import Verifier

log = logging.getLogger(__name__)


class WorklistKeeper:
    """Holds one signed worklist; `least_version` is the newest that the unit's own log has seen."""

    def __init__(self, path: Path, *, orders: Vkey, site: str, unit: str, verify: Verifier, least_version: int) -> None:
        self._path = path
        self._orders, self._site, self._unit, self._verify = orders, site, unit, verify
        self._least_version = least_version
        self._kept = self._load()

    def current(self) -> Worklist | None:
        """Return the newest worklist; None where none was ever taken."""
        return self._kept

    def take(self, note_text: str) -> Draft | None:
        """Take a worklist that is good and newer, and return the record that says so; None where it is neither.

        The newest one is taken once more where the disk has lost it; the log has its record already.

        Raises: `OSError` where it cannot be kept.
        """
        worklist = parse_worklist(note_text, self._orders, self._site, self._unit, self._verify)
        if isinstance(worklist, WorklistRefused):
            log.warning("%s", worklist.sentence())
            return None
        newest = max(self._kept.version if self._kept else 0, self._least_version)
        if worklist.version < newest:
            seen, expected = f"version {worklist.version}", f"one after {newest}"
            log.warning("%s", WorklistRefused(reason=WorklistFault.OLDER, seen=seen, expected=expected).sentence())
        again = self._kept is None and worklist.version == newest  # the log knows it, the disk has lost it
        if worklist.version <= newest and not again:
            return None
        self._save(note_text)
        self._kept = worklist
        return (
            None
            if again
            else Draft(
                typ="order",
                facts={
                    "version": worklist.version,
                    "issued": utc_text(worklist.issued_ns),
                    "expires": utc_text(worklist.expires_ns),
                    "sha256": hashlib.sha256(note_text.encode()).hexdigest(),
                },
            )
        )

    def _load(self) -> Worklist | None:
        """Return the worklist on disk; one that is damaged or older than the log is as good as none."""
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            log.warning("%s cannot be read (%s): no dose can be started until the pharmacy sends it", self._path, error)
            return None
        worklist = parse_worklist(text, self._orders, self._site, self._unit, self._verify)
        if isinstance(worklist, WorklistRefused):
            log.warning("%s: %s", self._path, worklist.sentence())
            return None
        return worklist if worklist.version >= self._least_version else None

    def _save(self, text: str) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
