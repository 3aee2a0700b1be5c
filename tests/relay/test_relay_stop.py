"""A STOP of parts that stand on no bus, in virtual time."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.stopping import LocalStop, StopSwitch
from nebctl_drivers.timing import Reply

from .conftest import now

pytestmark = pytest.mark.virtual

BROKEN = CommandFailed(
    command="x", certainty=Certainty.UNKNOWN, seen="a broken line", expected="a good one", advice="mend it"
)


@dataclass
class Contact:
    """A contact that opens with the act number `opens_at`; `blind_for` looks fail before one is good."""

    opens_at: int = 1
    blind_for: int = 0
    acts: list[float] = field(default_factory=list)

    def act(self) -> CommandFailed | None:
        """Try to open."""
        self.acts.append(now())
        return BROKEN if len(self.acts) <= self.blind_for else None

    def look(self) -> Reply[bool] | CommandFailed:
        """Return whether it is closed."""
        if len(self.acts) <= self.blind_for:
            return BROKEN
        return Reply(len(self.acts) < self.opens_at, 0)

    def switch(self) -> StopSwitch[tuple[str]]:
        """Return a STOP of this contact alone."""
        part = LocalStop(self.act, (self.look,))

        def judge(replies: tuple[Reply[bool], ...]) -> tuple[str] | str:
            return "closed" if replies[0].answer else ("open",)

        return StopSwitch(lambda: (part,), judge, expected="open", advice="none")


async def test_it_acts_once_where_that_is_enough() -> None:
    """A contact that opens with the first act is proven open without any time passing."""
    contact = Contact()
    assert await contact.switch().stop() == ("open",)
    assert contact.acts == [0.0]


async def test_it_acts_again_every_50_ms() -> None:
    """Until a look shows OFF, the act is repeated like the requests of a bus."""
    contact = Contact(opens_at=4)
    assert await contact.switch().stop() == ("open",)
    assert contact.acts == pytest.approx([0.0, 0.05, 0.10, 0.15])


async def test_a_part_that_fails_does_not_end_the_stop() -> None:
    """A line that fails at first is tried again, and the proof still counts."""
    contact = Contact(blind_for=3)
    switch = contact.switch()
    assert await switch.stop() == ("open",)
    assert len(contact.acts) == 4
    assert not switch.unproven


@pytest.mark.parametrize(("traits", "seen"), [({"opens_at": 99}, "closed"), ({"blind_for": 99}, "a broken line")])
async def test_after_two_seconds_it_is_not_proven(traits: Any, seen: str) -> None:
    """What never shows OFF is a failure that says what was seen, after 40 acts."""
    contact = Contact(**traits)
    switch = contact.switch()
    failure = await switch.stop()
    assert isinstance(failure, CommandFailed)
    assert (failure.certainty, failure.seen) == (Certainty.UNKNOWN, f"{seen} after 40 times STOP")
    assert now() == pytest.approx(2.0)
    assert switch.unproven
