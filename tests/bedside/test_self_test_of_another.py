"""A self-test takes seconds; what comes of it belongs to the dose that it was for, and to no other (S30)."""

from types import SimpleNamespace
from typing import Any

import pytest

from nebctl.bedside.desk import Desk
from nebctl.core.events import Check, SelfTested
from nebctl.core.session import IllegalEventError, Kind, State


class Unit:
    """As much of a runner as a self-test asks for: a session, the nebulizer's checks, and what was pressed."""

    def __init__(self) -> None:
        self.session = SimpleNamespace(state=State.CHARGED, authorisation=object())
        self.pressed: list[SelfTested] = []

    async def self_test(self) -> tuple[Check, ...]:
        """Return no check."""
        return ()

    async def press(self, event: SelfTested) -> None:
        """Take what a person pressed."""
        self.pressed.append(event)


@pytest.mark.req("S30")
@pytest.mark.parametrize("after", ["the same", "another", "none"])
async def test_a_result_is_taken_for_the_session_that_was_tested(after: str) -> None:
    """Where a new scan and charge, or a STOP, came while the page was asked, the old result makes nothing ready."""
    unit: Any = Unit()

    async def peripherals() -> tuple[Check, ...]:
        if after != "the same":
            unit.session = SimpleNamespace(
                state=State.CHARGED if after == "another" else State.IDLE,
                authorisation=object() if after == "another" else None,
            )
        return ()

    place: Any = SimpleNamespace(peripherals=peripherals, code_of=None, zone=None, follow_up=None)
    clock: Any = None
    desk = Desk(unit, clock, place, lambda: None)
    if after == "the same":
        await desk.self_test()
        assert unit.pressed == [SelfTested(checks=())]
        return
    with pytest.raises(IllegalEventError) as refused:
        await desk.self_test()
    assert unit.pressed == []
    assert Kind.TEST_PASSED.value in str(refused.value)
