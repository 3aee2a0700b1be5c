"""What the ledger asks of a key: the core knows no cryptography beyond SHA-256, so signatures come in as arguments."""

from collections.abc import Callable
from typing import Protocol, TypeAlias


class Signer(Protocol):
    """A private key that signs; it never shows itself."""

    @property
    def public(self) -> bytes:
        """Return the 32 bytes of the public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature over `message`."""
        ...


Verifier: TypeAlias = Callable[[bytes, bytes, bytes], bool]
"""verify(public 32 bytes, message, signature 64 bytes) -> whether the signature is good; it never raises."""
