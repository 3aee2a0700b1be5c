"""What to write instead of a text that is no quantity: the closest right form that the text allows."""

import re
from collections.abc import Iterable

_POWER_OF_TEN = re.compile(r"([0-9.]+)\s*[*x×·]\s*10\s*(?:[eE]|\^|\*\*)\s*\+?([0-9]{1,2})")
_BARE_TEN = re.compile(r"\b10[eE]\+?([0-9]{1,2})")
_WRONG_E = re.compile(r"\b([0-9.]+)(?:[eE]\+|E)([0-9]{1,2})\b")
_NUMBER_AND_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*(.+)")


def advise(text: str, example: str, units: Iterable[str], scientific: bool) -> str:
    """Say what to write instead of `text`, where a right text looks like `example` with one of `units`.

    `scientific` tells whether the quantity is written with an exponent.
    """
    if scientific and (advice := _advise_power(text)):
        return advice
    if re.match(r"\s*-", text):
        return f'It is negative; write a number from 0 up, such as "{example}".'
    if re.match(r"[0-9]+,[0-9]", text):
        return f'A comma is read differently from place to place; write a decimal point, such as "{example}".'
    if re.fullmatch(r"[0-9.eE+]+ ?", text):
        return f'It has no unit; write a number and its unit, such as "{example}".'
    return _advise_unit(text, example, tuple(units))


def advise_exponent(text: str, example: str, scientific: bool) -> str:
    """Say what is wrong with the exponent of a number that is written rightly but for it."""
    if not scientific:
        return f'An exponent has no place here; write it plainly, such as "{example}".'
    if advice := _advise_power(text):
        return advice
    whole = re.split("[.e]", text, maxsplit=1)[0]
    return f'Before the exponent stands {whole}; write one digit from 1 to 9 there, such as "{example}".'


def _advise_power(text: str) -> str | None:
    """Say how to write a power of ten; None means that the text holds none that is written wrongly."""
    if power := _POWER_OF_TEN.search(text):
        mantissa, exponent = power.groups()
        return (
            f'Write "{mantissa}e{exponent} vesicles" for {mantissa} times ten to the power {exponent}: read literally, '
            f"a form such as {mantissa}*10E{exponent} is ten times as much."
        )
    if ten := _BARE_TEN.search(text):
        exponent = ten.group(1)
        return (
            f'Write "1.0e{exponent} vesicles" for ten to the power {exponent}, or '
            f'"1.0e{int(exponent) + 1} vesicles" if ten times that is meant.'
        )
    if wrong := _WRONG_E.search(text):
        return f'Write the exponent as a small e and digits: "{wrong.group(1)}e{wrong.group(2)} vesicles".'
    return None


def _advise_unit(text: str, example: str, units: tuple[str, ...]) -> str:
    pieces = _NUMBER_AND_UNIT.fullmatch(text)
    if pieces is None:
        return f'Write a number and its unit, such as "{example}".'
    number, unit = pieces.groups()
    near = [known for known in units if known.casefold() == unit.strip().casefold()]
    if near:
        return f'Write "{number} {near[0]}".'
    return f"The unit {unit.strip()!r} is not known here; write one of {', '.join(units)}."
