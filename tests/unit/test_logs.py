"""A log whose reader takes nothing."""

import contextlib
import logging
import os

import pytest

from nebctl.logs import WAITING, AsideHandler


@pytest.mark.req("S20")
def test_a_blocked_log_holds_up_nobody() -> None:
    """With a full pipe behind it, more lines than it keeps are taken at once, the rest is counted, and it is told."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, bytes(4096)):
            pass
    os.set_blocking(writing, True)
    handler = AsideHandler(writing)
    for number in range(WAITING + 100):  # would never end if a line waited for the reader
        handler.emit(logging.LogRecord("nebctl", logging.INFO, "", 0, "line %d", (number,), None))
    assert 98 <= handler.lost <= 100
    text = b""
    while b"lost" not in text:
        text = text[-200:] + os.read(reading, 65_536)
    assert b"line" in text
    os.close(reading)  # and the thread waits for nobody any more


def test_a_line_is_written_as_it_came() -> None:
    """Lines come out whole and in order, once flushed, whatever is in them."""
    reading, writing = os.pipe()
    handler = AsideHandler(writing)
    for text in ("one", "zwei \udcff", "三"):
        handler.emit(logging.LogRecord("nebctl", logging.INFO, "", 0, text, (), None))
    handler.flush()
    assert os.read(reading, 1000).decode() == "one\nzwei \\udcff\n三\n"
