"""The page on the estimate says what the code does."""

import importlib
import re
from pathlib import Path

import pytest

from nebctl.core.dose.conduct import Conduct
from nebctl.core.dose.estimate import NAME, Code

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "dose-estimate.md").read_text("utf-8")
CONSTANTS = re.findall(r"^\| `(\w+)\.([A-Z_]+)` \| ([\d.]+) \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("module", "name", "value"), CONSTANTS)
def test_a_constant_is_as_told(module: str, name: str, value: str) -> None:
    """The page gives each constant with the value that the estimator uses."""
    assert getattr(importlib.import_module(f"nebctl.core.dose.{module}"), name) == float(value)


def test_the_page_has_its_constants() -> None:
    """The table of constants is read whole: every line of it that names one is among those compared."""
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `\w+\.[A-Z]", line)]
    assert len(rows) == len(CONSTANTS) > 20


def test_every_word_is_explained() -> None:
    """The page names the estimator, each finding and each word of conduct."""
    words = [NAME, *(code.value for code in Code), *(word.value for word in Conduct)]
    assert [word for word in words if f"`{word}`" not in PAGE] == []
