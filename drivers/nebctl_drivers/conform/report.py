"""The report in three forms: lines for a person, JSON, and JUnit XML for a build machine."""

from dataclasses import asdict
from xml.etree import ElementTree as ET

from .examine import Report
from .talker import Passage, show
from .verdicts import PAGE, Result, Verdict

FORMAT = 1
"""The version of the JSON report's form."""
SHOWN = 12
"""How many passages of a broken rule are shown to a person; the JSON report has them all."""


def rule_line(result: Result) -> str:
    """Return the one line of a rule, with what was seen."""
    return f"{result.rule.id}  {result.verdict.value:<10}  {result.rule.title}: {result.seen}"


def finding_lines(result: Result) -> list[str]:
    """Return what a firmware engineer needs to mend a broken rule; empty where it is not broken."""
    if result.verdict is not Verdict.FAILED:
        return []
    kept = result.exchange[-SHOWN:]
    left_out = len(result.exchange) - len(kept)
    return [
        f"     seen      {result.seen}",
        f"     expected  {result.expected}",
        f"     mend      {result.rule.mend} ({PAGE} section {result.rule.section})",
        *([f"     …         {left_out} earlier passages: see --json"] if left_out else []),
        *(f"     {_stamp(passage, result):>8}  {_way(passage)} {show(passage.data)}" for passage in kept),
    ]


def closing_lines(report: Report) -> list[str]:
    """Return the sum of it all; the last line begins with CONFORMS only where nothing is open."""
    counts = ", ".join(f"{report.count(verdict)} {verdict.value.lower()}" for verdict in Verdict)
    total = f"{len(report.results)} rules: {counts}"
    trouble = [f"TROUBLE: {report.trouble}"] if report.trouble else []
    if report.conforms:
        return [f"CONFORMS to {PAGE}. {total}"]
    if report.count(Verdict.FAILED) or report.trouble:
        return [*trouble, f"DOES NOT CONFORM. {total}"]
    return [f"NOT PROVEN: with a rule not tested nothing is said to conform. {total}"]


def to_json(report: Report, url: str, load: str | None) -> dict[str, object]:
    """Return the report as JSON values; bytes are given as text (see `show`) and as hexadecimal digits."""
    return {
        "format": FORMAT,
        "page": PAGE,
        "url": url,
        "load": load,
        "device": None if report.identity is None else asdict(report.identity),
        "conforms": report.conforms,
        "trouble": report.trouble,
        "counts": {verdict.value: report.count(verdict) for verdict in Verdict},
        "rules": [_rule_json(result) for result in report.results],
    }


def to_junit(report: Report, url: str) -> str:
    """Return the report as JUnit XML: a broken rule is a failure, one that was not tested is skipped.

    Trouble that ended the examination is an error of its own, so that no build machine takes it for a pass.
    """
    suite = ET.Element("testsuite", name=_printable(f"nebctl conform {url}"), tests=str(len(report.results)))
    suite.set("failures", str(report.count(Verdict.FAILED)))
    suite.set("skipped", str(report.count(Verdict.NOT_TESTED)))
    suite.set("errors", str(int(report.trouble is not None)))
    suite.set("time", f"{sum(result.took_s for result in report.results):.3f}")
    for result in report.results:
        _add_case(suite, result)
    if report.trouble is not None:
        case = ET.SubElement(suite, "testcase", classname="conform", name="examination")
        ET.SubElement(case, "error", message=_printable(report.trouble))
    ET.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n"


def _add_case(suite: ET.Element, result: Result) -> None:
    name = f"{result.rule.id} {result.rule.title}"
    case = ET.SubElement(suite, "testcase", classname="conform", name=name, time=f"{result.took_s:.3f}")
    if result.verdict is Verdict.FAILED:
        failure = ET.SubElement(case, "failure", message=_printable(f"saw {result.seen}; expected {result.expected}"))
        failure.text = _printable("\n".join(finding_lines(result)))
    elif result.verdict is Verdict.NOT_TESTED:
        ET.SubElement(case, "skipped", message=_printable(result.seen))


def _rule_json(result: Result) -> dict[str, object]:
    rule = result.rule
    is_failed = result.verdict is Verdict.FAILED
    return {
        "id": rule.id,
        "title": rule.title,
        "section": rule.section,
        "verdict": result.verdict.value,
        "seen": result.seen,
        "expected": result.expected if is_failed else None,
        "mend": rule.mend if is_failed else None,
        "took_ms": round(result.took_s * 1000),
        "exchange": [_passage_json(passage, result) for passage in result.exchange],
    }


def _passage_json(passage: Passage, result: Result) -> dict[str, object]:
    return {
        "ms": _since_ms(passage, result),
        "from": "host" if passage.to_device else "controller",
        "text": show(passage.data),
        "hex": passage.data.hex(),
    }


def _since_ms(passage: Passage, result: Result) -> int:
    return round((passage.at_s - result.exchange[0].at_s) * 1000)


def _stamp(passage: Passage, result: Result) -> str:
    return f"{_since_ms(passage, result)} ms"


def _way(passage: Passage) -> str:
    return "host       >" if passage.to_device else "controller <"


def _printable(text: str) -> str:
    # XML knows no control characters, and what a controller sends is not ours to choose
    return "".join(char if char.isprintable() or char == "\n" else show(char.encode()) for char in text)
