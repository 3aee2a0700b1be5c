"""The commands and answers of MT-SICS: values to bytes and lines to values, without any I/O.

Weights are whole micrograms, made of the decimal text without any float; what would not be exact is refused.

Source: the reference manuals 11780711 and 30324923 as quoted in docs/devices/mt-sics-balance.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from nebctl_drivers.lines import CR_LF

WEIGHT_WIDTH = 10
"""Characters of a weight, padded on the left: a lost or doubled one shows. Source: 11780711, format of weights."""
LONGEST = 32
"""Bytes that an answer has as a rule; a longer name takes its time from the thinking time.

At 9600 baud a command and this many bytes are 38 ms on the wire, and the guard grants 40 ms to an exchange.
"""
_UG_PER = {"g": 1_000_000, "mg": 1_000, "kg": 1_000_000_000}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_WEIGHT = re.compile(r"(S|TI?) ([SD]) ( *[-.0-9]+) (g|mg|kg)")
_STATE = re.compile(r"(S|TI?|ZI?) ([I+L-])")
_DONE = re.compile(r"(Z(?= A)|ZI(?= [SD])) ([ASD])")
_TEXT = re.compile(r'(I[1-4]) A((?: "[^"]*")+)')
_QUOTED = re.compile(r'"([^"]*)"')


class Command(Enum):
    """What is sent; each value is the command as it stands on the wire."""

    RESET = "@"
    LEVEL = "I1"
    BALANCE = "I2"
    SOFTWARE = "I3"
    SERIAL = "I4"
    STABLE = "S"
    NOW = "SI"
    REPEAT = "SIR"
    TARE = "T"
    TARE_NOW = "TI"
    ZERO = "Z"
    ZERO_NOW = "ZI"


_ANSWER_IDS = {Command.RESET: "I4", Command.NOW: "S", Command.REPEAT: "S"}
"""What an answer begins with where that is not the command itself: the one to `SI` begins with S."""


class State(Enum):
    """Why a balance gives no weight; each is a state of its own, none is a number."""

    BUSY = "I"
    OVER = "+"
    UNDER = "-"
    WRONG_PARAMETER = "L"


class Fault(Enum):
    """What a balance says of a command that it did not take; no id tells which."""

    SYNTAX = "ES"
    TRANSMISSION = "ET"
    LOGICAL = "EL"


@dataclass(frozen=True, slots=True)
class Weighed:
    """A net weight in micrograms; `step_ug` is one step of its last digit, `stable` False while it may still move."""

    id: str
    stable: bool
    ug: int
    step_ug: int


@dataclass(frozen=True, slots=True)
class Hindered:
    """A command that gave no weight, or did nothing."""

    id: str
    state: State


@dataclass(frozen=True, slots=True)
class Done:
    """A zero that was set; `stable` False where it was set while the load still moved."""

    id: str
    stable: bool


@dataclass(frozen=True, slots=True)
class Told:
    """The texts of an answer about the balance itself."""

    id: str
    texts: tuple[str, ...]


Answer: TypeAlias = Weighed | Hindered | Done | Told | Fault


class MtSicsGrammar:
    """What the lines of MT-SICS mean, for the line dialect."""

    ending = CR_LF

    def encode(self, request: Command) -> bytes:
        """Return the command as it goes out."""
        return request.value.encode("ascii") + CR_LF

    def longest(self, _request: Command) -> int:
        """Return the bytes that a good answer has at most as a rule."""
        return LONGEST

    def fit(self, request: Command, line: str) -> Answer | None:
        """Return the line as an answer to `request`; a fault names no command and fits each."""
        answer = read_line(line)
        if answer is None or isinstance(answer, Fault):
            return answer
        return answer if answer.id == answer_id(request) else None

    def unasked(self, line: str) -> Answer | None:
        """Return a weight of a stream or its state, or the serial number that a balance says when it starts."""
        answer = read_line(line)
        if isinstance(answer, Weighed | Hindered):
            return answer if answer.id == "S" else None
        return answer if isinstance(answer, Told) and answer.id == "I4" else None

    def probes(self, _known: Command) -> Iterable[Command]:
        """Return questions without any effect.

        The reset is none of them, because it may take the tare away; nor is the serial number, because a balance that
        starts anew says it unasked, and that must never pass for an answer.
        """
        return [Command.BALANCE, Command.SOFTWARE]

    def alike(self, one: Command, other: Command) -> bool:
        """Return whether the answers begin alike."""
        return answer_id(one) == answer_id(other)


def answer_id(command: Command) -> str:
    """Return what the answer to a command begins with."""
    return _ANSWER_IDS.get(command, command.value)


def read_line(line: str) -> Answer | None:
    """Return what a line says by itself; None means that it is none of these answers."""
    if line in {fault.value for fault in Fault}:
        return Fault(line)
    if match := _WEIGHT.fullmatch(line):
        return _weighed(match[1], match[2], match[3], match[4])
    if match := _STATE.fullmatch(line):
        return Hindered(match[1], State(match[2]))
    if match := _DONE.fullmatch(line):
        return Done(match[1], match[2] != "D")
    if match := _TEXT.fullmatch(line):
        return Told(match[1], tuple(_QUOTED.findall(match[2])))
    return None


def _weighed(id_: str, status: str, field: str, unit: str) -> Weighed | None:
    number = field.lstrip(" ")
    # the width is known of weights; what a tare was set to is quoted with another, and is no evidence
    if (id_ == "S" and len(field) != WEIGHT_WIDTH) or not _NUMBER.fullmatch(number) or (id_ == "T" and status == "D"):
        return None
    digits, scale = number.replace(".", ""), 10 ** len(number.partition(".")[2])
    ug, rest = divmod(int(digits) * _UG_PER[unit], scale)
    if rest:
        return None
    return Weighed(id_, status == "S", ug, max(1, _UG_PER[unit] // scale))
