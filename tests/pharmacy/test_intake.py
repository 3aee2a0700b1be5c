"""Records that arrive together: judged as if they had come one by one, and committed as one."""

import asyncio
import json
import random
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl import keys
from nebctl.cli.pharmacy import pharmacy as command
from nebctl.core.ledger.records import Draft
from nebctl.pharmacy.check import MOST_BYTES, Reason, Refused
from nebctl.pharmacy.inbox import TOGETHER, Inbox
from nebctl.pharmacy.ingest import Arrival, Ingest
from nebctl.pharmacy.intake import Accepted, Duplicate, OutOfOrder
from nebctl.pharmacy.intake_sheet import STRANGERS, intake_sheet
from nebctl.publish.topics import parse_record

UNIT = "neb-0001"


def together(pharmacy: Any, bodies: list[bytes], unit: str = UNIT) -> list[Any]:
    """Hand messages in as one batch."""
    return list(pharmacy.ingest.take_all([Arrival(unit, body) for body in bodies], 10**18))


def under_another_head(body: bytes, other: bytes) -> bytes:
    """Return the record of one message under the head of another."""
    return body.split(b"\n")[0] + b"\n" + other.split(b"\n")[1] + b"\n"


def texts(pharmacy: Any) -> list[str]:
    """Return the kept records in order."""
    return [text for (text,) in pharmacy.rows("SELECT jws FROM rec ORDER BY seq")]


def text_of(body: bytes) -> str:
    """Return the record's text of a message."""
    parts = parse_record(body)
    assert parts is not None
    return parts.jws


@pytest.mark.req("S40")
@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_batch_is_kept_in_order(pharmacy: Any, unit: Any, seed: int) -> None:
    """Records that arrive together in any order, each twice, are kept once each and in order."""
    bodies = [unit.boot() for _ in range(12)]
    mixed = bodies * 2
    random.Random(seed).shuffle(mixed)
    answers = together(pharmacy, mixed)
    assert sorted(type(answer).__name__ for answer in answers) == ["Accepted"] * 12 + ["Duplicate"] * 12
    assert texts(pharmacy) == [text_of(body) for body in bodies]


def test_a_batch_is_answered_message_by_message(pharmacy: Any, unit: Any) -> None:
    """Each message of a batch gets its own answer, at its own place, whatever became of its neighbours."""
    first, second = unit.boot(), unit.boot()
    unit.boot()
    early = unit.boot()
    answers = together(pharmacy, [b"nonsense", early, second, first, second])
    assert [type(answer) for answer in answers] == [Refused, OutOfOrder, Accepted, Accepted, Duplicate]
    assert [answer.seq for answer in answers[1:]] == [3, 1, 0, 1]
    assert answers[1].want == 2


def test_a_bad_last_head_sends_back_to_the_last_good_one(pharmacy: Any, unit: Any) -> None:
    """Where the last head of a batch is not good, the batch is kept up to the first record whose head is bad."""
    bodies = [unit.boot() for _ in range(4)]
    bodies[2] = under_another_head(bodies[2], bodies[0])
    bodies[3] = under_another_head(bodies[3], bodies[0])
    answers = together(pharmacy, bodies)
    assert [type(answer) for answer in answers] == [Accepted, Accepted, Refused, OutOfOrder]
    assert answers[2].reason is Reason.HEAD
    assert len(texts(pharmacy)) == 2


def test_a_good_last_head_covers_the_records_before_it(pharmacy: Any, unit: Any) -> None:
    """A head is signed over the whole tree: one that is good makes up for a bad one before it in the same batch."""
    bodies = [unit.boot() for _ in range(3)]
    answers = together(pharmacy, [bodies[0], under_another_head(bodies[1], bodies[0]), bodies[2]])
    assert [type(answer) for answer in answers] == [Accepted] * 3
    assert pharmacy.receipt() is not None


@pytest.mark.req("S34")
def test_two_records_with_one_number_in_a_batch_are_a_fork(pharmacy: Any, unit: Any) -> None:
    """Of two signed records with one number the first to arrive is kept; the other is refused and filed."""
    clone = replace(unit)
    first = unit.boot()
    second = clone.write(Draft(typ="boot", facts={"reason": "other"}))
    answers = together(pharmacy, [first, second])
    assert [type(answer) for answer in answers] == [Accepted, Refused]
    assert answers[1].reason is Reason.FORK
    assert pharmacy.rows("SELECT reason, body FROM evidence") == [("fork", second)]


def test_a_record_of_another_history_stops_a_batch_there(pharmacy: Any, unit: Any) -> None:
    """A record whose `prev` is another tree's is refused, and nothing after it is kept."""
    good = unit.boot()
    stray = unit.write(Draft(typ="boot", facts={"reason": "x"}), prev="A" * 43)
    after = unit.boot()
    answers = together(pharmacy, [good, stray, after])
    assert [type(answer) for answer in answers] == [Accepted, Refused, OutOfOrder]
    assert answers[1].reason is Reason.CHAIN


def test_units_in_one_batch_do_not_touch_each_other(pharmacy: Any, unit: Any) -> None:
    """A stranger's record beside a unit's own changes nothing about the latter."""
    stranger = replace(unit, unit="neb-0666")
    arrivals = [Arrival("neb-0666", stranger.boot()), Arrival(UNIT, unit.boot())]
    answers = pharmacy.ingest.take_all(arrivals, 10**18)
    assert [type(answer) for answer in answers] == [Refused, Accepted]


def test_a_huge_message_is_refused_unread(pharmacy: Any) -> None:
    """A message above the limit is refused for its size, with the limit named."""
    (answer,) = together(pharmacy, [b"x" * (MOST_BYTES + 1)])
    assert answer.reason is Reason.SIZE
    assert str(MOST_BYTES) in answer.sentence()


def test_nothing_of_a_batch_is_kept_when_the_disk_refuses(pharmacy: Any, unit: Any) -> None:
    """A batch whose commit fails leaves nothing behind, and is kept whole when it comes again."""
    bodies = [unit.boot() for _ in range(3)]
    pharmacy.db.execute("CREATE TRIGGER full BEFORE INSERT ON rec WHEN NEW.seq = 2 BEGIN SELECT RAISE(ABORT, 'x'); END")
    with pytest.raises(sqlite3.IntegrityError):
        together(pharmacy, bodies)
    assert pharmacy.rows("SELECT (SELECT count(*) FROM rec), (SELECT count(*) FROM tip)") == [(0, 0)]
    pharmacy.db.execute("DROP TRIGGER full")
    assert all(isinstance(answer, Accepted) for answer in together(pharmacy, bodies))


def test_a_second_head_is_only_read_where_it_must_be(pharmacy: Any, unit: Any) -> None:
    """A batch of n records costs n + 1 signature checks: one a record, and one for the last head."""
    checked: list[bytes] = []

    def counting(public: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(message)
        return keys.verify(public, message, signature)

    pharmacy.ingest = Ingest(pharmacy.db, simulated=True, verify=counting)
    together(pharmacy, [unit.boot() for _ in range(10)])
    assert len(checked) == 11


async def test_the_inbox_hands_out_what_waits_together() -> None:
    """Messages are taken in handfuls, the oldest first, and what finds no room is refused."""
    inbox = Inbox(most_bytes=TOGETHER + 2)
    assert all(inbox.put(Arrival(UNIT, b"%c" % (i % 256))) for i in range(TOGETHER + 2))
    assert not inbox.put(Arrival(UNIT, b"x"))
    assert len(await inbox.take()) == TOGETHER
    assert inbox.put(Arrival(UNIT, b"x"))
    assert [arrival.body for arrival in await inbox.take()][-1] == b"x"


def test_what_is_not_kept_is_counted_by_unit_and_reason(pharmacy: Any, unit: Any) -> None:
    """Malformed, huge, early, repeated and foreign messages are counted, those of strangers in one line together."""
    first, second, third = (unit.boot() for _ in range(3))
    together(pharmacy, [b"x", b"y", b"x" * (MOST_BYTES + 1), third, first, first])
    together(pharmacy, [first, b"x", second, third])
    for name in ("neb-0666", "neb-0667"):
        together(pharmacy, [replace(unit, unit=name).boot()], name)
    lines = {line.unit: line for line in intake_sheet(pharmacy.db)}
    counts = {name: {each.reason: each.count for each in line.not_kept} for name, line in lines.items()}
    assert counts == {UNIT: {"early": 1, "format": 3, "repeated": 2, "size": 1}, STRANGERS: {"unknown-unit": 2}}
    assert (lines[UNIT].records, lines[UNIT].epoch, lines[UNIT].receipted) == (3, 1, 0)


async def test_what_is_on_its_way_is_taken_along() -> None:
    """The first message to come is taken at once; those that come meanwhile, one a turn, end up in one handful."""
    inbox = Inbox()

    async def arrive() -> None:
        for _ in range(30):
            inbox.put(Arrival(UNIT, b"x"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    arriving = asyncio.create_task(arrive())
    assert len(await inbox.take()) == 1
    for _ in range(4):  # as long as the database has the first
        await asyncio.sleep(0)
    assert len(await inbox.take()) == 29
    await arriving


def test_the_counts_are_shown(pharmacy: Any, unit: Any, tmp_path: Path) -> None:
    """`nebctl pharmacy show --units` prints a line a unit with what was not kept, for people and as JSON."""
    together(pharmacy, [unit.boot(), b"x", b"y"])
    words = ["show", "--db", str(tmp_path / "pharmacy.db"), "--units"]
    told = CliRunner().invoke(command, words)
    assert told.exit_code == 0
    assert "neb-0001" in told.output
    assert "2 format (last " in told.output
    line = json.loads(CliRunner().invoke(command, [*words, "--json"]).output)["units"][0]
    assert (line["unit"], line["records"], line["not_kept"][0]["count"]) == ("neb-0001", 1, 2)
    both = CliRunner().invoke(command, [*words, "--kit", "KIT-0401"])
    assert (both.exit_code, "give one of" in both.output) == (2, True)
