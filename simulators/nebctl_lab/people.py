"""The people of a simulated site and their PINs, which are no secrets."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nebctl.core.operators import Operator
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.staff import set_pin
from nebctl.pins import PLAY_COST, Cost, load_pin_key

THERAPIST = ("RT-07", "Demo therapist")
PIN = "702648"
"""Everybody's, at every simulated site."""


def give_pins(books: Books, pin_key: Path, by: str, random: Callable[[int], bytes]) -> None:
    """Let everybody at the pharmacy's desk set the PIN; `random` gives the salts."""
    key = load_pin_key(pin_key)
    for person in books.staff:
        set_pin(books, person.code, key.make(person.code, PIN, PLAY_COST, random), by)


def with_pin(person: Operator, pin_key: Path, cost: Cost = PLAY_COST) -> Operator:
    """Return an operator of a worklist that is written by hand, with the PIN; the same each time."""
    return replace(person, pin=load_pin_key(pin_key).make(person.code, PIN, cost, bytes))
