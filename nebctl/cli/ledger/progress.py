"""Progress of a long check on standard error, one line that is written over."""

import time
from collections.abc import Callable

import click

EVERY_S = 0.5


class Progress:
    """Counts records as they are done and says so twice a second; `now_s` is a monotonic clock."""

    def __init__(self, total: int, *, shown: bool, now_s: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._shown = shown
        self._now_s = now_s
        self._began_s = self._said_s = now_s()
        self._done = 0
        self._line = ""

    def add(self, records: int) -> None:
        """Count so many records more."""
        self._done += records
        now_s = self._now_s()
        if self._shown and now_s - self._said_s >= EVERY_S:
            self._said_s = now_s
            rate = self._done / (now_s - self._began_s)
            left_s = max(0, self._total - self._done) / rate
            self._write(f"{self._done} of {self._total} records, {rate:.0f} a second, {left_s:.0f} s left")

    def close(self) -> None:
        """Take the line away, so that findings stand alone."""
        if self._line:
            self._write("")
            click.echo("\r", nl=False, err=True)

    def _write(self, line: str) -> None:
        click.echo("\r" + line.ljust(len(self._line)), nl=False, err=True)
        self._line = line
