"""A subject is known by two different codes of one person, by their keyed hashes; all else has its sentence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.bedside.scanning import Found, Identifiers, Vouched, resolve
from nebctl.bedside.tray import Tray
from nebctl.core.guard import Refusal
from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.lease_admission import never_sent
from nebctl.core.leases import Worklist
from nebctl.core.operators import Operator
from nebctl.core.scan.cup import read_cup
from nebctl.core.scan.label import own_gtin
from nebctl.core.scan.message import split
from nebctl.core.scan.subject import Identity, identify
from nebctl.pins import PinKey
from nebctl_lab.codes import EXPIRY, LOT, STUDY, band, card, cup_code, kit_code, link_of

from .words import in_both_languages

KEY = PinKey(b"\x07" * 32)
SUBJECTS = ("MEX-001", "MEX-002")
KIT = KnownKit(
    kit="KIT-0401",
    lot=LOT,
    lot_state=LotState.RELEASED,
    expires=EXPIRY,
    state=KitState.DISPENSED,
    since_ns=0,
    gtin=own_gtin(STUDY),
    serial="KIT-0401",
)
LIST = Worklist(
    version=1,
    issued_ns=0,
    expires_ns=1,
    study=STUDY,
    orders=(),
    operators=(Operator(code="RT-07", name="A therapist", badge="801234567890123458"),),
    kits=(KIT,),
    identities=tuple(
        Identity(subject=subject, band=link_of(subject, KEY).band, card=link_of(subject, KEY).card)
        for subject in SUBJECTS
    ),
)
OF_1, OF_2 = (
    Identifiers(band=band("MEX-001"), card=card("MEX-001")),
    Identifiers(band=band("MEX-002"), card=card("MEX-002")),
)


def found(who: Identifiers | Vouched, kit: str = kit_code("KIT-0401"), **changed: Any) -> Found | Refusal:
    """Return what a scan by RT-07 comes to."""
    facts = {"operator": "RT-07", "worklist": LIST, "link": KEY.link} | changed
    answer = resolve(who, kit, **facts)
    assert isinstance(answer, Found) or in_both_languages(answer), answer
    return answer


def refused(who: Identifiers | Vouched, **changed: Any) -> str:
    """Return the code of the refusal."""
    answer = found(who, **changed)
    assert isinstance(answer, Refusal), answer
    return answer.code


@pytest.mark.req("S12")
def test_two_codes_of_one_person_are_that_person() -> None:
    """Wristband and study card, in whichever order, give the pseudonym and the kit's number."""
    assert found(OF_1) == Found(subject="MEX-001", kit="KIT-0401")
    assert found(Identifiers(band=OF_1.card, card=OF_1.band)) == Found(subject="MEX-001", kit="KIT-0401")


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("who", "code"),
    [
        (Identifiers(band=OF_1.band, card=OF_1.band), "identifier-twice"),
        (Identifiers(band=OF_1.band, card=OF_2.card), "identifiers-differ"),
        (Identifiers(band=OF_2.band, card=OF_1.card), "identifiers-differ"),
        (Identifiers(band="]C0WB999", card=OF_1.card), "identifier-unknown"),
        (Identifiers(band=OF_1.band, card="]Q1CARD/MEX-999"), "identifier-unknown"),
        (Identifiers(band="WBMEX001", card=OF_1.card), "identifier-typed"),
        (Identifiers(band=OF_1.band, card=""), "identifier-typed"),
        (Vouched(subject="MEX-001", reason="torn", second="RT-07"), "second-same"),
    ],
)
def test_anything_less_is_nobody(who: Identifiers | Vouched, code: str) -> None:
    """The same code twice, two persons' codes, an unknown or a typed one, and oneself as the second person."""
    assert refused(who) == code


@pytest.mark.req("S12")
def test_a_typed_subject_needs_a_second_person() -> None:
    """A pseudonym that another person vouches for is taken; the kit is scanned all the same."""
    vouched = Vouched(subject="MEX-002", reason="the wristband is torn", second="RT-08")
    assert found(vouched) == Found(subject="MEX-002", kit="KIT-0401")
    assert refused(vouched, kit="KIT-0401") == "code-typed"


@pytest.mark.req("S12")
def test_without_key_or_links_nobody_is_identified() -> None:
    """A unit without the site's key, or with a list that links nobody, says so."""
    assert refused(OF_1, link=None) == "no-link-key"
    bare = Worklist(version=1, issued_ns=0, expires_ns=1, study=STUDY, orders=(), operators=(), kits=(KIT,))
    assert refused(OF_1, worklist=bare) == "no-identities"


@pytest.mark.req("S12")
@given(st.text(min_size=1, max_size=40))
def test_a_hash_tells_nothing_without_the_key(code: str) -> None:
    """The same code has one hash under one key, another under another, and the hash is not the code."""
    assert KEY.link(code) == PinKey(b"\x07" * 32).link(code)
    assert KEY.link(code) != PinKey(b"\x08" * 32).link(code)
    assert code not in KEY.link(code) or len(code) < 4


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=2))
def test_only_one_persons_two_codes_identify(codes: list[str]) -> None:
    """Of all pairs of four codes, exactly the two codes of one person give that person."""
    people = (Identity(subject="MEX-001", band="a", card="b"), Identity(subject="MEX-002", band="c", card="d"))
    whose = {frozenset("ab"): "MEX-001", frozenset("cd"): "MEX-002"}.get(frozenset(codes))
    answer = identify(*codes, people)
    assert answer == whose if whose else isinstance(answer, Refusal)


S = 1_000_000_000


def taken(*codes: str, apart_s: int = 3) -> tuple[Tray, list[str | None]]:
    """Hold codes before the scanner, some seconds apart; return the tray and the code of each refusal."""
    tray, answers = Tray(), []
    for at, code in enumerate(codes):
        refusal = tray.take(code, LIST, KEY.link, at * apart_s * S)
        assert refusal is None or in_both_languages(refusal), refusal
        answers.append(refusal.code if refusal else None)
    return tray, answers


def test_the_tray_sorts_whatever_comes() -> None:
    """Badge, wristband, card, kit and cup find their places in any order, and the page sees names, never codes."""
    tray, answers = taken(cup_code(), kit_code("KIT-0401"), card("MEX-001"), "]C0RT-07", band("MEX-001"))
    assert answers == [None] * 5
    shown = tray.as_json(15 * S)
    assert shown == {
        "count": 5,
        "refused": None,
        "badge": "RT-07",
        "band": "MEX-001",
        "card": "MEX-001",
        "kit": "KIT-0401",
        "cup": "CUP-1",
    }


def test_a_badge_with_a_gsrn_is_its_person() -> None:
    """A badge that carries a GSRN in a GS1 code, or bare, is the person on the list."""
    for raw in ("]d28017801234567890123458", "]C0801234567890123458"):
        assert taken(raw)[0].as_json(0)["badge"] == "RT-07"


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((band("MEX-001"), "]d1X", band("MEX-001")), "identifier-twice"),
        ((band("MEX-001"), card("MEX-002")), "identifiers-differ"),
        (("]C0123456",), "code-unknown"),
        (("MEX-001",), "scanner-unset"),
        ((kit_code("KIT-0402"),), "kit-serial"),
        ((kit_code("KIT-0401").replace("\x1d", "", 1),), "code-merged"),
    ],
)
def test_the_tray_says_what_is_wrong(codes: tuple[str, ...], code: str) -> None:
    """The same identifier twice, two subjects', an unknown, an unmarked, a foreign and a merged code."""
    assert taken(*codes)[1][-1] == code


def test_a_repeated_read_is_one_scan() -> None:
    """The same code within 2 s counts once; afterwards it counts again."""
    assert taken(kit_code("KIT-0401"), kit_code("KIT-0401"), apart_s=1)[0].count == 1
    assert taken(kit_code("KIT-0401"), kit_code("KIT-0401"), apart_s=2)[0].count == 2


def test_what_was_scanned_is_forgotten_after_two_minutes() -> None:
    """A code that nobody used is no longer on the tray, so that it is not used for the next subject."""
    tray, _ = taken(band("MEX-001"))
    assert tray.raw("band", 119 * S) == band("MEX-001")
    assert tray.raw("band", 120 * S) == ""


def test_without_a_list_nothing_is_taken() -> None:
    """A unit that has no list from the pharmacy says so at the first scan."""
    refusal = Tray().take(band("MEX-001"), never_sent(), KEY.link, 0)
    assert refusal is not None
    assert refusal.code == "no-worklist"


@pytest.mark.req("S49")
@pytest.mark.parametrize(
    ("raw", "because", "comes_to"),
    [
        ("]d1CUP-1", None, "CUP-1"),
        ("]C0CUP-A7-2", None, "CUP-A7-2"),
        ("CUP-1", "its code cannot be read", "CUP-1"),
        ("CUP-1", None, "cup-typed"),
        ("", None, "cup-typed"),
        ("]d1KIT-0401", None, "cup-code"),
        (kit_code("KIT-0401"), None, "cup-code"),
        ("]d2CUP-1", None, "cup-code"),
        ("the blue one", "no code", "cup-code"),
    ],
)
def test_a_cup_is_scanned_or_typed_with_a_reason(raw: str, because: str | None, comes_to: str) -> None:
    """A label that begins with CUP- is a cup's; a typed number needs its reason, and a kit's code is no cup's."""
    answer = read_cup(split(raw), because)
    assert (answer.code if isinstance(answer, Refusal) else answer) == comes_to
    assert isinstance(answer, str) or in_both_languages(answer)
