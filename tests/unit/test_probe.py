"""What the self-test makes of a page that answers, is mute, or is not there, in virtual time."""

import asyncio

import pytest

from nebctl.bedside.probe import ANSWER_S, Drawn, Probe

pytestmark = [pytest.mark.virtual, pytest.mark.req("S30")]


def good(checks: "tuple[object, ...]") -> dict[str, bool]:
    """Return which lines are good."""
    return {check.name: check.good for check in checks}  # type: ignore[attr-defined]


async def asked(drawn: Drawn | None, *, display: bool = True, sound: bool = True) -> dict[str, bool]:
    """Return the lines of a self-test whose page answers so; None does not answer."""
    told: list[int] = []
    probe = Probe(display=display, sound=sound, tell=lambda: told.append(1))
    checks = asyncio.ensure_future(probe.checks())
    await asyncio.sleep(0.01)
    assert (probe.question is not None) == (display or sound) == bool(told)
    if drawn is not None and probe.question is not None:
        probe.answer(probe.question - 1, Drawn(sound=not drawn.sound))  # an old answer is nothing
        probe.answer(probe.question, drawn)
    found = good(await checks)
    assert probe.question is None
    return found


async def test_a_page_that_draws_and_sounds_passes() -> None:
    """Both lines are good, from the answer to this very question."""
    assert await asked(Drawn(sound=True)) == {"display": True, "sound": True}


async def test_a_mute_page_fails_the_sound_alone() -> None:
    """A browser that plays nothing blocks the start of a unit that is to be heard; its display is good."""
    assert await asked(Drawn(sound=False)) == {"display": True, "sound": False}
    assert (await asked(Drawn(sound=False), sound=False))["sound"]


async def test_a_page_that_is_not_there_fails_both_in_time() -> None:
    """Without an answer both lines fail within two seconds; what is absent by configuration holds nothing up."""
    began = asyncio.get_running_loop().time()
    assert await asked(None) == {"display": False, "sound": False}
    assert asyncio.get_running_loop().time() - began == pytest.approx(ANSWER_S, abs=0.1)
    assert all((await asked(None, display=False, sound=False)).values())
