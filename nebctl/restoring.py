"""Before a unit's first record of a boot: does the pharmacy keep more of it than it has? Then that is fetched back.

Once a unit that was put back to an older copy has recorded anything, its log has forked, and no fetching can mend it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeAlias

from nebctl.core.instant import Instant
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import parse_entry
from nebctl.core.ledger.head import Checkpoint
from nebctl.core.ledger.hello import HEAD as ANSWER
from nebctl.core.ledger.hello import NONCE_BYTES, Hello
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.restore import BATCH, parse_restored
from nebctl.core.ledger.restore import HEAD as RESTORED
from nebctl.publish.asking import Conversation
from nebctl.store.ledger import UnitLedger
from nebctl.store.outbox import Agreed, ReceiptRefused, Refusal

log = logging.getLogger("nebctl.restoring")

ANSWER_S = 2.0
"""How long a unit that starts waits for the pharmacy; without an answer it works on, for a dose needs no network."""
BATCH_S = 5.0
"""How long the next record that was asked for may stay away before it is asked for again."""
MOST_RECORDS = 100_000
"""More is not fetched back by the network: an engineer takes the pharmacy's copy."""

Texts: TypeAlias = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Restored:
    """So many records had been lost and stand in the log again."""

    count: int


Found: TypeAlias = Agreed | Restored | ReceiptRefused
"""What came of the first contact: both logs agree, lost records are back, or the two have parted."""


class Restorer:
    """Asks the pharmacy about one ledger, and fetches back what it has lost."""

    def __init__(self, ledger: UnitLedger, orders: Vkey, random: Callable[[int], bytes]) -> None:
        self._ledger = ledger
        self._orders = orders
        self._random = random
        self._receipt: str | None = None

    async def catch_up(self, conversation: Conversation, now: Callable[[], Instant]) -> Found:
        """Return what came of it.

        Raises: `TimeoutError` where the pharmacy does not answer or does not send what it keeps; `BrokerFault` where
        the broker goes; `StoreFault` where the ledger refuses.
        """
        async with asyncio.timeout(ANSWER_S):
            found = await self._ask(conversation)
        if not isinstance(found, ReceiptRefused) or found.kind is not Refusal.ROLLBACK or found.kept is None:
            return found
        kept = found.kept
        if kept.origin != self._ledger.origin or kept.size - self._ledger.size > MOST_RECORDS:
            return found
        log.warning("%s; fetching back what is missing", found.reason)
        back = await self._ledger.restore(await self._fetch(conversation, kept), kept, now(), self._receipt)
        return back if isinstance(back, ReceiptRefused) else Restored(back)

    async def _ask(self, conversation: Conversation) -> Agreed | ReceiptRefused:
        hello = self._hello(None)
        await conversation.say(hello)
        async for text in self._listen(conversation):
            if text.startswith(f"{ANSWER}\n"):
                found = await self._ledger.take_answer(text, hello.nonce, self._orders)
                if isinstance(found, Agreed) or found.kind in (Refusal.ROLLBACK, Refusal.FORK):
                    return found
                log.warning("%s", found.reason)
        raise TimeoutError

    async def _fetch(self, conversation: Conversation, kept: Checkpoint) -> Texts:
        """Return the records from this log's end up to what is kept, in order, as they came; none is believed yet."""
        texts: Texts = []
        while (begin := self._ledger.size + len(texts)) < kept.size:
            await conversation.say(self._hello(begin))
            texts += await self._take_batch(conversation, begin, kept.size)
        return texts

    async def _take_batch(self, conversation: Conversation, begin: int, end: int) -> Texts:
        texts: Texts = []
        try:
            async with asyncio.timeout(BATCH_S) as patience:
                async for text in self._listen(conversation):
                    if not text.startswith(f"{RESTORED}\n"):
                        continue
                    record = _record_at(text, begin + len(texts))
                    if record is not None:
                        texts.append(record)
                        patience.reschedule(asyncio.get_running_loop().time() + BATCH_S)
                    if begin + len(texts) == end or len(texts) == BATCH:
                        return texts
        except TimeoutError:
            if not texts:
                raise
        return texts

    async def _listen(self, conversation: Conversation) -> AsyncIterator[str]:
        """Yield answers and records; the last of the receipts that come before them is kept, not yet believed."""
        async for text in conversation.heard():
            if text.startswith((f"{ANSWER}\n", f"{RESTORED}\n")):
                yield text
            else:
                self._receipt = text

    def _hello(self, want: int | None) -> Hello:
        nonce = self._random(NONCE_BYTES).hex()
        return Hello(nonce=nonce, epoch=self._ledger.epoch, size=self._ledger.size, root=self._ledger.root, want=want)


def _record_at(text: str, seq: int) -> tuple[str, tuple[str, ...]] | None:
    """Return the record of a message where it is the one at this place."""
    try:
        record = parse_restored(text)
        return record if parse_entry(record[0]).seq == seq else None
    except FormatError as fault:
        log.warning("a record that came back is not one: %s", fault)
        return None
