"""A command whose every process ends with it: the work goes on in a child, and what watches the child ends the rest."""

import contextlib
import ctypes
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

SET_CHILD_SUBREAPER = 36
"""Source: prctl(2), PR_SET_CHILD_SUBREAPER: orphans below this process become its children, and not those of init."""
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PATIENCE_S = 10.0
"""How long the work may take to end by itself once it was told to; a second signal cuts it short."""


class Guarded(click.Command):
    """A command that stands guard over its own work; for its help it does not."""

    def invoke(self, ctx: click.Context) -> Any:
        """Do the work in a child."""
        stand_guard()
        return super().invoke(ctx)


def stand_guard() -> None:
    """Fork: return in the child, with a folder of its own for temporary files; the parent never returns.

    The parent passes SIGTERM, SIGINT and SIGHUP on to the child. Once the child has ended, however it did, the parent
    ends every process that descends from it, in whichever session or group, deletes the temporary files and exits as
    the child did: with its code, or with 128 and the number of the signal that killed it.
    """
    heard = {number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN}
    signal.pthread_sigmask(signal.SIG_BLOCK, heard | {signal.SIGCHLD})
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    folder = tempfile.mkdtemp(prefix="nebctl-")
    work = os.fork()
    if work:
        code = _outlive(work, heard)
        _end_all()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(code)
    os.setpgid(0, 0)  # Ctrl-C reaches it through the guard alone, and so once
    signal.pthread_sigmask(signal.SIG_UNBLOCK, heard | {signal.SIGCHLD})
    os.environ["TMPDIR"] = tempfile.tempdir = folder


def _outlive(work: int, heard: set[signal.Signals]) -> int:
    """Wait until the work has ended, passing on what is heard, and return its exit code."""
    until = None
    while True:
        found = signal.sigtimedwait(heard | {signal.SIGCHLD}, PATIENCE_S)
        told = found.si_signo if found is not None and found.si_signo != signal.SIGCHLD else 0
        if told or (until is not None and time.monotonic() > until):
            os.kill(work, told if until is None else signal.SIGKILL)
            until = time.monotonic() + PATIENCE_S
        for pid, code in iter(_reap, None):
            if pid == work:
                return code


def _reap() -> tuple[int, int] | None:
    """Return a child that has ended, and its exit code; None where none has."""
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    code = os.waitstatus_to_exitcode(status)
    return (pid, code if code >= 0 else 128 - code) if pid else None


def _end_all() -> None:
    """Kill every child until none is left: those of a killed process become children in their turn."""
    while True:
        for pid in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> Iterator[int]:
    """Yield the processes whose parent is this one."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # proc(5): the name is in brackets and may hold any; the state and the parent's id follow it.
            if int(path.read_text("utf-8", "replace").rpartition(")")[2].split()[1]) == os.getpid():
                yield int(path.parent.name)
