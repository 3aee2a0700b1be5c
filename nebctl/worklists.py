"""The unit's newest worklist: kept on disk, so that a dose needs no network; an older one is refused."""

import hashlib
import json
import logging
import os
from dataclasses import replace
from pathlib import Path

from nebctl.core.guard import Refusal
from nebctl.core.lease_admission import never_sent, only_older
from nebctl.core.leases import Leased, sequences_of
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft
from nebctl.core.orders import Worklist, WorklistFault, WorklistRefused, parse_worklist
from nebctl.ports import Verifier

log = logging.getLogger(__name__)

SEEN = "leases-seen.json"


class WorklistKeeper:
    """Holds one signed worklist; `least_version` is the newest that the unit's own log has seen."""

    def __init__(self, path: Path, *, orders: Vkey, site: str, unit: str, verify: Verifier, least_version: int) -> None:
        self._path = path
        self._orders, self._site, self._unit, self._verify = orders, site, unit, verify
        self._least_version = least_version
        self._seen = SeenLeases(path.with_name(SEEN))
        self._older = 0
        self._kept = self._load()

    def current(self) -> Worklist | None:
        """Return the newest worklist, with what of it is overtaken; None where none was ever taken, or it is lost."""
        return self._kept

    def absent(self) -> Refusal:
        """Return why nothing starts while there is no worklist."""
        return only_older(self._older, self._least_version) if self._older else never_sent()

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
            self._older = worklist.version
        again = self._kept is None and worklist.version == newest  # the log knows it, the disk has lost it
        if worklist.version <= newest and not again:
            return None
        overtaken = self._seen.take(worklist)  # first: what was seen must not be forgotten with the list that told it
        save(self._path, note_text)
        self._kept, self._older = replace(worklist, overtaken=overtaken), 0
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
        self._seen.recall(worklist)
        if worklist.version < self._least_version:
            return None
        return replace(worklist, overtaken=self._seen.overtaken(worklist))


class SeenLeases:
    """The newest lease of each dose that any list has told this unit of, kept on disk beside the list (S50).

    Lists rise by their version. A list can still bring an older lease: the pharmacy may have been put back to a copy
    of its books, which number lists anew and do not know of a lease that has gone to another unit since.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest = self._saved = self._load()

    def overtaken(self, worklist: Worklist) -> frozenset[Leased]:
        """Return the doses of a list for which a later lease was seen than its own."""
        return frozenset(
            leased
            for order in worklist.orders
            for dose in order.doses
            if dose.sequence < self._newest.get(leased := (order.subject, dose.day, dose.dose), 0)
        )

    def take(self, worklist: Worklist) -> frozenset[Leased]:
        """Remember what a list tells, and return what of it was overtaken before.

        Raises: `OSError` where it cannot be kept.
        """
        newest = self._with(worklist)
        if newest != self._saved:
            rows = [[*leased, sequence] for leased, sequence in sorted(newest.items())]
            save(self._path, json.dumps(rows))
            self._newest = self._saved = newest
        return self.overtaken(worklist)

    def recall(self, worklist: Worklist) -> None:
        """Remember what the list on disk told: where this memory was lost, the list that is kept still knows it."""
        self._newest = self._with(worklist)

    def _with(self, worklist: Worklist) -> dict[Leased, int]:
        told = sequences_of(worklist.orders, worklist.kits)
        return self._newest | {leased: max(told[leased], self._newest.get(leased, 0)) for leased in told}

    def _load(self) -> dict[Leased, int]:
        """Return what is on disk; a file that is damaged is said, and what was seen begins with the list that is kept.

        The next list that is taken writes it again.
        """
        try:
            rows = json.loads(self._path.read_text("utf-8"))
            return {(str(subject), int(day), int(dose)): int(sequence) for subject, day, dose, sequence in rows}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            log.warning(
                "%s cannot be read (%s): of the leases this unit has seen, those of its list remain", self._path, error
            )
            return {}


def save(path: Path, text: str) -> None:
    """Write a file whole and durably, or leave the old one.

    Raises: `OSError` where it cannot be written.
    """
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
