"""`nebctl dose estimate`: the object for scripts, the text for people, and every refusal with what would be right."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from nebctl.core.dose.conduct import Conduct

KEYS = {"emitted_ml", "low_ml", "high_ml", "complete", "verdict", "premature", "witnesses", "rows"}


def test_the_object_has_what_scripts_read(whole: Any) -> None:
    """Volumes in mL in their order, a row for each reading, and two findings that are never one."""
    figures = whole.figures()
    assert figures.keys() >= KEYS
    assert 0 <= figures["low_ml"] <= figures["emitted_ml"] <= figures["high_ml"] <= 3.06
    assert len(figures["rows"]) == 458 * 5 + 10
    assert all(0 <= low <= best <= high for _, low, best, high in figures["rows"])
    assert [row[0] for row in figures["rows"][:3]] == [0.0, 0.2, 0.4]
    assert figures["verdict"] in {"WITHIN", "UNDER", "OVER", "UNCERTAIN"}
    assert figures["conduct"] in {word.value for word in Conduct}
    assert figures["limits_ml"] == [2.7, 3.15]
    assert figures["vesicles"]["basis"] == "nominal, by NCT04276987"
    assert figures["vesicles"]["best"] == pytest.approx(figures["emitted_ml"] / 3 * 2e8, rel=1e-6)
    assert figures["rate_ml_per_min"] == pytest.approx(0.38, rel=0.1)


def test_a_calibration_narrows_and_completes(whole: Any, calibrated: str) -> None:
    """With the device's own calibration the dry signal has its second witness, and the interval is narrower."""
    before, after = whole.figures(), whole.figures("--calibration", calibrated)
    assert after["high_ml"] - after["low_ml"] < before["high_ml"] - before["low_ml"]
    assert (before["complete"], after["complete"]) == (False, True)
    assert {"dry", "calibrated-time"} <= set(after["witnesses"])


def test_a_stop_with_much_left_is_premature(rows_of: Any, record: Callable[..., Any], calibrated: str) -> None:
    """A mesh that says dry after a third of its charge is premature, never complete, and the finding has its time."""
    trace = record(*rows_of(160))
    figures = trace.figures("--calibration", calibrated)
    assert (figures["premature"], figures["complete"], figures["conduct"]) == (True, False, "stopped-early")
    assert [finding["code"] for finding in figures["findings"]] == ["premature-dry"]
    assert 160 <= figures["findings"][0]["t_s"] < 170
    assert trace.run("--calibration", calibrated, "--check").exit_code == 1


def test_the_residual_is_a_witness(whole: Any) -> None:
    """A residual completes a dose of which time alone says too little; one that cannot be leaves it contradicted."""
    good = whole.figures("--residual-ml", "0.1")
    assert "residual" in good["witnesses"]
    assert good["emitted_ml"] == pytest.approx(2.9, abs=0.05)
    wrong = whole.figures("--residual-ml", "1.9,2,2.1")
    assert (wrong["complete"], wrong["conduct"]) == (False, "not-known")


@pytest.mark.parametrize(
    ("rate", "conduct", "complete"), [(7_500, "slow", True), (6_333, "as-expected", True), (5_400, "not-known", False)]
)
def test_the_device_is_held_against_itself(
    whole: Any, tmp_path: Path, rate: int, conduct: str, *, complete: bool
) -> None:
    """A whole dose is as expected or slow by its calibration; what is dry much too soon may have been spilled."""
    calibration = tmp_path / "known.json"
    known = {"rate_nl_per_s": rate, "sigma_nl_per_s": rate // 50, "method": "balance"}
    calibration.write_text(json.dumps(known), "utf-8")
    figures = whole.figures("--calibration", str(calibration), "--residual-ml", "0.1")
    assert (figures["conduct"], figures["complete"]) == (conduct, complete)


def test_the_spread_has_its_parts(whole: Any, calibrated: str) -> None:
    """The parts of the spread, by squares, are the interval; a residual takes the calibration's part out of it."""
    timed = whole.figures("--calibration", calibrated)
    drawn = whole.figures("--calibration", calibrated, "--residual-ml", "0.1")
    for figures in (timed, drawn):
        whole_nl = math.hypot(*figures["spread"].values())
        assert whole_nl == pytest.approx((figures["high_ml"] - figures["low_ml"]) * 1e6 / 3.92, rel=1e-3)
    assert timed["spread"]["calibration_nl"] > 0
    assert drawn["spread"]["calibration_nl"] == 0


def test_a_charge_with_its_ends(whole: Any) -> None:
    """One number is what was filled to 2 %; three are the ends that the caller knows."""
    assert whole.figures()["charge_ml"] == [2.94, 3.0, 3.06]
    assert whole.figures(charge="2.99,3.0,3.01")["charge_ml"] == [2.99, 3.0, 3.01]


def test_limits_of_the_caller(whole: Any, calibrated: str) -> None:
    """The verdict goes by other limits where the caller gives them."""
    figures = whole.figures("--calibration", calibrated, "--lower-ml", "1", "--upper-ml", "2")
    assert (figures["verdict"], figures["limits_ml"]) == ("OVER", [1.0, 2.0])


def test_the_same_twice(whole: Any) -> None:
    """The same trace gives the same text, to the last digit."""
    assert whole.run("--json").stdout == whole.run("--json").stdout


def test_a_text_for_people(whole: Any, calibrated: str) -> None:
    """Without --json: how much, how sure, the verdict, the end and the witnesses, a line each."""
    done = whole.run("--calibration", calibrated, "--check")
    assert done.exit_code == 0
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert "with 95 % from" in lines["emitted"]
    assert lines["verdict"].startswith(("WITHIN", "UNCERTAIN"))
    assert "complete" in done.stdout
    assert "dry" in lines["witnesses"]


def test_notes_are_told(rows_of: Any, record: Callable[..., Any]) -> None:
    """What was handled in the trace stands in the object and in the text."""
    rows = list(rows_of(20))
    trace = record(rows[0], *rows)
    assert trace.figures()["notes"] == ["line 3: a row repeats the one before it and was counted once"]
    assert "a row repeats" in trace.run().stdout


def test_a_truth_is_held_against_it(whole: Any, tmp_path: Path) -> None:
    """What a simulator says was emitted is inside the interval, or it is said that it is not."""
    truth = tmp_path / "truth.csv"
    truth.write_text("t_s,emitted_nl,cup_nl,output\n0.0,1000,3000000,OFF\n458.0,2901000,100000,OFF\n")
    assert whole.figures("--truth", str(truth))["truth"] == {"emitted_ml": 2.9, "inside": True}
    truth.write_text("t_s,emitted_nl\n0,0\n458,100000\n")
    assert "OUTSIDE" in whole.run("--truth", str(truth)).stdout


@pytest.mark.parametrize("name", ["whole", "short", "gap"])
def test_the_picture_is_well_formed(
    rows_of: Any, record: Callable[..., Any], tmp_path: Path, calibrated: str, name: str
) -> None:
    """The curve is an SVG with a title, a description, band, line, the settled interval and what happened."""
    rows = list(rows_of(458 if name == "whole" else 160))
    rows = [*rows[:300], "60,lost" + "," * 9, *rows[400:]] if name == "gap" else rows
    picture = tmp_path / "curve.svg"
    done = record(*rows).run("--calibration", calibrated, "--svg", str(picture))
    assert done.exit_code == 0, done.output
    tree = ElementTree.parse(picture)
    styles = {element.get("class") for element in tree.iter()}
    assert {"title", "desc", "style"} <= {element.tag.rpartition("}")[2] for element in tree.iter()}
    assert {"band", "best", "settled", "dry", "limit", "running", "off"} <= styles
    assert ("gap" in styles) == (name == "gap")
    assert ("bubble" in styles) == (name != "whole")


def test_one_reading_is_a_trace(record: Callable[..., Any], tmp_path: Path) -> None:
    """A trace of one row is estimated and drawn: nothing has left for certain."""
    trace = record("0,running" + "," * 9)
    assert trace.figures("--svg", str(tmp_path / "one.svg"))["low_ml"] == 0


# What is refused, always with exit code 2.


def test_faults_come_with_row_and_column(record: Callable[..., Any]) -> None:
    """A trace that cannot be used is refused with file, line, column, value and what is right, also for scripts."""
    trace = record("0,running,nan,,,,,,,,0", "0.2,RUNNING,,,,,,,,,")
    done = trace.run("--json")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        'trace.csv:2: drive_mA: no number, got "nan"; leave the field empty where the device tells nothing',
        'trace.csv:3: state: no such state, got "RUNNING"; did you mean running?',
    ]
    faults = json.loads(done.stdout.splitlines()[-1])["faults"]
    assert [(fault["line"], fault["field"]) for fault in faults] == [(2, "drive_mA"), (3, "state")]


GOOD = {"rate_nl_per_s": 6333, "sigma_nl_per_s": 190, "method": "time"}


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"rate_nl_per_s": 0.38}, "rate_nl_per_s", "expected 100 to 100000"),
        ({"rate_nl_per_s": 60_000}, "rate_nl_per_s", "expected 1583.25 to 18999 nL/s"),
        ({"rate_nl_per_s": "6333"}, "rate_nl_per_s", "write a number without quotes"),
        ({"rate_nl_per_s": True}, "rate_nl_per_s", "write a number without quotes"),
        ({"rate_nl_per_s": None}, "rate_nl_per_s", "it is null"),
        ({"sigma_nl_per_s": 0}, "sigma_nl_per_s", "expected above 0 to 3166.5 nL/s"),
        ({"sigma_nl_per_s": 4000}, "sigma_nl_per_s", "half of the rate"),
        ({"sigma_nl_per_s": None}, "sigma_nl_per_s", "it is null"),
        ({"method": "guess"}, "method", 'write "time" or "balance"'),
        ({"method": ["time"]}, "method", 'write "time" or "balance"'),
        ({"f": 0.65}, "f", "leave f out, or choose a jet's preset"),
        ({"age_days": -1}, "age_days", "expected 0 to 3650"),
        ({"made_at": "yesterday"}, "made_at", 'write it such as "2026-02-14T09:00:00Z"'),
        ({"made_at": "2026-02-14T09:00:00"}, "made_at", 'write it such as "2026-02-14T09:00:00Z"'),
        ({"made_at": "2150-01-01T00:00:00Z"}, "made_at", "correct it, or this computer's clock"),
        ({"made_at": "2026-02-14T09:00:00Z", "age_days": 3}, "made_at", "keep one of them"),
    ],
)
def test_a_calibration_that_is_not_plausible(
    whole: Any, tmp_path: Path, changes: dict[str, Any], field: str, said: str
) -> None:
    """A calibration outside plausible limits is refused with its field and the limits of its class."""
    path = tmp_path / "cal.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    done = whole.run("--calibration", str(path))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"cal.json:1: {field}: ")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("[]", "no JSON object"),
        ('{"rate_nl_per_s": NaN}', "NaN is no number"),
        ("{}", "rate_nl_per_s: it is missing"),
        ('{"method": "time", "method": "time"}', "method stands there twice"),
        ("{" * 5000, "no JSON"),
    ],
)
def test_a_calibration_that_is_no_object(whole: Any, tmp_path: Path, text: str, said: str) -> None:
    """A file that is no JSON object of a calibration is refused in words."""
    path = tmp_path / "cal.json"
    path.write_text(text)
    done = whole.run("--calibration", str(path))
    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr


def test_a_jet_has_its_share(record: Callable[..., Any], tmp_path: Path) -> None:
    """A jet's calibration has f from above 0 to 1; an unknown field is told of and not read."""
    rows = [f"{half / 2:.1f},running,,,,22,6.0,239,,,0" for half in range(600)]
    path, trace = tmp_path / "cal.json", record(*rows)
    jet = {"rate_nl_per_s": 4000, "sigma_nl_per_s": 200, "method": "balance"}
    path.write_text(json.dumps({**jet, "f": 0.65, "who": "RT-07"}))
    figures = trace.figures("--calibration", str(path), preset="jet.lc")
    assert figures["notes"] == ['cal.json: "who" is not known and was not read']
    for f in (0, 1.2, -0.5):
        path.write_text(json.dumps({**jet, "f": f}))
        assert "cal.json:1: f: not plausible" in trace.run("--calibration", str(path), preset="jet.lc").stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--charge-ml", "3 mL"), "no number"),
        (("--charge-ml", "nan"), "no number"),
        (("--charge-ml", "0"), "above 0 to 50"),
        (("--charge-ml", "3,2,4"), "out of order"),
        (("--charge-ml", "2,9"), "has 2 numbers"),
        (("--charge-ml", "3000"), "above 0 to 50"),
        (("--residual-ml", "-1"), "from 0 to 50"),
        (("--residual-ml", "nan"), "write mL as digits with a decimal point, such as 0.15"),
        (("--preset", "mesh.none"), "is not one of"),
        (("--protocol", "NCT1"), "neither a file nor a study protocol"),
        (("--lower-ml", "4"), "is above the upper one"),
        (("--calibration", "none.json"), "does not exist"),
        (("--svg", "/none/curve.svg"), "cannot be written"),
    ],
)
def test_a_wrong_call_is_told(whole: Any, options: tuple[str, str], said: str) -> None:
    """A wrong value of an option is refused with what would be right."""
    done = whole.run(*options)
    assert done.exit_code == 2
    assert said in done.stderr


def test_what_does_not_fit_together_is_noted(whole: Any, record: Callable[..., Any]) -> None:
    """A residual above the charge, and a trace of the other kind of device, are estimated, noted and never WITHIN."""
    drawn = whole.figures("--residual-ml", "4")
    assert [note.split(":")[0] for note in drawn["notes"]] == ["--residual-ml is more than --charge-ml"]
    assert drawn["verdict"] == "UNCERTAIN"
    jet = record(*(f"{half / 2:.1f},running,,,,22,6.0,239,,,0" for half in range(600)))
    assert jet.figures()["notes"] == ["the trace tells of gas that flows, which mesh.solo has not: is --preset right?"]
    mesh = record(*(f"{half / 2:.1f},running,80,128000,1600,,,,,,0" for half in range(600)))
    assert mesh.figures(preset="jet.lc")["notes"] == [
        "the trace tells of a current that drives a mesh, which jet.lc has not: is --preset right?"
    ]


def test_what_is_no_truth(whole: Any, tmp_path: Path) -> None:
    """A truth without its columns, or with words in them, is refused with its line."""
    path = tmp_path / "truth.csv"
    for text, said in (("t_s,x\n", "truth.csv:1: emitted_nl"), ("t_s,emitted_nl\n0,much\n", "truth.csv:2: emitted_nl")):
        path.write_text(text)
        done = whole.run("--truth", str(path))
        assert (done.exit_code, said in done.stderr) == (2, True)
