"""What the pharmacy knows of a unit's epoch: read from its database, and remembered while nobody changes that."""

import sqlite3
from dataclasses import replace

from nebctl.core.ledger import tree
from nebctl.pharmacy.check import Known, Reason, Refused
from nebctl.pharmacy.unit_keys import keys_of

HASH = 32


class Knowledge:
    """The register's view of its units on one connection, which alone adds records to it.

    It is read anew after any change that did not come by `note_growth`: by another program, such as a revocation, or on
    this connection.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._stamp = (-1, -1)
        self._found: dict[tuple[str, int], Known] = {}

    def of(self, unit: str, epoch: int) -> Known | Refused:
        """Return what is known of an epoch; a refusal where it is not enrolled."""
        if self._stamp != (stamp := self._now()):
            self._stamp, self._found = stamp, {}
        if (found := self._found.get((unit, epoch))) is not None:
            return found
        known = self._read(unit, epoch)
        if isinstance(known, Known):
            self._found[unit, epoch] = known
        return known

    def note_growth(self, unit: str, epoch: int, grown: tree.Frontier | None) -> None:
        """Remember the tree after records were committed here; None: more than the tree has changed."""
        version, changes = self._now()
        if version == self._stamp[0]:  # else another program has committed since: all is read anew
            self._stamp = version, changes
        if (known := self._found.pop((unit, epoch), None)) is not None and grown is not None:
            self._found[unit, epoch] = replace(known, frontier=grown)

    def countersigned(self, unit: str, epoch: int) -> tuple[int, int, str]:
        """Return size, Unix seconds and text of the epoch's newest receipt; zeros and nothing where there is none."""
        query = "SELECT size, cosigned_at, note FROM witness WHERE unit = ? AND ep = ?"
        size, last_s, note = self._db.execute(query, (unit, epoch)).fetchone() or (0, 0, "")
        return size, last_s, note

    def frontier(self, unit: str, epoch: int) -> tree.Frontier:
        """Return the tree over what is committed of the epoch."""
        row = self._db.execute("SELECT size, frontier FROM tip WHERE unit = ? AND ep = ?", (unit, epoch)).fetchone()
        if row is None:
            return tree.Frontier()
        return tree.Frontier(row[0], tuple(row[1][i : i + HASH] for i in range(0, len(row[1]), HASH)))

    def _read(self, unit: str, epoch: int) -> Known | Refused:
        keys = keys_of(self._db, unit, epoch)
        if keys is None:
            return Refused(reason=Reason.UNKNOWN, seen=f"{unit} epoch {epoch}", expected="an enrolled unit and epoch")
        last = self.countersigned(unit, epoch - 1)[2] or None
        return Known(keys=keys, frontier=self.frontier(unit, epoch), last=last)

    def _now(self) -> tuple[int, int]:
        """Return what changes with each commit of another connection, and with each change on this one.

        Source: sqlite.org/pragma.html, data_version; sqlite.org/c3ref/total_changes.html.
        """
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return version, self._db.total_changes
