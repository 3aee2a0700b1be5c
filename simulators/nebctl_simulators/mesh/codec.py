"""Lines of the reference mesh protocol: checksum, framing and requests (docs/wire-protocol.md sections 1 and 2)."""

import re
from dataclasses import dataclass

MAX_PAYLOAD = 110
# What is kept of an unfinished line: the longest payload, `*`, four digits, CR and LF.
MAX_PENDING = MAX_PAYLOAD + 7
# A refusal repeats the command; a longer one would not fit a line and gets no answer.
MAX_COMMAND = MAX_PAYLOAD - len("N,65535,,MAXON")
MAX_SEQ = 65_535

_LINE = re.compile(rb"([\x20-\x23\x25-\x29\x2b-\x7e]{1,110})\*([0-9A-F]{4})\r\n")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
_HEX8 = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the host."""

    seq: int
    command: str
    arguments: tuple[str, ...]


def _shift(byte: int) -> int:
    """Return what eight steps of the checksum's shift register make of a byte."""
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_SHIFTED = tuple(_shift(byte) for byte in range(256))


def crc16(data: bytes) -> int:
    """Return the CRC-16/MODBUS of the bytes (reflected polynomial 0x8005, start 0xFFFF, no final XOR)."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _SHIFTED[(crc ^ byte) & 0xFF]
    return crc


def encode_line(payload: str) -> bytes:
    """Return the payload as a line of the wire."""
    data = payload.encode("ascii")
    return b"$%s*%04X\r\n" % (data, crc16(data))


class LineReader:
    """Finds lines in a stream of bytes and drops, without a word, what is not a good line."""

    def __init__(self) -> None:
        self._pending: bytearray | None = None

    def feed(self, data: bytes) -> list[str]:
        """Return the payloads of the good lines that these bytes complete."""
        return [payload for byte in data if (payload := self._take(byte)) is not None]

    def _take(self, byte: int) -> str | None:
        if byte == ord("$"):
            self._pending = bytearray()
            return None
        if self._pending is None:
            return None
        self._pending.append(byte)
        if not self._pending.endswith(b"\r\n"):
            if len(self._pending) >= MAX_PENDING:
                self._pending = None
            return None
        line, self._pending = bytes(self._pending), None
        return _check_line(line)


def _check_line(line: bytes) -> str | None:
    match = _LINE.fullmatch(line)
    if match is None or crc16(match[1]) != int(match[2], 16):
        return None
    return match[1].decode("ascii")


def parse_request(payload: str) -> Request | None:
    """Return the request that the payload holds; None when it is none, so that nobody could match an answer to it."""
    match payload.split(","):
        case ["C", seq_text, command, *arguments] if 0 < len(command) <= MAX_COMMAND:
            seq = parse_number(seq_text)
            if seq is not None and 1 <= seq <= MAX_SEQ:
                return Request(seq, command, tuple(arguments))
    return None


def parse_number(text: str) -> int | None:
    """Return the number that the field holds; None for a sign, a leading zero or more than ten digits."""
    return int(text) if _NUMBER.fullmatch(text) else None


def is_hex8(text: str) -> bool:
    """Tell whether the field is a `run` or `nonce`: eight lower-case hexadecimal digits."""
    return _HEX8.fullmatch(text) is not None
