"""Child processes that say `ready` when they serve, and end on SIGTERM."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Self


class ChildFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """A child process that did not come up; the last lines of its log say why."""


class Child:
    """One child process; its output goes to a log file, and `ready` is the rest of its line that begins with ready."""

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name = name
        self._arguments = (sys.executable, *arguments)
        self._log = log
        self._ready = threading.Event()
        self.ready = ""
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self, timeout_s: float = 20) -> Self:
        """Start the process and wait until it says that it serves.

        Raises: `ChildFault` where it ends or stays silent.
        """
        with self._log.open("a", encoding="utf-8") as log:
            environment = os.environ | {"PYTHONUNBUFFERED": "1"}
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                self._arguments, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, start_new_session=True
            )
        self._ready.clear()
        self.ready = ""  # what an earlier start said is not this one's
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ready.wait(timeout_s)
        if not self.ready:
            self.kill()
            raise ChildFault(f"{self.name} did not come up:\n{self.tail()}")
        return self

    @property
    def pid(self) -> int:
        """Return the process id; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def returncode(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self, timeout_s: float = 5) -> int:
        """Ask the process to end and return its exit code; one that does not is killed."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._wait(5)

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def tail(self, lines: int = 8) -> str:
        """Return the last lines of the log."""
        return "\n".join(self._log.read_text("utf-8", errors="replace").splitlines()[-lines:])

    def _wait(self, timeout_s: float) -> int:
        assert self._process is not None
        code = self._process.wait(timeout_s)
        if self._reader is not None:
            self._reader.join(timeout_s)
        return code

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as output, self._log.open("a", encoding="utf-8") as log:
            for line in output:
                log.write(line)
                log.flush()
                if line.startswith("ready"):
                    self.ready = line.removeprefix("ready").strip() or "yes"
                    self._ready.set()
        self._ready.set()


def resident_mb(pid: int) -> float:
    """Return a process's resident memory in MiB, as the system sees it."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
