"""Modbus TCP as a dialect of the guard: answers are known by their transaction number.

Numbers repeat after 65535 requests only, and each opening is a connection of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .exchange import Answered, Numbered, Sent, Unusable
from .modbus import Outcome, Request, answer_length, cut_tcp, encode_tcp, judge_answer

MOST_TRANSACTIONS = 0xFFFF
_HEADER = 7
_LONGEST = 254


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame from the wire: transaction number, unit, and the function with its data."""

    tid: int
    unit: int
    pdu: bytes


@dataclass(frozen=True, slots=True)
class NoModbus:
    """Bytes that are no Modbus TCP; where the next frame begins is not known any more."""

    sample: bytes


class FrameReader:
    """Cuts frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Frame | NoModbus]:
        """Take bytes and yield the frames that they complete; after `NoModbus` the stream is to be given up."""
        self._buffer += data
        while len(self._buffer) >= _HEADER:
            length = int.from_bytes(self._buffer[4:6])
            if self._buffer[2:4] != b"\0\0" or not 2 <= length <= _LONGEST:
                sample, self._buffer = self._buffer[:16], b""
                yield NoModbus(sample)
                return
            if len(self._buffer) < 6 + length:
                return
            tid, unit, pdu = cut_tcp(self._buffer[: 6 + length])
            self._buffer = self._buffer[6 + length :]
            yield Frame(tid, unit, pdu)


def next_transaction(tid: int) -> int:
    """Return the number after `tid`: 1 to 65535, and round again."""
    return tid % MOST_TRANSACTIONS + 1


class ModbusTcp(Numbered):
    """The dialect of one connection."""

    def __init__(self) -> None:
        self._tid = 0
        self._reader = FrameReader()
        self._stray = ""

    def reset(self) -> None:
        """Forget what was heard."""
        self._reader, self._stray = FrameReader(), ""

    def encode(self, request: Request) -> Sent[Request]:
        """Return the request under a new number."""
        self._tid, self._stray = next_transaction(self._tid), ""
        return Sent(request, encode_tcp(request, self._tid), self._tid)

    def longest(self, request: Request) -> int:
        """Return the bytes of the answer."""
        return _HEADER + answer_length(request)

    def feed(self, data: bytes, waiting: Sequence[Sent[Request]]) -> Iterator[Answered[Request, Outcome] | Unusable]:
        """Take bytes and yield the answers under the numbers that wait."""
        by_number = {sent.key: sent for sent in waiting}
        for frame in self._reader.feed(data):
            if isinstance(frame, NoModbus):
                yield Unusable(f"bytes that are no Modbus TCP, {frame.sample.hex()}")
                return
            sent = by_number.pop(frame.tid, None)
            if sent is None:
                self._stray = f"an answer with number {frame.tid}, which nobody waits for"
            else:
                yield Answered(sent, judge_answer(sent.request, frame.unit, frame.pdu))

    def heard(self) -> str:
        """Return the answer to nobody, if there was one."""
        return self._stray
