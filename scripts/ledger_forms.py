"""The ledger's formats from their own definitions, for ledger_vectors.py.

With hashlib and one library for Ed25519; nothing of nebctl is imported, so that a mistake of its own is not hidden.
"""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SITE, UNIT, SESSION = "sim.vectors.example", "neb-0001", "2026-11-22-7f3a9c"
DASH = "\N{EM DASH}"
TIME_S = 1_795_346_000
PLACE, SIZE = 4, 13

Json = Any


def b64(data: bytes) -> str:
    """Return padded base64."""
    return base64.b64encode(data).decode()


def b64u(data: bytes) -> str:
    """Return unpadded base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha(data: bytes) -> bytes:
    """Return SHA-256."""
    return hashlib.sha256(data).digest()


def canonical(value: Json) -> bytes:
    """Return canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def mth(leaves: list[bytes]) -> bytes:
    """Return the Merkle tree hash of leaf hashes; RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha(b"")
    k = split(len(leaves))
    return sha(b"\1" + mth(leaves[:k]) + mth(leaves[k:]))


def split(count: int) -> int:
    """Return the largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return the audit path of a leaf; RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), mth(leaves[k:])]
    return [*path(index - k, leaves[k:]), mth(leaves[:k])]


def subproof(old: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """Return the consistency proof; RFC 6962, section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [mth(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*subproof(old, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(old - k, leaves[k:], False), mth(leaves[:k])]


class Key:
    """A private key by its seed, with its name and type."""

    def __init__(self, name: str, kind: int, seed: str) -> None:
        self.name, self.kind, self.seed = name, kind, seed
        self.private = Ed25519PrivateKey.from_private_bytes(sha(seed.encode()))
        self.public = self.private.public_key().public_bytes_raw()
        self.id = sha(name.encode() + b"\n" + bytes([kind]) + self.public)[:4]

    def vkey(self) -> str:
        """Return the verifier line."""
        return f"{self.name}+{self.id.hex()}+{b64(bytes([self.kind]) + self.public)}"

    def line(self, text: str, time_s: int = TIME_S, *, flip: int | None = None) -> str:
        """Return the signature line over a text; `flip` flips a bit of that byte of what is encoded."""
        if self.kind == 1:
            data = self.id + self.private.sign(text.encode())
        else:
            signed = f"cosignature/v1\ntime {time_s}\n{text}".encode()
            data = self.id + time_s.to_bytes(8, "big") + self.private.sign(signed)
        if flip is not None:
            data = data[:flip] + bytes([data[flip] ^ 1]) + data[flip + 1 :]
        return f"{DASH} {self.name} {b64(data)}\n"


ORIGIN = f"{SITE}/nebctl/{UNIT}/1"
U = Key(ORIGIN, 1, "unit")
P = Key(f"{SITE}/nebctl-pharmacy", 4, "pharmacy")
OTHER_U = Key(ORIGIN, 1, "other unit key")
OTHER_P = Key(P.name, 4, "other pharmacy key")


def disclose(name: str, value: Json, salt: bytes | None = None) -> str:
    """Return a disclosure."""
    return b64u(canonical([b64u(sha(name.encode())[:16] if salt is None else salt), name, value]))


SHOWN = [disclose("operator", "RT-07"), disclose("subject", "MEX-001")]
INTERVAL = {"low_nl": 2_871_400, "best_nl": 2_900_000, "high_nl": 2_930_100}
CHARGE = {"low_nl": 2_970_000, "best_nl": 3_000_000, "high_nl": 3_030_000}
FACTS = {"dose": 1, "kit": "KIT-0401", "lot": "EXO2020A", "start_seq": 3, "end": "complete", "verdict": "WITHIN"}


def payload(seq: int, leaves: list[bytes], typ: str, **more: Json) -> dict[str, Json]:
    """Return the members of a record at the end of a tree."""
    said = {"typ": typ, "unit": UNIT, "ep": 1, "seq": seq, "prev": b64u(mth(leaves)), "v": 1, "sim": True}
    when = {"boot": "b00t", "mono_ns": seq * 10**9, "utc": "2026-11-22T11:11:40.123Z"}
    clock = {"clk": {"sync": True, "src": "sim", "scale": 30}}
    made = {"sw": "nebctl 0.1.0", "cfg": "ab" * 32, "salt": b64u(sha(b"salt %d" % seq)[:16])}
    private = {"_sd": sorted(b64u(sha(each.encode())) for each in SHOWN), "_sd_alg": "sha-256"}
    return {**said, **when, **clock, **made, **private, **more}


DAY = {"session": SESSION, "day": 1, "tz": "America/Mexico_City", "date_local": "2026-11-22"}
DOSE = {**FACTS, **INTERVAL, "charge": CHARGE, **DAY}


def sign(data: bytes, key: Key = U, header: str | None = None) -> str:
    """Return a JWS over payload bytes."""
    head = header or f'{{"alg":"Ed25519","kid":"{key.id.hex()}","typ":"nebctl-dose+jws"}}'
    covered = f"{b64u(head.encode())}.{b64u(data)}"
    return f"{covered}.{b64u(key.private.sign(covered.encode()))}"


def leaf(text: str) -> bytes:
    """Return a record's leaf hash."""
    return sha(b"\0" + text.encode())


def book(**changed: Json) -> tuple[list[str], list[bytes]]:
    """Return a log of 13 records with a dose at place 4 whose members are `changed`; None takes one out."""
    texts: list[str] = []
    leaves: list[bytes] = []
    for seq in range(SIZE):
        members = payload(seq, leaves, "clock")
        if seq == PLACE - 1:
            members = payload(seq, leaves, "start", kit="KIT-0401", **DAY)
        if seq == PLACE:
            given = payload(seq, leaves, "dose", **DOSE) | changed
            members = {name: value for name, value in given.items() if value is not ...}
        texts.append(sign(canonical(members)))
        leaves.append(leaf(texts[-1]))
    return texts, leaves


TEXTS, LEAVES = book()


def text_of(size: int, root: bytes, origin: str = ORIGIN) -> str:
    """Return the three lines of a checkpoint."""
    return f"{origin}\n{size}\n{b64(root)}\n"


def receipt(leaves: list[bytes], unit: Key = U, pharmacy: Key = P, time_s: int = TIME_S, origin: str = ORIGIN) -> str:
    """Return the countersigned head over leaves."""
    text = text_of(len(leaves), mth(leaves), origin)
    return f"{text}\n{unit.line(text)}{pharmacy.line(text, time_s)}"


def proof(leaves: list[bytes], note: str | None = None) -> str:
    """Return the dose's proof."""
    hashes = "".join(f"{b64(each)}\n" for each in path(PLACE, leaves))
    return f"c2sp.org/tlog-proof@v1\nindex {PLACE}\n{hashes}\n{receipt(leaves) if note is None else note}"


def other_spelling(text: str, alphabet: str) -> str:
    """Return base64 with an unused bit of its last character set."""
    bare = text.rstrip("=")
    return bare[:-1] + alphabet[alphabet.index(bare[-1]) ^ 1] + text[len(bare) :]


STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
URL = STANDARD[:-2] + "-_"
