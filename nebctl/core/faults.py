"""What is wrong with a file, in the words of its writer: file, line, field, value and what would be right."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from difflib import get_close_matches

_SHOWN = 80
_PHRASE = 400
_LONGEST = 256


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
        got = "" if self.value is None else f", got {readable(self.value)}"
        said, right = readable(self.problem, _PHRASE), readable(self.right, _PHRASE)
        return f"{readable(self.file, _PHRASE)}:{self.line}: {readable(self.field)}: {said}{got}; {right}"


class FieldError(ValueError):
    """A value that its field does not take: the problem, and what would be right."""

    def __init__(self, problem: str, right: str) -> None:
        super().__init__(f"{problem}; {right}")
        self.problem = problem
        self.right = right


def readable(text: str, most: int = _SHOWN) -> str:
    """Return a text for one line of a terminal: what does not print as its escape, and no more than `most` characters.

    A file's own bytes could otherwise break the line, or move the cursor over what stands before them.
    """
    start = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: most + 1])
    return start if len(start) <= most else f"{start[: most - 3]}..."


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
        case int() if value.bit_length() > _LONGEST:
            text = f"a number of {value.bit_length()} bits"  # Python refuses to write one of thousands of digits
        case _:
            text = str(value)
    return readable(text)


def suggest(seen: str, known: Iterable[str]) -> str:
    """Return what to write instead of a name that is not known."""
    listed = tuple(known)
    near = get_close_matches(seen, listed, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"write one of {', '.join(listed)}"
