"""The pharmacy's books as one change sees them: its tables, its signed log, its clock, its staff and its study."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.operators import INVESTIGATOR, PHARMACIST, THERAPIST, Operator, refuse
from nebctl.core.regimen import FollowUp, Regimen, SiteRules
from nebctl.pharmacy import log
from nebctl.pharmacy.database import transaction
from nebctl.pharmacy.delegations import staff_of
from nebctl.pharmacy.faults import PharmacyFault

ROLES = (PHARMACIST, THERAPIST, INVESTIGATOR)

Sign: TypeAlias = Callable[[Draft], int]
"""Lets a record be signed when the change is whole, and returns the sequence number that it will have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """What the study protocol and the site prescribe."""

    regimen: Regimen
    follow_up: FollowUp
    rules: SiteRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything that one change needs; `at` is its time, `lease_ns` how long a lease holds from its dispensing.

    `founders` are the persons whom the configuration itself names.
    """

    db: sqlite3.Connection
    log: log.Log
    at: Instant
    zone: ZoneInfo
    founders: tuple[Operator, ...]
    book: Rulebook
    lease_ns: int

    @property
    def staff(self) -> tuple[Operator, ...]:
        """Return everybody, those of the configuration first, as the tables have them now."""
        return staff_of(self.db, self.founders)

    @property
    def now(self) -> str:
        """Return the time of the change as UTC text."""
        return utc_text(self.at.wall_ns)

    @property
    def today(self) -> date:
        """Return the site's date."""
        return datetime.fromtimestamp(self.at.wall_ns // NS_PER_S, self.zone).date()

    @contextlib.contextmanager
    def change(self) -> Iterator[Sign]:
        """Change the tables and sign what was done, all or nothing; what is signed is durable before the tables are.

        A crash between the two leaves a signed event without its change, never a change without its event; the next
        change then says so in the log.
        Raises: `StoreFault` where the log or the tables cannot be written.
        """
        with self.log.open(self.at) as writer, transaction(self.db):
            begin, drafts = writer.tip.size, list(self._without_effect(writer.tip.size))

            def sign(draft: Draft) -> int:
                drafts.append(draft)
                return begin + len(drafts) - 1

            yield sign
            if drafts:
                writer.append(drafts, self.at, ())
            self.db.execute("INSERT OR REPLACE INTO applied (log, size) VALUES (?, ?)", (log.UNIT, writer.tip.size))

    def _without_effect(self, size: int) -> Iterator[Draft]:
        """Yield what the log has to say of events that were signed, and whose change a crash prevented."""
        row = self.db.execute("SELECT size FROM applied").fetchone()
        if row is not None and row[0] < size:
            facts: dict[str, Json] = {"kind": "events-without-change", "first_seq": row[0], "last_seq": size - 1}
            yield Draft(typ="incident", facts=facts)

    def person(self, code: str, *roles: str) -> Operator:
        """Return the member of staff with this code, who must have one of the roles.

        Raises: `PharmacyFault` where there is none, or the person has another role.
        """
        found = next((person for person in self.staff if person.code == code), None)
        wanted = " or ".join(roles)
        if found is None:
            raise PharmacyFault(
                f"staff code {code}", f"the code of a {wanted}", "Codes stand in `nebctl operators list`."
            )
        if not set(roles) & (held := found.roles_on(self.today)):
            why = next((no.sentence for role in roles if (no := refuse(found, self.today, role))), "")
            seen = f"{code} as {', '.join(sorted(held)) or 'nobody'}"
            raise PharmacyFault(seen, f"a {wanted}", f"Let a person with that role do it. {why}".strip())
        return found

    def two_persons(self, by: str, second: str, *roles: str) -> tuple[Operator, Operator]:
        """Return two different members of staff, each with one of the roles.

        Raises: `PharmacyFault` where it is one person twice, or one of them may not.
        """
        persons = self.person(by, *roles), self.person(second, *roles)
        if by == second:
            raise PharmacyFault(f"{by} twice", "two different persons", "Let a second person confirm it with --second.")
        return persons

    def unit(self, unit: str) -> None:
        """Check that a unit is enrolled.

        Raises: `PharmacyFault` where it is not.
        """
        if self.db.execute("SELECT 1 FROM unit WHERE unit = ?", (unit,)).fetchone() is None:
            raise PharmacyFault(f"unit {unit}", "an enrolled unit", "Enrol it first: nebctl pharmacy enrol-unit.")

    def renew_worklists(self, *units: str) -> None:
        """Let the worklists of these units be made anew; without any, those of all."""
        chosen = units or tuple(unit for (unit,) in self.db.execute("SELECT unit FROM unit"))
        self.db.executemany("UPDATE unit SET orders_rev = orders_rev + 1 WHERE unit = ?", [(u,) for u in chosen])
