"""Base64 in its two spellings, decoded so strictly that one value has one text."""

import binascii
import re

_SHOWN = 60
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/\x00\x00\x00")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST = (_ALPHABET, "", _ALPHABET[::16], _ALPHABET[::4])
"""By the length modulo 4: what the last character may be, its spare bits 0. Source: RFC 4648, section 3.5."""
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class FormatError(ValueError):
    """Bytes that do not have the form they must have: where, what was seen, what was expected."""

    def __init__(self, where: str, seen: object, expected: str) -> None:
        self.where = where
        self.seen = show(seen)
        self.expected = expected
        super().__init__(f"{where}: saw {self.seen}, expected {expected}")

    def __reduce__(self) -> tuple[type["FormatError"], tuple[str, str, str]]:
        return FormatError, (self.where, self.seen, self.expected)


def show(value: object) -> str:
    """Return a value as printable ASCII for a message, cut at 60 characters; text is shown as it is where it can be."""
    text = value if isinstance(value, str) and value and value.isprintable() else repr(value)
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def b64url(data: bytes) -> str:
    """Return base64url without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def unb64url(text: str, where: str = "base64url") -> bytes:
    """Return the bytes of unpadded base64url.

    Raises: `FormatError` where the text is not the one spelling of its bytes.
    """
    try:
        padded = text.encode("ascii").translate(_FROM_URL) + b"=" * (-len(text) % 4)
        data = binascii.a2b_base64(padded)
    except ValueError:
        raise FormatError(where, text, "unpadded base64url") from None
    # The quick decoder leaves out a character of another alphabet; then a byte is missing, except at a length of
    # 4n + 1, which no bytes have.
    if len(data) != len(text) * 3 // 4 or len(text) % 4 == 1:
        raise FormatError(where, text, "unpadded base64url")
    # Strictly decoded, only the last character can be spelled in several ways: by bits that no byte needs.
    if text[-1:] not in _LAST[len(text) % 4]:
        raise FormatError(where, text, f"the one spelling {show(b64url(data))}")
    return data


def b64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def unb64(text: str, where: str = "base64") -> bytes:
    """Return the bytes of padded standard base64.

    Raises: `FormatError` where the text is not the one spelling of its bytes.
    """
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError:
        raise FormatError(where, text, "padded base64") from None
    if b64(data) != text:
        raise FormatError(where, text, f"the one spelling {show(b64(data))}")
    return data


def unhash64(text: str, where: str) -> bytes:
    """Return the 32 bytes of a hash in padded base64.

    Raises: `FormatError` where it is not base64 of 32 bytes.
    """
    data = unb64(text, where)
    if len(data) != 32:
        raise FormatError(where, f"{len(data)} bytes", "32 bytes")
    return data


def undecimal(text: str, where: str) -> int:
    """Return a count written in decimal, without sign, space or leading zero, below 10^19.

    Raises: `FormatError` where it is written otherwise.
    """
    if not _DECIMAL.fullmatch(text):
        raise FormatError(where, text, "a decimal number without sign or leading zero")
    return int(text)
