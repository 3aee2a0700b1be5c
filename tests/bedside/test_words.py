"""What a person says and others read later can be read; what a signature means is one of a few known sentences."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from nebctl.bedside.bodies import Confirmed, Reason, Signature
from nebctl.bedside.chart_bodies import ChartBody
from nebctl.core.meanings import GAVE, MEANINGS, PART

TERM = re.compile(r"^\| (?!English|---)(?P<english>.+?) \| (?P<chinese>.+?) \| (?P<never>.*?) ?\| .*\|$", re.MULTILINE)


@pytest.mark.req("S05")
@pytest.mark.parametrize("words", [" ", "\u3000", "\u202eemit on", "stop\x00", "\x1b[2J", "\u200d", "\u2066ok", "a\nb"])
def test_what_cannot_be_read_is_no_reason(words: str) -> None:
    """Blank words, control bytes, and signs that turn a line round are refused wherever a record keeps words."""
    for model, said in (
        (Confirmed, {"limit": "too-soon", "reason": words}),
        (Reason, {"reason": words}),
        (ChartBody, {"operator": "RT-07", "moment": "mid", "text": words}),
    ):
        with pytest.raises(ValidationError, match=r"cannot be read|blank"):
            model.model_validate(said)


@pytest.mark.parametrize("words", ["cough", "患者要求暂停。", "\U0001f469\u200d\u2695\ufe0f came", "38.5 °C, 2×"])
def test_words_of_any_language_are_taken(words: str) -> None:
    """Letters of any script pass as they are, also those that a joiner holds together."""
    assert Reason.model_validate({"reason": words}).reason == words


@pytest.mark.req("S35")
def test_a_signature_means_what_a_page_offers() -> None:
    """Each sentence that a page shows above a signature is taken, in either language, and the schema has the same."""
    pages = [json.loads(Path(f"nebctl/bedside/page/text.{code}.json").read_text("utf-8")) for code in ("en", "zh")]
    assert [page["sign_meaning"] for page in pages] == list(GAVE)
    assert [page["sign_meaning_part"] for page in pages] == list(PART)
    schema = json.loads(Path("docs/records/signature.schema.json").read_text("utf-8"))
    assert schema["properties"]["meaning"]["enum"] == list(MEANINGS)
    for meaning in MEANINGS:
        assert Signature.model_validate({"operator": "RT-07", "pin": "1", "meaning": meaning}).meaning == meaning


@pytest.mark.req("S35")
@pytest.mark.parametrize("words", ["I read it.", GAVE[0].lower(), f"{GAVE[0]} ", " ", "\u202eI gave this dose."])
def test_a_signature_means_nothing_else(words: str) -> None:
    """Any other words are refused, with those that would be right."""
    with pytest.raises(ValidationError, match="is no meaning of a signature; write one of") as refused:
        Signature.model_validate({"operator": "RT-07", "pin": "1", "meaning": words})
    assert all(meaning in str(refused.value) for meaning in MEANINGS)


def test_one_chinese_word_stands_for_one_thing() -> None:
    """Each term of the glossary is in the catalogues; a word that the glossary advises against is in none of them."""
    pages = (Path(f"nebctl/bedside/page/{kind}.zh.json") for kind in ("text", "heard", "scanned"))
    said = "".join(text for page in pages for text in json.loads(page.read_text("utf-8")).values())
    terms = [*TERM.finditer(Path("docs/reference/chinese.md").read_text("utf-8"))]
    assert len(terms) > 30
    assert [word for term in terms for word in term["chinese"].split(", ") if word not in said] == []
    assert [word for term in terms for word in term["never"].split(", ") if word and word in said] == []
