"""Keys on disk: private keys that sign, and the trust directory of public keys that others are checked by."""

import os
import re
import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.keyring import KeyRing, Span
from nebctl.core.ledger.note import Vkey

_MAX_BYTES = 10_000
_PLACE = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


class KeyFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """A key file that cannot be used: which file, what was seen, what was expected, what to do."""

    def __init__(self, path: Path, seen: str, expected: str, advice: str) -> None:
        self.path = path
        self.seen = seen
        self.expected = expected
        self.advice = advice
        super().__init__(f"{path}: saw {seen}, expected {expected}. {advice}")


class Ed25519Signer:
    """A private key held in memory; it signs and shows only its public half."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"Ed25519Signer(public={self._public.hex()})"

    @classmethod
    def from_seed(cls, seed: bytes) -> "Ed25519Signer":
        """Return the signer of a 32-byte private key."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public(self) -> bytes:
        """Return the 32 bytes of the public key."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over `message`."""
        return self._key.sign(message)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` is the key's good Ed25519 signature over `message`; it never raises."""
    try:
        _public_key(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=256)
def _public_key(public: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(public)


def create_key(path: Path) -> Ed25519Signer:
    """Make a new private key, write it as PKCS #8 PEM that only its owner may read, and return it.

    Raises: `KeyFault` where the file exists already or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    except FileExistsError:
        raise KeyFault(path, "a file", "no file", "A key is never overwritten; choose another name.") from None
    except OSError as error:
        raise _unusable(path, error, "a file that can be made") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return Ed25519Signer(key)


def load_signer(path: Path) -> Ed25519Signer:
    """Read a private key.

    Raises: `KeyFault` where it is missing, readable by others than its owner, or not an Ed25519 key in PEM.
    """
    data = _read(path)
    refuse_readable(path, stat.S_IMODE(path.stat().st_mode))
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _not_a_key(path, "an Ed25519 private key in PEM") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path, "an Ed25519 private key in PEM")
    return Ed25519Signer(key)


def refuse_readable(path: Path, mode: int) -> None:
    """Refuse a key whose file others than its owner may read.

    Raises: `KeyFault` naming the mode.
    """
    if mode & 0o077:
        raise KeyFault(path, f"mode {mode:04o}", "mode 0400", f"Others can read the key: chmod 400 {path}")


def write_public(trust: Path, stem: str, vkey: Vkey) -> tuple[Path, Path]:
    """Write a public key as `stem.pem`, for openssl, and `stem.vkey`, the C2SP verifier line; return both paths.

    Raises: `KeyFault` where a file cannot be written.
    """
    pem = Ed25519PublicKey.from_public_bytes(vkey.public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    paths = trust / f"{stem}.pem", trust / f"{stem}.vkey"
    for path, data in zip(paths, (pem, f"{vkey.text()}\n".encode()), strict=True):
        try:
            trust.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise _unusable(path, error, "a file that can be written") from None
    return paths


def add_approver(trust: Path, vkey: Vkey) -> Path:
    """Add a key to those that may approve files, one line each in `approvers.vkey`; return its path.

    A key that is there already is not added again.
    Raises: `KeyFault` where another key has this name or the file cannot be written.
    """
    path = trust / "approvers.vkey"
    try:
        trust.mkdir(parents=True, exist_ok=True)
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        if vkey.text() in lines:
            return path
        if any(line.startswith(f"{vkey.name}+") for line in lines):
            advice = "Choose another name, or take the old line out if that key no longer approves."
            raise KeyFault(path, f"another key named {vkey.name}", "one key a name", advice)
        path.write_text("".join(f"{line}\n" for line in (*lines, vkey.text())), "utf-8")
    except OSError as error:
        raise _unusable(path, error, "a file that can be written") from None
    except UnicodeDecodeError:
        raise KeyFault(path, "bytes that are no text", "verifier lines", "Write the file anew.") from None
    return path


def load_vkey(path: Path) -> Vkey:
    """Read a `.vkey` file: one verifier line with its newline.

    Raises: `KeyFault` where it is missing or not such a line.
    """
    try:
        return Vkey.parse(_read(path).decode("utf-8").removesuffix("\n"))
    except (FormatError, UnicodeDecodeError) as error:
        raise KeyFault(path, str(error), "one verifier line", "Copy the file again from its owner.") from None


def load_public(path: Path) -> bytes:
    """Read the 32 bytes of a public key from a PEM file.

    Raises: `KeyFault` where it is missing or not an Ed25519 public key.
    """
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        raise _not_a_key(path, "an Ed25519 public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key(path, "an Ed25519 public key in PEM")
    return key.public_bytes_raw()


def load_trust(trust: Path, stem: str) -> Vkey:
    """Read a trusted key from `stem.vkey` and `stem.pem`, which must hold the same key.

    Raises: `KeyFault` where one is missing or malformed, or they differ.
    """
    vkey, pem = load_vkey(trust / f"{stem}.vkey"), load_public(trust / f"{stem}.pem")
    if vkey.public != pem:
        advice = f"{stem}.pem and {stem}.vkey hold different keys; copy both again from their owner."
        raise KeyFault(trust / f"{stem}.pem", f"key {pem.hex()}", f"key {vkey.public.hex()}", advice)
    return vkey


def load_unit_trust(trust: Path, unit: str, epoch: int) -> Vkey:
    """Read the trusted key of one epoch of a unit: from `unit.epoch.vkey` where there is one, else from `unit.vkey`.

    Raises: `KeyFault` as `load_trust`.
    """
    stem = f"{unit}.{epoch}"
    return load_trust(trust, stem if (trust / f"{stem}.vkey").exists() else unit)


def refuse_shared(tls: Path | None, signing: Mapping[str, Path]) -> None:
    """Refuse a TLS key that signs records as well, and a signing key that has two uses; `signing` maps use to file.

    A TLS key of another kind, or one that cannot be read, is left to whoever connects with it; None means no TLS.
    Raises: `KeyFault` naming both uses, or for a signing key that cannot be used.
    """
    seen = {_public_of(tls): "TLS"} if tls else {}
    for use, path in signing.items():
        public = load_signer(path).public
        if (other := seen.get(public)) is not None:
            advice = "Make a key for each use: nebctl keys create FILE."
            raise KeyFault(path, f"one key for {other} and {use}", "a key for each use", advice)
        seen[public] = use


def _public_of(path: Path) -> bytes | None:
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (KeyFault, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key.public_key().public_bytes_raw() if isinstance(key, Ed25519PrivateKey) else None


def load_unit_ring(trust: Path, unit: str, epoch: int) -> KeyRing:
    """Read the trusted keys of one epoch of a unit: its first, and `unit.epoch.FIRST.vkey` for each that took over.

    FIRST is the place of the first record that the key signs; `nebctl keys follow` writes such files.
    Raises: `KeyFault` as `load_trust`, and where a later key has another name than the first.
    """
    first = load_unit_trust(trust, unit, epoch)
    names = [path.name.split(".")[2] for path in trust.glob(f"{unit}.{epoch}.*.vkey")]
    places = sorted(int(name) for name in names if _PLACE.fullmatch(name))
    later = {place: load_trust(trust, later_stem(unit, epoch, place)) for place in places}
    for place, vkey in later.items():
        if (vkey.name, vkey.type) != (first.name, first.type):
            path = trust / later_stem(unit, epoch, place)
            raise KeyFault(path, f"a key of {vkey.name}", f"a key of {first.name}", "Copy the key again.")
    return KeyRing((Span(first, 0), *(Span(vkey, place) for place, vkey in later.items())))


def later_stem(unit: str, epoch: int, first: int) -> str:
    """Return the name of the trust files of a key that took over, without their ending."""
    return f"{unit}.{epoch}.{first}"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise _unusable(path, error, "a file that can be read") from None


def _unusable(path: Path, error: OSError, expected: str) -> KeyFault:
    return KeyFault(path, error.strerror or str(error), expected, "Check the path and its owner.")


def _not_a_key(path: Path, expected: str) -> KeyFault:
    return KeyFault(path, "something else", expected, "Check that the path names the right file.")
