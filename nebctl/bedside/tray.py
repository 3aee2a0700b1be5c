"""What the unit's own scanner read and nobody has used yet: one code of each kind, for two minutes."""

from dataclasses import dataclass, field

from nebctl.bedside.scanning import Link, hashed
from nebctl.core.guard import Refusal
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.records import Json
from nebctl.core.orders import Worklist
from nebctl.core.scan.cup import is_cup
from nebctl.core.scan.kit_match import find_kit
from nebctl.core.scan.message import split
from nebctl.core.scan.subject import TWICE, differ, owner
from nebctl.gs1 import elements_of, kit_of

KEPT_NS = 120 * NS_PER_S
TWICE_NS = 2 * NS_PER_S
"""The same code again within this time is one scan: a scanner that is held in front of a code repeats it."""
BADGE, BAND, CARD, KIT, CUP = KINDS = ("badge", "band", "card", "kit", "cup")
_BADGE_AI, _GTIN = "8017", "01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One code on the tray: as it was read, and what the page may show of it."""

    raw: str
    shown: str
    at_ns: int


@dataclass(slots=True)
class Tray:
    """Sorts codes as they come; `refused` is why the newest was not taken, None where it was.

    `count` rises with every code that came, taken or not, so that a page sees that there is news.
    """

    scans: dict[str, Scan] = field(default_factory=dict)
    refused: Refusal | None = None
    count: int = 0
    _last: tuple[str, int] = ("", -TWICE_NS)

    def take(self, raw: str, worklist: Worklist | Refusal, link: Link | None, now_ns: int) -> Refusal | None:
        """Put a code on the tray, or return why it is none that a dose needs; times are monotonic nanoseconds."""
        last, at_ns = self._last
        if raw == last and now_ns - at_ns < TWICE_NS:
            return None
        self._last, self.count = (raw, now_ns), self.count + 1
        sorted_ = worklist if isinstance(worklist, Refusal) else _sort(raw, worklist, link)
        self.refused = sorted_ if isinstance(sorted_, Refusal) else self._again(sorted_, raw)
        if self.refused is None and not isinstance(sorted_, Refusal):
            kind, shown = sorted_
            self.scans[kind] = Scan(raw=raw, shown=shown, at_ns=now_ns)
        return self.refused

    def fail(self, refusal: Refusal) -> None:
        """Take that the scanner read something that is no code."""
        self.refused, self.count = refusal, self.count + 1

    def raw(self, kind: str, now_ns: int) -> str:
        """Return what was scanned of this kind; "" where nothing was, or too long ago."""
        self._drop_old(now_ns)
        return self.scans[kind].raw if kind in self.scans else ""

    def drop(self, *kinds: str) -> None:
        """Forget what was scanned of these kinds."""
        for kind in kinds:
            self.scans.pop(kind, None)

    def as_json(self, now_ns: int) -> dict[str, Json]:
        """Return what a page shows of it."""
        self._drop_old(now_ns)
        scans = {kind: self.scans[kind].shown if kind in self.scans else None for kind in KINDS}
        refused: Json = {"code": self.refused.code, "sentence": self.refused.sentence} if self.refused else None
        return {"count": self.count, "refused": refused, **scans}

    def _again(self, found: tuple[str, str], raw: str) -> Refusal | None:
        """Return what is wrong between two identifiers: the same one twice, or two subjects'."""
        kind, subject = found
        if kind not in (BAND, CARD):
            return None
        if kind in self.scans and self.scans[kind].raw == raw and len({BAND, CARD} & self.scans.keys()) == 1:
            return TWICE
        other = self.scans.get(CARD if kind == BAND else BAND)
        if other is None or other.shown == subject:
            return None
        self.drop(BAND, CARD)
        return differ(other.shown, subject)

    def _drop_old(self, now_ns: int) -> None:
        self.scans = {kind: scan for kind, scan in self.scans.items() if now_ns - scan.at_ns < KEPT_NS}


def _sort(raw: str, worklist: Worklist, link: Link | None) -> tuple[str, str] | Refusal:
    """Return what kind of code this is and what a page may show of it, or why it is none."""
    code = split(raw)
    if not code.symbol:
        sentence = "The scanner did not say what kind of code it read. Set it up by its sheet, then scan again."
        return Refusal(code="scanner-unset", sentence=sentence)
    if is_cup(code):
        return CUP, code.content
    elements = elements_of(code)
    fields = {each.ai: each.value for each in elements} if isinstance(elements, tuple) else {_GTIN: ""}
    if _GTIN in fields:
        return _kit(raw, worklist)
    if (person := worklist.operator(fields.get(_BADGE_AI, code.content))) is not None:
        return BADGE, person.code
    return _identifier(raw, worklist, link)


def _kit(raw: str, worklist: Worklist) -> tuple[str, str] | Refusal:
    found = kit_of(raw, worklist.study)
    kit = found if isinstance(found, Refusal) else find_kit(found, worklist.kits)
    return kit if isinstance(kit, Refusal) else (KIT, kit.kit)


def _identifier(raw: str, worklist: Worklist, link: Link | None) -> tuple[str, str] | Refusal:
    mark = hashed(raw, link) if link is not None else ""
    subject = owner(mark, worklist.identities) if mark else None
    if subject is None:
        sentence = "Nobody here knows this code: no subject's, no kit's, no badge's, no cup's. Scan another one."
        return Refusal(code="code-unknown", sentence=sentence)
    return (BAND if any(mark == each.band for each in worklist.identities) else CARD), subject
