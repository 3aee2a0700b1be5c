"""A Modbus RTU slave that misbehaves on purpose, and the faults that it knows; its codec is its own."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

FAULTS = (
    "none",
    "noise_before",
    "noise_idle",
    "bad_crc",
    "wrong_unit",
    "wrong_function",
    "short_count",
    "echo",
    "split",
    "duplicate",
    "late_after_timeout",
    "late_overtaken",
    "late_after_cancel",
)
"""The cases of the matrix; in `late_after_cancel` it is the host that gives its request up.

A unit answers one request after the other, so that a late answer holds up those behind it; only in `late_overtaken`
(an answer that waits in a gateway) the next one passes it.
"""
SPLIT_S = 0.030
_REQUEST = 8
_SET_COIL = 5


def crc(data: bytes) -> bytes:
    """Return CRC-16/MODBUS, low byte first, worked out bit by bit.

    Source: Modbus over Serial Line 1.02, appendix B.
    """
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register.to_bytes(2, "little")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What befalls the answers: `fault` to a share of them, and `late_s` is the least time that is too late."""

    fault: str
    late_s: float
    share: float = 0.5


class EvilSlave:
    """One unit whose registers tell which request was answered: each holds its address, or the request's number.

    A read of `count` registers at `address` gives `address`, the number of the request (from 1 on, modulo 65536), and
    then `address + 2` and so on. `seen` is the number of the last request that reached the slave; `coil_set` hears of
    each write of a coil.
    """

    def __init__(self, unit: int, plan: Plan, send: Callable[[bytes], object], seed: int) -> None:
        self.unit = unit
        self.plan = plan
        self.seen = 0
        self.struck = 0
        self._send = send
        self._chance = random.Random(f"{seed}/{unit}/{plan.fault}")  # noqa: S311 - noise, not a secret
        self._buffer = b""
        self._free_at = 0.0
        self.coil_set: Callable[[bytes], object] = lambda _: None

    def feed(self, data: bytes) -> None:
        """Take what the host wrote, and answer what is whole and meant for this unit: reads, and a single coil."""
        self._buffer += data
        while len(self._buffer) >= _REQUEST:
            frame = self._buffer[:_REQUEST]
            if frame[0] != self.unit or frame[-2:] != crc(frame[:-2]):
                self._buffer = self._buffer[1:]
                continue
            self._buffer = self._buffer[_REQUEST:]
            self._answer(frame)

    def _answer(self, frame: bytes) -> None:
        self.seen += 1
        if frame[1] == _SET_COIL:
            self.coil_set(frame)
            self._send_later(0, frame)
            return
        address, count = int.from_bytes(frame[2:4]), int.from_bytes(frame[4:6])
        words = [address, self.seen & 0xFFFF, *range(address + 2, address + count)][:count]
        body = bytes([frame[0], frame[1], 2 * count]) + b"".join(word.to_bytes(2) for word in words)
        good = body + crc(body)
        if self.plan.fault == "none" or self._chance.random() >= self.plan.share:
            self._send_later(0, good)
            return
        self.struck += 1
        for after_s, data in self._spoil(frame, body, good):
            self._send_later(after_s, data)

    def _send_later(self, after_s: float, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if self.plan.fault == "late_overtaken" and after_s:
            loop.call_later(after_s, self._send, data)
            return
        self._free_at = max(self._free_at, loop.time() + after_s)
        if self._free_at > loop.time():
            loop.call_at(self._free_at, self._send, data)
        else:
            self._send(data)

    def _spoil(self, frame: bytes, body: bytes, good: bytes) -> list[tuple[float, bytes]]:
        """Return what goes out in the good answer's place, each piece with its delay in seconds."""
        unit, function, _, *_ = body
        noise = self._chance.randbytes(self._chance.randint(1, 3))
        late_s = self.plan.late_s * self._chance.uniform(1.0, 1.8 if self.plan.fault == "late_overtaken" else 3.0)
        match self.plan.fault:
            case "noise_before":
                return [(0, noise + good)]
            case "noise_idle":
                return [(0, good), (0.010, noise)]
            case "bad_crc":
                return [(0, good[:-1] + bytes([good[-1] ^ self._chance.randint(1, 255)]))]
            case "wrong_unit":
                return [(0, _sign(bytes([unit + 1]) + body[1:]))]
            case "wrong_function":
                return [(0, _sign(bytes([unit, 7 - function]) + body[2:]))]  # 4 for 3, and 3 for 4
            case "short_count":
                short = body[3 : 3 + (len(body) - 3) // 4 * 2]
                return [(0, _sign(bytes([unit, function, len(short)]) + short))]
            case "echo":
                return [(0, frame + good)]
            case "split":
                place = self._chance.randint(1, len(good) - 1)
                return [(0, good[:place]), (SPLIT_S, good[place:])]
            case "duplicate":
                return [(0, good + good)]
            case _:
                return [(late_s, good)]


def _sign(body: bytes) -> bytes:
    return body + crc(body)


def is_right(words: tuple[int, ...], address: int, count: int, slave: EvilSlave) -> bool:
    """Return whether an answer is the one to the last request that the slave saw, and to this read."""
    expected = [address, slave.seen & 0xFFFF, *range(address + 2, address + count)][:count]
    return list(words) == expected
