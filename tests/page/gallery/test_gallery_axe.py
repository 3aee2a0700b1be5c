"""An independent checker of accessibility, axe-core, finds nothing on any screen, by night and by day."""

import os
from pathlib import Path
from typing import Any

import pytest

from .conftest import SCREENS, Stage

AXE = Path(__file__).parents[3] / ".peers-npm" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const rules = { 'target-size': { enabled: true }, 'color-contrast-enhanced': { enabled: true } };
  const { violations } = await axe.run(document, { rules, resultTypes: ['violations'] });
  const told = ({ html, any }) => `${html.slice(0, 80)} ${any[0]?.message ?? ''}`;
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(told).join(' | ')}`);
}"""


@pytest.mark.parametrize("theme", ["night", "day"])
def test_axe_finds_nothing(stages: dict[str, Stage], theme: str) -> None:
    """Roles, names, target sizes and contrast of 7:1 hold on every screen, under a sentence and under a lost link."""
    if not AXE.exists():
        if os.environ.get("CI") == "true":
            pytest.fail("axe-core is not here (make peers)")
        pytest.skip("axe-core is not here (make peers)")
    stage = stages[""]
    stage.page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
    if not stage.page.evaluate("typeof axe !== 'undefined'"):
        stage.page.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = {}
    for screen in SCREENS:
        stage.reach(screen)
        found[screen.name] = stage.page.evaluate(RUN)
    stage.reach(next(screen for screen in SCREENS if screen.name == "scanned"))
    stage.answer = (409, {"code": "kit-unknown", "sentence": "Kit KIT-0412 is not on this unit's list."})
    stage.tap("scan_check")
    stage.page.wait_for_selector("#notice:visible")
    found["a sentence"] = stage.page.evaluate(RUN)
    stage.tap("understood")
    stage.put_on(None)
    stage.page.wait_for_selector("#cover:visible", timeout=3_000)
    found["no link"] = stage.page.evaluate(RUN)
    stage.page.evaluate("() => { document.documentElement.dataset.theme = 'night'; }")
    assert {name: what for name, what in found.items() if what} == {}
