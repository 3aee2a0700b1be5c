"""How fast answers come, with the host's own share taken off (section 2).

A controller that is slow is slow in every batch; a host that pauses is not, and has more than one try.
"""

import statistics
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from nebctl.core.device import CommandFailed
from nebctl_drivers.address import read_address

from .bench import Bench, heard, tell
from .talker import Reply, sign
from .verdicts import Broken

ANSWER_MS = 20
"""Source: docs/wire-protocol.md section 2."""
ADAPTER_MS = 16
"""What a USB serial adapter keeps bytes back. Source: FTDI AN232B-04, the default of the latency timer."""
SCHEDULER_MS = 4
"""What the host's scheduler may add to each answer; a planning figure."""
WIRE_MS_A_BYTE = 10_000 / 115_200
"""Ten bits a character at 115200 baud."""
LONGEST_REQUEST = len("$C,65535,START,0badcafe,1800000*FFFF\r\n")
TIMED = 40
FORGIVEN = 2
"""So many of a batch's answers may be late: a host that is no real-time computer pauses now and then."""
BATCHES = 3
OFF_COMMANDS = ("STAT", "BEAT", "LAST", "STOP", "HELLO")

Batch = Callable[[], AsyncGenerator[tuple[str, Reply], None]]
"""Asks, and gives each command with the reply to it."""


def adapter_ms(url: str) -> int:
    """Return how many milliseconds the adapter behind a URL may keep bytes back.

    It is what the URL says with `latency_ms`; without that, 0 on a pseudo-terminal and on TCP at this machine, where
    there is none, and else the 16 ms of a USB adapter's default.
    """
    address = read_address(url)
    if isinstance(address, CommandFailed):
        return ADAPTER_MS
    if address.line.latency_ms is not None:
        return address.line.latency_ms
    return 0 if address.is_bench_wire() else ADAPTER_MS


async def answer_time(bench: Bench) -> str:
    """Time answers while OFF."""

    async def batch() -> AsyncGenerator[tuple[str, Reply], None]:
        for number in range(TIMED):
            command = OFF_COMMANDS[number % len(OFF_COMMANDS)]
            args = (bench.means.new_id(),) if command == "HELLO" else ()
            yield command, await bench.talker.ask(command, *args)

    return await judge_speed(bench, batch)


async def judge_speed(bench: Bench, batch: Batch) -> str:
    """Return how long answers took; slow ones break the rule.

    Of a batch no more than `FORGIVEN` answers are late, and no command's median: one late answer may be the host's
    fault, half of them are not.
    """
    usual_ms = ANSWER_MS + SCHEDULER_MS + bench.means.adapter_ms
    late_ms = max(usual_ms, ANSWER_MS + SCHEDULER_MS + ADAPTER_MS)
    for _ in range(BATCHES):
        took_ms = await _time(batch, late_ms)
        every_ms = [ms for times in took_ms.values() for ms in times]
        late = sum(ms > late_ms for ms in every_ms)
        slowest = max(took_ms, key=lambda command: statistics.median(took_ms[command]))
        median_ms = statistics.median(took_ms[slowest])
        seen = f"median {median_ms:.0f} ms ({slowest}), longest {max(every_ms):.0f} ms of {len(every_ms)}"
        if late <= FORGIVEN and median_ms <= usual_ms:
            return seen
    most = f"a median of {usual_ms} ms for each command ({ANSWER_MS} ms and the host's share), none past {late_ms} ms"
    raise Broken(f"{seen}; {late} were late", most)


async def _time(batch: Batch, late_ms: float) -> dict[str, list[float]]:
    """Return what a batch took in milliseconds; it ends early once too many answers are late."""
    took_ms: dict[str, list[float]] = {}
    late = 0
    async with aclosing(batch()) as replies:
        async for command, reply in replies:
            ms = _time_one(command, reply)
            took_ms.setdefault(command, []).append(ms)
            late += ms > late_ms
            if late > FORGIVEN:
                break
    return took_ms


def _time_one(command: str, reply: Reply) -> float:
    """Return how many milliseconds an answer took beyond its own and its request's time on the wire."""
    size = len(sign(tell(heard(reply, command)).encode())) + LONGEST_REQUEST
    return max(0.0, (reply.heard_s - reply.sent_s) * 1000 - size * WIRE_MS_A_BYTE)
