"""Every byte to and from a device, in a file that a person can read; a disk that fails never disturbs the device.

Lines go to the disk in a thread of their own, through a bounded queue: a link that is traced waits for nobody. What
could not be kept is counted, and the count is written when the disk takes lines again.
"""

import atexit
import contextlib
import errno
import itertools
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import TypeAlias

from nebctl.core.device import CommandFailed
from nebctl.ports import Link

log = logging.getLogger(__name__)

HEADER = (
    "# nebctl byte trace 1: UTC, monotonic seconds, [link], > to the device, < from it, = done, # note, ! trouble\n"
)
DEFAULT_LIMIT = 16 * 1024 * 1024
"""Bytes of one file; with the one old file kept, a trace takes twice as much at most."""
QUEUE_LIMIT = 4096
"""Entries that wait for a slow disk; more than these are counted and dropped."""
EXIT_WAIT_S = 0.5
_ROW = 16
_LINGER_S = 0.5

Stamp: TypeAlias = Callable[[], tuple[int, int]]
"""The present moment: Unix time and monotonic time, both in nanoseconds."""


def read_system_clocks() -> tuple[int, int]:
    """Return the system's wall and monotonic time in nanoseconds; a wire is on real time, in a simulation too."""
    return time.time_ns(), time.monotonic_ns()


class TraceFile:
    """One trace for any number of links.

    `limit_bytes` is the size at which the file becomes `NAME.1`, in place of the one before; `stamp` gives the time.
    `lost` counts the entries that could not be kept and of which the file does not tell yet.
    """

    def __init__(self, path: Path, *, stamp: Stamp = read_system_clocks, limit_bytes: int = DEFAULT_LIMIT) -> None:
        self.path = path.absolute()
        self.lost = 0
        self._stamp = stamp
        self._disk = _Disk(self.path, limit_bytes)
        self._numbers = itertools.count(1)
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._writer: threading.Thread | None = None
        self._writing = False
        self._why = ""
        _files.add(self)

    def number_link(self) -> int:
        """Return the number by which one link's lines are known, 1 for the first."""
        return next(self._numbers)

    def put_bytes(self, link: int, sign: str, data: bytes) -> None:
        """Add bytes that went out (`>`) or came in (`<`)."""
        begin = self._begin(link, sign)
        rows = [_dump(data[place : place + _ROW]) for place in range(0, max(1, len(data)), _ROW)]
        self._put(begin + f"\n{' ' * len(begin)}".join(rows))

    def put_text(self, link: int, sign: str, text: str) -> None:
        """Add in words what was done (`=`), a note (`#`) or trouble (`!`)."""
        self._put(self._begin(link, sign) + _one_line(text))

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was added is on the disk or counted as lost; False means not within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, timeout_s)

    def _begin(self, link: int, sign: str) -> str:
        wall_ns, mono_ns = self._stamp()
        return f"{_utc(wall_ns)} {mono_ns // 10**9:>9}.{mono_ns % 10**9 // 1000:06} [{link}] {sign} "

    def _put(self, entry: str) -> None:
        with self._changed:
            if len(self._waiting) >= QUEUE_LIMIT:
                self._lose(1, "the disk is too slow")
                return
            self._waiting.append(entry + "\n")
            self._changed.notify_all()
            if self._writer is None:
                self._start_writer()

    def _start_writer(self) -> None:
        writer = threading.Thread(target=self._write_waiting, name="byte trace", daemon=True)
        try:
            writer.start()
        except RuntimeError as error:  # no thread to be had, or the interpreter is ending
            self._lose(len(self._waiting), str(error))
            self._waiting.clear()
        else:
            self._writer = writer

    def _write_waiting(self) -> None:
        """Write what waits, and end when nothing has come for a while; the next entry starts another thread."""
        while (batch := self._take_batch()) is not None:
            for place, entry in enumerate(batch):
                try:
                    self._save(entry)
                except Exception as error:  # whatever it is, it stays in this thread
                    self._lose(len(batch) - place, _say(error))
                    break
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _take_batch(self) -> list[str] | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._waiting), _LINGER_S)
            if not self._waiting:
                self._writer = None
                return None
            batch = list(self._waiting)
            self._waiting.clear()
            self._writing = True
            return batch

    def _save(self, entry: str) -> None:
        """Write one entry, after the count of those that were lost before it.

        Raises: `OSError` where the disk refused.
        """
        lost = self.lost
        if lost:
            self._disk.append(f"{self._begin(0, '!')}{lost} entries could not be written ({_one_line(self._why)})\n")
            with self._changed:
                self.lost -= lost
            log.warning("the byte trace %s is written again; %d entries were lost", self.path, lost)
        self._disk.append(entry)

    def _lose(self, count: int, why: str) -> None:
        with self._changed:
            if not self.lost:
                log.warning("the byte trace %s cannot be written (%s); the device goes on", self.path, why)
            self.lost += count
            self._why = why


class _Disk:
    """Appends whole lines to a file of bounded size, which is open only while one is written."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        self._limit = limit_bytes
        self._torn = False

    def append(self, text: str) -> None:
        """Write lines; where the disk takes only some of the bytes, none stay.

        Raises: `OSError` where the disk refused.
        """
        data = text.encode(errors="backslashreplace")
        size = self._size()
        if size and size + len(data) > self._limit:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            size = 0
        if not size:
            data = HEADER.encode() + data
        elif self._torn:
            data = b"\n" + data
        with self._path.open("ab", buffering=0) as file:
            self._write(file, data, size)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _write(self, file: FileIO, data: bytes, size: int) -> None:
        self._torn = True
        try:
            _write_whole(file, data)
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(size)
                self._torn = False
            raise
        self._torn = False


def _write_whole(file: FileIO, data: bytes) -> None:
    if file.write(data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TracedLink:
    """A link whose every opening, byte, loss and closing goes to a trace; `name` is what its opening is called."""

    def __init__(self, link: Link, file: TraceFile, name: str) -> None:
        self._link = link
        self._file = file
        self._name = name
        self._number = file.number_link()
        self._is_open = False
        self._end_told = False

    def note(self, text: str) -> None:
        """Add a note about this link to the trace."""
        self._file.put_text(self._number, "#", text)

    async def open(self) -> CommandFailed | None:
        """Open the link; None means open."""
        failure = await self._link.open()
        if failure is None:
            self._is_open, self._end_told = True, False
            self._file.put_text(self._number, "=", f"open {self._name}")
        else:
            self._file.put_text(self._number, "!", failure.sentence())
        return failure

    def write(self, data: bytes) -> CommandFailed | None:
        """Hand bytes to the wire at once; None means that the wire took them all."""
        failure = self._link.write(data)
        self._file.put_bytes(self._number, ">", data)
        if failure is not None:
            self._file.put_text(self._number, "!", f"not all of it was taken: {failure.sentence()}")
        return failure

    async def read(self) -> bytes | CommandFailed:
        """Return the next bytes, at least one; `CommandFailed` means that the wire is gone, told once."""
        data = await self._link.read()
        if isinstance(data, bytes):
            self._file.put_bytes(self._number, "<", data)
        elif not self._end_told:
            self._end_told = True
            self._file.put_text(self._number, "!", data.sentence())
        return data

    def close(self) -> None:
        """Close the link; closing twice is harmless."""
        self._link.close()
        if self._is_open:
            self._is_open, self._end_told = False, True
            self._file.put_text(self._number, "=", f"close {self._name}")


def open_trace(path: Path) -> TraceFile:
    """Return the trace at `path`: the one that is written already, so that several links share it, or a new one."""
    return next((file for file in list(_files) if file.path == path.absolute()), None) or TraceFile(path)


_files: "weakref.WeakSet[TraceFile]" = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    for file in list(_files):
        file.flush(EXIT_WAIT_S)


def _dump(row: bytes) -> str:
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return f"{row.hex(' '):<{_ROW * 3 - 1}}  |{shown}|"


def _utc(wall_ns: int) -> str:
    seconds, left_ns = divmod(wall_ns, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{left_ns // 1000:06}Z"


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _say(error: Exception) -> str:
    known = isinstance(error, OSError) and error.errno
    return os.strerror(known) if known else str(error) or type(error).__name__
