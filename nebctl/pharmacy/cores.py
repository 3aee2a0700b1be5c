"""Signatures of many records checked on all cores, while the records themselves are still being read."""

import contextlib
import fcntl
import itertools
import logging
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import NamedTuple

from nebctl.core.ledger.signing import Verifier

CHUNK = 50
"""How many checks go to another process at once: some milliseconds of work."""
LEAST = 200
"""Fewer records that arrive together are checked where they are: no process is worth starting for them."""
PATIENCE_S = 10.0
END_S = 2.0
"""How long a process may take to notice that its pipe ended."""
PIPE_BYTES = 1 << 20
"""How large a pipe is asked for: what an ordinary user may have. Source: pipe(7), /proc/sys/fs/pipe-max-size."""
PAGE = 4096
log = logging.getLogger(__name__)


class Question(NamedTuple):
    """A signature to be checked: by which public key, over what, and itself."""

    public: bytes
    message: bytes
    signature: bytes


class Cores:
    """Processes that check signatures, one a core but ours; started when needed, they end with `close` or with us."""

    def __init__(self, verify: Verifier, *, alone: bool, patience_s: float = PATIENCE_S) -> None:
        self._verify = verify
        self._alone = alone
        self._patience_s = patience_s
        self._numbers = itertools.count()
        self.workers: list[Worker] = []

    def helps(self, records: int) -> bool:
        """Return whether so many records would be checked on other cores too."""
        return not self._alone and records >= LEAST

    def ahead(self, records: int) -> "Ahead":
        """Return what checks signatures ahead for so many records; `alone`, on one core, or for few, nothing is."""
        if not self.helps(records):
            return Ahead(self._verify, (), self._numbers, 0)
        self.workers = [each for each in self.workers if each.lives] or self._start()
        return Ahead(self._verify, self.workers, self._numbers, self._patience_s)

    def _start(self) -> "list[Worker]":
        cores = len(os.sched_getaffinity(0))
        self._alone = cores < 2
        if self._alone:
            return []
        try:
            # Not forked: this process has threads.
            context = multiprocessing.get_context("forkserver")
            return [Worker(context, self._verify) for _ in range(cores - 1)]
        except OSError as error:
            log.warning("signatures are checked on one core: other processes cannot be started (%s)", error)
            self._alone = True
            return []

    def close(self) -> None:
        """End the processes."""
        for each in self.workers:
            each.close()
        self.workers = []


class Worker:
    """One process, and the pipes to it; it ends when they do, however we die.

    No thread stands between, as in the pools of the standard library: it would wait for the interpreter while records
    are read. Nothing is put into the pipe that it has no room for, so that nobody waits for a process that hangs.
    """

    def __init__(self, context: ForkServerContext, verify: Verifier) -> None:
        theirs, self._questions = context.Pipe(duplex=False)
        self._answers, back = context.Pipe(duplex=False)
        with contextlib.suppress(OSError):  # a smaller one will do
            fcntl.fcntl(self._questions.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._room = fcntl.fcntl(self._questions.fileno(), fcntl.F_GETPIPE_SZ) // PAGE
        self._process = context.Process(target=_serve, args=(verify, theirs, back), daemon=True)
        self._process.start()
        theirs.close()
        back.close()
        self._pages: dict[int, int] = {}  # of the pipe, by what was asked and is not answered yet
        self._found: dict[int, list[bool]] = {}
        self.lives = True

    @property
    def pid(self) -> int:
        """Return the process's number."""
        return self._process.pid or 0

    def ask(self, number: int, questions: Sequence[Question]) -> bool:
        """Hand over questions, and return whether there was room for them; numbers grow."""
        data = pickle.dumps((number, questions), pickle.HIGHEST_PROTOCOL)
        pages = len(data) // PAGE + 3  # the last is part filled, and its length may lie in one of its own
        while self._hears(0):  # what was answered left its room
            self._take()
        if not self.lives or sum(self._pages.values()) + pages > self._room:
            return False
        try:
            self._questions.send_bytes(data)
        except OSError:
            self._lose("ended")
            return False
        self._pages[number] = pages
        return True

    def answer(self, number: int, until: float) -> list[bool] | None:
        """Return the answers to what was asked by a number; None where they do not come in time.

        They come in the order of the questions; what was asked before by one who gave up is dropped.
        """
        while number not in self._found and self.lives:
            if self._hears(max(until - time.monotonic(), 0)):
                self._take()
            elif self.lives:
                self._lose("did not answer")
        self._found = {each: answers for each, answers in self._found.items() if each >= number}
        return self._found.pop(number, None)

    def _hears(self, seconds: float) -> bool:
        """Return whether an answer, or the end, comes within so many seconds."""
        return self.lives and self._answers.poll(seconds)

    def _take(self) -> None:
        try:
            number, answers = pickle.loads(self._answers.recv_bytes())  # noqa: S301 - from our own process
        except (EOFError, OSError):
            self._lose("ended")
        else:
            self._found[number] = answers
            self._pages.pop(number)

    def _lose(self, how: str) -> None:
        log.warning("a process that checks signatures %s; its work is done here", how)
        self._process.kill()
        self.close()

    def close(self) -> None:
        """End the process, by force where it hangs."""
        self.lives = False
        self._questions.close()
        self._answers.close()
        self._process.join(END_S)
        self._process.kill()
        self._process.join()


class Ahead:
    """The signatures of one batch: asked for early, answered when they are needed."""

    def __init__(
        self, verify: Verifier, workers: "Sequence[Worker]", numbers: "itertools.count[int]", patience_s: float
    ) -> None:
        self._verify = verify
        self._workers = workers
        self._numbers = numbers
        self._patience_s = patience_s
        self._asked: list[Question] = []
        self._here: list[Question] = []
        self._checking: list[tuple[Worker, int, list[Question]]] = []
        self._known: dict[Question, bool] = {}

    def ask(self, question: Question) -> None:
        """Let a signature be checked, where there are other cores."""
        if self._workers:
            self._asked.append(question)
            if len(self._asked) >= CHUNK:
                self._send()

    def _send(self) -> None:
        number, questions = next(self._numbers), self._asked
        worker = self._workers[number % len(self._workers)]
        if worker.ask(number, questions):
            self._checking.append((worker, number, questions))
        else:
            self._here += questions
        self._asked = []

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Return whether a signature is good, from what was asked for or by checking it here."""
        if self._checking or self._asked or self._here:
            self._gather()
        question = Question(public, message, signature)
        known = self._known.get(question)
        return self._verify(*question) if known is None else known

    def _gather(self) -> None:
        here, self._here, self._asked = self._here + self._asked, [], []
        checking, self._checking = self._checking, []
        self._known.update(zip(here, check(self._verify, here), strict=True))
        until = time.monotonic() + self._patience_s
        for worker, number, questions in checking:
            answers = worker.answer(number, until)
            if answers is not None:  # else the process was killed with its work: it is done when it is asked for
                self._known.update(zip(questions, answers, strict=True))


def check(verify: Verifier, questions: Sequence[Question]) -> list[bool]:
    """Return whether each signature is good."""
    return [verify(*question) for question in questions]


def _serve(verify: Verifier, questions: Connection, answers: Connection) -> None:
    """Answer until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the pharmacy alone answers to a Ctrl-C
    with contextlib.suppress(EOFError, OSError):
        while True:
            number, asked = pickle.loads(questions.recv_bytes())  # noqa: S301 - from the pharmacy itself
            answers.send_bytes(pickle.dumps((number, check(verify, asked)), pickle.HIGHEST_PROTOCOL))
