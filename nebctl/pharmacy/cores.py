"""Signatures of many records checked on all cores, while the records themselves are still being read."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.pool import AsyncResult, Pool
from typing import NamedTuple

from nebctl.core.ledger.signing import Verifier

CHUNK = 50
"""How many checks go to another process at once: some milliseconds of work."""
LEAST = 200
"""Fewer records that arrive together are checked where they are: no process is worth starting for them."""
PATIENCE_S = 10.0
log = logging.getLogger(__name__)


class Question(NamedTuple):
    """A signature to be checked: by which public key, over what, and itself."""

    public: bytes
    message: bytes
    signature: bytes


class Cores:
    """Processes, one a core, that check signatures; started when first needed, they end with `close` or with us."""

    def __init__(self, verify: Verifier, *, alone: bool, patience_s: float = PATIENCE_S) -> None:
        self._verify = verify
        self._alone = alone
        self._patience_s = patience_s
        self._pool: Pool | None = None

    def ahead(self, records: int) -> "Ahead":
        """Return what checks signatures ahead for so many records; `alone`, on one core, or for few, nothing is."""
        if self._pool is None and not self._alone and records >= LEAST:
            self._pool = self._start()
        return Ahead(self._verify, self._pool if records >= LEAST else None, self._patience_s)

    def _start(self) -> Pool | None:
        cores = len(os.sched_getaffinity(0))
        self._alone = cores < 2
        if self._alone:
            return None
        try:
            # Not forked: this process has threads. A pool's workers end when the pipe to us does, however we die.
            return multiprocessing.get_context("forkserver").Pool(cores, _leave_signals)
        except OSError as error:
            log.warning("signatures are checked on one core: other processes cannot be started (%s)", error)
            self._alone = True
            return None

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.close()
            self._pool.join()
            self._pool = None


class Ahead:
    """The signatures of one batch: asked for early, answered when they are needed."""

    def __init__(self, verify: Verifier, pool: Pool | None, patience_s: float) -> None:
        self._verify = verify
        self._pool = pool
        self._patience_s = patience_s
        self._asked: list[Question] = []
        self._checking: list[tuple[list[Question], AsyncResult[list[bool]]]] = []
        self._known: dict[Question, bool] = {}

    def ask(self, question: Question) -> None:
        """Let a signature be checked, where there are other cores."""
        if self._pool is not None:
            self._asked.append(question)
            if len(self._asked) >= CHUNK:
                self._send(self._pool)

    def _send(self, pool: Pool) -> None:
        self._checking.append((self._asked, pool.apply_async(check, (self._verify, self._asked))))
        self._asked = []

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        """Return whether a signature is good, from what was asked for or by checking it here."""
        if self._checking or self._asked:
            self._gather()
        question = Question(public, message, signature)
        known = self._known.get(question)
        return self._verify(*question) if known is None else known

    def _gather(self) -> None:
        rest, self._asked = self._asked, []
        checking, self._checking = self._checking, []
        self._known.update(zip(rest, check(self._verify, rest), strict=True))
        for questions, answers in checking:
            try:
                self._known.update(zip(questions, answers.get(self._patience_s), strict=True))
            except multiprocessing.TimeoutError:  # a process was killed with its work: it is done here instead
                log.warning("a process that checks signatures did not answer within %g s", self._patience_s)
                return


def check(verify: Verifier, questions: Sequence[Question]) -> list[bool]:
    """Return whether each signature is good."""
    return [verify(*question) for question in questions]


def _leave_signals() -> None:
    """Let the pharmacy alone answer to who ends it: a service manager tells every process of it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
