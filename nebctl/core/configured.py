"""The name of a configuration: one digest over all that a unit works by."""

import hashlib


def config_digest(cfg: str, protocol: str, site: str) -> str:
    """Return what names a configuration: SHA-256 over the unit's file hash and both texts that the unit works by."""
    parts = (hashlib.sha256(text.encode()).hexdigest() for text in (protocol, site))
    return hashlib.sha256(" ".join((cfg, *parts)).encode()).hexdigest()
