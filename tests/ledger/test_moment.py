"""The moment at which a record was made, as it is read back from the record, and the text of a time."""

from typing import Any

import pytest

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import jws
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import instant_of, parse_entry, parse_utc
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
