"""The bodies that the API takes: quantities with their units, nothing unknown, nothing unitless."""

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from nebctl.core.alarms import Condition
from nebctl.core.dose import Charge, Interval, Method, Residual
from nebctl.core.events import ResidualGiven, ResidualRefused
from nebctl.core.meanings import EXPECTED, MEANINGS
from nebctl.core.units import Nanolitres, parse_volume

DECLARED_LOW_PPM, DECLARED_HIGH_PPM = 950_000, 1_020_000
"""A vial that was emptied but not weighed: up to 5 % may stay in it, and it may be filled 2 % over its label.

Site defaults until a filling line's own figures are known; see docs/reference/study-protocol.md.
"""
DRAWN_NL, WEIGHED_NL = 50_000, 20_000
"""Half widths where the page gives none: a 1 mL syringe is read to 0.05 mL, a 10 mg balance to about 0.02 mL."""

Text = Annotated[str, Field(min_length=1, max_length=200)]


def readable(text: str) -> str:
    """Return a person's words.

    Raises: `ValueError` for a sign that cannot be seen or turns the line round, and for words that are blank.
    """
    for sign in text:
        if unicodedata.category(sign) in ("Cc", "Cf") and sign not in _JOINERS:
            raise ValueError(f"the sign U+{ord(sign):04X} cannot be read; write letters, digits and spaces")
    if not text.strip(f" {_JOINERS}\u3000\u00a0"):
        raise ValueError("this is blank; write it in words")
    return text


def offered(meaning: str) -> str:
    """Return what a signature means.

    Raises: `ValueError` for words that no page shows above a signature: nobody can sign what was never to be read.
    """
    if meaning not in MEANINGS:
        raise ValueError(f"{meaning!r} is no meaning of a signature; write {EXPECTED}")
    return meaning


_JOINERS = "\u200c\u200d"
Words = Annotated[Text, AfterValidator(readable)]
"""What a person says and others read in the record, such as a reason."""
Code = Annotated[str, Field(min_length=1, max_length=64)]


class Body(BaseModel):
    """One request's body; an unknown member is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Confirmed(Body):
    """A soft limit that the therapist lets this dose pass, and why."""

    limit: Literal["too-soon", "outside-window", "run-unknown"]
    reason: Words


Raw = Annotated[str, Field(min_length=1, max_length=400)]
"""What a scanner sent, symbology identifier and separators included."""


class Typed(Body):
    """A subject that was typed, why, and the badge and PIN of the second person who vouches for it."""

    subject: Code
    reason: Words
    second: Code
    pin: Annotated[SecretStr, Field(min_length=1, max_length=64)]


class Codes(Body):
    """Wristband, study card or bed label, and kit, as a script's own scanner sent them.

    The page gives none of the codes: it takes what the unit's own scanner read. `typed` stands in the place of
    wristband and card.
    """

    band: Raw | None = None
    card: Raw | None = None
    kit: Raw | None = None
    typed: Typed | None = None

    @model_validator(mode="after")
    def _identified_once(self) -> Self:
        if (self.band is None) != (self.card is None) or (self.band is not None and self.typed is not None):
            raise ValueError('give "band" and "card" as scanned, or "typed" with the reason and a second person')
        return self


class Scan(Codes):
    """A person begins a dose; `confirmed` is a soft limit that it may pass."""

    operator: Code
    confirmed: Confirmed | None = None


class ScannedCode(Body):
    """One code from a script's own scanner."""

    code: Raw


class Seen(Body):
    """The alarm that a person acknowledges."""

    condition: Code

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.condition not in {each.value for each in Condition}:
            raise ValueError(f"condition: there is no alarm {self.condition!r}; take one that the view shows")
        return self


class Drawn(Body):
    """A page's answer to the self-test: which question, and whether its browser plays sound."""

    question: int
    sound: bool


class Volume(Body):
    """A volume, such as "3 mL", with the ends of its interval where they are known."""

    volume: Text
    low: Text | None = None
    high: Text | None = None

    def interval(self, low_nl: Nanolitres, high_nl: Nanolitres) -> Interval:
        """Return the interval, with these ends where the body gives none.

        Raises: `UnitError` for a text that is no volume; `ValueError` for ends out of order.
        """
        low = low_nl if self.low is None else parse_volume(self.low)
        high = high_nl if self.high is None else parse_volume(self.high)
        return Interval(low_nl=low, best_nl=parse_volume(self.volume), high_nl=high)

    def within(self, half_nl: Nanolitres) -> Interval:
        """Return the interval, so much to each side where the body gives no ends.

        Raises: as `interval`.
        """
        best = parse_volume(self.volume)
        return self.interval(max(0, best - half_nl), best + half_nl)


class ChargeBody(Volume):
    """What was put in the cup; a weighed charge brings its interval.

    `cup` None is what the unit's own scanner read; a number that was typed has its reason in `cup_typed`.
    """

    cup: Raw | None = None
    cup_typed: Words | None = None
    vial_emptied: bool
    method: Literal["declared", "weighed"]

    @model_validator(mode="after")
    def _weighed_has_ends(self) -> Self:
        if self.method == "weighed" and (self.low is None or self.high is None):
            raise ValueError('a weighed charge has its interval: give "low" and "high", such as "2.97 mL"')
        return self

    def charge(self) -> Charge:
        """Return the charge."""
        best = parse_volume(self.volume)
        interval = self.interval(best * DECLARED_LOW_PPM // 1_000_000, -(-best * DECLARED_HIGH_PPM // 1_000_000))
        return Charge(volume=interval, method=Method(self.method), vial_emptied=self.vial_emptied)


class ResidualBody(Body):
    """What was left in the cup, or why nobody says; `added` is what came into it in mid-dose, None for nothing."""

    operator: Code
    refused: Words | None = None
    measured: Volume | None = None
    added: Volume | None = None
    method: Literal["drawn", "weighed"] = "drawn"

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.refused is None) == (self.measured is None):
            raise ValueError('give either "measured" or "refused" with the reason')
        return self

    def event(self, operator: str) -> ResidualGiven | ResidualRefused:
        """Return the residual, or its refusal, as this person gives it."""
        added = self.added.within(DRAWN_NL) if self.added else None
        if self.measured is None:
            return ResidualRefused(reason=self.refused or "", operator=operator, added=added)
        volume = self.measured.within(DRAWN_NL if self.method == "drawn" else WEIGHED_NL)
        residual = Residual(volume=volume, method=Method(self.method))
        return ResidualGiven(residual=residual, operator=operator, added=added)


class Start(Body):
    """START was held for this authorisation, as the review showed it."""

    auth: Code


class Reason(Body):
    """Why the dose is paused."""

    reason: Words


class Person(Body):
    """Who answers for it."""

    operator: Code


class GiveBack(Person):
    """Whose doses this unit gives back."""

    subject: Code


class ClockReading(Person):
    """What another clock shows, by the site's time."""

    reading: Text


class SignIn(Person):
    """A badge and its PIN; what is wrong with it is never said with the PIN in it."""

    pin: Annotated[SecretStr, Field(min_length=1, max_length=64)]


class Override(Codes):
    """Two persons, each with badge and PIN, let a subject have a dose beyond the study protocol from this kit."""

    reason: Words
    persons: Annotated[list[SignIn], Field(min_length=2, max_length=2)]


class Signature(SignIn):
    """Who signs, by badge and PIN entered for this signature, what it means, and of which session; "" is the newest."""

    meaning: Annotated[Text, AfterValidator(offered)]
    session: Annotated[str, Field(max_length=64)] = ""
