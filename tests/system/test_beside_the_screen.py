"""A whole unit with a scanner on a serial line and buttons beside its screen: a dose from the first code to STOP."""

import os
import pty
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nebctl.core.alarms import Priority
from nebctl.core.melody import melody
from nebctl_lab.bench_site import Bench, kit_of, until
from nebctl_lab.codes import cup_code, scans


@dataclass(frozen=True, slots=True)
class Hands:
    """A scanner and buttons at a unit that is up."""

    bench: Bench
    scanner: int
    buttons: Path

    def scan(self, code: str) -> None:
        """Hold a code before the scanner."""
        os.write(self.scanner, f"{code}\r\n".encode())

    def press(self, words: str) -> None:
        """Press or let go a button."""
        with (self.buttons / "in").open("w", encoding="ascii") as pipe:
            pipe.write(f"{words}\n")

    def pitches(self) -> list[str]:
        """Return what the buzzer did, in order."""
        return [line.removeprefix("buzzer ") for line in self.lamps() if line.startswith("buzzer ")]

    def lamps(self) -> list[str]:
        """Return what lamp and buzzer did, in order; nothing before the unit has written its first line."""
        out = self.buttons / "out"
        return out.read_text("ascii").split("\n") if out.exists() else []


@pytest.fixture
def hands(tmp_path: Path) -> Iterator[Hands]:
    """Return a unit that is up, with both."""
    bench = Bench(tmp_path / "site")
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.mkfifo(tmp_path / "in")
    with bench.config.open("a", encoding="utf-8") as file:
        file.write(f'\n[scanner]\nport = "serial://{os.ttyname(slave)}"\n')
        file.write(f'\n[gpio]\nchip = "pipe://{tmp_path}"\nstart = 17\nstop = 27\nlamp = 22\nbuzzer = 23\n')
    yield Hands(bench.start(), master, tmp_path)
    bench.close()
    os.close(master)
    os.close(slave)


@pytest.mark.req("S08")
@pytest.mark.req("S12")
@pytest.mark.req("S20")
@pytest.mark.req("S44")
@pytest.mark.req("S49")
def test_a_dose_by_scanner_and_buttons(hands: Hands) -> None:
    """Codes come from the serial line; START is held, and counts after the review alone; STOP stops."""
    bench, operator = hands.bench, "RT-07"
    until(lambda: bench.view()["scanned"]["scanner"] == "there", "the scanner")
    for code in scans(bench.subject, kit_of(bench.subject, 1)).values():
        hands.scan(code)
    until(lambda: bench.view()["scanned"]["kit"], "the scans")
    assert bench.api.post("/api/scan", operator=operator)["state"] == "authorised"
    hands.scan(cup_code())
    until(lambda: bench.view()["scanned"]["cup"], "the cup")
    bench.device.post("/empty")
    bench.device.post("/fill", nl=3_000_000)
    view = bench.api.post("/api/charge", vial_emptied=True, method="declared", volume="3 mL")
    assert view["state"] == "ready"
    hands.press("start down")
    until(lambda: (bench.view()["scanned"]["refused"] or {}).get("code") == "not-reviewed", "the sentence")
    hands.press("start up")
    bench.api.post("/api/reviewed", auth=view["review"]["auth"])
    hands.press("start down")
    bench.until_state("running")
    hands.press("start up")
    until(lambda: "lamp on" in hands.lamps(), "the lamp")
    hands.press("stop down")
    bench.until_state("residual")
    assert bench.view()["stopped_by"] == "button"
    assert bench.truth()["output"] == "OFF"
    assert bench.records("charge")[0]["cup"] == "CUP-1"


@pytest.mark.req("S43")
def test_an_alarm_is_heard_from_the_buzzer(hands: Hands) -> None:
    """A broken part in mid-dose plays MEDIUM's melody; a pause silences it; a lost link plays HIGH's anyhow."""
    bench = hands.bench
    bench.begin()
    assert hands.pitches() == []
    bench.device.post("/inject", fault="hardware")
    medium, high = (
        [str(pulse.millihertz) for pulse in melody(priority)] for priority in (Priority.MEDIUM, Priority.HIGH)
    )
    until(lambda: len(hands.pitches()) == 2 * len(medium), "a burst of MEDIUM")
    assert hands.pitches() == [word for pitch in medium for word in (pitch, "off")]
    bench.api.post("/api/quiet")
    assert bench.view()["sound"]["priority"] is None
    bench.lose_device()
    until(lambda: len(hands.pitches()) == 2 * (len(medium) + len(high)), "a burst of HIGH")
    assert hands.pitches()[2 * len(medium) :] == [word for pitch in high for word in (pitch, "off")]
