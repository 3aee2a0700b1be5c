"""The simulated devices of other makers as processes of their own: on a terminal, on TCP, and with wrong options."""

import json
import os
import select
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from nebctl_simulators.cli import sim

PATIENCE_S = 10.0


@contextmanager
def simulator(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Run `nebctl sim …` and yield the process and the words of its ready line."""
    command = [sys.executable, "-m", "nebctl_simulators", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:1] == ["ready"]
            yield process, words
        finally:
            process.kill()


def read_until(line: int, expected: bytes) -> bytes:
    """Return what comes until it holds what is expected."""
    seen = b""
    while expected not in seen:
        ready, _, _ = select.select([line], [], [], PATIENCE_S)
        assert ready, f"no {expected!r}, saw {seen!r}"
        seen += os.read(line, 4096)
    return seen


CASES = [
    pytest.param(("board-9c",), "aa550100010100 25902d0d0a", bytes.fromhex("aa550100020400250100007fe80d0a"), id="9c"),
    pytest.param(("alicat", "--letter", "B"), b"BVE\r".hex(), b"B   10v20.0-R24", id="alicat"),
    pytest.param(("balance", "--on-pan", "25000"), b"S\r\n".hex(), b"S S    25.0000 g\r\n", id="balance"),
]


@pytest.mark.req("S48")
@pytest.mark.parametrize(("command", "asked", "expected"), CASES)
def test_a_host_on_a_terminal(command: tuple[str, ...], asked: str, expected: bytes, tmp_path: Path) -> None:
    """Each device answers on a pseudo-terminal, says on stderr that it is a simulator, and ends at SIGTERM."""
    path = tmp_path / "line"
    with simulator(*command, "--pty", str(path)) as (process, words):
        assert words == ["ready", str(path)]
        line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            os.write(line, bytes.fromhex(asked))
            head = expected[:8] if command[0] == "balance" else expected  # its last digits have noise
            read_until(line, head)
        finally:
            os.close(line)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        said = process.stderr.read()
        assert said.startswith("SIMULATOR: ")
        assert "serial SIM-" in said


def test_paced_on_tcp_with_its_control(tmp_path: Path) -> None:
    """On TCP, paced like a line of 9600 baud, the balance is filled and spoilt from the side."""
    arguments = ("--tcp", "127.0.0.1:0", "--baud", "9600", "--control", "0", "--fill", "3 mL")
    with simulator("balance", *arguments) as (_, words):
        host, port = words[1].split(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
            connection.sendall(b"S\r\n")
            assert read_until(connection.fileno(), b" g\r\n").split()[-2].startswith((b"2.999", b"3.000"))
            body = json.dumps({"fault": "transmission_error"}).encode()
            urllib.request.urlopen(urllib.request.Request(words[3] + "/inject", body), timeout=PATIENCE_S).close()
            connection.sendall(b"SI\r\n")
            read_until(connection.fileno(), b"ET\r\n")
        with urllib.request.urlopen(words[3] + "/state", timeout=PATIENCE_S) as answer:
            assert json.load(answer)["cup_nl"] == 3_000_000


def test_two_controllers_share_a_line() -> None:
    """Each answers to its own ID alone, has its own serial number, and its own place on the control interface."""
    arguments = ("--tcp", "127.0.0.1:0", "--control", "0", "--letter", "A", "--letter", "C")
    with simulator("alicat", *arguments) as (_, words):
        host, port = words[1].split(":")
        with socket.create_connection((host, int(port)), PATIENCE_S) as connection:
            connection.sendall(b"BVE\rAS 5.0\r")
            assert read_until(connection.fileno(), b"Air\r").startswith(b"A +")
            connection.sendall(b"C??M5\r")
            assert read_until(connection.fileno(), b"\r") == b"C  M05 Serial Number SIM-0004-C\r"
        told = {}
        for letter in "AC":
            with urllib.request.urlopen(f"{words[3]}/{letter}/state", timeout=PATIENCE_S) as answer:
                told[letter] = json.load(answer)["setpoint"]
        assert told == {"A": 5, "C": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("board-9c",), "give one of --pty PATH and --tcp HOST:PORT"),
        (("board-9c", "--tcp", "127.0.0.1:0", "--preset", "mesh.x"), "choose one of: mesh.solo"),
        (("alicat", "--tcp", "127.0.0.1:0", "--letter", "AB"), "an ID on the line is one letter"),
        (("alicat", "--tcp", "127.0.0.1:0", "--letter", "A", "--letter", "a"), "each ID stands on a line once"),
        (("alicat", "--tcp", "127.0.0.1:0", "--firmware", "new"), "a firmware is such as 10v20.0-R24"),
        (("balance", "--tcp", "127.0.0.1:0", "--serial", "B-1"), "a simulated device has a serial such as SIM-0001"),
        (("balance", "--tcp", "127.0.0.1:0", "--on-pan", "-1"), "is not in the range"),
    ],
)
def test_wrong_options_end_with_one_clear_line(arguments: tuple[str, ...], message: str) -> None:
    """No bad option ends in a traceback, and nothing is opened."""
    result = CliRunner().invoke(sim, list(arguments))
    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert message in " ".join(result.output.split())
