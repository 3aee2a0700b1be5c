"""One unit with its simulated nebulizer as processes, for tests that kill, unplug and restart them in mid-dose."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nebctl.clock import FileClock, write_clock_file
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.note import sign_note
from nebctl.core.orders import Operator, Order, PlannedDose, Worklist, worklist_text
from nebctl.keys import load_signer
from nebctl.pharmacy.setup import orders_name
from nebctl.store.prove import read, reveal
from nebctl.store.reader import LedgerFile
from nebctl_lab.bedside import Http
from nebctl_lab.demo.site import (
    FIRST_MORNING,
    LEASE_NS,
    LOT,
    MESH,
    SITE,
    STUDY,
    THERAPIST,
    Bedside,
    Site,
    furnish,
    prepare,
)
from nebctl_lab.processes import Child

BRISK = 200
"""Simulated seconds a real second while a dose runs: 3 mL take about 3 s."""
PATIENCE_S = 20.0
LOOK_S = 0.02
NOWHERE = "mqtt://127.0.0.1:1"
HALF_WIDTH_NL = 20_000
DAYS = 5
View = Mapping[str, Any]


class BenchFault(AssertionError):
    """Something that was waited for and did not come."""


def until(holds: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
    """Wait until `holds` returns something true, and return that.

    Raises: `BenchFault` naming `what` where it does not come in time.
    """
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise BenchFault(f"not within {seconds} s: {what}")
        time.sleep(LOOK_S)
    return found


def kit_of(subject: str, day: int) -> str:
    """Return the kit that is leased for a subject's study day."""
    return MESH.kits[day - 1] if subject == MESH.subject else f"KIT-{subject[-3:]}{day}"


def ml(nl: int) -> str:
    """Return a volume as a person writes it."""
    return f"{nl // 1_000_000}.{nl % 1_000_000:06d} mL"


class Bench:
    """One unit at a table: its site, its simulator, its daemon, and the person who presses.

    Without a `broker` the unit has no stream at all, and its worklist is put on its disk, signed by the orders key.
    """

    def __init__(self, root: Path, *, subjects: int = 1, broker: str | None = None, bedside: Bedside = MESH) -> None:
        self.site: Site = prepare(root)
        furnish(self.site, broker or NOWHERE, (bedside,))
        self.folder = self.site.unit(bedside.unit)
        self.config = self.folder / "unit.toml"
        self.subjects = tuple(f"MEX-{number:03d}" for number in range(1, subjects + 1))
        if broker is None:
            self.amend(f'[mqtt]\nurl = "{NOWHERE}"\n', "")
            self.put_worklist()
        simulator = ["-m", "nebctl_simulators", "mesh", "--pty", str(self.folder / "nebulizer"), "--control", "0"]
        simulator += ["--clock", str(self.site.clock), "--state", str(self.folder / "nebulizer.state")]
        self.simulator = Child("simulator", simulator, self.site.log("simulator"))
        self.unit = Child("unit", ["-m", "nebctl", "run", "--config", str(self.config)], self.site.log("unit"))

    # The processes.

    def start(self) -> "Bench":
        """Start the simulator and the unit, and wait until the nebulizer answers."""
        self.simulator.start()
        return self.start_unit()

    def start_unit(self) -> "Bench":
        """Start the unit, and wait until it knows its nebulizer."""
        self.unit.start()
        until(lambda: self.view()["device"], "the unit finds its nebulizer")
        return self

    def close(self) -> None:
        """End what still runs."""
        self.unit.stop()
        self.simulator.stop()

    @property
    def api(self) -> Http:
        """Return the unit's API, with its present token."""
        return Http(self.unit.ready, (self.folder / "api.token").read_text("ascii"))

    @property
    def device(self) -> Http:
        """Return the simulator's control, behind the wire."""
        return Http(self.simulator.ready.split(" control ")[1])

    # Files.

    def amend(self, old: str, new: str, file: Path | None = None) -> None:
        """Change a text in the unit's configuration, or in another file."""
        path = file or self.config
        text = path.read_text("utf-8")
        if old not in text:
            raise BenchFault(f"{path} has no {old!r}")
        path.write_text(text.replace(old, new), "utf-8")

    def put_worklist(self, *, version: int = 1, site: str | None = None, now_ns: int | None = None) -> None:
        """Put a worklist for every subject and day on the unit's disk; by default it is of the first morning."""
        at_ns = now_ns or int(FIRST_MORNING.timestamp()) * NS_PER_S
        worklist = Worklist(
            version=version,
            issued_ns=at_ns,
            expires_ns=at_ns + LEASE_NS,
            study=STUDY,
            orders=tuple(_order(subject, at_ns) for subject in self.subjects),
            operators=(Operator(code=THERAPIST[0], name=THERAPIST[1], roles=("therapist",)),),
        )
        from_site = site or SITE
        text = worklist_text(worklist, from_site, MESH.unit)
        signer = load_signer(self.site.root / "keys" / "orders.key")
        (self.folder / "worklist.note").write_text(sign_note(text, orders_name(SITE), signer), "utf-8")

    def records(self, *types: str) -> list[dict[str, Any]]:
        """Return the unit's records of these types (none: of all), private facts among them."""
        with LedgerFile.open(self.folder / "unit.db") as file:
            whole = [{**entry.payload, **reveal(entry)} for _, entry in read(file)]
        return [record for record in whole if not types or record["typ"] in types]

    # Time.

    def pace(self, scale: int) -> None:
        """Let simulated time run `scale` times real time from now on."""
        now = FileClock(self.site.clock).instant()
        write_clock_file(self.site.clock, mono_ns=now.mono_ns, wall_ns=now.wall_ns, scale_milli=scale * 1000)

    def skip(self, seconds: int) -> None:
        """Let simulated time pass at once; it runs at real time afterwards."""
        now, passed = FileClock(self.site.clock).instant(), seconds * NS_PER_S
        write_clock_file(self.site.clock, mono_ns=now.mono_ns + passed, wall_ns=now.wall_ns + passed, scale_milli=1000)

    # What a person does and sees.

    def view(self) -> View:
        """Return what the page shows."""
        return self.api.get("/api/state")

    def truth(self) -> View:
        """Return what is really so, by the simulator."""
        return self.device.get("/state")

    def emitted_nl(self) -> int:
        """Return what has really left the cup since it was filled."""
        truth = self.truth()
        return int(truth["charge_nl"]) - int(truth["cup_nl"])

    def until_state(self, *states: str) -> View:
        """Wait for a state of the session and return the view."""
        seen: View = {}

        def holds() -> bool:
            nonlocal seen
            seen = self.view()
            return seen["state"] in states

        try:
            until(holds, "")
        except BenchFault:
            raise BenchFault(f"state {' or '.join(states)}, saw {dict(seen)}") from None
        return seen

    def scan(self, subject: str = MESH.subject, day: int = 1) -> View:
        """Scan badge, wristband and the day's kit."""
        return self.api.post("/api/scan", operator=THERAPIST[0], subject=subject, kit=kit_of(subject, day))

    def charge(self, poured_nl: int = 3_000_000) -> View:
        """Fill an empty cup, weigh it, and let the unit test itself."""
        self.device.post("/empty")
        self.device.post("/fill", nl=poured_nl)
        ends = {"low": ml(poured_nl - HALF_WIDTH_NL), "high": ml(poured_nl + HALF_WIDTH_NL)}
        return self.api.post(
            "/api/charge", cup="CUP-1", vial_emptied=True, method="weighed", volume=ml(poured_nl), **ends
        )

    def make_ready(self, subject: str = MESH.subject, day: int = 1) -> str:
        """Go as far as the review and return its authorisation; time runs at its real pace."""
        self.pace(1)
        self.scan(subject, day)
        view = self.charge()
        if view["state"] != "ready":
            raise BenchFault(f"the self-test did not pass: {dict(view)}")
        return str(view["review"]["auth"])

    def begin(self, subject: str = MESH.subject, day: int = 1, *, on_ms: int = 60_000) -> str:
        """Start a dose, let it run for `on_ms` of simulated time at least, and return its session."""
        view = self.api.post("/api/start", auth=self.make_ready(subject, day))
        if view["state"] != "running":
            raise BenchFault(f"the dose did not start: {dict(view)}")
        self.pace(BRISK)
        until(lambda: self.view()["on_ms"] >= on_ms, f"{on_ms} ms of running")
        self.pace(1)
        return str(view["review"]["session"])

    def measure(self) -> View:
        """Weigh the residual and return the outcome."""
        drawn = int(self.device.post("/empty")["drawn_nl"])
        ends = {"low": ml(max(0, drawn - HALF_WIDTH_NL)), "high": ml(drawn + HALF_WIDTH_NL)}
        view = self.api.post(
            "/api/residual", operator=THERAPIST[0], measured={"volume": ml(drawn), **ends}, method="weighed"
        )
        return dict(view["outcome"])

    def refuse_residual(self) -> View:
        """Say that nobody measures the residual, and return the outcome."""
        view = self.api.post("/api/residual", operator=THERAPIST[0], refused="spilled")
        return dict(view["outcome"])

    def settle(self) -> None:
        """Bring the bench back to rest: no fault, output off, no session."""
        self.device.post("/clear")
        self.device.post("/power", on=True)
        self.pace(1)
        self.api.post("/api/stop")
        until(lambda: self.view()["device"], "the nebulizer answers again")
        until(self._rest, "the unit comes to rest")

    def _rest(self) -> bool:
        match self.view()["state"]:
            case "residual":
                self.refuse_residual()
            case "signing":
                self.api.post("/api/leave")
            case "idle":
                return True
            case _:
                self.api.post("/api/stop")
        return False


def _order(subject: str, at_ns: int) -> Order:
    doses = tuple(
        PlannedDose(day=day, dose=1, kit=kit_of(subject, day), lot=LOT, not_after_ns=at_ns + LEASE_NS)
        for day in range(1, DAYS + 1)
    )
    return Order(order=f"{subject}@{MESH.unit}", subject=subject, day1=None, doses=doses, history=())
