"""What happened in a scenario, line by line: as text for a person, as JSON, and as JUnit for a CI server."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any
from xml.etree import ElementTree

from nebctl_lab.scenario.form import Scenario

SAW = "saw "


class Result(Enum):
    """How a line of the timeline stands: done or as expected, not, known not to be kept yet, or never come to."""

    OK = "ok"
    FAILED = "FAILED"
    NOT_YET = "not yet kept"
    NOT_PLAYED = "not played"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: when, in milliseconds of the site and by its own wall clock; what was done or expected, and how it is.

    `step` counts from 1, 0 is the site itself; `line` is the step's in its file. `seen` says what was there instead.
    """

    ms: int
    clock: str
    step: int
    line: int
    unit: str
    kind: str
    text: str
    result: Result
    seen: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the line as a JSON object."""
        return {**asdict(self), "result": self.result.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A scenario that was played; `heads` are each unit's signed ledger head at its end."""

    scenario: Scenario
    seed: int
    lines: tuple[Line, ...]
    heads: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Return whether nothing failed and everything was played."""
        return not self._count(Result.FAILED) and not self._count(Result.NOT_PLAYED)

    @property
    def open_promises(self) -> tuple[str, ...]:
        """Return the promises that the scenario shows not to be kept yet."""
        steps = {line.step for line in self.lines if line.result is Result.NOT_YET}
        return tuple(sorted({self.scenario.steps[step - 1].not_yet for step in steps}))

    def as_json(self) -> dict[str, Any]:
        """Return the whole as a JSON object; equal for equal scenario, seed, version and architecture."""
        return {
            "scenario": self.scenario.name,
            "title": self.scenario.title,
            "promises": list(self.scenario.promises),
            "seed": self.seed,
            "passed": self.passed,
            "not_yet": list(self.open_promises),
            "heads": dict(self.heads),
            "timeline": [line.as_json() for line in self.lines],
        }

    def text(self) -> str:
        """Return the timeline as a person reads it, with the outcome as its last line."""
        promises = f" ({', '.join(self.scenario.promises)})" if self.scenario.promises else ""
        head = f"{self.scenario.name}: {self.scenario.title}{promises}, seed {self.seed}"
        several = len(self.scenario.units) > 1
        return "\n".join((head, *(_row(line, several=several) for line in self.lines), self._outcome()))

    def _outcome(self) -> str:
        counts = {result: self._count(result) for result in Result}
        parts = [f"{counts[Result.OK]} lines ok"]
        parts += [f"{counts[result]} {result.value}" for result in list(Result)[1:] if counts[result]]
        promises = f" ({', '.join(self.open_promises)})" if self.open_promises else ""
        return f"{'passed' if self.passed else 'FAILED'}: {', '.join(parts)}{promises}"

    def _count(self, result: Result) -> int:
        return sum(line.result is result for line in self.lines)


def _row(line: Line, *, several: bool) -> str:
    unit = f"{line.unit:<9} " if several else ""
    mark = _mark(line)
    when = f"{line.ms / 1000:>10.3f} s  {line.clock}"
    return f"{when}  {line.step or '-':>3}  {unit}{line.kind:<7} {line.text}{mark}".rstrip()


def _mark(line: Line) -> str:
    """Return how a line stands; what was done as it should be needs no word, but for a refusal that was expected."""
    if line.result is Result.OK and line.kind not in ("expect", "always"):
        return f"  ({line.seen})" if line.seen else ""
    return f"  {line.result.value}: {_saw(line)}" if line.seen else f"  {line.result.value}"


def _saw(line: Line) -> str:
    """Return what was there instead as a clause; what the pharmacy says begins with this word already."""
    return f"{SAW}{line.seen.removeprefix(SAW)}"


def junit(reports: Sequence[Report]) -> str:
    """Return JUnit XML: a suite for each scenario, a case for each line of its timeline, in simulated seconds."""
    root = ElementTree.Element("testsuites", _totals([line for report in reports for line in report.lines]))
    for report in reports:
        suite = ElementTree.SubElement(root, "testsuite", {"name": report.scenario.name, **_totals(report.lines)})
        before_ms = 0
        for line in report.lines:
            _add_case(suite, report, line, line.ms - before_ms)
            before_ms = line.ms
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _totals(lines: Iterable[Line]) -> dict[str, str]:
    results = [line.result for line in lines]
    skipped = results.count(Result.NOT_YET) + results.count(Result.NOT_PLAYED)
    return {"tests": str(len(results)), "failures": str(results.count(Result.FAILED)), "skipped": str(skipped)}


def _add_case(suite: ElementTree.Element, report: Report, line: Line, ms: int) -> None:
    name = f"step {line.step} {line.kind}: {line.text}" if line.step else f"{line.kind}: {line.text}"
    attributes = {"classname": f"scenario.{report.scenario.name}", "name": name, "time": f"{ms / 1000:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", attributes)
    where = f"line {line.line}, at {line.ms / 1000:.3f} s of simulated time, unit {line.unit}"
    if line.result is Result.FAILED:
        failure = ElementTree.SubElement(case, "failure", {"message": _saw(line)})
        failure.text = f"expected: {line.text}\nsaw: {line.seen.removeprefix(SAW)}\n{where}"
    elif line.result is Result.NOT_YET:
        promise = report.scenario.steps[line.step - 1].not_yet
        ElementTree.SubElement(case, "skipped", {"message": f"{promise} is not yet kept: {_saw(line)}"})
    elif line.result is Result.NOT_PLAYED:
        ElementTree.SubElement(case, "skipped", {"message": "not played: a step before it failed"})
