"""Every word on the page is from the catalogues, in both languages, and nothing comes from outside."""

import json
import re
from typing import Any

from nebctl.bedside.api import PAGE
from nebctl.core.alarms import Condition
from nebctl.core.guard import RULES
from nebctl.core.operators import ENGINEER, INVESTIGATOR, PHARMACIST, THERAPIST
from nebctl.core.session import State

from .conftest import CHINESE, ENGLISH, SCREENS, VIEWS, open_stage

CORE = PAGE.parents[1]
CHARTING = ("core/operators.py", "bedside/credentials.py", "core/charting.py", "core/adverse.py", "bedside/charting.py")
SCANNING = ("core/scan/kit_code.py", "core/scan/kit_match.py")
REFUSING = (
    "core/admission.py",
    "core/kit_admission.py",
    "core/lease_admission.py",
    "bedside/returning.py",
    "bedside/desk.py",
    "bedside/api.py",
    "runner.py",
    *CHARTING,
    *SCANNING,
)
CODES = re.compile(r'(?:code=|_no\(|: \(|\(\s*(?="in-line-))"([a-z]+(?:-[a-z]+)*)"')
KEYS = ("abc2", "def3", "ghi4", "jkl5", "mno6", "pqrs7", "tuv8", "wxyz9")
HEARD: dict[str, str] = {
    key: text
    for kind in ("heard", "scanned")
    for key, text in json.loads((PAGE / f"{kind}.en.json").read_text("utf-8")).items()
}

PLACES = re.compile(r"\{(\w+)\}")
SHOWN = """() => [...document.querySelectorAll('#page *')]
  .filter((node) => node.checkVisibility({ visibilityProperty: true }))
  .flatMap((node) => [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.textContent))
  .concat([...document.querySelectorAll('#page [aria-label]')].map((node) => node.ariaLabel))"""


def test_both_catalogues_have_the_same_sentences() -> None:
    """Each key has a sentence in both languages, with the same places in it."""
    assert sorted(ENGLISH) == sorted(CHINESE)
    other = {key for key in ENGLISH if sorted(PLACES.findall(ENGLISH[key])) != sorted(PLACES.findall(CHINESE[key]))}
    assert other == set()


def test_every_alarm_and_refusal_is_in_both_catalogues() -> None:
    """Each alarm has its two sentences in both languages; each reason of a refusal has one that gives its values."""
    alarms = {f"{kind}_{condition.value}" for condition in Condition for kind in ("wrong", "act")}
    assert alarms - set(ENGLISH) == set()
    codes = {code for path in REFUSING for code in CODES.findall((CORE / path).read_text("utf-8"))}
    codes |= {code for code, _, _ in RULES}
    assert len(codes) > 40
    assert {code for code in codes if f"refused_{code}" not in HEARD} == set()
    assert {sentence for _, sentence, _ in RULES} - set(HEARD.values()) == set()


def words_of(value: Any) -> set[str]:
    """Return every text in a view."""
    if isinstance(value, dict):
        return {word for one in value.values() for word in words_of(one)}
    if isinstance(value, list):
        return {word for one in value for word in words_of(one)}
    return {value} if isinstance(value, str) else set()


def bracketed(sentence: str) -> str:
    """Return a sentence with each of its own words in brackets, its places as they are."""
    parts = enumerate(PLACES.split(sentence))
    return "".join(re.sub(r"\S+", "⟦\\g<0>⟧", part) if at % 2 == 0 else f"{{{part}}}" for at, part in parts)


def test_no_word_is_from_outside_the_catalogues(browser: Any) -> None:
    """With every sentence of the catalogue in brackets, no screen shows a word outside brackets but the unit's codes.

    Nothing is asked of any other host meanwhile.
    """
    marked = {key: bracketed(text) for key, text in ENGLISH.items()}
    strays = {}
    with open_stage(browser, files={"/text.en.json": json.dumps(marked).encode()}) as opened:
        opened.words = marked
        for screen in SCREENS:
            opened.reach(screen)
            codes = (
                words_of(screen.view)
                | words_of(VIEWS["base"])
                | {"mL", "min", "CUP", "Feb", *KEYS, *(tap for tap in screen.taps if tap.startswith("="))}
                | words_of(screen.answer[1])
            )
            texts = (re.sub("⟦[^⟧]*⟧", " ", text) for text in opened.page.evaluate(SHOWN))
            left = {word for text in texts for word in re.findall(r"[^\W\d_][\w-]*", text)}
            strays[screen.name] = {word for word in left if not any(word in code for code in codes)}
        assert opened.elsewhere == []
    assert {name: words for name, words in strays.items() if words} == {}


NOTED = re.compile(r'(?:note ?= ?|return |else )"([^"]{7,})"')


def test_every_line_of_the_self_test_is_in_both_catalogues() -> None:
    """What the self-test says of a check is a sentence of the catalogue: in Chinese too a person reads what to do."""
    paths = ("selftest.py", "bedside/probe.py", "bedside/scanner.py")
    found = {note for path in paths for note in NOTED.findall((CORE / path).read_text("utf-8"))}
    assert len(found) > 14
    assert {note for note in found if note not in HEARD.values()} == set()


def test_a_state_and_a_role_are_said_in_chinese() -> None:
    """What a refusal names by one English word, a state or a role, has a word of its own in Chinese."""
    words = [*(state.value for state in State), THERAPIST, PHARMACIST, INVESTIGATOR, ENGINEER, "first", "second"]
    assert [word for word in words if ENGLISH.get(f"value_{word}") != word] == []
    assert [word for word in words if not re.fullmatch(r"[\u4e00-\u9fff]+", CHINESE[f"value_{word}"])] == []
