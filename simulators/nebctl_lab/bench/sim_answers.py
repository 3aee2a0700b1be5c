"""Answers per second of the simulators and of a bare Modbus server, asked by one plain socket in turns."""

import socket
import statistics
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from nebctl_lab.processes import Child
from nebctl_simulators.mesh.codec import encode_line

BARE = "bare"
HOLDING, INPUT = 3, 4
REGISTERS = 10
TIMEOUT_S = 5.0
LINE_END = b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaker:
    """A server to be asked: its command line, requests to take in turns, and whether bytes are a whole good answer."""

    arguments: tuple[str, ...]
    requests: tuple[bytes, ...]
    is_answer: Callable[[bytes], bool]


def measure_answers(folder: Path, rounds: int, requests: int) -> dict[str, float]:
    """Return answers per second, each the median of the rounds, and the median of each simulator's ratios to the bare.

    `ratio` is the least of these. In a round everybody is asked as often, one after the other.
    """
    rates: dict[str, list[float]] = {name: [] for name in speakers(Path())}
    with ExitStack() as stack:
        profile = stack.enter_context(
            resources.as_file(resources.files("nebctl_profiles") / "modbus-nebulizer.toml"),
        )
        everybody = speakers(profile)
        lines = {name: _connect(stack, folder, name, speaker) for name, speaker in everybody.items()}
        for number in range(rounds + 1):
            for name, line in lines.items():
                rate = _ask(line, everybody[name], requests)
                if number:  # the first round warms up
                    rates[name].append(rate)
    return _sum_up(rates)


def speakers(profile: Path) -> Mapping[str, Speaker]:
    """Return who is measured: the bare server, and the simulators; `profile` is the Modbus nebulizer's map."""
    simulator, port = ("-m", "nebctl_simulators"), ("--tcp", "127.0.0.1:0")
    return {
        BARE: _modbus(("-m", "nebctl_lab.bench.baseline"), 1, 0),
        "relay": _modbus((*simulator, "jet", *port), 41, 0),
        "gas": _modbus((*simulator, "jet", *port), 40, 1199),
        "modbus": _modbus(
            (*simulator, "modbus", "--profile", str(profile), "--framing", "tcp", *port), 40, 100, INPUT, 8
        ),
        "mesh": Speaker(
            arguments=(*simulator, "mesh", *port),
            requests=(encode_line("C,1,STAT"), encode_line("C,2,STAT")),  # the same twice is answered from memory
            is_answer=lambda data: data.endswith(LINE_END) and b",STAT," in data,
        ),
        "balance": Speaker(
            arguments=(*simulator, "balance", *port),
            requests=(b"SI" + LINE_END,),
            is_answer=lambda data: data.endswith(b"g" + LINE_END) and data.startswith(b"S "),
        ),
    }


def _sum_up(rates: Mapping[str, list[float]]) -> dict[str, float]:
    ratios = {
        name: statistics.median(ours / bare for ours, bare in zip(own, rates[BARE], strict=True))
        for name, own in rates.items()
        if name != BARE
    }
    figures = {f"{name}_per_s": round(statistics.median(own)) for name, own in rates.items()}
    return {
        **figures,
        **{f"{name}_ratio": round(ratio, 2) for name, ratio in ratios.items()},
        "ratio": round(min(ratios.values()), 2),
    }


def _modbus(
    arguments: tuple[str, ...], unit: int, address: int, table: int = HOLDING, count: int = REGISTERS
) -> Speaker:
    request = struct.pack(">HHHBBHH", 7, 0, 6, unit, table, address, count)
    size = 9 + 2 * count
    head = struct.pack(">HHHBBB", 7, 0, 3 + 2 * count, unit, table, 2 * count)
    return Speaker(
        arguments=arguments, requests=(request,), is_answer=lambda data: len(data) == size and data.startswith(head)
    )


def _connect(stack: ExitStack, folder: Path, name: str, speaker: Speaker) -> socket.socket:
    child = Child(name, speaker.arguments, folder / f"{name}.log").start()
    stack.callback(child.stop)
    host, _, port = child.ready.split()[0].rpartition(":")
    line = stack.enter_context(socket.create_connection((host, int(port)), TIMEOUT_S))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def _ask(line: socket.socket, speaker: Speaker, requests: int) -> float:
    began = time.perf_counter()
    for number in range(requests):
        line.sendall(speaker.requests[number % len(speaker.requests)])
        answer = line.recv(512)
        while not speaker.is_answer(answer):
            more = line.recv(512)
            if not more or len(answer) > 512:
                raise RuntimeError(f"{speaker.arguments}: no good answer, got {answer!r}")
            answer = more if answer.endswith(LINE_END) else answer + more  # what came unasked goes
    return requests / (time.perf_counter() - began)
