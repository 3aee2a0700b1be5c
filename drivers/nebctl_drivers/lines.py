"""Devices that answer in text lines and number nothing: bytes to lines, and each line to the request that it answers.

A grammar knows what the lines of one family mean. None of these families has a checksum, so a line counts only as a
whole: what is not exactly as the grammar has it is dropped, never mended.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, Protocol, TypeVar

from nebctl_drivers.exchange import Answered, Heard, Sent, Unasked

CR = b"\r"
CR_LF = b"\r\n"
LONGEST_LINE = 160
"""Bytes of the longest line that is kept; what is longer is noise."""
_SAMPLE = 40

R = TypeVar("R")
A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)


class Grammar(Protocol[R, A_co]):
    """What the lines of one family of devices mean; it keeps nothing between calls."""

    @property
    def ending(self) -> bytes:
        """Return what ends a line: `CR` or `CR_LF`."""
        ...

    def encode(self, request: R) -> bytes:
        """Return the request as it goes out, its ending included."""
        ...

    def longest(self, request: R) -> int:
        """Return the bytes that a good answer's first line has at most as a rule; it sets how long one is awaited."""
        ...

    def fit(self, request: R, line: str) -> A_co | None:
        """Return what the line says as an answer to `request`; None means that it is none."""
        ...

    def unasked(self, line: str) -> A_co | None:
        """Return what the line says where it answers nothing; None means that it says nothing of this family."""
        ...

    def probes(self, known: R) -> Iterable[R]:
        """Return harmless requests to the station of `known` whose answers can be told from each other."""
        ...

    def alike(self, one: R, other: R) -> bool:
        """Return whether an answer to `one` could be taken for an answer to `other`."""
        ...


class LineCutter:
    """Cuts received bytes into lines; at most one line's bytes are kept.

    `rest` is what has come of a line without its end.
    """

    def __init__(self, ending: bytes) -> None:
        self._ending = ending
        self._stale = 0
        self.rest = bytearray()

    def mark(self) -> None:
        """Note that a new answer may begin here: what stands before may be of one that never came to its end."""
        self._stale = len(self.rest)

    def feed(self, data: bytes) -> list[tuple[bytes, ...]]:
        """Take received bytes, in pieces of any size, and return the lines that they complete, their endings included.

        A line that began before the mark comes in two readings: from the mark on, and the whole of it, which is the
        right one where the mark fell into an answer on its way.
        """
        lines: list[tuple[bytes, ...]] = []
        for byte in data:
            self.rest.append(byte)
            if byte == self._ending[-1]:
                lines.append(self._finish())
            elif len(self.rest) > LONGEST_LINE:
                del self.rest[:-LONGEST_LINE]  # longer than any line already, so it stays unreadable to its end
                self._stale = max(0, self._stale - 1)
        return lines

    def _finish(self) -> tuple[bytes, ...]:
        line, stale = bytes(self.rest), self._stale
        self.rest.clear()
        self._stale = 0
        return (line[stale:], line) if stale else (line,)


class LineDialect(Generic[R, A]):
    """The dialect of a grammar, for the bus guard; one for a bus, whatever the number of its stations."""

    numbered = False

    def __init__(self, grammar: Grammar[R, A]) -> None:
        self._grammar = grammar
        self._cutter = LineCutter(grammar.ending)
        self._odd = b""

    def reset(self) -> None:
        """Forget what was heard: the wire was opened afresh."""
        self._cutter = LineCutter(self._grammar.ending)
        self._odd = b""

    def encode(self, request: R) -> Sent[R]:
        """Return the request as it goes out now, and begin to note what is heard since."""
        self._odd = b""
        self._cutter.mark()
        return Sent(request, self._grammar.encode(request))

    def longest(self, request: R) -> int:
        """Return the bytes of the longest good answer to `request`, as far as its time-out goes."""
        return self._grammar.longest(request)

    def feed(self, data: bytes, waiting: Sequence[Sent[R]]) -> Iterable[Heard[R, A]]:
        """Take received bytes and return what they complete; a line belongs to the oldest request that it fits."""
        still = list(waiting)
        placed = (self._place(readings, still) for readings in self._cutter.feed(data))
        return [heard for heard in placed if heard is not None]

    def heard(self) -> str:
        """Return what came since the last request and is no answer, for a person; empty for silence."""
        sample = self._odd + bytes(self._cutter.rest)
        return f"bytes that are no answer, beginning {sample[:_SAMPLE]!r}" if sample.strip() else ""

    def probes(self, known: R) -> Iterable[R]:
        """Return harmless requests like `known` whose answers can be told from each other."""
        return self._grammar.probes(known)

    def alike(self, one: R, other: R) -> bool:
        """Return whether an answer to `one` could be taken for an answer to `other`."""
        return self._grammar.alike(one, other)

    def _place(self, readings: tuple[bytes, ...], still: list[Sent[R]]) -> Heard[R, A] | None:
        texts = [text for line in readings if (text := _text(line, self._grammar.ending)) is not None]
        for text in texts:
            for sent in still:
                answer = self._grammar.fit(sent.request, text)
                if answer is not None:
                    still.remove(sent)
                    return Answered(sent, answer)
        for text in texts:
            unasked = self._grammar.unasked(text)
            if unasked is not None:
                return Unasked(unasked)
        self._odd = (self._odd + readings[-1])[:_SAMPLE]
        return None


def _text(line: bytes, ending: bytes) -> str | None:
    """Return the line without its ending; None where it is too long, ends otherwise, or has what does not print."""
    body = line.removesuffix(ending)
    if ending == CR:
        body = body.removeprefix(b"\n")  # some device servers add a LF of their own
    good = line.endswith(ending) and len(line) <= LONGEST_LINE and all(0x20 <= byte <= 0x7E for byte in body)
    return body.decode("ascii") if good else None
