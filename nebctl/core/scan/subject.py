"""Who is this? A wristband and a second, different identifier, each by its keyed hash, must be of one subject (S12)."""

from collections.abc import Iterable
from dataclasses import dataclass

from nebctl.core.guard import Refusal

TWICE = Refusal(
    code="identifier-twice",
    sentence="The same code was scanned twice. Scan the wristband, then the study card or the bed label.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a subject is known by: keyed hashes (64 hex digits) of the wristband's code and of the second identifier's.

    The second one is a study card or a bed label. No unit holds either code itself.
    """

    subject: str
    band: str
    card: str


def identify(band: str, card: str, identities: Iterable[Identity]) -> str | Refusal:
    """Return the subject of two keyed hashes, in whichever order they were scanned, or why it is nobody."""
    known = tuple(identities)
    if not known:
        return _no("no-identities", "The pharmacy's list links no wristband. Call the pharmacy for a new list.")
    if band == card:
        return TWICE
    owners = [owner(code, known) for code in (band, card)]
    if None in owners:
        which = "first" if owners[0] is None else "second"
        sentence = f"The {which} code belongs to no subject of this study. Scan it again, or call the pharmacy."
        return _no("identifier-unknown", sentence)
    one, other = owners
    assert one is not None
    assert other is not None
    return one if one == other else differ(one, other)


def differ(one: str, other: str) -> Refusal:
    """Return that the codes, in the order of their scans, are two subjects'."""
    sentence = f"The first code is {one}'s and the second {other}'s. Find out who this is, then scan both again."
    return _no("identifiers-differ", sentence)


def owner(code: str, identities: Iterable[Identity]) -> str | None:
    """Return whose wristband or second identifier a keyed hash is; None where it is nobody's."""
    return next((each.subject for each in identities if code in (each.band, each.card)), None)


def _no(code: str, sentence: str) -> Refusal:
    return Refusal(code=code, sentence=sentence)
