"""A study protocol as it was read: its arms' regimens, its follow-up, and where every value comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum

from nebctl.core.regimen import FollowUp, Regimen


class Status(Enum):
    """Whether a file may be approved: a draft may be checked and shown, and no more."""

    DRAFT = "draft"
    READY = "ready"


class Masking(Enum):
    """Whether people may know who gets what; where no source states it, the study is treated as masked."""

    OPEN = "open label"
    MASKED = "masked"
    NOT_STATED = "not stated"


class UnknownArmError(ValueError):
    """An arm that the study protocol does not have, or none named where it has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where values were read: a document, its address, and the date of the version that was read.

    `dated` None means that the source shows no date.
    """

    title: str
    url: str
    dated: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A caution about a value, such as sources that disagree; `about` is the value's dotted path."""

    about: str
    text: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyProtocol:
    """A study protocol.

    `acronym` None means that the study has none; a date None means that no source that was read gives it. `origins`
    maps the dotted path of every value to the name of its source in `sources`. `arms` stand in the order of the file.
    """

    study: str
    acronym: str | None
    title: str
    status: Status
    masking: Masking
    first_posted: date | None
    last_updated: date | None
    arms: Mapping[str, Regimen]
    arm_titles: Mapping[str, str]
    follow_up: FollowUp
    sources: Mapping[str, Source]
    origins: Mapping[str, str]
    notes: tuple[Note, ...]

    def regimen(self, arm: str | None = None) -> Regimen:
        """Return one arm's regimen; None names the only arm.

        Raises: `UnknownArmError` naming the arms that there are.
        """
        if arm is None and len(self.arms) == 1:
            return next(iter(self.arms.values()))
        if arm is None or arm not in self.arms:
            seen = "no arm was named" if arm is None else f"{self.study} has no arm {arm!r}"
            raise UnknownArmError(f"{seen}; name one of {', '.join(self.arms)}")
        return self.arms[arm]
