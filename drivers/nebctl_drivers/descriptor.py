"""A link over one non-blocking descriptor of the event loop, and the bounded inbox that every link has."""

import asyncio
import os

from nebctl.core.device import Certainty, CommandFailed

from .port_trouble import say_error

RECEIVE_LIMIT = 65_536
"""Bytes kept for a reader that lags; beyond it the oldest go, because the newest reading is the one that counts."""
_CHUNK = 4096


class Inbox:
    """Received bytes waiting for their one reader, and the reason when no more will come."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._end: CommandFailed | None = None
        self._ready = asyncio.Event()

    @property
    def end(self) -> CommandFailed | None:
        """Return why no more will come; None while the wire is up."""
        return self._end

    def put(self, data: bytes) -> None:
        """Add received bytes, unless nobody listens any more; the oldest go where the limit is passed."""
        if self._end is not None:
            return
        self._bytes += data
        del self._bytes[:-RECEIVE_LIMIT]
        self._ready.set()

    def finish(self, reason: CommandFailed) -> None:
        """Let the reader have what is there, and then `reason` for ever; the first reason stays."""
        self._end = self._end or reason
        self._ready.set()

    async def take(self) -> bytes | CommandFailed:
        """Return all that is there, at least one byte, or the reason why nothing more will come."""
        await self._ready.wait()
        data = bytes(self._bytes)
        self._bytes.clear()
        if self._end is None:
            self._ready.clear()
            return data
        return data or self._end


class DescriptorLink:
    """A link over one non-blocking descriptor, given back to the system as soon as the wire is gone.

    Nothing is buffered on the way out: what the kernel does not take at once is reported, so that no STOP ever waits
    behind bytes of ours.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._fd: int | None = None
        self._loss: CommandFailed | None = None
        self._inbox = Inbox()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _acquire(self) -> int | CommandFailed:
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError

    async def open(self) -> CommandFailed | None:
        """Open the port; None means open. Opening an open port is harmless, opening a lost one opens it anew."""
        if self._fd is not None:
            return None
        fd = await self._acquire()
        if isinstance(fd, CommandFailed):
            return fd
        self._fd, self._loss = fd, None
        self._inbox = Inbox()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._receive)
        return None

    def write(self, data: bytes) -> CommandFailed | None:
        """Hand bytes to the kernel at once; None means that it took them all."""
        if self._fd is None:
            return self._loss or self._fail("write", Certainty.NOT_DONE, "the port is closed", "Open it first.")
        try:
            taken = os.write(self._fd, data)
        except BlockingIOError:
            return self._fail("write", Certainty.NOT_DONE, "a full output buffer", "The device does not take bytes.")
        except OSError as error:
            return self._lose(say_error(error))
        if taken < len(data):
            seen = f"only {taken} of {len(data)} bytes taken"
            return self._fail("write", Certainty.UNKNOWN, seen, "The device does not take bytes.")
        return None

    async def read(self) -> bytes | CommandFailed:
        """Return the next bytes, at least one; `CommandFailed` means that the wire is gone."""
        return await self._inbox.take()

    def close(self) -> None:
        """Close the port; closing twice is harmless."""
        self._let_go()
        self._loss = None
        self._inbox.finish(self._fail("read", Certainty.NOT_DONE, "the port is closed", "Open it first."))

    def _receive(self) -> None:
        assert self._fd is not None
        try:
            data = os.read(self._fd, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(say_error(error))
            return
        if data:
            self._inbox.put(data)
        else:
            self._lose("the other end hung up")

    def _lose(self, reason: str) -> CommandFailed:
        # a descriptor kept would hold the kernel's name of the port, and the adapter would come back under another
        self._let_go()
        self._loss = self._fail("read", Certainty.UNKNOWN, f"the wire is gone ({reason})", "Check cable and power.")
        self._inbox.finish(self._loss)
        return self._loss

    def _let_go(self) -> None:
        if self._fd is None:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
        self._fd = None
        self._release()

    def _fail(self, verb: str, certainty: Certainty, seen: str, advice: str) -> CommandFailed:
        return CommandFailed(
            command=f"{verb} {self._name}", certainty=certainty, seen=seen, expected="an open wire", advice=advice
        )
