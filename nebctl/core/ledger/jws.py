"""JWS compact serialization with one fixed header, so that one record has one text.

Source: RFC 7515, RFC 8037, RFC 9864 (the algorithm is named "Ed25519").
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from nebctl.core.ledger import canonical
from nebctl.core.ledger.encoding import FormatError, b64url, unb64url
from nebctl.core.ledger.records import Json
from nebctl.core.ledger.signing import Signer

_KID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_HEADER = re.compile(rb'\{"alg":"Ed25519","kid":"([0-9a-f]{8})","typ":"nebctl-dose\+jws"\}')


class Jws(NamedTuple):
    """One signed record, taken apart; the signature is not checked yet."""

    kid: str
    payload: dict[str, Json]
    payload_bytes: bytes
    signing_input: bytes
    signature: bytes


def header_bytes(kid: str) -> bytes:
    """Return the exact protected header for the key ID `kid`, 8 lower-case hex digits.

    Raises: `FormatError` for another `kid`.
    """
    if not _KID.fullmatch(kid):
        raise FormatError("kid", kid, "8 lower-case hex digits")
    return b'{"alg":"Ed25519","kid":"%s","typ":"nebctl-dose+jws"}' % kid.encode("ascii")


def signing_input(kid: str, payload_bytes: bytes) -> bytes:
    """Return the ASCII bytes that the signature covers."""
    return f"{_header_part(kid)}.{b64url(payload_bytes)}".encode("ascii")


@lru_cache(maxsize=64)
def _header_part(kid: str) -> str:
    return b64url(header_bytes(kid))


def assemble(signing_input: bytes, signature: bytes) -> str:
    """Return the record's text: the signed bytes, a dot, the signature; no newline."""
    return f"{signing_input.decode('ascii')}.{b64url(signature)}"


def sign(payload: Mapping[str, Json], signer: Signer, kid: str, encode: canonical.Encoder = canonical.encode) -> str:
    """Return the text of a signed record. `encode` writes its payload.

    Raises: `FormatError` where the payload has no canonical bytes.
    """
    covered = signing_input(kid, encode(payload))
    return assemble(covered, signer.sign(covered))


def parse(text: str, decode: canonical.Decoder = canonical.decode) -> Jws:
    """Take a record's text apart; the signature is not checked. `decode` reads its payload.

    Raises: `FormatError` where the text is not the only spelling of what it says, to the byte.
    """
    parts = text.split(".")
    if len(parts) != 3:
        raise FormatError("JWS", f"{len(parts)} parts", "header.payload.signature")
    kid = _kid(parts[0])
    payload_bytes = unb64url(parts[1], "JWS payload")
    signature = unb64url(parts[2], "JWS signature")
    if len(signature) != 64:
        raise FormatError("JWS signature", f"{len(signature)} bytes", "64 bytes")
    return Jws(
        kid=kid,
        payload=decode(payload_bytes),
        payload_bytes=payload_bytes,
        signing_input=text[: -len(parts[2]) - 1].encode("ascii"),
        signature=signature,
    )


@lru_cache(maxsize=64)
def _kid(part: str) -> str:
    """Return the key ID of a header; a ledger has as many headers as keys."""
    header = _HEADER.fullmatch(unb64url(part, "JWS header"))
    if header is None:
        raise FormatError("JWS header", unb64url(part), header_bytes("0" * 8).decode("ascii"))
    return header.group(1).decode("ascii")
