"""Hello over real brokers: only an answer to the newest nonce counts, and what an old copy of a card hides is told."""

import secrets
import shutil
from typing import Any

import pytest

from nebctl.core.ledger.head import Checkpoint
from nebctl.core.ledger.hello import Answer, Hello
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.keys import Ed25519Signer, verify
from nebctl.publish.connection import Message, MqttSettings, connect
from nebctl.publish.topics import topic
from nebctl.store.outbox import Agreed, ReceiptRefused, Refusal

SITE, UNIT = "sim.mexcovid.example", "neb-0001"
ORDERS_KEY = Ed25519Signer.from_seed(b"\x03" * 32)
ORDERS = Vkey(f"{SITE}/nebctl-pharmacy/orders", ED25519, ORDERS_KEY.public)


async def answered(stream: Any) -> Agreed | ReceiptRefused:
    """Wait for the unit's judgement of an answer, and return it."""

    def found() -> list[Any]:
        return [a for a in stream.answers if isinstance(a, Agreed) or getattr(a, "what", "") == "answer"]

    await stream.until(found, "an answer to the hello")
    return found()[-1]  # type: ignore[no-any-return]


async def run_both(stream: Any) -> None:
    """Start broker and both sides, and wait until three records are receipted."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.append(3)
    await stream.until(stream.all_receipted, "everything is receipted")


async def test_a_hello_is_answered_with_its_nonce(stream: Any) -> None:
    """The pharmacy answers how it knows the log, signed over the unit's own nonce; the unit's log agrees."""
    await run_both(stream)
    assert isinstance(await answered(stream), Agreed)
    await stream.stop("unit")
    stream.answers.clear()
    stream.run_unit()
    assert await answered(stream) == Agreed(4)


async def test_a_replayed_answer_and_a_wrong_nonce_count_for_nothing(stream: Any) -> None:
    """An answer recorded earlier, or a fresh one to somebody else's nonce, is told from an answer to this one."""
    await run_both(stream)
    heard: list[str] = []
    async with connect(MqttSettings(url=stream.broker.url, client_id="recorder")) as live:
        await live.subscribe([topic(SITE, UNIT, "receipt")])
        hello = Hello(nonce=secrets.token_hex(16), epoch=1, size=4, root=stream.ledger.root)
        await live.publish(Message(topic(SITE, UNIT, "hello"), hello.body()))
        async for message in live.messages():
            heard.append(message.payload.decode())
            if heard[-1].startswith("nebctl/hello/v1\n"):
                break
    assert Answer.open(heard[-1], ORDERS, verify).nonce == hello.nonce
    found = await stream.ledger.take_answer(heard[-1], secrets.token_hex(16), ORDERS)
    assert (found.kind, found.what) == (Refusal.NONCE, "answer")
    assert await stream.ledger.take_answer(heard[-1], hello.nonce, ORDERS) == Agreed(4)


async def test_a_stranger_answers_nothing(stream: Any) -> None:
    """An answer by any other key, the pharmacy's countersigning key too, is refused."""
    await run_both(stream)
    nonce = secrets.token_hex(16)
    kept = Answer.open(Answer(nonce=nonce, kept=tip(stream)).note(ORDERS.name, ORDERS_KEY), ORDERS, verify)
    for seed in (b"\x02", b"\x07"):
        forged = kept.note(ORDERS.name, Ed25519Signer.from_seed(seed * 32))
        found = await stream.ledger.take_answer(forged, nonce, ORDERS)
        assert found.kind is Refusal.FORMAT


def tip(stream: Any) -> Checkpoint:
    """Return how the unit's tree stands."""
    return Checkpoint(stream.ledger.origin, stream.ledger.size, stream.ledger.root)


async def test_an_old_copy_of_a_card_is_told_by_the_answer(stream: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Put back to an earlier state, the unit hears how many records are kept; both sides name the rollback."""
    await run_both(stream)
    await stream.stop("unit")
    await stream.ledger.close()
    shutil.copy(stream.folder / "unit.db", stream.folder / "old.db")
    await stream.reopen()
    stream.run_unit()
    await stream.append(2)
    await stream.until(stream.all_receipted, "the newer records are receipted")
    await stream.stop("unit")
    await stream.ledger.close()
    shutil.copy(stream.folder / "old.db", stream.folder / "unit.db")
    await stream.reopen()
    stream.answers.clear()
    stream.run_unit()
    found = await answered(stream)
    assert isinstance(found, ReceiptRefused)
    assert (found.kind, found.kept.size if found.kept else 0) == (Refusal.ROLLBACK, 6)
    assert "it was put back to an older copy" in caplog.text


async def test_a_retained_receipt_that_is_stale_hides_nothing(stream: Any) -> None:
    """A broker that hands out an old receipt closes nothing anew and raises nothing; the answer tells how it is now."""
    await run_both(stream)
    old = stream.receipts()[-1]
    await stream.append(2)
    await stream.until(stream.all_receipted, "the newer records are receipted")
    await stream.stop("pharmacy")
    await stream.stop("unit")
    async with connect(MqttSettings(url=stream.broker.url, client_id="pharmacy")) as live:
        await live.publish(Message(topic(SITE, UNIT, "receipt"), old.encode(), retain=True))
    stream.answers.clear()
    stream.run_unit()
    await stream.until(lambda: stream.answers, "the old receipt")
    assert stream.answers[0].size == 4
    stream.run_pharmacy()
    assert await stream.all_receipted()
    assert await answered(stream) == Agreed(6)
