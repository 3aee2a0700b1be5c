"""PINs: what they may be, and how one is checked: argon2id over an HMAC with a key that no database holds."""

import hmac
import itertools
import os
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from nebctl.core.returned import Returned
from nebctl.keys import KeyFault, refuse_readable

KEY_BYTES, SALT_BYTES = 32, 16
LEAST_DIGITS, MOST_DIGITS = 6, 12
_PIN = re.compile(rf"[0-9]{{{LEAST_DIGITS},{MOST_DIGITS}}}", re.ASCII)
_DOMAIN = b"nebctl/pin/v1\0"
_LINK_DOMAIN = b"nebctl/identifier/v1\0"
_RETURN_DOMAIN = b"nebctl/lease-returned/v1\0"
_KEY = re.compile(r"[0-9a-f]{64}\n?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one check costs: passes, kibibytes of memory and lanes of argon2id."""

    passes: int
    memory_kib: int
    lanes: int


LIVE_COST = Cost(passes=3, memory_kib=64 * 1024, lanes=4)
"""About a fifth of a second on a small computer. Source: RFC 9106, section 4, the second recommended option."""
LEAST_COST = Cost(passes=2, memory_kib=19 * 1024, lanes=1)
"""A live unit takes nothing cheaper. Source: OWASP Password Storage Cheat Sheet, argon2id."""
MOST_MEMORY_KIB = 256 * 1024
"""A check that asks for more would take the memory of the dose's own programs."""
PLAY_COST = Cost(passes=1, memory_kib=8, lanes=1)
"""For simulated sites alone, whose PINs are no secrets."""


class Checked(Enum):
    """What came of checking a PIN."""

    GOOD = "good"
    WRONG = "wrong"
    NOT_USABLE = "the verifier is damaged, too cheap or too dear"


def why_bad(pin: str, code: str = "") -> str | None:
    """Return why a text may not be the PIN of the person with this code, without echoing it; None where it may."""
    if not _PIN.fullmatch(pin):
        return f"A PIN has {LEAST_DIGITS} to {MOST_DIGITS} digits and nothing else."
    steps = {int(b) - int(a) for a, b in itertools.pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, -1}:
        return "A PIN is not one digit over and over, nor digits in a row. Choose another one."
    digits = "".join(sign for sign in code if sign.isdigit())
    if len(digits) >= LEAST_DIGITS and pin in digits:
        return "A PIN is no part of the badge's number. Choose another one."
    return None


class PinKey:
    """The site's key that peppers every PIN and every identifier of a subject.

    It is in memory alone and shows itself nowhere.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return "PinKey()"

    def make(
        self, code: str, pin: str, cost: Cost = LIVE_COST, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> str:
        """Return what the PIN of this person can be checked by; it takes as long as one check.

        Raises: `ValueError` for a PIN that is none, with the reason and without the PIN.
        """
        if why := why_bad(pin, code):
            raise ValueError(why)
        hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        return hasher.hash(self._peppered(code, pin), salt=random(SALT_BYTES))

    def check(self, code: str, pin: str, verifier: str, *, simulated: bool = False) -> Checked:
        """Return whether this is the person's PIN; only a simulated site may have cheap verifiers. This blocks."""
        if not _is_usable(verifier, simulated=simulated):
            return Checked.NOT_USABLE
        try:
            PasswordHasher().verify(verifier, self._peppered(code, pin))
        except VerifyMismatchError:
            return Checked.WRONG
        except (VerificationError, InvalidHashError):
            return Checked.NOT_USABLE
        return Checked.GOOD

    def link(self, identifier: str) -> str:
        """Return the keyed hash of what a wristband or a study card says, 64 hex digits."""
        return hmac.digest(self._secret, _LINK_DOMAIN + identifier.encode(), "sha256").hex()

    def return_code(self, unit: str, back: Returned) -> str:
        """Return what a unit shows when it has given a subject's doses back: lease, last day, and 8 digits for them.

        The site's key alone makes the digits, so they are read from that unit's screen or from nowhere.
        """
        text = "\0".join((unit, back.subject, str(back.sequence), str(back.last_day)))
        digest = hmac.digest(self._secret, _RETURN_DOMAIN + text.encode(), "sha256")
        return f"{back.sequence}-{back.last_day}-{int.from_bytes(digest) % 10**8:08d}"

    def _peppered(self, code: str, pin: str) -> bytes:
        return hmac.digest(self._secret, _DOMAIN + code.encode() + b"\0" + pin.encode(), "sha256")


def _is_usable(verifier: str, *, simulated: bool) -> bool:
    try:
        cost = extract_parameters(verifier)
    except InvalidHashError:
        return False
    least = PLAY_COST if simulated else LEAST_COST
    dear_enough = cost.time_cost >= least.passes and cost.memory_cost >= least.memory_kib
    return cost.type.name == "ID" and dear_enough and cost.memory_cost <= MOST_MEMORY_KIB


def create_pin_key(path: Path, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
    """Write a new PIN key, 64 hex digits that only its owner may read.

    Raises: `KeyFault` where the file exists already or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    except FileExistsError:
        raise KeyFault(path, "a file", "no file", "A key is never overwritten; choose another name.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise KeyFault(path, reason, "a file that can be made", "Check the path and its owner.") from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{random(KEY_BYTES).hex()}\n")
        file.flush()
        os.fsync(file.fileno())


def load_pin_key(path: Path, *, apart_from: Path | None = None) -> PinKey:
    """Read the site's PIN key; `apart_from` is a folder whose file system must not hold it, None means any may.

    Raises: `KeyFault` where it is missing, readable by others, no such key, or on the file system of `apart_from`.
    """
    try:
        text = path.read_text("ascii")
        together = apart_from is not None and path.stat().st_dev == apart_from.stat().st_dev
    except UnicodeDecodeError:
        text, together = "", False
    except OSError as error:
        reason = error.strerror or str(error)
        raise KeyFault(path, reason, "a file that can be read", "Copy the site's PIN key to this unit.") from None
    refuse_readable(path, stat.S_IMODE(path.stat().st_mode))
    if not _KEY.fullmatch(text):
        raise KeyFault(path, "something else", "64 hex digits", "Check that the path names the right file.")
    if together:
        advice = "Hand it over as a service credential, or put it on another medium than the card."
        raise KeyFault(path, "the file system of the unit's data", "another one", advice)
    return PinKey(bytes.fromhex(text.strip()))
