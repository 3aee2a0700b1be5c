"""Doses that drift from their calibration: the self-test says so before the next one."""

from collections.abc import Sequence
from typing import Any

import pytest

from nebctl.core.calibrated import calibration_of, note
from nebctl.core.history import UnitHistory, fold
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.records import Entry

NOW_NS = 1_800_000_000 * 10**9
RATE = 6_000
ON_MS = 462_000


def entry(seq: int, typ: str, facts: dict[str, Any]) -> Entry:
    """Return a record as the log would hold it."""
    payload = {"typ": typ, "utc": utc_text(NOW_NS + seq * 10**9), **facts}
    return Entry(epoch=1, seq=seq, jws="", leaf=b"\2" * 32, payload=payload, disclosures=())


def calibration(seq: int, rate: int = RATE, *, accepted: bool = True, serial: str = "SIM-0001") -> Entry:
    """Return a finished calibration of a device to 2 %."""
    facts = {
        "step": "ended",
        "device": {"serial": serial},
        "mesh": "",
        "method": "time",
        "rate_nl_per_s": rate,
        "sigma_nl_per_s": rate // 50,
        "accepted": accepted,
        "finding": "" if accepted else "spread",
        "valid_until": utc_text(NOW_NS + 30 * 86_400 * 10**9),
    }
    return entry(seq, "calibration", facts)


def dose(seq: int, rate: float, *, serial: str = "SIM-0001", **changes: Any) -> Entry:
    """Return a weighed dose that ran as long as always, at a rate of its own."""
    gone = round(rate * (ON_MS - 4_000) / 1000)
    volume = {"low_nl": gone + 80_000, "best_nl": gone + 100_000, "high_nl": gone + 120_000}
    facts = {
        "session": f"s{seq}",
        "day": 1,
        "tz": "America/Mexico_City",
        "date_local": "2026-02-14",
        "device": serial,
        "model": "mesh",
        "doubts": [],
        "witnesses": ["dry", "residual"],
        "charge": volume,
        "residual": {"low_nl": 90_000, "best_nl": 100_000, "high_nl": 110_000},
        "on_ms": ON_MS,
        "pauses": 0,
        **changes,
    }
    return entry(seq, "dose", facts)


def said(bench: Any, log: Sequence[Entry]) -> str:
    """Return the self-test's line of the device SIM-0001 after a log."""
    history = fold(UnitHistory(), log)
    return note(calibration_of(bench.rules, history, "SIM-0001", NOW_NS + 3600 * 10**9))


def test_doses_on_their_line_are_no_drift(bench: Any) -> None:
    """Doses that differ by what runs differ say nothing."""
    log = [calibration(1), *(dose(seq, RATE * share) for seq, share in enumerate((0.96, 1.03, 1.0, 0.95), 2))]
    assert said(bench, log) == "calibration: 0 days old, record 1"


@pytest.mark.req("S54")
@pytest.mark.parametrize(("share", "way"), [(0.7, "30 % less (WE1)"), (1.25, "25 % more (WE1)")])
def test_a_dose_far_off_asks_for_a_calibration(bench: Any, share: float, way: str) -> None:
    """One dose beyond 3 sigma is told with size, rule and what to do, and stays told after a dose on the line."""
    log = [calibration(1), dose(2, RATE * share), dose(3, RATE)]
    expected = f"DRIFTING: a dose since gave {way}: run nebctl calibrate before the next dose"
    assert said(bench, log) == f"calibration: 0 days old, record 1; {expected}"


def test_a_slow_loss_is_found_by_its_run(bench: Any) -> None:
    """Doses of which none is beyond 3 sigma drift together: two of three beyond 2 sigma."""
    log = [calibration(1), *(dose(seq, RATE * share) for seq, share in enumerate((0.95, 0.85, 0.86), 2))]
    assert "WE2" in said(bench, log)
    assert "DRIFTING" not in said(bench, log[:3])


def test_a_new_calibration_ends_the_drift(bench: Any) -> None:
    """After a new accepted calibration only doses since then count; one that was not accepted ends nothing."""
    drifted = [calibration(1), dose(2, RATE * 0.7)]
    assert "DRIFTING" not in said(bench, [*drifted, calibration(3, 4_200)])
    assert said(bench, [*drifted, calibration(3, 4_200, accepted=False)]).startswith("calibration: the last saline run")


@pytest.mark.parametrize(
    "changes", [{"serial": "SIM-0002"}, {"residual": None}, {"doubts": ["lost"]}, {"model": "jet"}, {"on_ms": 5_000}]
)
def test_what_says_nothing_of_the_rate_is_no_drift(bench: Any, changes: dict[str, Any]) -> None:
    """Another device's dose, one without a residual, in doubt, by a jet, or of seconds is no point of the chart."""
    assert "DRIFTING" not in said(bench, [calibration(1), dose(2, RATE * 0.7, **changes)])
