"""The script that draws the calibration chart of the documents."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(90)
def test_the_picture_of_the_documents_can_be_made(tmp_path: Path) -> None:
    """One day of the course gives a chart of one calibration and one dose, in the form of the picture that is kept."""
    script, made = ROOT / "scripts" / "calibration_picture.py", tmp_path / "chart.svg"
    subprocess.run([sys.executable, str(script), str(made), "1"], check=True, timeout=80)
    kept = (ROOT / "docs" / "pictures" / "calibration-chart.svg").read_text("utf-8")
    text = made.read_text("utf-8")
    assert text.splitlines()[:4] == kept.splitlines()[:4]
    assert (text.count("02-13</text>"), text.count("02-14</text>")) == (1, 1)
    assert "WE1" in kept
