"""How a record is built and read back: its moment, its text, and facts that cannot stand in it."""

from typing import Any

import pytest

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import build, instant_of, parse_entry, parse_utc
from nebctl.core.ledger.records import Draft

WALL_NS = 1_795_345_900_123_000_000
TOLD = {"boot": "b00t", "mono_ns": 7, "utc": "2026-11-22T11:11:40.123Z"}


@pytest.mark.parametrize(
    ("clk", "state"),
    [
        ({"sync": True, "src": 532_226, "max_us": 16_000}, ClockState(sync=True, source=532_226, max_error_us=16_000)),
        ({"sync": False, "src": 532_224}, ClockState(sync=False, source=532_224)),
        ({"sync": True, "src": "sim", "scale": 60}, ClockState(sync=True, source="sim")),
        ({"sync": 1, "src": [1], "max_us": "1"}, ClockState(sync=False, source="")),
        ("sim", ClockState(sync=False, source="")),
    ],
)
def test_a_records_moment_is_what_it_says(clk: Any, state: ClockState) -> None:
    """Both times, the boot and the clock's state come back; what a clock does not say clearly is not believed."""
    moment = instant_of({**TOLD, "clk": clk})
    assert moment == Instant(mono_ns=7, wall_ns=WALL_NS, boot="b00t", clock=state)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-11-22T11:11:40.123", "2026-02-30T11:11:40.123Z", "1969-12-31T23:59:59.999Z"),
        *("2026-11-22T24:00:00.000Z", "x"),
    ],
)
def test_a_time_that_is_none_is_said(text: str) -> None:
    """Another form, a day that does not exist and a time before 1970 are refused with what would be right."""
    with pytest.raises(FormatError) as error:
        parse_utc(text)
    assert str(error.value) == f"utc: saw {text}, expected a UTC time such as 2026-11-22T11:11:40.123Z"


def test_an_entry_keeps_the_text_of_its_record(book: Any) -> None:
    """The text, its leaf hash and the disclosures come with what the record says."""
    entry = book.add(Draft(typ="clock", private={"text": "a"}))
    read = parse_entry(entry.jws, entry.disclosures)
    assert (read.jws, read.leaf, read.disclosures) == (entry.jws, entry.leaf, entry.disclosures)
    assert read.payload == jws.parse(entry.jws).payload


@pytest.mark.parametrize(
    ("draft", "salts", "sentence"),
    [
        (
            Draft(typ="chart", private={"text": "a"}),
            [],
            "chart: saw 0 salts, expected 1, one a private fact",
        ),
        (
            Draft(typ="chart", facts={"seq": 1}),
            [],
            "chart fact: saw seq, expected a name that no other member of the record has",
        ),
        (
            Draft(typ="chart", facts={"kit": "a"}, private={"kit": "b"}),
            [bytes(16)],
            "chart fact: saw kit, expected a name that no other member of the record has",
        ),
    ],
)
def test_a_record_that_cannot_be_built_is_said(book: Any, draft: Draft, salts: list[bytes], sentence: str) -> None:
    """A private fact without its salt and a fact whose name is taken are refused before anything is signed."""
    at = Instant(mono_ns=7, wall_ns=WALL_NS, boot="b00t", clock=ClockState(sync=True, source="sim"))
    with pytest.raises(FormatError) as error:
        build(draft, 0, bytes(32), at, book.stamp, bytes(16), salts)
    assert str(error.value) == sentence
