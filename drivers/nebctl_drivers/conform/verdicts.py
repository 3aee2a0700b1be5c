"""What a rule is, what it needs, and what became of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from .talker import Passage

if TYPE_CHECKING:
    from .bench import Bench

PAGE = "docs/wire-protocol.md"


class Verdict(Enum):
    """What became of a rule."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    NOT_TESTED = "NOT TESTED"


class Need(Enum):
    """What a rule cannot be tested without; the value says how to give it."""

    LOAD = "needs a START, which is sent only with --load wet or --load dummy (a dry mesh cracks)"
    RESTART = "needs a restart: give --reset-cmd or --power-cmd"
    POWER = "needs a loss of power: give --power-cmd"
    DRY = "needs a load that runs dry at a known moment: give --dry-cmd"


Check = Callable[["Bench"], Awaitable[str]]
"""Tests one rule and returns what was seen where the rule is kept; it raises `Broken` or `Untested` otherwise."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the page: its number, what it says, where, and how firmware that breaks it is mended."""

    id: str
    title: str
    section: str
    mend: str
    check: Check
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one rule.

    `seen` is what was seen, or why the rule was not tested; `expected` is empty unless it failed. `exchange` is what
    passed over the wire. `took_s` is in seconds.
    """

    rule: Rule
    verdict: Verdict
    seen: str
    expected: str = ""
    exchange: tuple[Passage, ...] = ()
    took_s: float = 0.0


class Broken(Exception):  # noqa: N818 - a verdict, caught in this package and never seen outside
    """The rule is broken: what was seen, and what the page asks for."""

    def __init__(self, seen: str, expected: str) -> None:
        super().__init__(seen)
        self.seen = seen
        self.expected = expected


class Untested(Exception):  # noqa: N818 - a verdict, caught in this package and never seen outside
    """The rule could not be tested, and why."""
