"""`nebctl bench dose`: what an estimator said is held against the truth, counted, and set beside its limits."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from nebctl.core.dose import NOTHING, Interval, Settled
from nebctl.core.dose.reading import Doing
from nebctl.core.dose.replay import Finding, Replayed, Row
from nebctl_lab.bench.dose.command import BEGIN, END, write_table
from nebctl_lab.bench.dose.export import export
from nebctl_lab.bench.dose.figures import quantile, sum_up
from nebctl_lab.bench.dose.judge import RunResult, compare
from nebctl_lab.bench.dose.limits import lines_of
from nebctl_lab.bench.dose.parts import QUICK, SHORT, USUAL, Part, parts
from nebctl_lab.bench.dose.population import make_run, model_of
from nebctl_lab.bench.dose.run import Case, Column, Course, Origin, Run

SOLO = Case(preset="mesh.solo", column=Column.MESH)


@pytest.fixture(scope="module")
def run() -> Run:
    """Make one run that stopped early, from the second simulator."""
    return make_run(replace(SOLO, course=Course.PREMATURE, origin=Origin.SECOND), 1)


def said(run: Run, offset_nl: int, half_nl: int, *findings: tuple[int, str]) -> Replayed:
    """Return what an estimator says that is always wrong by `offset_nl`, give or take `half_nl`."""
    rows = [
        Row(
            at_ms=reading.at_ms,
            low_nl=max(0, emitted_nl + offset_nl - half_nl),
            best_nl=emitted_nl + offset_nl,
            high_nl=emitted_nl + offset_nl + half_nl,
        )
        for reading, emitted_nl in zip(run.readings, run.truth.emitted_nl, strict=True)
    ]
    last = rows[-1]
    whole = Interval(low_nl=last.low_nl, best_nl=last.best_nl, high_nl=last.high_nl)
    settled = Settled(final=whole, tracked=whole, witnesses=(), complete=False, partial=False)
    return Replayed(
        rows=tuple(rows),
        findings=tuple(Finding(at_ms=at_ms, code=code, sentence="") for at_ms, code in findings),
        estimate=NOTHING,
        settled=settled,
    )


def judged(run: Run, offset_nl: int, half_nl: int, *findings: tuple[int, str]) -> RunResult:
    """Return the figures of such an estimator."""
    return compare(run, said(run, offset_nl, half_nl, *findings), model_of("mesh.solo"))


def test_error_width_and_coverage_are_those_of_the_rows(run: Run) -> None:
    """An estimate that is 30 uL high within 40 uL holds the truth at every tenth; within 20 uL it never does."""
    charge_nl = run.charge.volume.best_nl
    wide, narrow = judged(run, 30_000, 40_000), judged(run, 30_000, 20_000)
    assert wide.error == narrow.error == pytest.approx(100 * 30_000 / charge_nl)
    assert narrow.width == pytest.approx(100 * 40_000 / charge_nl)
    assert wide.covered == (True,) * 10
    assert narrow.covered == (False,) * 10


def test_a_premature_stop_is_raised_so_long_after_it(run: Run) -> None:
    """The delay counts from the device's own stop, and an alarm that sees it coming has none; before, it is false."""
    at_ms = run.truth.stops[0].at_ms
    assert judged(run, 0, 0, (at_ms + 3_000, "premature-dry")).raised_ms == 3_000
    assert judged(run, 0, 0, (at_ms - 3_000, "premature-dry")).raised_ms == 0
    assert judged(run, 0, 0).raised_ms is None
    early = judged(run, 0, 0, (at_ms - 60_000, "premature-dry"))
    assert (early.raised_ms, early.alarms) == (None, ("premature-dry",))


def test_a_loss_is_found_so_long_after_it() -> None:
    """The delay counts from the loss of 25 % while the device ran; before the rate fell, a finding is a false alarm."""
    run = make_run(replace(SOLO, course=Course.RAMP, origin=Origin.SECOND), 1)
    losing_ms, loss_ms = run.truth.losing_ms or 0, run.truth.loss_ms or 0
    assert judged(run, 0, 0, (loss_ms + 7_000, "rate-low")).found_ms == pytest.approx(7_000, abs=300)
    assert judged(run, 0, 0, (losing_ms, "rate-low")).found_ms == 0
    paused = tuple(
        replace(reading, doing=Doing.PAUSED) if loss_ms + 1_000 < reading.at_ms <= loss_ms + 5_000 else reading
        for reading in run.readings
    )
    found_ms = judged(replace(run, readings=paused), 0, 0, (loss_ms + 7_000, "rate-low")).found_ms
    assert found_ms == pytest.approx(3_000, abs=600)
    early = judged(run, 0, 0, (losing_ms - 1, "rate-low"))
    assert (early.found_ms, early.alarms) == (None, ("rate-low",))


def test_the_quantile_is_one_of_the_values() -> None:
    """95 of 100 values do not exceed it, and 94 of them would not be enough."""
    assert quantile(range(1, 101), 0.95) == 95
    assert quantile([7.0], 0.95) == 7.0
    assert quantile([1.0, 2.0], 0.5) == 1.0


@pytest.fixture(scope="module")
def right(run: Run) -> RunResult:
    """Judge an estimator that was right about a premature stop."""
    return judged(run, 0, 0)


def test_false_words_are_counted_of_those_that_kept_enough(right: RunResult) -> None:
    """COMPLETE of a premature stop counts only from the share kept that was asked for, with a residual or without."""
    told = [
        replace(right, kept=25.0, complete=True, complete_drawn=False),
        replace(right, kept=25.0, complete=False, complete_drawn=True),
        replace(right, kept=12.0, complete=True, complete_drawn=True),
    ]
    figures = sum_up(told, 20)
    assert (figures["premature"], figures["false_complete"], figures["false_complete_drawn"]) == (2, 1, 1)


def test_delays_count_what_was_never_found(right: RunResult) -> None:
    """Of ten stops of which one is never raised, the 95th delay is none at all."""
    told = [replace(right, stop_kept=30.0, raised_ms=1000 * second) for second in range(9)]
    assert sum_up(told, 20)["raised_p95_s"] == 8.0
    figures = sum_up([*told, replace(right, stop_kept=30.0, raised_ms=None)], 20)
    assert (figures["raised_of"], figures["raised_share"], figures["raised_p95_s"]) == (10, 90.0, None)


@pytest.mark.parametrize(
    ("changes", "figure"),
    [
        ({"error": 8.01}, "error at the end, median / 95th"),
        ({"covered": (False,) * 10}, "truth in the interval, at each tenth"),
        ({"complete": True}, "false COMPLETE of premature stops"),
        ({"is_good": True, "alarms": ("rate-low",)}, "runs with a false alarm, of 100 good ones"),
        ({"is_complete": True, "is_premature": False, "complete": False}, "completions called COMPLETE"),
    ],
)
def test_each_limit_can_be_broken(right: RunResult, changes: dict[str, object], figure: str) -> None:
    """One thousand runs that keep every limit, and a thousand that break just this one."""
    part = Part(case=SOLO, columns=(Column.MESH,), runs=1000)
    faultless = [
        replace(right, covered=(number % 20 != 0,) * 10, is_complete=number >= 500, is_premature=number < 500)
        for number in range(1000)
    ]
    good = [replace(one, complete=one.is_complete, kept=30.0, is_good=one.is_complete) for one in faultless]
    assert {line.kept for line in lines_of("x", part, Column.MESH, sum_up(good, 20))} == {True, None}
    bad = [replace(one, **changes) if number % 2 else one for number, one in enumerate(good)]  # type: ignore[arg-type]
    broken = [line.figure for line in lines_of("x", part, Column.MESH, sum_up(bad, 20)) if line.kept is False]
    assert broken == [figure]


def test_every_extent_has_every_population() -> None:
    """All extents have the same populations, so that CI tries all that the report is made of."""
    assert set(parts(QUICK)) == set(parts(SHORT)) == set(parts(USUAL))
    assert all(part.runs >= 1 for part in parts(QUICK).values())


def test_baselines_are_what_they_say(run: Run) -> None:
    """The dry signal calls a premature stop complete; the stopwatch is wrong by the unit's own rate."""
    figures = judged(run, 0, 0)
    assert figures.dry_signal.complete
    assert figures.dry_signal.error == pytest.approx(100 - 100 * run.truth.emitted_nl[-1] / run.charge.volume.best_nl)
    on_s = sum(
        (after.at_ms - before.at_ms) / 1000
        for before, after in zip(run.readings, run.readings[1:], strict=False)
        if before.doing is Doing.RUNNING
    )
    timed_nl = min(run.charge.volume.best_nl, 6333 * on_s)
    assert figures.stopwatch.error == pytest.approx(
        100 * (timed_nl - run.truth.emitted_nl[-1]) / run.charge.volume.best_nl, abs=0.1
    )


def test_exported_traces_carry_readings_calibration_and_truth(tmp_path: Path) -> None:
    """As many truths as lines; the header is that of the trace format; a jet's f is there where it was calibrated."""
    case = Case(preset="jet.lc", column=Column.JET, origin=Origin.SECOND, share_known=True)
    run = make_run(case, 1)
    trace = export(run, tmp_path)
    head, *lines = trace.read_text(encoding="utf-8").splitlines()
    assert head == "t_s,state,drive_mA,drive_Hz,drive_mW,temp_C,gas_slpm,pressure_kPa,weight_mg,device_nL,dry"
    assert len(lines) == len(run.readings)
    calibration = json.loads(trace.with_suffix(".cal.json").read_text(encoding="utf-8"))
    assert calibration["rate_nl_per_s"] == run.calibration.rate_nl_per_s
    assert calibration["f"] == pytest.approx((run.calibration.share_ppm or 0) / 1e6)
    truth = json.loads(trace.with_suffix(".truth.json").read_text(encoding="utf-8"))
    assert len(truth["emitted_ml"]) == len(lines)
    assert truth["emitted_ml"][-1] == run.truth.emitted_nl[-1] / 1e6


def test_the_tables_are_written_between_the_marks(tmp_path: Path, run: Run) -> None:
    """What stands before and behind the marks stays, and each figure has its columns."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n", encoding="utf-8")
    told = sum_up([judged(run, 0, 0)], 20)
    part = Part(case=SOLO, columns=(Column.MESH,), runs=1)
    write_table(
        page,
        {
            "set": "report",
            "first_seed": 10_000_000,
            "populations": {"mesh.solo": {"mesh timed": told}},
            "lines": [asdict(line) for line in lines_of("mesh.solo", part, Column.MESH, told)],
            "cost": {"mean_us": 1, "p99_us": 2, "limit_us": 100, "growth": 1},
        },
    )
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\nMeasured on the set `report`")
    assert text.endswith(f"\n{END}\nbehind\n")
    assert "old" not in text
    assert "| figure | mesh timed |" in text


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        (sys.executable, "-m", "nebctl", "bench", "dose", *arguments),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )


def test_a_page_without_marks_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    """The page is named with what it lacks."""
    page = tmp_path / "page.md"
    page.write_text("nothing\n", encoding="utf-8")
    done = command("--write-docs", str(page))
    assert done.returncode == 1
    assert str(page) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_population_that_does_not_exist_is_refused() -> None:
    """The names that exist are told."""
    done = command("--only", "mesh.lunar")
    assert done.returncode == 2
    assert "mesh.solo" in done.stderr


def test_the_quick_benchmark_tells_every_figure_and_its_limit() -> None:
    """One JSON object on stdout: the lines with limit and mark, the figures behind them, the cost, the seeds."""
    done = command("--quick", "--json", "--set", "tune", "--only", "second jet.lc, premature")
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout.count("\n") == 1
    figures = json.loads(done.stdout)
    assert set(figures["populations"]) == {"second jet.lc, premature"}
    assert set(figures["populations"]["second jet.lc, premature"]) == {"jet + flow", "jet + balance"}
    assert (figures["set"], figures["first_seed"]) == ("tune", 0)
    assert figures["cost"]["updates"] > 1000
    asked = [line for line in figures["lines"] if line["kept"] is not None]
    assert asked
    assert all(line["limit"] for line in asked)
    assert done.returncode == (0 if figures["kept"] or figures["never_false"] else 1)
