"""The size budget: short functions, short files, so that each can be read at one sitting."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("nebctl", "drivers", "simulators", "protocols")
EVERYTHING = (*PRODUCT, "scripts", "tests")
LONGEST_FUNCTION = 60
LONGEST_FILE = 400
LONGEST_CORE_FILE = 250


@dataclass(frozen=True, slots=True)
class Size:
    """One function and its lines, docstring included."""

    where: str
    lines: int


def files(folders: tuple[str, ...]) -> Iterator[Path]:
    """Return the Python files of some folders."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def functions(folders: tuple[str, ...]) -> tuple[Size, ...]:
    """Return every function and method of some folders."""
    return tuple(size for path in files(folders) for size in functions_of(path))


@cache
def functions_of(path: Path) -> tuple[Size, ...]:
    """Return every function and method of one file."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return tuple(
        Size(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_no_function_is_long() -> None:
    """No function, tests included, is longer than 60 lines."""
    assert [size for size in functions(EVERYTHING) if size.lines > LONGEST_FUNCTION] == []


def test_functions_are_short_as_a_rule() -> None:
    """Half of the product's functions have fewer than 10 lines, nine in ten fewer than 30."""
    lines = [size.lines for size in functions(PRODUCT)]
    assert median(lines) < 10
    assert quantiles(lines, n=10)[-1] < 30


@pytest.mark.parametrize(("folders", "longest"), [(EVERYTHING, LONGEST_FILE), (("nebctl/core",), LONGEST_CORE_FILE)])
def test_no_file_is_long(folders: tuple[str, ...], longest: int) -> None:
    """No file has more than 400 lines, and none in the core more than 250."""
    counted = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in files(folders)}
    assert {name: lines for name, lines in counted.items() if lines > longest} == {}
