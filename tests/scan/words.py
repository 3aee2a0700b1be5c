"""What the page makes of a refusal: the catalogue's sentence that it matches, as the page looks it up."""

import json
import re
from functools import cache
from pathlib import Path

from nebctl.core.guard import Refusal

PAGE = Path(__file__).parents[2] / "nebctl" / "bedside" / "page"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return what the page can say of what the unit says."""
    return dict(json.loads((PAGE / f"scanned.{language}.json").read_text("utf-8")))


def in_both_languages(refusal: Refusal) -> bool:
    """Return whether the page has this very sentence, with its places, in English and in Chinese."""
    for key, sentence in catalogue("en").items():
        if key.split(".")[0] == f"refused_{refusal.code}":
            pattern = "(.+?)".join(re.escape(part) for part in re.split(r"\{\w+\}", sentence))
            places = re.findall(r"\{\w+\}", sentence)
            if re.fullmatch(pattern, refusal.sentence):
                return sorted(places) == sorted(re.findall(r"\{\w+\}", catalogue("zh")[key]))
    return False
