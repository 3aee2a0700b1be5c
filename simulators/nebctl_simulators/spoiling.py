"""What a fault of the line does to the bytes of one answer."""

import random
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

NOISE = 3  # at most so many bytes of noise at a time
PACKET = 62
"""Bytes that an adapter sends up without waiting. Source: Linux, ftdi_sio.h: packets of 64 with two of status."""

Piece = tuple[int, bytes]  # ms after the answer's own time, and the bytes that come then
Spoil = Callable[[bytes], bytes]


class LineFault(StrEnum):
    """What can happen to one answer on its way; `ms` is the time in the sentence, where there is one.

    Noise is one to three bytes: `ms` before the answer, directly after it, or `ms` after it on the idle line. ECHO
    gives the host its own request back, as an adapter does that hears itself; it takes requests, not answers. DELAY is
    meant to be shorter than the host's patience and LATE to be longer; to the line both are the same. LATENCY_TIMER
    holds back for `ms` what does not fill an adapter's packet. UNSOLICITED says the unit's answer before this one
    again, `ms` after it and unasked. BAUD_MISMATCH is an answer at half of the host's baud rate, as the host reads it.
    """

    DROP_REPLY = "drop_reply"
    LATE = "late"
    BAD_CRC = "bad_crc"
    GARBAGE = "garbage"
    DUPLICATE_REPLY = "duplicate_reply"
    SPLIT = "split"
    DELAY = "delay"
    NOISE_BEFORE = "noise_before"
    NOISE_AFTER = "noise_after"
    NOISE_IDLE = "noise_idle"
    FLIP_BIT = "flip_bit"
    DROP_BYTE = "drop_byte"
    DUP_BYTE = "dup_byte"
    TRUNCATE = "truncate"
    ECHO = "echo"
    LATENCY_TIMER = "latency_timer"
    UNSOLICITED = "unsolicited"
    BAUD_MISMATCH = "baud_mismatch"


DEFAULT_MS: Mapping[str, int] = {
    "late": 350,
    "split": 5,
    "delay": 20,
    "noise_idle": 5,
    "latency_timer": 16,
    "unsolicited": 50,
}
"""What `ms` means for a line fault when it is not given; 0 for the others.

Source for 16: the latency timer's value after power-up (Linux, ftdi_sio.c).
"""


def spoil_pieces(fault: LineFault, line: bytes, ms: int, chance: random.Random, spoil: Spoil) -> list[Piece]:
    """Return what becomes of an answer; `spoil` gives it a wrong check in as many bytes."""
    return _SPOILERS[fault](line, ms, chance, spoil)


def mishear(line: bytes) -> bytes:
    """Return what a host reads of bytes sent at half of its baud rate; a byte without its stop bit is read as 0."""
    levels = [level for byte in line for level in _levels(byte) for _ in range(2)] + [1] * 10
    return bytes(_sample(levels))


def _levels(byte: int) -> list[int]:
    return [0, *(byte >> place & 1 for place in range(8)), 1]


def _sample(levels: list[int]) -> Iterator[int]:
    at = 0
    while at + 9 < len(levels):
        if levels[at]:
            at += 1
            continue
        value = sum(level << place for place, level in enumerate(levels[at + 1 : at + 9]))
        yield value if levels[at + 9] else 0
        at += 9
        while at < len(levels) and not levels[at]:
            at += 1


def _noise(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randint(1, NOISE))


def _split(line: bytes, ms: int, chance: random.Random, _spoil: Spoil) -> list[Piece]:
    middle = chance.randint(1, max(1, len(line) - 1))
    return [(0, line[:middle]), (ms, line[middle:])]


def _flip_bit(line: bytes, ms: int, chance: random.Random, _spoil: Spoil) -> list[Piece]:
    place = chance.randrange(len(line))
    return [(ms, line[:place] + bytes([line[place] ^ 1 << chance.randrange(8)]) + line[place + 1 :])]


def _drop_byte(line: bytes, ms: int, chance: random.Random, _spoil: Spoil) -> list[Piece]:
    place = chance.randrange(len(line))
    return [(ms, line[:place] + line[place + 1 :])]


def _dup_byte(line: bytes, ms: int, chance: random.Random, _spoil: Spoil) -> list[Piece]:
    place = chance.randrange(len(line))
    return [(ms, line[: place + 1] + line[place:])]


def _truncate(line: bytes, ms: int, chance: random.Random, _spoil: Spoil) -> list[Piece]:
    return [(ms, line[: chance.randint(1, max(1, len(line) - 1))])]


def _hold_back(line: bytes, ms: int, _chance: random.Random, _spoil: Spoil) -> list[Piece]:
    full = len(line) // PACKET * PACKET
    return [(at, data) for at, data in ((0, line[:full]), (ms, line[full:])) if data]


_SPOILERS: dict[LineFault, Callable[[bytes, int, random.Random, Spoil], list[Piece]]] = {
    LineFault.DROP_REPLY: lambda _line, _ms, _chance, _spoil: [],
    LineFault.LATE: lambda line, ms, _chance, _spoil: [(ms, line)],
    LineFault.DELAY: lambda line, ms, _chance, _spoil: [(ms, line)],
    LineFault.BAD_CRC: lambda line, ms, _chance, spoil: [(ms, spoil(line))],
    LineFault.GARBAGE: lambda line, ms, chance, _spoil: [(ms, chance.randbytes(len(line)))],
    LineFault.DUPLICATE_REPLY: lambda line, ms, _chance, _spoil: [(0, line), (ms, line)],
    LineFault.SPLIT: _split,
    LineFault.NOISE_BEFORE: lambda line, ms, chance, _spoil: [(0, _noise(chance)), (ms, line)],
    LineFault.NOISE_AFTER: lambda line, ms, chance, _spoil: [(0, line), (ms, _noise(chance))],
    LineFault.NOISE_IDLE: lambda line, ms, chance, _spoil: [(0, line), (ms, _noise(chance))],
    LineFault.FLIP_BIT: _flip_bit,
    LineFault.DROP_BYTE: _drop_byte,
    LineFault.DUP_BYTE: _dup_byte,
    LineFault.TRUNCATE: _truncate,
    LineFault.LATENCY_TIMER: _hold_back,
    LineFault.UNSOLICITED: lambda line, ms, _chance, _spoil: [(0, line), (ms, line)],  # the shim knows the one before
    LineFault.BAUD_MISMATCH: lambda line, ms, _chance, _spoil: [(ms, mishear(line))],
}
TAKES_ANSWERS = tuple(_SPOILERS)
"""The faults that take answers: all but ECHO."""
