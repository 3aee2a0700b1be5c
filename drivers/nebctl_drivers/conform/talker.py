"""The smallest host: it sends what it is told, good or evil, and keeps every byte of what passed.

Nothing is sent again by itself and nothing that was heard is hidden: a rule judges bytes, not a driver's mercy.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from nebctl.core.device import CommandFailed
from nebctl.ports import Link
from nebctl_drivers.mesh_reference.frames import Answer, Event, Line, LineReader, Malformed, Refused, checksum, next_seq

ANSWER_WAIT_S = 0.5
"""How long an answer is awaited; that it comes within 20 ms is a rule of its own, and only there the host's pauses
are weighed."""
KEPT_PASSAGES = 400
FIRST_SEQ = 1000
"""Where the numbers begin: away from those that rules send by name."""
_SAMPLE = 60


@dataclass(frozen=True, slots=True)
class Passage:
    """Bytes that passed over the wire; `at_s` is the loop's time in seconds."""

    at_s: float
    to_device: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """A line of the controller and the loop's time of its arrival."""

    line: Line
    at_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, between the loop's times of sending and hearing; `line` None means silence."""

    seq: int
    line: Answer | Refused | None
    sent_s: float
    heard_s: float


class WireGone(Exception):  # noqa: N818 - caught in this package and never seen outside
    """The wire is gone: there is nothing to test any more until it is opened again."""

    def __init__(self, failure: CommandFailed) -> None:
        super().__init__(failure.sentence())
        self.failure = failure


def sign(payload: bytes) -> bytes:
    """Return the line of any payload, also of one that the page forbids, with its right CRC."""
    return b"$%s*%04X\r\n" % (payload, checksum(payload))


def show(data: bytes) -> str:
    """Return bytes as a person reads them: printable ASCII as it is, the rest escaped."""
    return ascii(data.decode("latin-1"))[1:-1].replace("\\\\", "\\")


class Talker:
    """One host's end of the wire.

    `odd` holds what the controller sent that is no line of the page, unless `is_judging` is off; `passages` is what
    passed since `forget`; `openings` counts how often the wire was opened.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._lines = LineReader()
        self._pump: asyncio.Task[None] | None = None
        self._heard: list[Heard] = []
        self._news = asyncio.Event()
        self._loss: CommandFailed | None = None
        self._seq = FIRST_SEQ
        self.openings = 0
        self.passages: list[Passage] = []
        self.odd: list[bytes] = []
        self.is_judging = True

    async def open(self) -> CommandFailed | None:
        """Open the wire and listen; None means open."""
        failure = await self._link.open()
        if failure is None:
            self._lines, self._loss = LineReader(), None
            self.openings += 1
            self._pump = asyncio.create_task(self._listen())
        return failure

    async def close(self) -> None:
        """Stop listening and close the wire; closing twice is harmless."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
            self._pump = None
        self._link.close()

    @property
    def loss(self) -> CommandFailed | None:
        """Return why the wire is gone; None while it is up."""
        return self._loss

    def forget(self) -> None:
        """Forget what was heard and what passed, at the beginning of a rule."""
        self._heard.clear()
        self.passages = []

    def next_seq(self) -> int:
        """Return a sequence number that was not used lately."""
        self._seq = next_seq(self._seq)
        return self._seq

    def send(self, data: bytes) -> float:
        """Put bytes on the wire and return the loop's time of it.

        Raises: `WireGone` where the wire does not take them.
        """
        at_s = asyncio.get_running_loop().time()
        self._note(Passage(at_s, to_device=True, data=data))
        failure = self._loss or self._link.write(data)
        if failure is not None:
            self._loss = failure
            raise WireGone(failure)
        return at_s

    async def ask(self, command: str, *args: str | int, seq: int | None = None) -> Reply:
        """Send one good request and wait for its answer; `seq` None takes the next number."""
        number = self.next_seq() if seq is None else seq
        payload = ",".join(("C", str(number), command, *map(str, args)))
        return await self.ask_bytes(sign(payload.encode("ascii")), number, command)

    async def ask_bytes(self, line: bytes, seq: int, command: str) -> Reply:
        """Send a whole line and wait for the answer to that number and command."""
        return await self.await_answer(self.send(line), seq, command)

    async def await_answer(self, sent_s: float, seq: int, command: str) -> Reply:
        """Wait for the answer to what was sent at `sent_s`."""
        heard = await self.hear(lambda line: _answers(line, seq, command), ANSWER_WAIT_S)
        if heard is None:
            return Reply(seq, None, sent_s, asyncio.get_running_loop().time())
        assert isinstance(heard.line, Answer | Refused)
        return Reply(seq, heard.line, sent_s, heard.at_s)

    async def hear(self, is_wanted: Callable[[Line], bool], wait_s: float) -> Heard | None:
        """Take the first wanted line out of what was heard, or wait for it; None means that it did not come."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + wait_s
        while True:
            for heard in self._heard:
                if is_wanted(heard.line):
                    self._heard.remove(heard)
                    return heard
            if self._loss is not None:
                raise WireGone(self._loss)
            self._news.clear()
            try:
                async with asyncio.timeout_at(due_s):
                    await self._news.wait()
            except TimeoutError:
                return None

    def take_answers(self) -> list[Line]:
        """Take out whatever was heard that is no event."""
        taken: list[Line] = [heard.line for heard in self._heard if not isinstance(heard.line, Event)]
        self._heard = [heard for heard in self._heard if isinstance(heard.line, Event)]
        return taken

    def take_events(self, name: str) -> list[Event]:
        """Take out the events of that name."""
        taken = [heard.line for heard in self._heard if isinstance(heard.line, Event) and heard.line.name == name]
        self._heard = [heard for heard in self._heard if heard.line not in taken]
        return taken

    async def _listen(self) -> None:
        while not isinstance(data := await self._link.read(), CommandFailed):
            now_s = asyncio.get_running_loop().time()
            self._note(Passage(now_s, to_device=False, data=data))
            dropped = self._lines.dropped
            lines = self._lines.feed(data)
            self._heard += [Heard(line, now_s) for line in lines]
            self._judge(data, lines, self._lines.dropped - dropped)
            self._news.set()
        self._loss = data
        self._news.set()

    def _judge(self, data: bytes, lines: list[Line], dropped: int) -> None:
        if self.is_judging:
            self.odd += [line.payload.encode() for line in lines if isinstance(line, Malformed)]
            self.odd += [data[-_SAMPLE:]] * bool(dropped)

    def _note(self, passage: Passage) -> None:
        if len(self.passages) < KEPT_PASSAGES:
            self.passages.append(passage)


def _answers(line: Line, seq: int, command: str) -> bool:
    return isinstance(line, Answer | Refused) and (line.seq, line.command) == (seq, command)
