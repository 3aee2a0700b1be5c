"""Readings of a made-up device for the facts about the estimate: plain rows, five times a second."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.dose import NOTHING, Charge, DeviceModel, Doing, DoseEstimate, Interval, Kind, Method, Residual, track
from nebctl.core.dose.reading import Reading

EVERY_MS = 200
UNKNOWN = DeviceModel(name="mesh", rate_nl_per_s=6_333, sigma_ppm=200_000)
CALIBRATED = replace(UNKNOWN, sigma_ppm=30_000, calibrated=True)
JET = DeviceModel(
    name="jet",
    kind=Kind.JET,
    rate_nl_per_s=4_167,
    sigma_ppm=150_000,
    run_sigma_ppm=80_000,
    complete_left_ppm=500_000,
    leaves_best_ppm=0,
    leaves_sigma_ppm=0,
    leaves_nl=1_050_000,
    leaves_sigma_nl=180_000,
    premature_ppm=0,
    aerosol_share_low_ppm=450_000,
    aerosol_share_best_ppm=650_000,
    aerosol_share_high_ppm=850_000,
    operator_ends=True,
    gas_sccm=6_000,
)


class Dosing:
    """Builders of readings and estimates; `calibrated`, `unknown` and `jet` are models of devices."""

    calibrated = CALIBRATED
    unknown = UNKNOWN
    jet = JET

    def around(self, best_nl: int, half_nl: int = 20_000) -> Interval:
        """Return a volume with an interval around it."""
        return Interval(low_nl=max(0, best_nl - half_nl), best_nl=best_nl, high_nl=best_nl + half_nl)

    def charged(self, best_nl: int = 3_000_000, half_nl: int = 60_000) -> Charge:
        """Return a declared charge."""
        return Charge(volume=self.around(best_nl, half_nl), method=Method.DECLARED, vial_emptied=True)

    def left(self, best_nl: int, half_nl: int = 20_000) -> Residual:
        """Return a weighed residual."""
        return Residual(volume=self.around(best_nl, half_nl), method=Method.WEIGHED)

    def rows(
        self, seconds: float, doing: Doing = Doing.RUNNING, *, after_ms: int = 0, **told: Any
    ) -> Iterator[Reading]:
        """Yield readings over so many seconds from just after `after_ms` on; each is told the same."""
        for at_ms in range(after_ms + EVERY_MS, after_ms + round(seconds * 1000) + 1, EVERY_MS):
            yield Reading(at_ms=at_ms, doing=doing, **told)

    def follow(
        self,
        readings: Iterable[Reading],
        model: DeviceModel = CALIBRATED,
        charge: Charge | None = None,
        estimate: DoseEstimate = NOTHING,
    ) -> DoseEstimate:
        """Return the estimate after all of the readings."""
        for reading in readings:
            estimate = track(estimate, reading, charge or self.charged(), model)
        return estimate

    def ran(self, seconds: float, model: DeviceModel = CALIBRATED, *, dry: bool = False, **told: Any) -> DoseEstimate:
        """Return the estimate after one run of so many seconds, which a device that says it is dry ended by itself."""
        estimate = self.follow(self.rows(seconds, **told), model)
        if not dry:
            return estimate
        return track(estimate, Reading(at_ms=round(seconds * 1000), doing=Doing.OFF, dry=True), self.charged(), model)


@pytest.fixture(scope="session")
def dosing() -> Dosing:
    """Return the builders."""
    return Dosing()
