"""One unit with its simulated nebulizer as processes, for tests that kill, unplug and restart them in mid-dose."""

import contextlib
import json
import time
from collections.abc import Callable, Generator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from nebctl.clock import FileClock, write_clock_file
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.note import sign_note
from nebctl.core.operators import Operator
from nebctl.core.orders import DoseState, HistoryItem, Order, PlannedDose, Worklist, worklist_text
from nebctl.keys import load_signer
from nebctl.pharmacy.setup import PIN_KEY, orders_name
from nebctl.pins import PLAY_COST, Cost
from nebctl.store.prove import read, reveal
from nebctl.store.reader import LedgerFile
from nebctl_lab.bedside import Http
from nebctl_lab.codes import coded, cup_code, scans
from nebctl_lab.demo.site import (
    FIRST_MORNING,
    LEASE_NS,
    LOT,
    MESH,
    SITE,
    STUDY,
    THERAPIST,
    Site,
    furnish,
    prepare,
)
from nebctl_lab.people import with_pin
from nebctl_lab.processes import Child
from nebctl_lab.system.saline import calibrate_bedside

BRISK = 200
"""Simulated seconds a real second while a dose runs: the usual filling then takes about 1.5 s."""
FILL_NL = 1_500_000
"""Half of what the study protocol prescribes: what is proven here does not depend on it, and takes half the time."""
PATIENCE_S = 20.0
LOOK_S = 0.02
NOWHERE = "mqtt://127.0.0.1:1"
HALF_WIDTH_NL = 20_000
CHARGED_HIGH_NL = FILL_NL + HALF_WIDTH_NL
DAYS = 5
SEED, SERIAL = 1, "SIM-0000"
View = Mapping[str, Any]


class BenchFault(AssertionError):  # noqa: N818 - a fault is of the world, not of the program
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
    return MESH.kits[day - 1] if subject == MESH.subject else f"KIT-{subject[-3:]}-{day}"


def ml(nl: int) -> str:
    """Return a volume as a person writes it."""
    return f"{nl // 1_000_000}.{nl % 1_000_000:06d} mL"


class Bench:
    """One unit at a table: its site, its simulator, its daemon, and the person who presses.

    Without a `broker` the unit has no stream at all, and its worklist is put on its disk, signed by the orders key.
    With `tcp` the simulator listens on a TCP port instead of standing behind a pseudo-terminal. `subject` is who is
    treated where a step names nobody. `calibrated` means that the mesh had its saline runs on the evening before:
    without them no dose is complete.
    """

    def __init__(
        self,
        root: Path,
        *,
        subjects: int = 1,
        broker: str | None = None,
        tcp: bool = False,
        calibrated: bool = False,
    ) -> None:
        self.site: Site = prepare(root)
        furnish(self.site, broker or NOWHERE, (MESH,))
        self.folder = self.site.unit(MESH.unit)
        self.config = self.folder / "unit.toml"
        self.subjects = tuple(f"MEX-{number:03d}" for number in range(1, subjects + 1))
        self.subject = self.subjects[0]
        if broker is None:
            self.amend(f'[mqtt]\nurl = "{NOWHERE}"\n', "")
            self.put_worklist()
        if calibrated:
            calibrate_bedside(self.folder, MESH.device, seed=SEED, serial=SERIAL, begins=FIRST_MORNING)
        self.plug = self.folder / "nebulizer"
        wire = ["--tcp", "127.0.0.1:0"] if tcp else ["--pty", str(self.plug)]
        simulator = [
            "-m",
            "nebctl_simulators",
            "mesh",
            *wire,
            "--control",
            "0",
            "--seed",
            str(SEED),
            "--serial",
            SERIAL,
        ]
        simulator += ["--clock", str(self.site.clock), "--state", str(self.folder / "nebulizer.state")]
        self.simulator = Child("simulator", simulator, self.site.log("simulator"))
        self.unit = Child("unit", ["-m", "nebctl", "run", "--config", str(self.config)], self.site.log("unit"))

    # The processes.

    def start(self) -> "Bench":
        """Start the simulator and the unit, and wait until the nebulizer answers."""
        try:
            self.simulator.start()
            return self.start_unit()
        except BaseException:
            self.close()  # nothing that did not come up whole is left running
            raise

    def start_unit(self) -> "Bench":
        """Start the unit, and wait until it knows its nebulizer."""
        self.unit.start()
        until(lambda: self.view()["device"], "the unit finds its nebulizer")
        return self

    def close(self) -> None:
        """End what still runs, at once."""
        self.unit.kill()
        self.lose_device()

    def lose_device(self) -> None:
        """End the simulator at once, as a power cut would.

        Its link goes too: the number of its terminal may be another simulator's next, and a unit that tries the old
        path again would open that one's.
        """
        self.simulator.kill()
        self.plug.unlink(missing_ok=True)

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

    @property
    def pin_key(self) -> Path:
        """Return the site's PIN key."""
        return self.site.root / "keys" / PIN_KEY

    def put_worklist(
        self,
        *,
        version: int = 1,
        site: str = SITE,
        now_ns: int | None = None,
        again: str = "",
        elsewhere: tuple[str, ...] = (),
        cost: Cost = PLAY_COST,
    ) -> None:
        """Put a worklist for every subject and day on the unit's disk; by default it is of the first morning.

        `again` is put behind the name of every kit, as for kits that replace others. The subjects in `elsewhere` may
        have had their first dose on another unit. `cost` is that of checking the therapist's PIN.
        """
        therapist = Operator(code=THERAPIST[0], name=THERAPIST[1], roles=("therapist",))
        at_ns = now_ns or int(FIRST_MORNING.timestamp()) * NS_PER_S
        worklist = Worklist(
            version=version,
            issued_ns=at_ns,
            expires_ns=at_ns + LEASE_NS,
            study=STUDY,
            orders=tuple(_order(subject, at_ns, again, elsewhere) for subject in self.subjects),
            operators=(with_pin(therapist, self.pin_key, cost),),
        )
        text = worklist_text(coded(worklist, self.pin_key), site, MESH.unit)
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

    def listen(self) -> Generator[View, None, None]:
        """Yield the views of the event stream as they come; closing the iterator ends the stream."""
        headers = {"authorization": f"Bearer {(self.folder / 'api.token').read_text('ascii')}"}
        with contextlib.closing(HTTPConnection(self.unit.ready.removeprefix("http://"), timeout=10)) as connection:
            connection.request("GET", "/api/events", headers=headers)
            for line in connection.getresponse():
                if line.startswith(b"data: "):
                    yield json.loads(line.removeprefix(b"data: "))

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

    def scan(self, subject: str = "", day: int = 1, *, kit: str = "") -> View:
        """Scan badge, wristband and the day's kit, or another one."""
        whom = subject or self.subject
        return self.api.post("/api/scan", operator=THERAPIST[0], **scans(whom, kit or kit_of(whom, day)))

    def charge(self, poured_nl: int = FILL_NL) -> View:
        """Fill an empty cup, weigh it, and let the unit test itself."""
        self.device.post("/empty")
        self.device.post("/fill", nl=poured_nl)
        ends = {"low": ml(poured_nl - HALF_WIDTH_NL), "high": ml(poured_nl + HALF_WIDTH_NL)}
        return self.api.post(
            "/api/charge", cup=cup_code(), vial_emptied=True, method="weighed", volume=ml(poured_nl), **ends
        )

    def make_ready(self, subject: str = "", day: int = 1, poured_nl: int = FILL_NL) -> str:
        """Go as far as the review and return its authorisation; time runs at its real pace."""
        self.pace(1)
        self.scan(subject, day)
        view = self.charge(poured_nl)
        if view["state"] != "ready":
            raise BenchFault(f"the self-test did not pass: {dict(view)}")
        return str(view["review"]["auth"])

    def begin(self, subject: str = "", day: int = 1, *, on_ms: int = 60_000, poured_nl: int = FILL_NL) -> str:
        """Start a dose, let it run for `on_ms` of simulated time at least, and return its session."""
        view = self.api.post("/api/start", auth=self.make_ready(subject, day, poured_nl))
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

    def turn_to_next(self) -> None:
        """Bring the bench back to rest, and treat the next subject from now on."""
        self.settle()
        self.subject = self.subjects[self.subjects.index(self.subject) + 1]

    def of_session(self, session: str, *types: str) -> list[dict[str, Any]]:
        """Return the records of one session, of these types (none: of all)."""
        return [record for record in self.records(*types) if record.get("session") == session]

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


def _order(subject: str, at_ns: int, again: str, elsewhere: tuple[str, ...]) -> Order:
    doses = tuple(
        PlannedDose(day=day, dose=1, kit=kit_of(subject, day) + again, lot=LOT, not_after_ns=at_ns + LEASE_NS)
        for day in range(1, DAYS + 1)
    )
    doubt = HistoryItem(day=1, dose=1, state=DoseState.UNCERTAIN, unit="neb-0002", session="2026-02-14-000000")
    history = (doubt,) if subject in elsewhere else ()
    return Order(order=f"{subject}@{MESH.unit}", subject=subject, day1=None, doses=doses, history=history)
