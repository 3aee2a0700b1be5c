"""What the page makes heard, on a stage whose loudspeaker is the test's."""

from typing import Any

import pytest

from nebctl.core.alarms import Priority
from nebctl.core.melody import melody
from tests.page.gallery.conftest import ENGLISH, SCREENS, VIEWS

LOUDSPEAKER = """(state) => {
  window.heard = [];
  const knob = { setValueAtTime() {}, linearRampToValueAtTime() {} };
  window.AudioContext = class {
    currentTime = 0;
    state = state;
    async resume() {}
    createPeriodicWave() { return {}; }
    createGain() { return { gain: knob, connect() {} }; }
    createOscillator() {
      const tone = { frequency: {}, setPeriodicWave() {}, connect: (next) => next };
      tone.start = (at) => { tone.at = at; };
      tone.stop = (end) => { window.heard.push([tone.frequency.value, tone.at, end]); };
      return tone;
    }
  };
}"""
COUNTS_DOWN = r"() => /^Quiet for 1[12]\d s$/.test(document.querySelector('#cover-quiet').innerText)"
VIEW = {screen.name: screen.view for screen in SCREENS}
ALARM = {name: view for name, view in VIEW.items() if name.startswith("alarm-")}


def heard(stage: Any) -> list[tuple[int, int, int]]:
    """Return the tones that were begun since the last call: millihertz, start after the first one, length in ms."""
    tones = stage.page.evaluate("() => window.heard.splice(0)")
    return [(round(f * 1000), round((at - tones[0][1]) * 1000), round((end - at) * 1000)) for f, at, end in tones]


def score(priority: Priority | None) -> list[tuple[int, int, int]]:
    """Return what one burst should be."""
    return [(pulse.millihertz, pulse.start_ms, pulse.length_ms) for pulse in melody(priority)]


@pytest.mark.req("S43")
def test_the_page_plays_the_unit_s_melody_and_is_quiet_when_told(fresh: Any) -> None:
    """Each priority is one burst at once, and none at the next view; an audio pause is silence with a countdown."""
    fresh.page.evaluate(LOUDSPEAKER, "running")
    for name in ("low", "medium", "high"):
        fresh.put_on(ALARM[f"alarm-{name}"] if f"alarm-{name}" in ALARM else ALARM["alarm-high"])
        fresh.page.wait_for_function("() => window.heard.length")
        assert heard(fresh) == score(Priority(name))
        fresh.put_on(ALARM[f"alarm-{name}"])
        fresh.page.wait_for_timeout(250)
        assert heard(fresh) == []
    fresh.tap("quiet")
    assert fresh.sent() == ["quiet"]
    fresh.put_on(ALARM["alarm-high"] | {"sound": {"priority": None, "quiet_s": 87}})
    fresh.page.wait_for_selector("#alarm .left:has-text('87')")
    fresh.page.wait_for_timeout(150)
    assert heard(fresh) == []
    fresh.page.wait_for_timeout(1_000)  # a wet glove's second touch is over
    fresh.tap("seen")
    assert fresh.posts[-1] == ("acknowledge", {"condition": ALARM["alarm-high"]["alarms"][0]["condition"]})


@pytest.mark.req("S30")
@pytest.mark.parametrize("state", ["running", "suspended"])
def test_the_page_answers_the_self_test_once(fresh: Any, state: str) -> None:
    """A question is answered from a drawn frame, once, after one tone, and says whether the browser plays sound."""
    fresh.page.evaluate(LOUDSPEAKER, state)
    for _ in range(2):
        fresh.put_on(VIEWS["base"] | {"probe": 3})
        fresh.page.wait_for_timeout(150)
    assert fresh.posts == [("drawn", {"question": 3, "sound": state == "running"})]
    assert heard(fresh) == score(None)


@pytest.mark.req("S46")
@pytest.mark.parametrize(("name", "priority"), [("running", Priority.HIGH), ("idle", Priority.LOW)])
def test_a_page_without_a_link_is_heard(fresh: Any, name: str, priority: Priority) -> None:
    """A page that hears nothing sounds the alarm of what may run unseen; a touch makes it quiet, with a countdown."""
    fresh.page.evaluate(LOUDSPEAKER, "running")
    fresh.put_on(VIEW[name])
    fresh.page.wait_for_timeout(150)
    assert heard(fresh) == []
    fresh.put_on(None)
    fresh.page.wait_for_selector("#cover", state="visible")
    fresh.page.wait_for_function("() => window.heard.length")
    assert heard(fresh) == score(priority)
    assert fresh.page.locator("#cover-quiet").inner_text() == ENGLISH["no_link_sound"]
    fresh.page.locator("#cover").tap()
    fresh.page.wait_for_function(COUNTS_DOWN)
    fresh.page.evaluate("() => window.heard.splice(0)")
    fresh.page.wait_for_timeout(300)
    assert heard(fresh) == []
    fresh.put_on(VIEW[name])
    fresh.page.wait_for_selector("#cover", state="hidden")
    assert heard(fresh) == []


@pytest.mark.req("S29")
def test_a_normal_end_is_one_tone(fresh: Any) -> None:
    """A cup that has run dry is one tone, once; a dose that was stopped, or that is uncertain, has none."""
    fresh.page.evaluate(LOUDSPEAKER, "running")
    for name, tones in (("residual-dry", score(None)), ("residual", []), ("residual-uncertain", [])):
        fresh.put_on(VIEW["running"])
        fresh.page.wait_for_timeout(150)
        fresh.page.evaluate("() => window.heard.splice(0)")
        for _ in range(2):
            fresh.put_on(VIEW[name] | {"alarms": [], "sound": {"priority": None, "quiet_s": 0}})
            fresh.page.wait_for_timeout(150)
        assert heard(fresh) == tones, name
