"""The board's talk as the bus guard knows it: requests under numbers, and a status that comes by itself.

An ACK or NACK repeats the number of its request; the data that a query asks for comes in a frame of its own, before the
ACK, under a number of the board's. So a query is answered by the ACK, with the newest data frame of its type since the
request went out.

Source: HostProtocolReference.md sections 4, 6 and 12, of the board's makers.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nebctl_drivers.exchange import Answered, Heard, Sent, Unasked

from .frames import OVERHEAD, Frame, FrameReader, FrameType, encode_frame
from .payloads import Command, Config, Event, Payload, Runtime, Status, Verdict, read_payload

LAST_ID = 0x7FFF
"""The host's numbers end below those that the board gives to its own frames (0x8000 and more)."""
_REMEMBERED = 64
_DATA = {
    Command.GET_STATUS: FrameType.STATUS,
    Command.GET_CONFIG: FrameType.CONFIG,
    Command.GET_RUNTIME: FrameType.RUNTIME,
}
_LONGEST = {FrameType.STATUS: 21, FrameType.CONFIG: 8, FrameType.RUNTIME: 92}
_ACK_BYTES = OVERHEAD + 4


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its data; `token`, which does not go out, tells one START from the next."""

    command: Command
    data: bytes = b""
    token: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """An ACK (`error` 0) or NACK, and what a query asked for; None where that did not come.

    `order` and `data_order` count the frames heard since the opening: a greater one was sent later by the board.
    """

    error: int
    order: int
    data: Status | Config | Runtime | None = None
    data_order: int = 0


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """An answer to a request for which nobody waits any more."""

    request: Request
    answer: Answer


Told: TypeAlias = Answer | LateAnswer | Status | Event


class Board9CDialect:
    """How requests and answers look on the wire of one 9C main board."""

    numbered = True

    def __init__(self) -> None:
        self._reader = FrameReader()
        self._frame_id = 0
        self._order = 0
        self._open: OrderedDict[int, tuple[Request, int]] = OrderedDict()
        self._newest: dict[FrameType, tuple[int, Payload]] = {}
        self._odd = ""

    def reset(self) -> None:
        """Forget what was heard; the numbers go on, so that no late answer finds a request of the same number."""
        self._reader = FrameReader()
        self._open.clear()
        self._newest.clear()
        self._odd = ""

    def encode(self, request: Request) -> Sent[Request]:
        """Return the request under the next number."""
        self._frame_id = self._frame_id % LAST_ID + 1
        self._open[self._frame_id] = (request, self._order)
        if len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)
        self._odd = ""
        self._reader.forget_sample()
        payload = bytes((request.command,)) + request.data
        return Sent(request, encode_frame(Frame(self._frame_id, FrameType.CMD, payload)), self._frame_id)

    def longest(self, request: Request) -> int:
        """Return the bytes of the data frame and the ACK."""
        kind = _DATA.get(request.command)
        return _ACK_BYTES if kind is None else _ACK_BYTES + OVERHEAD + _LONGEST[kind]

    def feed(self, data: bytes, waiting: Sequence[Sent[Request]]) -> Iterator[Heard[Request, Told]]:
        """Take received bytes and yield what they complete."""
        by_id = {sent.key: sent for sent in waiting}
        for frame in self._reader.feed(data):
            self._order += 1
            payload = read_payload(frame)
            if isinstance(payload, str):
                self._odd = payload
            elif isinstance(payload, Verdict):
                yield from self._settle(frame.frame_id, payload, by_id)
            else:
                self._newest[frame.type] = (self._order, payload)
                if isinstance(payload, Status | Event):
                    yield Unasked(payload)

    def heard(self) -> str:
        """Return what came since the last request and was no answer, in words for a person; empty for silence."""
        if self._odd:
            return self._odd
        return f"bytes that are no frame, beginning {self._reader.sample.hex(' ')}" if self._reader.sample else ""

    def probes(self, known: Request) -> tuple[Request, ...]:
        """Return the known request itself: numbers keep this wire in step."""
        return (known,)

    def alike(self, one: Request, other: Request) -> bool:  # noqa: ARG002 - numbers tell every two answers apart
        """Return False: no answer can be taken for another's."""
        return False

    def _settle(
        self, frame_id: int, verdict: Verdict, by_id: dict[object, Sent[Request]]
    ) -> Iterator[Heard[Request, Told]]:
        request, since = self._open.get(frame_id, (None, 0))
        if request is None or request.command != verdict.command:
            self._odd = f"an answer to command {verdict.command:#04x} under the number {frame_id}"
            return
        del self._open[frame_id]  # the same answer again, or one to a duplicate, is no answer to anything
        answer = self._make_answer(request, verdict.error, since)
        sent = by_id.get(frame_id)
        yield Unasked(LateAnswer(request, answer)) if sent is None else Answered(sent, answer)

    def _make_answer(self, request: Request, error: int, since: int) -> Answer:
        kind = _DATA.get(request.command)
        order, data = self._newest.get(kind, (0, None)) if kind is not None else (0, None)
        if order <= since or not isinstance(data, Status | Config | Runtime):
            return Answer(error, self._order)
        return Answer(error, self._order, data, order)
