"""What was scanned for a dose, resolved by the pharmacy's list: which subject, which kit; no code goes further."""

from collections.abc import Callable
from dataclasses import dataclass

from nebctl.core.guard import Refusal
from nebctl.core.ledger.records import Draft, Json, SessionDay
from nebctl.core.orders import Worklist
from nebctl.core.scan.kit_match import find_kit
from nebctl.core.scan.message import GS, LONGEST, split
from nebctl.core.scan.subject import identify
from nebctl.gs1 import kit_of

Link = Callable[[str], str]
"""Returns the keyed hash of what a wristband or a study card says."""


UNKNOWN = Refusal(
    code="subject-unknown",
    sentence="This study has no subject of that number. Type it as it stands on the study card, or call the pharmacy.",
)
"""It does not say what was typed: that may be a name or a hospital number, and the refusal is in the log for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifiers:
    """The wristband and the study card or bed label, as the scanner sent them."""

    band: str
    card: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """A pseudonym that was typed, why, and the staff code of the second person who vouches for it."""

    subject: str
    reason: str
    second: str


Who = Identifiers | Vouched


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A subject and a kit by the names that the pharmacy's list has for them."""

    subject: str
    kit: str


def resolve(who: Who, kit: str, operator: str, worklist: Worklist | None, link: Link | None) -> Found | Refusal:
    """Return who and which kit was scanned, or the first reason why that is not certain.

    `kit` is the raw scan of the kit. Without a worklist nothing is found, and the caller says that there is none.
    """
    if worklist is None:
        return Found(subject="", kit="")
    subject = subject_of(who, operator, worklist, link)
    if isinstance(subject, Refusal):
        return subject
    code = kit_of(kit, worklist.study)
    known = code if isinstance(code, Refusal) else find_kit(code, worklist.kits)
    return known if isinstance(known, Refusal) else Found(subject=subject, kit=known.kit)


def subject_of(who: Who, operator: str, worklist: Worklist, link: Link | None) -> str | Refusal:
    """Return the subject, or why it is not certain who this is."""
    if isinstance(who, Vouched):
        if who.second == operator:
            sentence = "A second person vouches for a typed subject. Let another person scan a badge."
            return Refusal(code="second-same", sentence=sentence)
        return who.subject if worklist.knows(who.subject) else UNKNOWN
    if link is None:
        sentence = "This unit cannot check wristbands: its key is missing. Call the engineer."
        return Refusal(code="no-link-key", sentence=sentence)
    band, card = hashed(who.band, link), hashed(who.card, link)
    if not (band and card):
        sentence = "Wristband and study card are scanned. To type the subject, give a reason and a second person."
        return Refusal(code="identifier-typed", sentence=sentence)
    return identify(band, card, worklist.identities)


def hashed(raw: str, link: Link) -> str:
    """Return the keyed hash of a scanned identifier; "" for what was typed, or is no identifier."""
    code = split(raw)
    content = code.content.strip(f"{GS} ")
    return link(content) if code.symbol and content and len(content) <= LONGEST else ""


def identification(who: Who, subject: str, operator: str, session: SessionDay) -> Draft:
    """Return the record of how the subject of a session was identified."""
    private: dict[str, Json] = {"subject": subject, "operator": operator}
    if isinstance(who, Vouched):
        private |= {"second": who.second, "text": who.reason}
    how = "typed" if isinstance(who, Vouched) else "scanned"
    return Draft(typ="identification", facts={"how": how}, private=private, session=session)
