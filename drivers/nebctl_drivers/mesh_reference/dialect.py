"""The reference mesh protocol as a dialect of the guard: answers are known by sequence number and command.

Why no answer is ever given to the wrong request: numbers repeat after 65535 requests only, and a number left by an
earlier conversation cannot come up, because the wire keeps order: once the answer with our own HELLO's nonce is here,
everything older has passed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nebctl_drivers.exchange import Answered, Numbered, Sent, Unasked
from nebctl_drivers.timing import Timing

from .frames import MAX_PAYLOAD, Answer, Event, Line, LineReader, Malformed, Refused, encode_request, next_seq

TIMING = Timing(answer_s=0.110)
"""How long an answer is awaited: the page's 100 ms and one tick of 10 ms for the host's own scheduler.

Source: docs/wire-protocol.md section 2.
"""
_SAMPLE = 40
_FRAME = len("$*FFFF\r\n")


@dataclass(frozen=True, slots=True)
class Command:
    """A request: the command and its arguments."""

    name: str
    args: tuple[str | int, ...] = ()


Said: TypeAlias = Answer | Refused | Event


class MeshDialect(Numbered):
    """The dialect of one line."""

    def __init__(self) -> None:
        self._seq = 0
        self._lines = LineReader()
        self._sample = b""
        self._odd: Malformed | None = None

    def reset(self) -> None:
        """Forget what was heard; the numbers go on."""
        self._lines, self._sample, self._odd = LineReader(), b"", None

    def encode(self, request: Command) -> Sent[Command]:
        """Return the request under the next number."""
        self._seq = next_seq(self._seq)
        self._sample, self._odd = b"", None
        return Sent(request, encode_request(self._seq, request.name, *request.args), (self._seq, request.name))

    def longest(self, _request: Command) -> int:
        """Return the bytes of the longest line."""
        return MAX_PAYLOAD + _FRAME

    def feed(self, data: bytes, waiting: Sequence[Sent[Command]]) -> Iterator[Answered[Command, Said] | Unasked[Said]]:
        """Take bytes and yield the answers that are waited for, and the events."""
        self._sample = (self._sample + data)[:_SAMPLE]
        by_key = {sent.key: sent for sent in waiting}
        for line in self._lines.feed(data):
            yield from self._sort(line, by_key)

    def heard(self) -> str:
        """Return what came since the last request, for a person who looks for the wrong device."""
        if self._odd is not None:
            return f"the line {self._odd.payload!r} ({self._odd.why})"
        if self._sample:
            return f"bytes that are no answer, beginning {self._sample!r}"
        return ""

    def _sort(
        self, line: Line, by_key: dict[object, Sent[Command]]
    ) -> Iterator[Answered[Command, Said] | Unasked[Said]]:
        if isinstance(line, Malformed):
            self._odd = line
            return
        self._sample = b""
        if isinstance(line, Event):
            yield Unasked(line)
        elif (sent := by_key.pop((line.seq, line.command), None)) is not None:
            yield Answered(sent, line)
