"""One simulator as a child process: started, its words read, and ended for certain."""

import contextlib
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PATIENCE_S = 20.0
CHUNK = 4096


class SimulatorFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """A simulator that did not start or is no longer there; the last lines of its log say why."""


class SimulatorProcess:
    """`nebctl sim` with these arguments; what it says on stderr goes to `log`.

    A process, and no thread of the test: a test that stops the clock, blocks sockets, waits in a debugger or keeps the
    interpreter busy does not touch it, and an answer of 20 ms stays one.
    """

    def __init__(self, arguments: Sequence[str], log: Path, folder: Path) -> None:
        self._arguments = tuple(arguments)
        self._log = log
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it and return what it says behind the word ready.

        Raises: SimulatorFault where it ends or says nothing for 20 s.
        """
        # -P: a file json.py beside somebody's tests is no part of the simulator. -W: its warnings are not theirs.
        command = (sys.executable, "-P", "-W", "ignore", "-m", "nebctl_simulators.testing.child", *self._arguments)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C goes to the test, and the test ends the simulator
            )
        line = self._read_line()
        if not line.startswith("ready "):
            self.end()
            raise SimulatorFault(f"nebctl sim {' '.join(self._arguments)}\ndid not start: {self.tail()}")
        return line.removeprefix("ready ").strip()

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._process.pid if self._process is not None else 0

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs or was never started."""
        return self._process.poll() if self._process is not None else None

    def end(self) -> None:
        """End it at once. Harmless where it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def tail(self, lines: int = 6) -> str:
        """Return the last lines of the log."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:])

    def _read_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        output, seen = self._process.stdout.fileno(), b""
        while not seen.endswith(b"\n") and select.select([output], [], [], PATIENCE_S)[0]:
            data = os.read(output, CHUNK)
            if not data:
                break
            seen += data
        return seen.decode(errors="replace")
