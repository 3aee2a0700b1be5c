"""The parts of the stream that need no broker: topics, message texts, the window, the pauses."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.publish.connection import BrokerFault, MqttSettings
from nebctl.publish.steady import LONGEST_PAUSE_S, backoff, stream_forever
from nebctl.publish.topics import UnitTopic, format_record, parse_record, parse_topic, topic
from nebctl.publish.unit import Callbacks, Standing, UnitPublisher
from nebctl.publish.window import Window

parts = st.text("abcXYZ019-_.", min_size=1, max_size=8)
LOG = logging.getLogger("parts-test")


class Numbered(NamedTuple):
    """A record's place."""

    epoch: int
    seq: int


def records(first: int, last: int) -> list[Numbered]:
    """Return the places first to last of epoch 1."""
    return [Numbered(1, seq) for seq in range(first, last + 1)]


@given(jws=parts, disclosures=st.lists(parts, max_size=3), line=parts)
def test_a_record_message_is_read_back(jws: str, disclosures: list[str], line: str) -> None:
    """What is put into a message comes out of it, with any number of disclosures and either end of the head line."""
    for ending in ("", "\n"):
        found = parse_record(format_record(jws, disclosures, line + ending))
        assert found is not None
        assert (found.jws, found.disclosures, found.head_line) == (jws, tuple(disclosures), line)


def test_topics_are_read_back_and_others_are_not_ours() -> None:
    """A topic of ours tells site, unit and kind; one of another shape tells nothing."""
    assert parse_topic(topic("a.example", "neb-0001", "record")) == UnitTopic("a.example", "neb-0001", "record")
    for other in ("", "nebctl/v1/a/b", "nebctl/v1/a/b/c/d", "nebctl/v2/a/b/c", "nebctl/v1//b/c"):
        assert parse_topic(other) is None


def test_the_window_sends_each_record_once_while_receipts_come() -> None:
    """New records go out, sent ones do not go out again, closed ones are forgotten."""
    window = Window(resend_s=5, nudge_s=0.5, now=0)
    assert window.due(records(0, 2), 0) == records(0, 2)
    assert window.due(records(0, 3), 1) == records(3, 3)
    window.heard()
    assert window.due(records(2, 3), 1.1) == []
    assert window.due([], 2) == []
    assert window.due(records(4, 4), 3) == records(4, 4)


def test_the_window_starts_over_when_receipts_stay_away() -> None:
    """After `resend_s` without a receipt all that is open goes out again, and then not before the same time again."""
    window = Window(resend_s=5, nudge_s=0.5, now=0)
    window.due(records(0, 2), 0)
    assert window.due(records(0, 2), 4.9) == []
    assert window.wait_s(4.9) == pytest.approx(0.1)
    assert window.due(records(0, 2), 5) == records(0, 2)
    assert window.due(records(0, 2), 5.1) == []


def test_a_word_that_closes_nothing_brings_the_resend_forward() -> None:
    """The pharmacy speaks and closes nothing: what is open goes out again after `nudge_s`, once."""
    window = Window(resend_s=5, nudge_s=0.5, now=0)
    window.due(records(0, 2), 0)
    window.heard()
    assert window.due(records(0, 2), 0.4) == []
    assert window.due(records(0, 2), 0.5) == records(0, 2)
    assert window.due(records(0, 2), 1.1) == []


def test_pauses_grow_to_a_limit_and_jitter_halves_them_at_most() -> None:
    """Pauses double to the longest and stay there; full jitter shortens each by half."""
    longest = list(itertools.islice(backoff(lambda: 0.0), 40))
    shortest = list(itertools.islice(backoff(lambda: 1.0), 40))
    assert longest[:3] == [0.25, 0.5, 1.0]
    assert longest[-1] == LONGEST_PAUSE_S
    assert longest == sorted(longest)
    assert shortest == [pause / 2 for pause in longest]


@pytest.mark.virtual
async def test_nothing_but_cancellation_ends_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    """Faults of the broker, foreseen or not, alone or in groups, start the stream again; a cancellation ends it."""
    faults = [BrokerFault("gone"), BrokerFault("gone"), ZeroDivisionError(), ExceptionGroup("g", [BrokerFault("shut")])]
    notes: list[str] = []

    async def stream(established: Callable[[], None]) -> None:
        established()
        if not faults:
            await asyncio.Event().wait()
        raise faults.pop(0)

    with caplog.at_level(logging.INFO):
        task = asyncio.create_task(stream_forever(stream, random=lambda: 0.0, log=LOG, note=notes.append))
        await asyncio.sleep(60)
    assert notes == ["gone", "gone", "ZeroDivisionError", "shut"]
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.virtual
async def test_a_swallowed_cancellation_still_ends_the_stream() -> None:
    """A library call that returns instead of passing a cancellation on does not keep the stream alive."""

    async def stream(established: Callable[[], None]) -> None:
        established()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    task = asyncio.create_task(stream_forever(stream, random=lambda: 0.0, log=LOG, note=lambda _: None))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()


class Wire:
    """A connection that keeps what is published, with the virtual time of it."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, str, bool]] = []

    async def publish(self, message: Any, *, qos: int = 1) -> None:
        """Keep the message."""
        self.sent.append((asyncio.get_running_loop().time(), message.topic.rpartition("/")[2], message.retain))


@pytest.mark.virtual
async def test_a_quiet_unit_is_heard_every_half_minute() -> None:
    """A unit with nothing to report says its state every 30 s, retained, so that the pharmacy sees that it is there."""
    callbacks: Any = Callbacks(
        standing=lambda: Standing(epoch=1, size=0, root=bytes(32)),
        state=dict,
        on_worklist=None,
        on_receipt=None,
        on_answer=None,
    )
    settings = MqttSettings(url="mqtt://127.0.0.1:1", client_id="neb-0001")
    publisher: Any = UnitPublisher(
        settings, "site", "neb-0001", None, callbacks, random=lambda: 0.0, nonce=lambda: "", log=LOG
    )
    wire = Wire()
    telling = asyncio.create_task(publisher._tell(wire))
    await asyncio.sleep(95)
    telling.cancel()
    assert [(round(at), kind, retain) for at, kind, retain in wire.sent] == [
        (30, "state", True),
        (60, "state", True),
        (90, "state", True),
    ]


@pytest.mark.virtual
async def test_a_connection_that_ends_at_once_is_not_tried_four_times_a_second() -> None:
    """A broker that lets a client in and then refuses is asked less and less often; one that stood, again at once."""
    began: list[float] = []
    stands_s = 0.0

    async def stream(established: Callable[[], None]) -> None:
        began.append(asyncio.get_running_loop().time())
        established()
        await asyncio.sleep(stands_s)
        raise BrokerFault("refused")

    task = asyncio.create_task(stream_forever(stream, random=lambda: 0.0, log=LOG, note=lambda _: None))
    await asyncio.sleep(300)
    assert [later - earlier for earlier, later in itertools.pairwise(began)][-3:] == [LONGEST_PAUSE_S] * 3
    stands_s = 2.0
    await asyncio.sleep(100)
    assert began[-1] - began[-2] == stands_s + 0.25
    task.cancel()
    await asyncio.wait([task])


class Deaf:
    """A connection whose broker acknowledges everything and passes nothing on."""

    async def publish(self, message: Any, *, qos: int = 1) -> None:
        """Acknowledge it."""

    async def subscribe(self, topics: Any) -> None:
        """Grant it."""

    async def messages(self) -> Any:
        """Say nothing."""
        await asyncio.Event().wait()
        yield


class Full:
    """An outbox with one record that waits."""

    async def unreceipted(self, limit: int) -> list[Any]:
        """Return it."""
        return [Waiting()]


class Waiting:
    """A record that waits."""

    epoch, seq, jws, disclosures, head_line = 1, 0, "a.b.c", (), "line"


@pytest.mark.virtual
async def test_records_that_nobody_receipts_are_told() -> None:
    """Where the broker acknowledges records and nothing comes of it, the unit says so, though it is connected."""

    @contextlib.asynccontextmanager
    async def connect(*_: Any) -> Any:
        yield Deaf()

    callbacks: Any = Callbacks(
        standing=lambda: Standing(epoch=1, size=1, root=bytes(32)),
        state=dict,
        on_worklist=None,
        on_receipt=None,
        on_answer=None,
    )
    settings = MqttSettings(url="mqtt://127.0.0.1:1", client_id="neb-0001")
    publisher: Any = UnitPublisher(
        settings, "s", "u", Full(), callbacks, random=lambda: 0.0, nonce=lambda: "00" * 16, log=LOG, connect=connect
    )
    streaming = asyncio.create_task(publisher.run())
    await asyncio.sleep(14)
    assert (publisher.connected, publisher.fault) == (True, None)
    await asyncio.sleep(6)
    assert publisher.connected
    assert publisher.fault.startswith("no receipt for 20 s: the pharmacy is away, or the broker")
    streaming.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await streaming
