"""A browser before a real unit: broker, pharmacy, simulated nebulizer and unit run as processes on a scaled clock."""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from nebctl.clock import FileClock, write_clock_file
from nebctl.core.instant import NS_PER_S
from nebctl.store.prove import read, reveal
from nebctl.store.reader import LedgerFile
from nebctl_lab.bedside import Http
from nebctl_lab.browser import PANEL, launched, missing
from nebctl_lab.codes import cup_code, scans
from nebctl_lab.demo.site import FIRST_MORNING, MESH, Site, furnish, prepare
from nebctl_lab.people import PIN
from nebctl_lab.processes import Child
from nebctl_lab.system.saline import calibrate_bedside

from .pictures import save

SCREENS = Path(__file__).parents[2] / "docs" / "screens"
DAY_S = 24 * 3600
OPERATOR = "RT-07"
SEED, SERIAL = 7, "SIM-0000"
ONCE = MappingProxyType({FIRST_MORNING: SEED})
NEBCTL_RUN = ("-m", "nebctl", "run", "--config")
BOUNCE_MS = 310
"""For 300 ms a touch at the place of the one before does not act on what came up there."""
LOOK = (Path(__file__).parent / "look.js").read_text("utf-8")
"""Returns what is wrong with what a page shows, at a scale of 1 for 800 x 480."""


def want_browser() -> None:
    """Skip where the browser is missing; fail on the build machine."""
    if lack := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(lack)
        pytest.skip(lack)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """One unit and its simulated device: `machine` presses as a script does, `device` is behind the simulator."""

    site: Site
    unit: Child
    machine: Http
    device: Http

    @property
    def address(self) -> str:
        """Return where the page is."""
        return self.unit.ready

    def morning(self) -> str:
        """Let it be a study day whose dose is not begun, with a fresh cup, and return the digits of its kit."""
        self.device.post("/empty")
        self.device.post("/fill", nl=3_000_000)
        while not any(dose["state"] == "planned" for dose in self.state()["due"]):
            self.skip(DAY_S)
            time.sleep(0.05)
        [dose] = self.state()["due"]
        return str(dose["kit"]).removeprefix("KIT-")

    def rest(self) -> None:
        """End whatever an earlier test left open."""
        self.device.post("/clear")
        self.machine.post("/api/stop")
        self.machine.post("/api/unscan")
        deadline = time.monotonic() + 10
        while (state := self.state()["state"]) != "idle":
            assert time.monotonic() < deadline, f"the unit stays {state}"
            if state == "lost":
                self.machine.post("/api/abandon", operator=OPERATOR)
            elif state == "residual":
                self.machine.post("/api/residual", operator=OPERATOR, refused="the test is over")
            elif state == "signing":
                self.machine.post("/api/leave")
            time.sleep(0.05)

    def run_at(self, speed: int) -> None:
        """Let simulated time pass at this speed from now on."""
        now = FileClock(self.site.clock).instant()
        write_clock_file(self.site.clock, mono_ns=now.mono_ns, wall_ns=now.wall_ns, scale_milli=speed * 1000)

    def skip(self, seconds: int) -> None:
        """Let simulated time jump; it runs at real time afterwards."""
        now, passed = FileClock(self.site.clock).instant(), seconds * NS_PER_S
        write_clock_file(self.site.clock, mono_ns=now.mono_ns + passed, wall_ns=now.wall_ns + passed, scale_milli=1000)

    def scan(self, *codes: str) -> None:
        """Hold these codes before the unit's scanner, one after the other."""
        for code in codes:
            self.machine.post("/api/scanned", code=code)

    def state(self) -> dict[str, Any]:
        """Return the unit's view."""
        return self.machine.get("/api/state")

    def records(self, typ: str) -> list[dict[str, Any]]:
        """Return all records of one type from the unit's own database, private facts among them."""
        with LedgerFile.open(self.site.unit(MESH.unit) / "unit.db") as file:
            entries = [entry for _, entry in read(file)]
        return [{**entry.payload, **reveal(entry)} for entry in entries if entry.payload["typ"] == typ]


def start_ward(
    root: Path,
    stack: contextlib.ExitStack,
    *,
    calibrated: Mapping[datetime, int] = ONCE,
    program: tuple[str, ...] = NEBCTL_RUN,
) -> Ward:
    """Start the processes of one ward; the stack ends them.

    On the evening before each of the dates `calibrated`, oldest first, the device had its saline runs, with the plant's
    seed of that evening. `program` is what runs as the unit, given its configuration.
    """
    site = prepare(root)

    def child(name: str, *arguments: str) -> Child:
        started = Child(name, arguments, site.log(name)).start()
        stack.callback(started.stop)
        return started

    furnish(site, child("broker", "-m", "nebctl_lab.broker", "--port", "0").ready, (MESH,))
    child("pharmacy", "-m", "nebctl", "pharmacy", "run", "--config", str(site.pharmacy))
    folder = site.unit(MESH.unit)
    for begins, seed in calibrated.items():
        calibrate_bedside(folder, MESH.device, seed=seed, serial=SERIAL, begins=begins)
    device = ("-m", "nebctl", "sim", "mesh", "--pty", str(folder / "nebulizer"), "--clock", str(site.clock))
    plant = ("--seed", str(SEED), "--serial", SERIAL)
    control = child("simulator", *device, *plant, "--control", "0", "--state", str(folder / "nebulizer.state"))
    unit = child("unit", *program, str(folder / "unit.toml"))
    machine = Http(unit.ready, (folder / "api.token").read_text("ascii"))
    return Ward(site=site, unit=unit, machine=machine, device=Http(control.ready.split(" control ")[1]))


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """Give a ward of its own to each file of tests."""
    want_browser()
    with contextlib.ExitStack() as stack:
        yield start_ward(tmp_path_factory.mktemp("ward") / "site", stack)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Give one headless browser to all tests; where it is missing, fail in CI and skip elsewhere."""
    want_browser()
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def keep() -> Callable[[Any, str], None]:
    """Return how a picture of a page is kept for the documents."""
    return keep_picture


def keep_picture(page: Any, name: str) -> None:
    """Keep a picture of a page for the documents, where they are asked for; else see that there is one."""
    path = SCREENS / f"{name}.png"
    if os.environ.get("NEBCTL_SCREENS") == "1":
        SCREENS.mkdir(exist_ok=True)
        save(page, path)
    else:
        assert path.is_file(), f"docs/screens/{name}.png is missing: set NEBCTL_SCREENS=1"


@contextlib.contextmanager
def open_panel(browser: Any, ward: Ward) -> Iterator["Panel"]:
    """Open a fresh page on a 7-inch panel, nobody logged in."""
    ward.rest()
    context = browser.new_context(viewport=PANEL, has_touch=True)
    context.set_default_timeout(6_000)
    opened = Panel(context.new_page(), ward)
    opened.page.goto(ward.address)
    opened.on("login")
    yield opened
    context.close()


@pytest.fixture
def panel(browser: Any, ward: Ward) -> Iterator["Panel"]:
    """Give a page of its own to each test."""
    with open_panel(browser, ward) as opened:
        yield opened


@pytest.fixture(scope="module")
def lasting_panel(browser: Any, ward: Ward) -> Iterator["Panel"]:
    """Give one page to all tests of a file that leave it as they found it."""
    with open_panel(browser, ward) as opened:
        yield opened


class Panel:
    """The panel as a gloved finger uses it: taps, holds, and what is written there."""

    def __init__(self, page: Any, ward: Ward) -> None:
        self.page = page
        self.ward = ward
        self.asked: list[str] = []
        self.faults: list[str] = []
        page.on("request", lambda request: self.asked.append(f"{request.method} {request.url.split('/', 3)[3]}"))
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def on(self, screen: str) -> None:
        """Wait until this screen is shown, and not covered."""
        self.page.wait_for_selector(f'#main[data-screen="{screen}"]')
        self.page.wait_for_selector("#cover", state="hidden")

    def tap(self, text: str) -> None:
        """Tap the button that begins with this text, no sooner than a person can who has seen that it came up."""
        button = self.page.locator("button:visible", has_text=re.compile(rf"^\s*{re.escape(text)}")).first
        button.wait_for()
        self.page.wait_for_timeout(BOUNCE_MS)
        button.tap()

    def keys(self, digits: str) -> None:
        """Tap these keys on the screen."""
        for digit in digits:
            self.page.locator(".keys button", has_text=re.compile(rf"^{re.escape(digit)}$")).tap()

    def box(self, name: str) -> None:
        """Tap the box of this name."""
        self.page.locator(f'input[name="{name}"]').tap()

    def hold(self, milliseconds: int | None = None) -> None:
        """Hold the upper button so long; without a time, until the page says that it was held long enough."""
        x, y = self.middle("#upper")
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        if milliseconds is None:
            self.page.wait_for_selector("#upper.holding")
            self.page.wait_for_selector("#upper:not(.holding)")
        else:
            self.page.wait_for_timeout(milliseconds)
        self.page.mouse.up()

    def middle(self, selector: str) -> tuple[float, float]:
        """Return the middle of what the selector finds."""
        place = self.page.locator(selector).bounding_box()
        return place["x"] + place["width"] / 2, place["y"] + place["height"] / 2

    def upper(self, mode: str) -> None:
        """Wait until the upper button is this one, and can be pressed."""
        self.page.wait_for_selector(f'#upper[data-mode="{mode}"]:enabled')

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true, at most 20 s."""
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, "it did not come true within 20 s"
            self.page.wait_for_timeout(30)

    def text(self, selector: str) -> str:
        """Return what is written there."""
        return str(self.page.locator(selector).text_content())

    def keep(self, name: str) -> None:
        """Keep a picture of the panel for the documents."""
        keep_picture(self.page, name)

    def in_chinese(self, key: str, said: str) -> str:
        """Return what the page makes in Chinese of an English sentence of the unit."""
        words = "(await import('/text.js'))"
        ask = f"async ([key, said]) => {{ {words}.speak('zh'); return {words}.heard(key, said); }}"
        told = self.page.evaluate(ask, [key, said])
        self.page.evaluate(f"async () => {words}.speak('en')")
        return str(told)

    def log_in(self) -> None:
        """Log in by the keys on the screen."""
        self.box("operator")
        self.keys("07")
        self.tap("Next")
        self.keys(PIN)
        self.tap("Log in")
        self.page.wait_for_selector('#main:not([data-screen="login"])')

    def prove(self, badge: str, pin: str = PIN) -> None:
        """Scan a badge where one is asked for, and type its PIN."""
        self.page.wait_for_selector('.credential input[name="operator"]')
        self.ward.skip(3)  # the same badge within 2 s would be one scan
        self.ward.scan(f"]C0{badge}")
        self.page.wait_for_selector('.credential input[name="pin"]')
        self.page.wait_for_timeout(60)
        self.keys(pin)

    def refused(self) -> str:
        """Return the sentence that stands over the page, and put it away."""
        self.page.wait_for_selector("#notice", state="visible")
        said = self.text("#notice-text")
        self.tap("OK")
        return said

    def explain(self) -> None:
        """Say why the dose was stopped, which comes before what is left in the cup."""
        self.on("why")
        self.tap("Subject asked")
        self.on("residual")

    def finish(self) -> None:
        """Leave a dose that has ended, without a residual and unsigned."""
        self.tap("Cannot be measured")
        self.on("outcome")
        self.tap("Sign later")
        self.on("idle")

    def prepare(self, kit: str, cup: str = "1", until: str = "review") -> None:
        """Go from idle to the self-test or the review of a dose whose vial was emptied, by scans and taps."""
        self.ward.scan(*scans("MEX-001", f"KIT-{kit}").values())
        self.tap("Check")
        self.on("cup")
        self.ward.scan(cup_code(f"CUP-{cup}"))
        self.on("charge")
        self.tap("Whole vial emptied, 3 mL")
        self.on("selftest")
        if until == "review":
            self.tap("Review the dose")
            self.on("review")
