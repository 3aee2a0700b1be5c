"""Modbus RTU as a dialect of the guard: answers bear no number, so each is searched for by what was asked.

A frame counts only where unit, function, length and CRC are those of a request that may still be answered; whatever
stands before it, noise or the line's own echo of the request, is passed over.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .bus import Timing
from .exchange import Answered, Sent, Stray
from .modbus import (
    Odd,
    Outcome,
    Read,
    ReadCoils,
    ReadDiscrete,
    ReadInput,
    ReadRequest,
    Request,
    SetCoil,
    SetCoils,
    Write,
    WriteOne,
    WriteRequest,
    answer_length,
    encode_rtu,
    function_of,
    has_good_crc,
    judge_answer,
)

_KEPT = 512
_EXCEPTION_BYTES = 5
_REQUEST_BYTES = 8
_SHOWN = 16


def rtu_timing(*, baud: int, char_bits: int = 10, answer_s: float, latency_s: float = 0.0) -> Timing:
    """Return the timing of an RTU line: 3.5 characters of silence, but 1.75 ms at least.

    Source: Modbus over Serial Line 1.02, section 2.5.1.1.
    """
    gap_s = max(3.5 * 11 / baud, 0.00175)
    return Timing(answer_s=answer_s, baud=baud, char_bits=char_bits, gap_s=gap_s, latency_s=latency_s)


class ModbusRtu:
    """The dialect of one line, with any number of units."""

    numbered = False

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._echoes = False
        self._answered: dict[int, Sent[Request]] = {}

    def reset(self) -> None:
        """Forget what was heard."""
        self._buffer.clear()
        self._answered.clear()

    def encode(self, request: Request) -> Sent[Request]:
        """Return the request; what came before it was no answer to it."""
        self._buffer.clear()
        return Sent(request, encode_rtu(request))

    def longest(self, request: Request) -> int:
        """Return the bytes of the answer."""
        return 3 + answer_length(request)

    def feed(
        self, data: bytes, waiting: Sequence[Sent[Request]]
    ) -> Iterator[Answered[Request, Outcome] | Stray[Request]]:
        """Take bytes and yield what they answer, each the oldest request that it fits; then what nobody asked for."""
        self._buffer += data
        del self._buffer[:-_KEPT]
        rest = list(waiting)
        while (found := self._find(rest)) is not None:
            answered, end = found
            del self._buffer[:end]
            rest.remove(answered.sent)
            self._answered[answered.sent.request.unit] = answered.sent
            yield answered
        while self._answered and (found := self._find(list(self._answered.values()))) is not None:
            again, end = found
            del self._buffer[:end]
            yield Stray(again.sent)

    def heard(self) -> str:
        """Return what lies unread, in words."""
        return _describe(bytes(self._buffer)) if self._buffer else ""

    def probes(self, known: Request) -> Iterator[Request]:
        """Return reads of the same place that differ in their count, and so in the length of their answers."""
        if isinstance(known, Read | ReadInput):
            yield from (replace(known, count=count) for count in range(1, known.count + 1))
        elif isinstance(known, ReadCoils | ReadDiscrete):
            yield from (replace(known, count=count) for count in range(1, known.count + 1, 8))

    def alike(self, one: Request, other: Request) -> bool:
        """Return whether one answer fits both."""
        if one.unit != other.unit or function_of(one) != function_of(other):
            return False
        match one, other:
            case (SetCoils(), SetCoils()):
                return (one.address, len(one.values)) == (other.address, len(other.values))
            case (Write(), Write()):
                return (one.address, len(one.values)) == (other.address, len(other.values))
            case (WriteOne(), WriteOne()):
                return (one.address, one.value) == (other.address, other.value)
            case (SetCoil(), SetCoil()):
                return (one.address, one.on) == (other.address, other.on)
            case _:
                return answer_length(one) == answer_length(other)

    def _find(self, waiting: list[Sent[Request]]) -> tuple[Answered[Request, Outcome], int] | None:
        units = {sent.request.unit for sent in waiting}
        for start in range(len(self._buffer) - _EXCEPTION_BYTES + 1):
            if self._buffer[start] in units:
                for sent in waiting:
                    fit = self._fit(sent, start)
                    if fit is not None and not _has_foreign_request(self._buffer[:start], sent):
                        return Answered(sent, fit[0]), fit[1]
        return None

    def _fit(self, sent: Sent[Request], start: int) -> tuple[Outcome, int] | None:
        """Return what a frame at `start` says to a request, and where it ends; None where there is none to it."""
        request, buffer = sent.request, self._buffer
        if buffer[start] != request.unit or buffer[start + 1] & 0x7F != function_of(request):
            return None
        if isinstance(request, WriteRequest) and self._echoes:
            # The answer of a single register or coil looks like the request's own echo, so both must come; an echo of
            # more than one can look like its answer where the next two bytes happen to be the CRC.
            if buffer[start : start + len(sent.frame)] != sent.frame:
                return None if buffer[start + 1] < 0x80 else self._judge(sent, start, _EXCEPTION_BYTES)
            start += len(sent.frame)
            if len(buffer) <= start + 1:
                return None
        elif buffer[start : start + len(sent.frame)] == sent.frame and not isinstance(request, WriteRequest):
            return None  # a request's echo can look like its answer where the address begins like a count of bytes
        is_exception = buffer[start + 1] == function_of(request) | 0x80
        fit = self._judge(sent, start, _EXCEPTION_BYTES if is_exception else self.longest(request))
        if fit is not None and isinstance(request, ReadRequest):
            self._echoes = bytes(buffer[:start]).endswith(sent.frame)
        return fit

    def _judge(self, sent: Sent[Request], start: int, length: int) -> tuple[Outcome, int] | None:
        frame = bytes(self._buffer[start : start + length])
        if len(frame) < length or not _begins_well(sent.request, frame) or not has_good_crc(frame):
            return None
        outcome = judge_answer(sent.request, frame[0], frame[1:-2])
        return None if isinstance(outcome, Odd) else (outcome, start + length)


def _begins_well(request: Request, frame: bytes) -> bool:
    """Return whether a frame's third byte is right: looking is quick, and a checksum at every byte of noise is not."""
    if frame[1] & 0x80:
        return True
    third = answer_length(request) - 2 if isinstance(request, ReadRequest) else request.address >> 8
    return frame[2] == third


def _has_foreign_request(before: bytes | bytearray, sent: Sent[Request]) -> bool:
    """Return whether another master's request of the same function stands before an answer, which is then its own."""
    ours = sent.frame[:2]
    for start in range(len(before) - _REQUEST_BYTES + 1):
        frame = bytes(before[start : start + _REQUEST_BYTES])
        if frame[:2] == ours and frame != sent.frame and has_good_crc(frame):
            return True
    return False


def _describe(data: bytes) -> str:
    """Return bytes that are no answer in words a person can look for: whose frame, or whose noise."""
    for end in range(len(data), 3, -1):
        if has_good_crc(data[:end]):
            return f"a frame of unit {data[0]} with function {data[1]} and {end} bytes, which is no answer"
    shown = data[:_SHOWN].hex(" ")
    return f"{len(data)} bytes that are no good frame, {shown}{' …' if len(data) > _SHOWN else ''}"
