"""`nebctl devices watch` as a process: several devices on one port, an unplug, a terminal, and Ctrl-C."""

import asyncio
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.buses import Buses
from nebctl_drivers.readers.choosing import make_reader
from nebctl_drivers.readers.modbus import ModbusReader
from nebctl_drivers.readers.reader import Readings

from .conftest import EXAMPLE, Fleet, devices, simulator

PATIENCE_S = 20.0


class Watch:
    """A running `nebctl devices …`, and what it has said so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: int) -> None:
        self.process = process
        self._output = output
        self.said = ""

    def until(self, pattern: str, start: int = 0) -> int:
        """Wait until a pattern is said after `start`, and return where it ends."""
        deadline = time.monotonic() + PATIENCE_S
        while (match := re.compile(pattern).search(self.said, start)) is None:
            assert time.monotonic() < deadline, f"not said: {pattern}\n{self.said[start:]}"
            if select.select([self._output], [], [], 0.1)[0]:
                self.said += os.read(self._output, 65_536).decode("utf-8", errors="replace")
        return match.end()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send Ctrl-C and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@contextmanager
def running(*words: str, terminal: bool = False) -> Iterator[Watch]:
    """Run a command, its output to a pipe or to a terminal; a traceback fails the test."""
    reader, writer = os.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "nebctl", "devices", *words]
    process = subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE)
    try:
        yield Watch(process, reader)
    finally:
        process.kill()
        _, errors = process.communicate(timeout=PATIENCE_S)
        os.close(reader)
        os.close(writer)
    assert b"Traceback" not in errors, errors.decode()


def watched(fleet: Fleet, *units: int) -> list[str]:
    """Return the words that watch units of the bus."""
    return ["watch", "--profile", EXAMPLE, "--every", "50ms", *(w for u in units for w in ("--url", fleet.unit(u)))]


def test_two_units_of_one_bus_are_watched_at_once(fleet: Fleet) -> None:
    """Two nebulizers on one RS-485 bus take turns: each line has the serial number of its own URL; Ctrl-C ends it."""
    with running(*watched(fleet, 1, 2)) as watch:
        at = 0
        for unit in (1, 2, 1, 2):
            at = watch.until(rf"unit={unit} .* serial=SIM-100{unit} .*\n", at)
        assert watch.interrupt() == 0
    rows = [line for line in watch.said.splitlines() if "serial=" in line]
    assert all(re.search(r"unit=([12]) .* serial=SIM-100\1 ", row) for row in rows)


def test_each_url_may_have_its_own_profile(fleet: Fleet) -> None:
    """A nebulizer and a relay on one bus are watched by their own profiles; SIGTERM ends it as Ctrl-C does."""
    words = ["watch", "--profile", EXAMPLE, "--profile", "watchdog-relay", "--every", "50ms"]
    with running(*words, "--url", fleet.unit(1), "--url", fleet.unit(41)) as watch:
        at = watch.until(r"contact=OPEN")
        watch.until(r"serial=SIM-1001")
        watch.until(r"contact=OPEN", at)
        assert watch.interrupt(signal.SIGTERM) == 0


def test_a_terminal_gets_a_table_that_renews_itself(fleet: Fleet) -> None:
    """On a terminal the screen is drawn anew from its top, with one value a line, its unit, and its age."""
    with running(*watched(fleet, 1, 2), terminal=True) as watch:
        at = watch.until(r"\x1b\[Hserial://\S+unit=1  Example Instruments \(invented\) MN-1, unit 1, serial SIM-1001")
        at = watch.until(r"  temperature +22 degC\x1b\[K", at)
        at = watch.until(r"\([0-9]+ ms old\)", at)
        at = watch.until(r"unit=2  .*serial SIM-1002", at)
        watch.until(r"\x1b\[H", at)
        assert watch.interrupt() == 0


def test_an_unplug_is_told_once_and_the_device_is_found_again(tmp_path: Path) -> None:
    """A device that goes away is named as gone, in one line and not in one each try, and read again when it is back."""
    port = tmp_path / "mesh"
    call = ("mesh", "--pty", str(port), "--fill", "3 mL")
    with simulator(tmp_path, *call) as child:
        with running("watch", "--profile", "mesh-reference", "--url", str(port), "--every", "50ms") as watch:
            watch.until(r"state=off")
            child.stop()
            gone = watch.until(rf"{re.escape(str(port))} ! .*gone")
            absent = watch.until(r"! .*does not exist.*\n", gone)
            time.sleep(2.5)
            with simulator(tmp_path, *call):
                back = watch.until(r"state=off", absent)
                assert watch.interrupt() == 0
        assert watch.said[gone:back].count("does not exist") == 1


def test_a_reader_along_that_leaves_ends_the_watch_quietly(fleet: Fleet) -> None:
    """`watch … | head` ends without a traceback when the pipe is closed."""
    command = [sys.executable, "-m", "nebctl", "devices", *watched(fleet, 1, 2)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"serial=" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(PATIENCE_S) == 1
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        assert process.stderr is not None
        process.stderr.close()


def test_reading_ends_by_ctrl_c_with_the_shells_code(fleet: Fleet) -> None:
    """A long `read` that is interrupted leaves at once with 130, and every line that it printed is whole."""
    words = ("read", "--profile", "mesh-reference", "--url", fleet.mesh, "--count", "1000", "--every", "50ms")
    with running(*words) as watch:
        watch.until(r"state=off.*\n.*state=off.*\n")
        assert watch.interrupt() == 130


def test_a_reading_ends_when_the_wire_is_gone(tmp_path: Path) -> None:
    """A wire that goes away in the middle of `read` is one JSON failure and exit code 1; nothing is read after it."""
    port = tmp_path / "mesh"
    with simulator(tmp_path, "mesh", "--pty", str(port)) as child:
        words = ("read", "--profile", "mesh-reference", "--url", str(port), "--count", "1000", "--every", "50ms")
        with running(*words, "--json") as watch:
            watch.until(r'"state": \{"value": "off"')
            child.stop()
            watch.until(r'"error": \{.*gone')
            assert watch.process.wait(PATIENCE_S) == 1


@pytest.mark.parametrize("profiles", [2, 4])
def test_profiles_and_urls_must_match(profiles: int) -> None:
    """Two profiles for three URLs are a wrong call, with both numbers."""
    words = ["--profile", "mesh-reference"] * profiles + ["--url", "/dev/a", "--url", "/dev/b", "--url", "/dev/c"]
    done = devices("watch", *words)
    assert done.code == 2
    assert f"{profiles} for 3 --url" in done.err


def test_two_languages_on_one_port_are_refused(fleet: Fleet) -> None:
    """A second language on a port is a wrong call before anything is sent."""
    words = ["--profile", EXAMPLE, "--url", fleet.unit(1), "--profile", "alicat-ascii", "--url", fleet.bus]
    done = devices("watch", *words)
    assert done.code == 2
    assert "Alicat ASCII on the port of" in done.err


async def test_readers_of_one_bus_never_mix(fleet: Fleet) -> None:
    """Three units read at once, again and again, over one port: every answer is of the unit that was asked."""
    buses = Buses(now_ns=time.monotonic_ns)
    readers = [make_reader(buses, EXAMPLE, fleet.unit(unit), now_ns=time.monotonic_ns) for unit in (1, 2)]
    relay = make_reader(buses, "watchdog-relay", fleet.unit(41), now_ns=time.monotonic_ns)
    assert all(isinstance(reader, ModbusReader) for reader in (*readers, relay))
    serials = []
    try:
        for reader in (*readers, relay):
            assert isinstance(reader, ModbusReader)
            assert not isinstance(await reader.open(), CommandFailed)
        for _ in range(5):
            told = await asyncio.gather(*(r.read() for r in (*readers, relay) if isinstance(r, ModbusReader)))
            assert all(isinstance(readings, Readings) for readings in told)
            serials.append([readings.values["serial"].value for readings in told if isinstance(readings, Readings)])
    finally:
        for reader in (*readers, relay):
            assert isinstance(reader, ModbusReader)
            await reader.close()
    assert serials == [["SIM-1001", "SIM-1002", serials[0][2]]] * 5
