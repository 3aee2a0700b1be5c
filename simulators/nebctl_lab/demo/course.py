"""A therapist who gives a course: fills the cup, scans, holds START, watches, draws the residual, signs."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nebctl.core.meanings import GAVE
from nebctl_lab.bedside import Answer, Http
from nebctl_lab.codes import cup_code, scans
from nebctl_lab.demo.site import THERAPIST, Bedside

ALIQUOT_NL = 3_000_000
FILL_SD_NL = 12_000
"""A vial of 3 mL is filled to about 0.4 %."""
BALANCE_SD_NL = 8_000
BALANCE_HALF_NL = 20_000
"""The demonstration's balance reads to 10 mg: 8 mg standard deviation, 20 mg half width stated."""
LOOK_S = 0.04
DOSE_TIMEOUT_S = 30
LONGEST_DOSE_S = 1800
"""A dose ends within the site's session time, 30 min, at whatever speed, and half a real minute for the rest."""
LEASE_WAIT_S = 10
TAPS = 3
"""How often the therapist taps a cup whose mesh stopped early, and resumes."""

View = Mapping[str, Any]


class CourseFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """A dose that did not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Therapist:
    """One therapist at one bedside; `unit` is the unit's API, `device` the simulator's control, `chance` is seeded."""

    bedside: Bedside
    unit: Http
    device: Http
    chance: random.Random
    speed: int
    watch: Callable[[int, View], None]

    def give(self, day: int) -> View:
        """Give the dose of a study day through the bedside API and return the view after the signature.

        Raises: `CourseFault` where the unit does not come to an outcome; `Answer` where it refuses a step.
        """
        operator = THERAPIST[0]
        kit = self.bedside.kits[day - 1]
        poured = round(self.chance.gauss(ALIQUOT_NL, FILL_SD_NL))
        self.device.post("/fill", nl=poured)
        self._until_leased()
        self._scan(kit)
        low, best, high = self._weigh(poured)
        self.unit.post(
            "/api/charge",
            cup=cup_code(f"CUP-{day}"),
            vial_emptied=True,
            method="weighed",
            volume=best,
            low=low,
            high=high,
        )
        view = self.unit.get("/api/state")
        if view["state"] != "ready":
            raise CourseFault(f"the self-test did not pass: the session is {view['state']}")
        self.unit.post("/api/start", auth=view["review"]["auth"])
        self._watch(day)
        low, best, high = self._weigh(int(self.device.post("/empty")["drawn_nl"]))
        measured = {"volume": best, "low": low, "high": high}
        outcome = self.unit.post("/api/residual", operator=operator, measured=measured, method="weighed")
        self.watch(day, outcome)
        self.unit.post("/api/sign", operator=operator, meaning=GAVE[0])
        return outcome

    def _until_leased(self) -> None:
        """Wait until the unit lists the dose as due: right after enrolment the lease is still on its way."""
        deadline = time.monotonic() + LEASE_WAIT_S
        while not any(due["subject"] == self.bedside.subject for due in self.unit.get("/api/state")["due"]):
            if time.monotonic() > deadline:
                raise CourseFault(f"no dose for {self.bedside.subject} was leased within {LEASE_WAIT_S} s")
            time.sleep(LOOK_S)

    def _scan(self, kit: str) -> None:
        """Scan badge, wristband and kit; a unit that just came up may still be opening its nebulizer."""
        deadline = time.monotonic() + 10
        while True:
            try:
                self.unit.post("/api/scan", operator=THERAPIST[0], **scans(self.bedside.subject, kit))
            except Answer as answer:
                on_its_way = answer.code == "no-device"
                if not on_its_way or time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_S)
            else:
                return

    def _watch(self, day: int) -> None:
        timeout_s = DOSE_TIMEOUT_S + LONGEST_DOSE_S / self.speed
        deadline, taps = time.monotonic() + timeout_s, 0
        while time.monotonic() < deadline:
            view = self.unit.get("/api/state")
            self.watch(day, view)
            if view["state"] == "residual":
                return
            if view["state"] == "paused" and taps < TAPS:
                taps += 1
                self.unit.post("/api/resume", operator=THERAPIST[0])
            elif view["state"] == "paused":
                self.unit.post("/api/stop")
            time.sleep(LOOK_S)
        raise CourseFault(f"day {day}: no end after {timeout_s:.0f} s; the session is {view['state']}")

    def _weigh(self, true_nl: int) -> tuple[str, str, str]:
        """Return what the balance says of a volume: low, best and high as texts with their unit."""
        best = max(0, round(self.chance.gauss(true_nl, BALANCE_SD_NL)))
        return tuple(_ml(value) for value in (max(0, best - BALANCE_HALF_NL), best, best + BALANCE_HALF_NL))  # type: ignore[return-value]


def _ml(nl: int) -> str:
    return f"{nl // 1_000_000}.{nl % 1_000_000:06d} mL"
