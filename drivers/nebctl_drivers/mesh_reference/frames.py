"""The lines of the reference mesh protocol 0.1: bytes to values and back, without any I/O.

Source: docs/wire-protocol.md sections 1 and 2.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

MAX_SEQ = 65_535
MAX_PAYLOAD = 110
_MAX_BODY = MAX_PAYLOAD + len("*FFFF\r")
_BODY = re.compile(r"([ -#%-)+-~]{1,110})\*([0-9A-F]{4})\r")
_SEQ = re.compile(r"[1-9][0-9]{0,4}")
_NAME = re.compile(r"[A-Z]{1,16}")


@dataclass(frozen=True, slots=True)
class Answer:
    """The controller's answer to the request `seq`; the fields are not yet read."""

    seq: int
    command: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The controller's refusal of the request `seq`: it did not act."""

    seq: int
    command: str
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """What the controller says unasked; a convenience only."""

    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line whose CRC is good and whose form is not of this protocol."""

    payload: str
    why: str


Line: TypeAlias = Answer | Refused | Event | Malformed


def checksum(payload: bytes) -> int:
    """Return CRC-16/MODBUS over `payload`."""
    crc = 0xFFFF
    for byte in payload:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def encode_request(seq: int, command: str, *args: str | int) -> bytes:
    """Return the request line as it goes on the wire.

    Raises: `ValueError` where the line would break the protocol's own rules; the caller checks what comes from outside.
    """
    payload = ",".join(("C", str(seq), command, *map(str, args)))
    body = f"{payload}*{checksum(payload.encode()):04X}\r"
    if not 1 <= seq <= MAX_SEQ or not _NAME.fullmatch(command) or not _BODY.fullmatch(body):
        raise ValueError(f"{payload!r} is no request of the reference mesh protocol")
    return f"${body}\n".encode("ascii")


def next_seq(seq: int) -> int:
    """Return the sequence number after `seq`: 1 follows 65535."""
    return seq % MAX_SEQ + 1


class LineReader:
    """Cuts the received bytes into lines; what is no good line is dropped, never mended.

    `dropped` counts the begun lines that were not good. At most one line's bytes are kept.
    """

    def __init__(self) -> None:
        self._body: bytearray | None = None
        self.dropped = 0

    def feed(self, data: bytes) -> list[Line]:
        """Take received bytes, in pieces of any size, and return the lines that they complete."""
        return [line for byte in data if (line := self._take(byte)) is not None]

    def _take(self, byte: int) -> Line | None:
        if byte == ord("$"):
            self._drop()
            self._body = bytearray()
            return None
        if self._body is None:
            return None
        if byte == ord("\n"):
            return self._finish(bytes(self._body))
        self._body.append(byte)
        if len(self._body) > _MAX_BODY or not (0x20 <= byte <= 0x7E or byte == ord("\r")):
            self._drop()
        return None

    def _finish(self, body: bytes) -> Line | None:
        match = _BODY.fullmatch(body.decode("ascii"))
        if match is None or checksum(match[1].encode()) != int(match[2], 16):
            self._drop()
            return None
        self._body = None
        return _parse(match[1])

    def _drop(self) -> None:
        self.dropped += self._body is not None
        self._body = None


def _parse(payload: str) -> Line:
    fields = payload.split(",")
    if any(field != field.strip(" ") or not field for field in fields):
        return Malformed(payload, "an empty or padded field")
    match fields:
        case ["A", seq, command, *rest] if _is_head(seq, command):
            return Answer(int(seq), command, tuple(rest))
        case ["N", seq, command, reason] if _is_head(seq, command):
            return Refused(int(seq), command, reason)
        case ["E", name, *rest] if _NAME.fullmatch(name):
            return Event(name, tuple(rest))
    return Malformed(payload, "neither an answer, a refusal nor an event")


def _is_head(seq: str, command: str) -> bool:
    return bool(_SEQ.fullmatch(seq)) and int(seq) <= MAX_SEQ and bool(_NAME.fullmatch(command))
