"""When a dose began and ended: durations are monotonic, and the wall clock only labels them."""

from typing import Any

import pytest

from nebctl.core.instant import NS_PER_S, ClockState, Instant
from nebctl.core.session.moment import Moment, ended
from nebctl.core.session.state import Session

BEGUN_NS = 1_771_030_800 * NS_PER_S
DAY_NS = 24 * 3600 * NS_PER_S


@pytest.mark.req("S31")
@pytest.mark.req("S33")
@pytest.mark.parametrize("step_ns", [-30 * DAY_NS, -1, 0, DAY_NS])
def test_an_end_is_the_start_and_what_passed(step_ns: int) -> None:
    """A step of the wall clock in mid-dose moves neither start nor end: 480 s stay 480 s."""
    session = Session(started_ns=5 * NS_PER_S, started_wall_ns=BEGUN_NS)
    now = Instant(
        mono_ns=485 * NS_PER_S,
        wall_ns=BEGUN_NS + 480 * NS_PER_S + step_ns,
        boot="b",
        clock=ClockState(sync=True, source="sim"),
    )
    nothing: Any = None
    after = ended(session, Moment(session=session, event=nothing, now=now, rules=nothing))
    assert after.ended_wall_ns == BEGUN_NS + 480 * NS_PER_S
