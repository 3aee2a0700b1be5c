"""Plays a scenario on a stage, step by step in its own time, and notes what came of each sentence."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from nebctl.core.instant import NS_PER_S
from nebctl.pharmacy.faults import PharmacyFault
from nebctl_lab.bedside import Answer
from nebctl_lab.demo.site import ZONE
from nebctl_lab.scenario.actions import perform
from nebctl_lab.scenario.expectations import SLOW, look
from nebctl_lab.scenario.form import Scenario, Step
from nebctl_lab.scenario.stage import Play, Stage
from nebctl_lab.scenario.timeline import Line, Report, Result
from nebctl_lab.scenario.words import Sentence
from nebctl_lab.system import SiteFault

LOOK_S, LEDGER_LOOK_S = 0.1, 1.0
"""How often is looked at what is waited for; the ledger is read less often."""
SETTLE_S = 30.0
"""A night is jumped over but for this last part, in which everything that waits for a time gets its turn."""
LONG_S = 120.0
"""A wait that is longer is jumped over where nothing is going on at any unit."""
QUIET = frozenset(("idle", "off"))
PHARMACY, IMPOSSIBLE = "pharmacy", "impossible"
"""What stands for a code where the pharmacy's desk refuses, and where the site cannot do such a thing at all."""


class Player:
    """Plays one scenario once; `site` is a stage that was built for it and has just begun."""

    def __init__(self, scenario: Scenario, site: Stage, seed: int) -> None:
        zone = ZoneInfo(ZONE)
        self._scenario = scenario
        self._site = site
        self._seed = seed
        self._play = Play(scenario=scenario, site=site, zone=zone, first=site.now.astimezone(zone).date())
        self._began = site.seconds
        self._lines: list[Line] = []
        self._step = Step(line=1)
        self._number = 0
        self._unit = scenario.units[0].id

    async def play(self) -> Report:
        """Play every step, then look at what must hold after any scenario, and return what happened."""
        whole = True
        for number, step in enumerate(self._scenario.steps, start=1):
            self._step, self._number = step, number
            self._unit = step.unit or self._scenario.units[0].id
            whole = whole and await self._take(step)
            if not whole:
                self._skip(step)
        if whole:
            self._number, self._step = 0, Step(line=1)
            await self._look_at_the_end()
        heads = {unit.id: self._site.head(unit.id) for unit in self._scenario.units} if whole else {}
        return Report(scenario=self._scenario, seed=self._seed, lines=tuple(self._lines), heads=heads)

    async def _take(self, step: Step) -> bool:
        """Play one step; return whether the scenario can go on after it."""
        if step.note:
            self._note("note", step.note, Result.OK)
        if not await self._come_to(step) or not await self._wait_for(step):
            return False
        refused: str | None = None
        for sentence in step.do:
            refused = await self._do(sentence, step, last=sentence is step.do[-1])
            if refused and not any(expected.name == "refused" for expected in step.expect):
                return False
        for sentence in step.expect:
            await self._expect(sentence, step, refused)
        for unit in self._scenario.units:
            self._play.note_emitted(unit.id)
        return True

    def _skip(self, step: Step) -> None:
        """Note what of a step the scenario never came to."""
        kinds = [line.kind for line in self._lines if line.step == self._number]
        for kind, sentences in (("do", step.do), ("expect", step.expect)):
            for sentence in sentences[kinds.count(kind) :]:
                self._note(kind, sentence.text, Result.NOT_PLAYED)

    # Time.

    async def _come_to(self, step: Step) -> bool:
        due = self._due(step)
        if due is None:
            self._note("at", step.at.text if step.at else "", Result.FAILED, "no START was held")
            return False
        late = self._site.seconds - due
        if late > LOOK_S / 2:
            text = step.at.text if step.at else ""
            self._note("at", text, Result.FAILED, f"a time that was past by {late:.3f} s: put the step earlier")
            return False
        await self._pass_until(due)
        return True

    def _due(self, step: Step) -> float | None:
        """Return when a step comes, in seconds of the site; None where it counts from a START that was not held."""
        if step.at is None:
            return self._site.seconds + step.after_ns / NS_PER_S
        given = step.at.given
        match step.at.name:
            case "after_begin":
                return self._began + float(given["duration"]) / NS_PER_S
            case "after_start":
                begun = self._play.begun.get(self._unit)
                return None if begun is None else begun.seconds + float(given["duration"]) / NS_PER_S
            case _:
                day = self._play.first + timedelta(days=given["day"] - 1)
                local = datetime.combine(day, given["clock"], self._play.zone)
                return self._site.seconds + (local - self._play.local).total_seconds()

    async def _pass_until(self, due: float) -> None:
        """Let time pass, with whatever undoes itself on the way; where nothing is going on, long waits are jumped."""
        while self._play.later and self._play.later[0][0] <= due:
            at, text, undo = self._play.later.pop(0)
            await self._pass(at - self._site.seconds)
            undo()
            self._note("then", text, Result.OK)
        await self._pass(due - self._site.seconds)

    async def _pass(self, seconds: float) -> None:
        if seconds > LONG_S and all(self._is_quiet(unit.id) for unit in self._scenario.units):
            await self._site.skip(seconds - SETTLE_S)
            seconds = SETTLE_S
        if seconds > 0:
            await self._site.advance(seconds)

    def _is_quiet(self, unit: str) -> bool:
        return self._site.state(unit) in QUIET and self._site.truth(unit).output == "OFF"

    async def _wait_for(self, step: Step) -> bool:
        """Wait for each `when` of a step in turn; return whether all came in time."""
        for sentence in step.when:
            seen = await self._until(sentence, step.within_ns / NS_PER_S, None)
            self._note("when", sentence.text, Result.FAILED if seen else Result.OK, seen or "")
            if seen:
                return False
        return True

    async def _until(self, sentence: Sentence, seconds: float, refused: str | None) -> str | None:
        """Return what is there instead, after waiting for it at most so long; None once it is as expected."""
        pause = LEDGER_LOOK_S if sentence.name in SLOW else LOOK_S
        deadline = self._site.seconds + seconds
        while True:
            seen = await look(self._play, self._unit, sentence, refused)
            left = deadline - self._site.seconds
            if seen is None or left <= 0:
                return seen
            await self._pass_until(self._site.seconds + min(pause, left))

    # Doing and expecting.

    async def _do(self, sentence: Sentence, step: Step, *, last: bool) -> str | None:
        """Do one thing and return the code of its refusal; None where it was done."""
        expected = last and any(one.name == "refused" for one in step.expect)
        try:
            await perform(self._play, self._unit, sentence)
        except Answer as answer:
            self._note("do", sentence.text, Result.OK if expected else Result.FAILED, str(answer))
            return answer.code
        except PharmacyFault as fault:
            self._note("do", sentence.text, Result.OK if expected else Result.FAILED, str(fault))
            return PHARMACY
        except (SiteFault, ValueError) as fault:
            self._note("do", sentence.text, Result.FAILED, str(fault))
            return IMPOSSIBLE
        self._note("do", sentence.text, Result.OK)
        return None

    async def _expect(self, sentence: Sentence, step: Step, refused: str | None) -> None:
        seconds = 0 if step.when else step.within_ns / NS_PER_S
        seen = await self._until(sentence, seconds, refused)
        if not step.not_yet:
            self._note("expect", sentence.text, Result.FAILED if seen else Result.OK, seen or "")
            return
        if seen is None:
            own = self._seed == self._scenario.seed  # with another chance what is not promised may well come out right
            told = f"{step.not_yet} kept: take not_yet out of this step" if own else ""
            self._note("expect", sentence.text, Result.FAILED if own else Result.OK, told)
            return
        self._note("expect", sentence.text, Result.NOT_YET, seen)
        if sentence.name == "covers":
            self._play.excused.add(str(self._site.records("dose", unit=self._unit)[-1]["session"]))

    # What must hold after any scenario.

    async def _look_at_the_end(self) -> None:
        for unit in self._scenario.units:
            self._unit = unit.id
            output = self._site.truth(unit.id).output
            self._always("the output is off (S23)", () if output == "OFF" else (f"output {output}",))
            self._always("the ledger verifies (S34)", self._site.verified(unit.id))
            self._always("every dose record covers the truth (S16, S33)", self._untrue(unit.id))
            self._always("every start has one outcome at most (S36)", self._doubled(unit.id))

    def _untrue(self, unit: str) -> Iterable[str]:
        """Yield the dose records whose interval does not hold what was really emitted."""
        for dose in self._site.records("dose", unit=unit):
            session = str(dose["session"])
            at, truth = self._play.emitted.get(session, (unit, None))
            if truth is None or at != unit or session in self._play.excused:
                continue
            if not dose["low_nl"] <= truth <= dose["high_nl"]:
                yield f"{session}: {truth} nL emitted, recorded {dose['low_nl']} to {dose['high_nl']} nL"

    def _doubled(self, unit: str) -> Iterable[str]:
        """Yield the sessions that have several outcomes or were started more than once."""
        for kinds in (("start",), ("dose", "abort")):
            of = [str(record.get("session")) for record in self._site.records(*kinds, unit=unit)]
            yield from (f"{session} {' or '.join(kinds)} twice" for session in {*of} if of.count(session) > 1)

    def _always(self, text: str, seen: Iterable[str]) -> None:
        told = "; ".join(sorted(seen))
        self._note("always", text, Result.FAILED if told else Result.OK, told)

    def _note(self, kind: str, text: str, result: Result, seen: str = "") -> None:
        line = Line(
            ms=round((self._site.seconds - self._began) * 1000),
            clock=f"{self._play.local:%H:%M:%S}",
            step=self._number,
            line=self._step.line,
            unit=self._unit,
            kind=kind,
            text=text,
            result=result,
            seen=seen,
        )
        self._lines.append(line)
