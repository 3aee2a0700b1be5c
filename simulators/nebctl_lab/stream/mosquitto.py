"""A real mosquitto on loopback, in a process of its own; it keeps nothing, as the shipped configuration has it."""

import getpass
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAM = "mosquitto"
MISSING = "mosquitto is not installed: apt install mosquitto"
CONFIGURATION = """\
listener {port} 127.0.0.1
user {user}
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 10000
persistence false
"""
"""The shipped file, but without certificates: what is measured and stormed is the stream."""


def missing() -> str | None:
    """Return what to do where mosquitto is not there; None where it is."""
    return None if shutil.which(PROGRAM) else MISSING


class Mosquitto:
    """A broker that is started, killed and started again on one port."""

    def __init__(self, folder: Path) -> None:
        self._configuration = folder / "mosquitto.conf"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its address."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and return once it listens.

        Raises: `RuntimeError` where it does not within ten seconds.
        """
        self._configuration.write_text(CONFIGURATION.format(port=self.port, user=getpass.getuser()), "ascii")
        quiet = subprocess.DEVNULL
        program = shutil.which(PROGRAM) or PROGRAM
        self._process = subprocess.Popen([program, "-c", str(self._configuration)], stdout=quiet, stderr=quiet)  # noqa: S603
        until = time.monotonic() + 10
        while not _listens(self.port):
            if time.monotonic() > until:
                raise RuntimeError(f"mosquitto does not listen on port {self.port}")
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once: sessions, retained messages and what is under way are lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True
