"""What the unit logs, written by a thread of its own: a journal that takes nothing must not hold up a STOP (S20)."""

import contextlib
import logging
import os
import queue
import threading

WAITING = 4096
"""Lines that wait for a slow reader; more than these are counted and dropped."""
FLUSH_S = 0.3
FORM = "%(levelname)s %(name)s: %(message)s"


class AsideHandler(logging.Handler):
    """Hands each line to a thread that writes it to a descriptor; whoever logs waits for nobody, not even at exit.

    `lost` counts the lines that were dropped and of which nothing was written yet.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.lost = 0
        self._descriptor = descriptor
        self._lines: queue.Queue[str] = queue.Queue(WAITING)
        self._idle = threading.Event()
        self._idle.set()
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, or count that it was lost."""
        try:
            line = self.format(record)
            self._idle.clear()
            self._lines.put_nowait(line)
        except queue.Full:
            self.lost += 1
        except Exception:
            self.lost += 1  # a line that cannot be written as text is a lost line: there is nowhere else to say so

    def flush(self) -> None:
        """Give the thread a moment to write what waits."""
        self._idle.wait(FLUSH_S)

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            lost, self.lost = self.lost, 0
            told = f"{line}\n" if not lost else f"(lost {lost} lines)\n{line}\n"
            with contextlib.suppress(OSError):
                _write_all(self._descriptor, told.encode("utf-8", "backslashreplace"))
            if self._lines.empty():
                self._idle.set()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def log_aside(level: int, descriptor: int = 2) -> None:
    """Let everything be logged to a descriptor, by default the standard error, without ever waiting for its reader."""
    handler = AsideHandler(descriptor)
    handler.setFormatter(logging.Formatter(FORM))
    logging.basicConfig(level=level, handlers=[handler], force=True)
