"""What is wrong with a file, in the words of its writer: file, line, field, value and what would be right."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with a file.

    `line` counts from 1. `field` is the dotted path of the value. `value` is what stands there as the writer would
    write it; None where nothing stands. `right` says what to write instead.
    """

    file: str
    line: int
    field: str
    value: str | None
    problem: str
    right: str

    def __str__(self) -> str:
        got = "" if self.value is None else f", got {self.value}"
        return f"{self.file}:{self.line}: {self.field}: {self.problem}{got}; {self.right}"


class FieldError(ValueError):
    """A value that its field does not take: the problem, and what would be right."""

    def __init__(self, problem: str, right: str) -> None:
        super().__init__(f"{problem}; {right}")
        self.problem = problem
        self.right = right


def show_value(value: object) -> str:
    """Return a value as it would stand in TOML, cut to a readable length."""
    match value:
        case bool():
            text = "true" if value else "false"
        case str():
            text = f'"{value}"'
        case date() | time():
            text = value.isoformat()
        case list():
            text = f"[{', '.join(show_value(item) for item in value)}]"
        case dict():
            text = f"{{ {', '.join(f'{key} = {show_value(item)}' for key, item in value.items())} }}"
        case _:
            text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def suggest(seen: str, known: Iterable[str]) -> str:
    """Return what to write instead of a name that is not known."""
    listed = tuple(known)
    near = get_close_matches(seen, listed, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"write one of {', '.join(listed)}"
