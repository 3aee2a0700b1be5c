"""Which records to send now: in order, a bounded number ahead of the receipts, and again when receipts stay away."""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Numbered(Protocol):
    """What has a place in the log."""

    @property
    def epoch(self) -> int:
        """Return the epoch, from 1."""
        ...

    @property
    def seq(self) -> int:
        """Return the sequence number, from 0."""
        ...


R = TypeVar("R", bound=Numbered)


class Window:
    """The memory of one connection: how far records went out, and since when nothing moved.

    Times are seconds of any monotonic clock. Without a receipt for `resend_s` the whole window goes out again. A word
    of the pharmacy's that closes nothing says that it is there and missed something: then `nudge_s` is enough.
    """

    def __init__(self, *, resend_s: float, nudge_s: float, now: float) -> None:
        self._resend_s = resend_s
        self._nudge_s = nudge_s
        self._sent: tuple[int, int] | None = None
        self._lowest: tuple[int, int] | None = None
        self._moved_at = self._lowest_since = now
        self._nudged = False

    def due(self, pending: Sequence[R], now: float) -> list[R]:
        """Return what is to go out of the lowest unreceipted records, which come in order, and count it as sent."""
        if not pending:
            self._lowest = self._sent = None
            return []
        lowest = _place(pending[0])
        if lowest != self._lowest:
            self._lowest, self._moved_at, self._lowest_since, self._nudged = lowest, now, now, False
        elif now - self._moved_at >= (self._nudge_s if self._nudged else self._resend_s):
            self._sent, self._moved_at, self._nudged = None, now, False
        due = [record for record in pending if self._sent is None or _place(record) > self._sent]
        if due:
            self._sent = _place(due[-1])
        return due

    def heard(self) -> None:
        """Note that the pharmacy spoke; the next `due` finds out whether it closed anything."""
        self._nudged = True

    def stuck_s(self, now: float) -> float:
        """Return how long the lowest record has waited for its receipt on this connection; 0 where none waits."""
        return 0.0 if self._lowest is None else now - self._lowest_since

    def wait_s(self, now: float) -> float:
        """Return how long to sleep until something may be due again, at least a little.

        With nothing to send there is nothing to be late with: whoever appends wakes the sender.
        """
        if self._lowest is None:
            return self._resend_s
        return max(self._moved_at + (self._nudge_s if self._nudged else self._resend_s) - now, 0.01)


def _place(record: Numbered) -> tuple[int, int]:
    return record.epoch, record.seq
