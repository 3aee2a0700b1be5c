"""Private facts as SD-JWT disclosures: the record holds a salted digest, the fact itself stays beside it.

Source: RFC 9901, sections 4.2 and 7.1.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from nebctl.core.ledger import canonical
from nebctl.core.ledger.encoding import FormatError, b64url, unb64url
from nebctl.core.ledger.records import Json

SALT_BYTES = 16
ALGORITHM = "sha-256"
_PLAIN = re.compile(r'\["([A-Za-z0-9_-]{21}[AQgw])","([a-z_]+)","([ !#-\[\]-~]*)"\]', re.ASCII)
"""A salt, a name and a short text without escapes, as most facts are: such JSON is canonical as it stands."""
_RESERVED = frozenset(("_sd", "_sd_alg", "..."))


def disclose(salt: bytes, name: str, value: Json) -> str:
    """Return the disclosure of one fact; `salt` is 16 random bytes.

    Raises: `FormatError` for a salt of another length, a reserved name, or a value without canonical bytes.
    """
    _check_parts(salt, name)
    if isinstance(value, str) and _PLAIN.fullmatch(plain := f'["{b64url(salt)}","{name}","{value}"]'):
        return b64url(plain.encode("ascii"))
    return b64url(canonical.encode([b64url(salt), name, value]))


def digest(disclosure: str) -> str:
    """Return the digest that stands in the record's `_sd`."""
    return b64url(hashlib.sha256(disclosure.encode("utf-8")).digest())


def reveal(disclosure: str) -> tuple[str, str, Json]:
    """Return salt, name and value of a disclosure.

    Raises: `FormatError` where it is not the one spelling of a salt, a name and a value.
    """
    data = unb64url(disclosure, "disclosure")
    if data.isascii() and (plain := _PLAIN.fullmatch(data.decode("ascii"))):
        salt_text, name_text, fact_text = plain.groups()
        _check_name(name_text)
        return salt_text, name_text, fact_text
    value = canonical.decode_value(data)
    if not isinstance(value, list) or len(value) != 3:
        raise FormatError("disclosure", value, "[salt, name, value]")
    salt, name, fact = value
    if not isinstance(salt, str) or not isinstance(name, str):
        raise FormatError("disclosure", value, "[salt, name, value]")
    _check_parts(unb64url(salt, "disclosure salt"), name)
    return salt, name, fact


def _check_parts(salt: bytes, name: str) -> None:
    if len(salt) != SALT_BYTES:
        raise FormatError("salt", f"{len(salt)} bytes", f"{SALT_BYTES} bytes")
    _check_name(name)


def _check_name(name: str) -> None:
    if not name or name in _RESERVED:
        raise FormatError("disclosure name", name, "a name that SD-JWT does not reserve")


def check(payload: Mapping[str, Json], disclosures: Iterable[str]) -> dict[str, Json]:
    """Return the facts that the disclosures reveal, each of them promised by the record's `_sd`.

    Raises: `FormatError` where a digest is not in `_sd`, a name stands twice, or a name is a public member already.
    """
    promised = payload.get("_sd")
    digests = promised if isinstance(promised, list) else []
    revealed: dict[str, Json] = {}
    for disclosure in disclosures:
        _, name, value = reveal(disclosure)
        if (found := digest(disclosure)) not in digests:
            raise FormatError(f"disclosure {name}", found, "a digest that stands in the record's _sd")
        if name in revealed or name in payload:
            raise FormatError(f"disclosure {name}", "the name twice", "each fact once")
        revealed[name] = value
    return revealed
