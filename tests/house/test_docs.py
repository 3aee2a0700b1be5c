"""The documents: every link leads somewhere, every page is in the index, and the picture is well formed."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def targets(page: Path) -> list[str]:
    """Return the page's links to files of the project."""
    return [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link from a page of the project leads to a file that is there."""
    assert [link for link in targets(page) if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_index() -> None:
    """docs/README.md names every page under docs/."""
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / link).resolve() for link in targets(index)}
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")} - {index}
    assert {str(page.relative_to(ROOT)) for page in pages - named} == set()


def test_a_decision_has_its_three_parts() -> None:
    """Each decision is one page with its date, state, context, choice and consequences, and a number of its own.

    A number may be missing: it is given when a page is begun, and pages are not finished in the order of their numbers.
    """
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [page.name[:4] for page in pages]
    assert all(number.isdecimal() for number in numbers)
    assert len(set(numbers)) == len(numbers) > 0
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Choice", "Consequences"], page.name
        assert re.search(r"^Date: .+\. State: .+\.$", text, re.MULTILINE), page.name
        assert text.startswith(f"# {page.name[:4]}: "), page.name
        assert text.count("\n") < 60, page.name


def test_the_picture_speaks_to_everybody() -> None:
    """The architecture picture is well formed, has a title and a description, and suits a dark ground too."""
    picture = ROOT / "docs" / "pictures" / "architecture.svg"
    tree = ElementTree.parse(picture)
    names = {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert {"title", "desc", "style"} <= names
    assert "prefers-color-scheme: dark" in picture.read_text(encoding="utf-8")
    assert "<script" not in picture.read_text(encoding="utf-8")
