"""What the pharmacy's word means for the unit: what it holds, whether both logs agree, and how old what waits is."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol

from nebctl.core.alarms import Condition
from nebctl.core.ledger.encoding import b64url
from nebctl.core.ledger.head import Origin
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Json
from nebctl.ports import Clock
from nebctl.store.ledger import UnitLedger
from nebctl.store.outbox import Receipted, ReceiptRefused, Refusal

log = logging.getLogger("nebctl.contact")

LOOK_S = 10.0
"""How often the age of what waits is looked at."""
PARTED = {Refusal.ROLLBACK: Condition.RECEIPT_AHEAD, Refusal.FORK: Condition.LOG_FORKED}
"""The alarm for each way in which the two logs part; both stand until an engineer and the pharmacy have acted."""


class Alarms(Protocol):
    """Where alarms and records outside a session go."""

    def raise_alarm(self, condition: Condition) -> None:
        """Raise an alarm, if it does not stand already."""
        ...

    def clear_alarm(self, condition: Condition) -> None:
        """Clear an alarm whose cause is gone."""
        ...

    async def note(self, draft: Draft) -> None:
        """Record something outside the session."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """By what the pharmacy's word is judged: its orders key, and how long a record may wait for its receipt."""

    orders: Vkey
    longest_wait_ns: int


class Contact:
    """Judges what the pharmacy says; `receipted` is how many records of this epoch it is known to hold."""

    def __init__(self, ledger: UnitLedger, clock: Clock, terms: Terms, alarms: Alarms, *, receipted: int) -> None:
        self._ledger = ledger
        self._clock = clock
        self._terms = terms
        self._alarms = alarms
        self._told: set[Refusal] = set()
        self.receipted = receipted

    async def take_receipt(self, answer: Receipted | ReceiptRefused) -> None:
        """Take what the ledger made of a countersigned head."""
        if isinstance(answer, Receipted):
            self.receipted = max(self.receipted, answer.size)
        else:
            await self._refuse(answer)

    async def take_answer(self, note_text: str, nonce: str) -> bool:
        """Take what came as an answer to the hello with this nonce; False means that it answers another or none."""
        found = await self._ledger.take_answer(note_text, nonce, self._terms.orders)
        if isinstance(found, ReceiptRefused):
            await self._refuse(found)
            return found.kind in PARTED
        log.info("the pharmacy keeps %d records of this unit, as they stand here", found.size)
        return True

    async def watch_age(self) -> None:
        """Raise an alarm while a record waits too long for its receipt; runs until cancelled."""
        while True:
            oldest_ns = (await self._ledger.backlog()).oldest_wall_ns
            now_ns = self._clock.instant().wall_ns
            if oldest_ns is not None and now_ns - oldest_ns > self._terms.longest_wait_ns:
                self._alarms.raise_alarm(Condition.UNRECEIPTED)
            else:
                self._alarms.clear_alarm(Condition.UNRECEIPTED)
            await asyncio.sleep(LOOK_S)

    async def _refuse(self, refused: ReceiptRefused) -> None:
        """Tell why the pharmacy's word was not taken; where the logs have parted, raise that and record it once."""
        log.warning("%s", refused.reason)
        if refused.kind not in PARTED:
            return
        self._alarms.raise_alarm(PARTED[refused.kind])
        if refused.kind not in self._told:
            self._told.add(refused.kind)
            await self._alarms.note(parting(refused))


def parting(refused: ReceiptRefused) -> Draft:
    """Return the record that the two logs have parted: this one's size, and what the pharmacy keeps of which epoch."""
    facts: dict[str, Json] = {"kind": refused.kind.value}
    if (own := refused.own) is not None:
        facts["size"] = own.size
    if (kept := refused.kept) is not None:
        facts |= {"kept_ep": Origin.parse(kept.origin).epoch, "to_size": kept.size, "root": b64url(kept.root)}
    return Draft(typ="incident", facts=facts)
