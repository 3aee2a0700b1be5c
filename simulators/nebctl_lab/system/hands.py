"""What people do at the bedsides of a virtual site, through the units' own bedside API."""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from nebctl.core.meanings import GAVE, PART
from nebctl_lab.codes import cup_code, scans
from nebctl_lab.demo.course import BALANCE_HALF_NL, BALANCE_SD_NL, TAPS
from nebctl_lab.demo.site import THERAPIST
from nebctl_lab.system.chance import stream
from nebctl_lab.system.devices import Standing
from nebctl_lab.system.host import SiteFault, UnitHost
from nebctl_lab.system.plan import SitePlan, SubjectPlan

View = dict[str, Any]
ALIQUOT_NL = 3_000_000
LOOK_S = 0.25
"""How often a person, or a wait, looks."""
DOSE_S = 3600.0
LEASE_S = 60.0
AT_REST_S = 3.0
_WITH_OPERATOR = frozenset(("resume", "end-seen", "abandon"))


class Hands:
    """Presses, pours and weighs; volumes are in nL, and `unit` "" means the site's first."""

    def __init__(self, plan: SitePlan) -> None:
        self.plan = plan
        self.hosts: dict[str, UnitHost] = {}
        self.standings: dict[str, Standing] = {}
        self.log: list[tuple[float, str]] = []
        self._weighings: Random = stream(plan.seed, "balance")
        self._before_nl: dict[str, int] = {}

    @property
    def seconds(self) -> float:
        """Return the seconds since the site began."""
        raise NotImplementedError

    def note(self, text: str) -> None:
        """Put a line on the timeline."""
        self.log.append((self.seconds, text))

    def named(self, unit: str) -> str:
        """Return the unit's name.

        Raises: `KeyError` for a unit that the site does not have.
        """
        name = unit or self.plan.units[0].name
        if name not in self.hosts:
            raise KeyError(f"there is no unit {name!r}; choose one of: {', '.join(self.hosts)}")
        return name

    def subject(self, name: str = "") -> SubjectPlan:
        """Return the subject of this name; "" is the first.

        Raises: `KeyError` for a subject that the site does not have.
        """
        for subject in self.plan.subjects:
            if name in ("", subject.name):
                return subject
        known = ", ".join(subject.name for subject in self.plan.subjects)
        raise KeyError(f"there is no subject {name!r}; choose one of: {known}")

    # One step.

    async def post(self, path: str, unit: str = "", **body: Any) -> View:
        """Press what the page presses: POST to the bedside API, and return the answer.

        Raises: `Answer` for a refusal, `SiteFault` for a unit that is off.
        """
        self.note(f"{self.named(unit)}: {path.removeprefix('/api/')}")
        if path == "/api/start":
            self._before_nl[self.named(unit)] = self.standings[self.named(unit)].truth().emitted_nl
        return await self.hosts[self.named(unit)].ask("POST", path, body)

    async def view(self, unit: str = "") -> View:
        """Return what the page shows."""
        return await self.hosts[self.named(unit)].ask("GET", "/api/state", None)

    async def scan(
        self, subject: str = "", kit: str = "", day: int = 1, operator: str = THERAPIST[0], unit: str = ""
    ) -> View:
        """Scan badge, wristband and kit; `kit` "" is the one that the subject has for that day."""
        known = subject in {plan.name for plan in self.plan.subjects} or not subject
        whom = self.subject(subject).name if known else subject
        chosen = kit or self.subject(subject).kit(day)
        return await self.post("/api/scan", unit, operator=operator, **scans(whom, chosen))

    async def charge(self, poured_nl: int = ALIQUOT_NL, *, cup: str = "CUP-1", unit: str = "") -> View:
        """Pour into an empty cup, weigh it on the balance, and let the unit test itself."""
        standing = self.standings[self.named(unit)]
        standing.truth()
        standing.device.empty_cup()
        standing.device.pour(poured_nl)
        if self._has_balance(self.named(unit)):
            await asyncio.sleep(AT_REST_S)  # nobody holds START while a hand is still at the cup
        weighed = self.weigh(poured_nl)
        return await self.post("/api/charge", unit, cup=cup_code(cup), vial_emptied=True, method="weighed", **weighed)

    def _has_balance(self, name: str) -> bool:
        return any(unit.balance for unit in self.plan.units if unit.name == name)

    async def press(self, name: str, unit: str = "", **body: Any) -> View:
        """Press a button: start, pause, resume, stop, end-seen, abandon, self-test or leave.

        The authorisation of a start, a reason for a pause and the therapist's badge are filled in where `body` is
        silent.
        """
        if name == "start" and "auth" not in body:
            review = (await self.view(unit))["review"]
            body = {"auth": review["auth"] if review else "none"}
        elif name == "pause":
            body = {"reason": "cough", **body}
        elif name in _WITH_OPERATOR:
            body = {"operator": THERAPIST[0], **body}
        return await self.post(f"/api/{name}", unit, **body)

    async def residual(self, unit: str = "", *, refused: str = "", operator: str = THERAPIST[0]) -> View:
        """Draw what is left and weigh it; or, with `refused`, say why nobody does. Return the view."""
        body: dict[str, Any] = {"refused": refused}
        if not refused:
            standing = self.standings[self.named(unit)]
            standing.truth()
            body = {"measured": self.weigh(standing.device.empty_cup()), "method": "weighed"}
        return await self.post("/api/residual", unit, operator=operator, **body)

    async def sign(self, unit: str = "", operator: str = THERAPIST[0]) -> View:
        """Sign the dose record, by the sentence that the page shows above it."""
        own = [part for part in (await self.view(unit))["unsigned"] if part["operator"] == operator]
        meaning = PART[0] if own and own[-1]["shared"] else GAVE[0]
        return await self.post("/api/sign", unit, operator=operator, meaning=meaning)

    def weigh(self, true_nl: int) -> Mapping[str, str]:
        """Return what the balance says of a volume, with the ends of its interval."""
        best = max(0, round(self._weighings.gauss(true_nl, BALANCE_SD_NL)))
        ends = {"low": max(0, best - BALANCE_HALF_NL), "volume": best, "high": best + BALANCE_HALF_NL}
        return {name: f"{nl // 1_000_000}.{nl % 1_000_000:06d} mL" for name, nl in ends.items()}

    # Several steps.

    async def begin(self, subject: str = "", day: int = 1, poured_nl: int = ALIQUOT_NL, unit: str = "") -> str:
        """Scan, charge and start; return the session's name."""
        at = unit or self.subject(subject).unit
        await self._until_leased(self.subject(subject).name, at)
        await self.scan(subject, day=day, unit=at)
        await self.charge(poured_nl, unit=at)
        view = await self.press("start", at)
        return str(view["review"]["session"])

    async def give(self, subject: str = "", day: int = 1, poured_nl: int = ALIQUOT_NL, unit: str = "") -> View:
        """Give a whole dose and sign it; return its outcome.

        A mesh that stops too early is resumed up to three times, then the dose is stopped.
        """
        at = unit or self.subject(subject).unit
        await self.begin(subject, day, poured_nl, at)
        await self.finish(at)
        outcome = (await self.residual(at))["outcome"]
        await self.sign(at)
        return dict(outcome)

    async def finish(self, unit: str = "") -> None:
        """Watch a dose to its end, as a therapist does who resumes a mesh that stopped too early."""
        taps = 0
        while True:
            state = await self.until_state("residual", "paused", unit=unit, seconds=DOSE_S)
            if state == "residual":
                return
            taps += 1
            await self.press("resume" if taps <= TAPS else "stop", unit)

    async def _until_leased(self, subject: str, unit: str) -> None:
        for _ in range(int(LEASE_S / LOOK_S)):
            view = await self.view(unit)
            if view["device"] and any(due["subject"] == subject for due in view["due"]):
                return
            await asyncio.sleep(LOOK_S)
        raise SiteFault(f"within {LEASE_S:.0f} s no dose of {subject} was leased to {unit}, or no device was found")

    # Looking.

    def state(self, unit: str = "") -> str:
        """Return the state of the unit's session; "off" where it does not run."""
        host = self.hosts[self.named(unit)]
        return host.runner.session.state.value if host.is_on else "off"

    async def until_state(self, *states: str, unit: str = "", seconds: float = DOSE_S) -> str:
        """Wait for one of these states and return it.

        Raises: `SiteFault` where none comes within so many seconds.
        """
        await self.until(lambda: self.state(unit) in states, f"state {' or '.join(states)}", seconds)
        return self.state(unit)

    async def until(
        self, holds: Callable[[], Any], what: str, seconds: float = DOSE_S, *, look_s: float = LOOK_S
    ) -> None:
        """Wait until something holds.

        Raises: `SiteFault` naming `what` where it does not within so many seconds.
        """
        deadline = self.seconds + seconds
        while not holds():
            if self.seconds >= deadline:
                told = ", ".join(f"{name} {self.state(name)}" for name in self.hosts)
                raise SiteFault(f"not within {seconds:g} s: {what}; seen: {told}")
            await asyncio.sleep(look_s)

    async def until_emitted(self, volume_nl: int, unit: str = "", seconds: float = DOSE_S) -> None:
        """Wait until so much has really left the cup as aerosol since the last START."""
        name = self.named(unit)

        def holds() -> bool:
            return self.standings[name].truth().emitted_nl - self._before_nl.get(name, 0) >= volume_nl

        await self.until(holds, f"{volume_nl} nL emitted", seconds, look_s=0.05)
