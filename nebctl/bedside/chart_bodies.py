"""The bodies of charting: words from closed sets, whole numbers in the unit of their name."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from nebctl.bedside.bodies import Body, Code, readable
from nebctl.core import codes
from nebctl.core.adverse import AdverseEvent
from nebctl.core.charting import Moment, Observation

Remark = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(readable)]


def _one_of(words: tuple[str, ...]) -> AfterValidator:
    def check(word: str) -> str:
        if word not in words:
            raise ValueError(f"{word!r} is not one of {', '.join(words)}")
        return word

    return AfterValidator(check)


class ChartBody(Body):
    """An observation by the person who answers for it; None is what was not looked at."""

    operator: Code
    moment: Literal["pre", "mid", "post", "pause", "stop"]
    heart_rate_bpm: int | None = None
    resp_rate_per_min: int | None = None
    spo2_percent: int | None = None
    fio2_percent: int | None = None
    breath_sounds: Annotated[str, _one_of(codes.BREATH_SOUNDS)] | None = None
    position: Annotated[str, _one_of(codes.POSITIONS)] | None = None
    interface: Annotated[str, _one_of(codes.INTERFACES)] | None = None
    tolerance: Annotated[str, _one_of(codes.TOLERANCES)] | None = None
    placement: Annotated[str, _one_of(codes.PLACEMENTS)] | None = None
    humidifier_removed: bool | None = None
    expiratory_filter: bool | None = None
    bias_flow_ml_per_min: int | None = None
    humidifier_back: bool | None = None
    reason: Annotated[str, _one_of((*codes.PAUSE_REASONS, *codes.STOP_REASONS))] | None = None
    text: Remark | None = None

    def observation(self) -> Observation:
        """Return the observation."""
        values = self.model_dump(exclude={"operator", "moment"})
        return Observation(moment=Moment(self.moment), **values)


class AdverseBody(Body):
    """An adverse event; `onset` is its date at the site."""

    operator: Code
    subject: Code
    onset: Annotated[date, Field(strict=False)]
    grade: Annotated[str, _one_of(codes.GRADES)]
    relation: Annotated[str, _one_of(codes.RELATIONS)]
    action: Annotated[str, _one_of(codes.ACTIONS)]
    text: Remark

    def event(self) -> AdverseEvent:
        """Return the event."""
        return AdverseEvent(**self.model_dump(exclude={"operator"}))
