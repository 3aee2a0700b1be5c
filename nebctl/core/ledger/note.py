"""Signed notes and verifier keys.

Source: C2SP signed-note (text, blank line, signature lines) and C2SP tlog-cosignature v1 (key type 0x04).
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from nebctl.core.ledger.encoding import FormatError, b64, unb64
from nebctl.core.ledger.signing import Signer, Verifier

ED25519 = 0x01
"""Key type of a plain note signature: units, orders, approvers."""
COSIGNATURE = 0x04
"""Key type of a witness: its signature covers a time as well."""

_DASH = "\N{EM DASH}"
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,255}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_MAX_BYTES = 1_000_000
_MAX_LINES = 100


@lru_cache(maxsize=256)
def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the 4 bytes that name a key on its signature lines."""
    return hashlib.sha256(name.encode("utf-8") + b"\n" + bytes((kind,)) + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Vkey:
    """A named public key: what a verifier trusts. `type` is ED25519 or COSIGNATURE, `public` is 32 bytes."""

    name: str
    type: int
    public: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise FormatError("key name", self.name, "1 to 255 characters without space or +")
        if self.type not in (ED25519, COSIGNATURE):
            raise FormatError(f"key {self.name}", f"type {self.type:#04x}", "type 0x01 or 0x04")
        if len(self.public) != 32:
            raise FormatError(f"key {self.name}", f"{len(self.public)} bytes", "32 bytes")

    @property
    def key_id(self) -> bytes:
        """Return the 4 bytes that name this key on its signature lines."""
        return key_id(self.name, self.type, self.public)

    def text(self) -> str:
        """Return the verifier line, without a newline."""
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes((self.type,)) + self.public)}"

    def fingerprint(self) -> str:
        """Return SHA-256 of the public key as 64 hex digits, for people to compare."""
        return hashlib.sha256(self.public).hexdigest()

    @classmethod
    def parse(cls, text: str) -> "Vkey":
        """Read a verifier line, without a newline.

        Raises: `FormatError` where it is not the one text of a key of a known type.
        """
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise FormatError("verifier key", text, "name+key ID+base64")
        data = unb64(parts[2], f"verifier key {parts[0]}")
        if not data:
            raise FormatError(f"verifier key {parts[0]}", "no bytes", "a type byte and 32 bytes")
        key = cls(parts[0], data[0], data[1:])
        if key.text() != text:
            raise FormatError(f"verifier key {key.name}", parts[1], f"key ID {key.key_id.hex()}")
        return key


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line of a note; `signature` is what follows the key ID."""

    name: str
    key_id: bytes
    signature: bytes

    def text(self) -> str:
        """Return the line with its newline."""
        return f"{_DASH} {self.name} {b64(self.key_id + self.signature)}\n"

    def by(self, vkey: Vkey) -> bool:
        """Return whether the line names this key; the signature is not checked."""
        return self.name == vkey.name and self.key_id == vkey.key_id


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note taken apart: the signed text with its final newline, and the signature lines."""

    text: str
    lines: tuple[SignatureLine, ...]


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """Return a signature line with its newline."""
    return SignatureLine(name, key_id, signature).text()


def parse_signature_line(line: str) -> SignatureLine:
    """Read one signature line, with or without its newline.

    Raises: `FormatError` where it is not the one text of a name, a key ID and a signature.
    """
    bare = line.removesuffix("\n")
    parts = bare.split(" ")
    if len(parts) != 3 or parts[0] != _DASH or not _NAME.fullmatch(parts[1]):
        raise FormatError("signature line", bare, f"{_DASH} name base64")
    data = unb64(parts[2], f"signature line of {parts[1]}")
    if len(data) <= 4:
        raise FormatError(f"signature line of {parts[1]}", f"{len(data)} bytes", "a key ID and a signature")
    return SignatureLine(parts[1], data[:4], data[4:])


def assemble_note(text: str, lines: Iterable[str]) -> str:
    """Return a note of a text, which ends with a newline, and signature lines with theirs."""
    return f"{text}\n{''.join(lines)}"


def parse_note(note: bytes | str) -> SignedNote:
    """Take a signed note apart; no signature is checked.

    Raises: `FormatError` where it is not text, blank line, signature lines, each ended by a newline.
    """
    whole = _note_text(note)
    cut = whole.rfind("\n\n")
    if cut < 0 or not whole.endswith("\n") or cut + 2 == len(whole):
        raise FormatError("note", whole[-40:], "text, a blank line, signature lines, each with its newline")
    lines = tuple(parse_signature_line(line) for line in whole[cut + 2 : -1].split("\n"))
    if len(lines) > _MAX_LINES:
        raise FormatError("note", f"{len(lines)} signature lines", f"at most {_MAX_LINES}")
    return SignedNote(whole[: cut + 1], lines)


def _note_text(note: bytes | str) -> str:
    try:
        data = note.encode("utf-8") if isinstance(note, str) else note
        whole = data.decode("utf-8")
    except UnicodeError:
        raise FormatError("note", note[:16], "UTF-8 text") from None
    if len(data) > _MAX_BYTES:
        raise FormatError("note", f"{len(data)} bytes", f"at most {_MAX_BYTES}")
    if control := _CONTROL.search(whole):
        raise FormatError("note", repr(control.group()), "no control character but newline")
    return whole


def sign_note(text: str, name: str, signer: Signer) -> str:
    """Return `text`, which ends with a newline, as a note signed by the ED25519 key called `name`.

    Raises: `FormatError` where the text does not end with a newline.
    """
    if not text.endswith("\n"):
        raise FormatError("note", text[-16:], "a text that ends with a newline")
    line = signature_line(name, key_id(name, ED25519, signer.public), signer.sign(text.encode("utf-8")))
    return assemble_note(text, [line])


def verify_note(note: SignedNote, vkey: Vkey, verify: Verifier) -> bool:
    """Return whether exactly one line of the note is by this ED25519 key, with a good signature."""
    mine = [line for line in note.lines if line.by(vkey)]
    return (
        vkey.type == ED25519
        and len(mine) == 1
        and len(mine[0].signature) == 64
        and verify(vkey.public, note.text.encode("utf-8"), mine[0].signature)
    )
