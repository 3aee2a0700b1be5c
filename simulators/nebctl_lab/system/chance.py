"""All the chance of a simulated site, from one seed: keys, salts, names, plants and balances."""

import os
import random
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nebctl.keys import Ed25519Signer
from nebctl.pins import create_pin_key

KEY_BYTES = 32


def stream(seed: int, name: str) -> random.Random:
    """Return the chance of this name; the same seed and name always give the same."""
    return random.Random(f"nebctl site {seed}/{name}")  # noqa: S311 - chance that repeats, for simulations alone


def make_pin_key(seed: int) -> Callable[[Path], None]:
    """Return what writes a new PIN key, which follows from the seed."""
    return lambda path: create_pin_key(path, stream(seed, "key of PINs").randbytes)


def make_keys(seed: int) -> Callable[[Path], Ed25519Signer]:
    """Return what writes a new private key, which follows from the seed and the name of its file."""

    def make(path: Path) -> Ed25519Signer:
        secret = stream(seed, f"key {path.name}").randbytes(KEY_BYTES)
        key = Ed25519PrivateKey.from_private_bytes(secret)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Ed25519Signer(key)

    return make
