"""What a person says and others read later can be read: a reason, a remark, what a signature means."""

import pytest
from pydantic import ValidationError

from nebctl.bedside.bodies import Confirmed, Reason, Signature
from nebctl.bedside.chart_bodies import ChartBody


@pytest.mark.req("S05")
@pytest.mark.req("S35")
@pytest.mark.parametrize("words", [" ", "\u3000", "\u202eemit on", "stop\x00", "\x1b[2J", "\u200d", "\u2066ok", "a\nb"])
def test_what_cannot_be_read_is_no_reason(words: str) -> None:
    """Blank words, control bytes, and signs that turn a line round are refused wherever a record keeps words."""
    for model, said in (
        (Confirmed, {"limit": "too-soon", "reason": words}),
        (Reason, {"reason": words}),
        (Signature, {"operator": "RT-07", "pin": "1", "meaning": words}),
        (ChartBody, {"operator": "RT-07", "moment": "mid", "text": words}),
    ):
        with pytest.raises(ValidationError, match=r"cannot be read|blank"):
            model.model_validate(said)


@pytest.mark.parametrize("words", ["cough", "患者要求暂停。", "\U0001f469\u200d\u2695\ufe0f came", "38.5 °C, 2×"])
def test_words_of_any_language_are_taken(words: str) -> None:
    """Letters of any script pass as they are, also those that a joiner holds together."""
    assert Reason.model_validate({"reason": words}).reason == words
