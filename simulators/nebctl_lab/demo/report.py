"""How the demonstration shows itself: a live line in a terminal, plain lines elsewhere, a table at the end."""

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import click

from nebctl.core.units import format_ml
from nebctl_lab.demo.course import View
from nebctl_lab.demo.proving import Proven

BAR = 24
NO_SCRIPT = "; not by openssl, for scripts/verify-dose.sh of the source tree is not at hand"


class Display(Protocol):
    """Where the demonstration tells what goes on."""

    def say(self, text: str) -> None:
        """Tell one step."""
        ...

    def dose(self, subject: str, day: int, view: View) -> None:
        """Show the dose as it runs."""
        ...


class Plain:
    """One line a step; for logs."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Self:
        """Begin; nothing needs to be drawn."""
        return self

    def __exit__(self, *_: object) -> None:
        """End; nothing needs to be undone."""

    def say(self, text: str) -> None:
        """Tell one step."""
        click.echo(text)

    def dose(self, subject: str, day: int, view: View) -> None:
        """Tell each state of a dose once."""
        now = (day, str(view["state"]))
        if now != self._told.get(subject):
            self._told[subject] = now
            click.echo(f"  Day {day}  {subject}  {_sentence(view)}")


class Silent(Plain):
    """Tells nothing; for scripts that read the JSON line alone."""

    def say(self, text: str) -> None:
        """Tell nothing."""

    def dose(self, subject: str, day: int, view: View) -> None:
        """Show nothing."""


class Live(Plain):
    """A live line for each subject under the lines that stay, in a terminal."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - an extra that only this display needs
        from rich.live import Live as Screen  # noqa: PLC0415

        super().__init__()
        self._rows: dict[str, str] = {}
        self._console = Console(highlight=False, soft_wrap=True)
        self._screen = Screen(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the lines that stay."""
        self._screen.stop()

    def say(self, text: str) -> None:
        """Tell one step above the live lines."""
        self._console.print(text, markup=False)

    def dose(self, subject: str, day: int, view: View) -> None:
        """Draw the running doses; a dose that has its outcome becomes a line that stays."""
        line = f"  Day {day}  {subject}  {_bar(view)} {_sentence(view)}"
        if view["outcome"] is not None:
            self._rows.pop(subject, None)
            self.say(line)
        else:
            self._rows[subject] = line
        self._screen.update("\n".join(self._rows[name] for name in sorted(self._rows)), refresh=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the demonstration gave: the doses as the pharmacy's records tell them, and what was verified."""

    doses: Sequence[dict[str, Any]]
    proven: Proven
    data: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the object that scripts rely on."""
        return {
            "doses": list(self.doses),
            "records": self.proven.records,
            "receipted": self.proven.receipted,
            "verified": not self.proven.findings,
            "data": self.data,
        }


_COLUMNS = (("Day", 3), ("Kit", 8), ("Started (UTC)", 16), ("Emitted mL (95 %)", 21), ("Verdict", 9), ("End", 9))


def table(report: Report) -> str:
    """Return the doses as a table for people, a block for each subject."""
    subjects = dict.fromkeys(dose["subject"] for dose in report.doses)
    return "\n\n".join(_block([dose for dose in report.doses if dose["subject"] == name]) for name in subjects)


def _block(doses: Sequence[dict[str, Any]]) -> str:
    first = doses[0]
    lines = [f"{first['subject']} on {first['unit']} ({first['device']}), lot {first['lot']}"]
    lines.append("  ".join(name.ljust(width) for name, width in _COLUMNS).rstrip())
    for dose in doses:
        low, high = (round(dose[name] * 1e6) for name in ("low_ml", "high_ml"))
        emitted = f"{dose['emitted_ml']:.2f} ({format_ml(low, 2, 'down')} to {format_ml(high, 2, 'up')})"
        cells = (dose["day"], dose["kit"], dose["started"][:16], emitted, dose["verdict"], dose["end"])
        padded = (str(cell).ljust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def summary(report: Report) -> str:
    """Return what was verified, where the data lies and what to look at next."""
    proven, data = report.proven, report.data
    unit, first, program = report.doses[0]["unit"], report.doses[0]["session"], _program()
    by = f", {proven.by_openssl} of them by openssl alone" if proven.by_openssl else NO_SCRIPT
    lines = [
        f"{proven.records} records signed and chained, {proven.receipted} receipted by the pharmacy",
        f"{proven.proofs} proofs of one dose verified{by}",
        *(f"FOUND: {finding}" for finding in proven.findings),
        f"all of it in {report.seconds:.0f} s; simulated: devices, balance, badge reader, clock; sound: none",
        *_jet_note(report),
        "",
        f"The data lies in {data}. Look at it next:",
        f"  {program} pharmacy show --db {data}/pharmacy.db --subject {report.doses[0]['subject']}",
        f"  {program} ledger show {data}/units/{unit}/unit.db",
        f"  {program} ledger verify {data}/units/{unit}/unit.db --trust {data}/trust",
        f"  {program} verify {data}/proofs/{unit}/{first} --trust {data}/trust",
        *([f"  scripts/verify-dose.sh {data}/proofs/{unit}/{first} {data}/trust"] if proven.by_openssl else []),
    ]
    return "\n".join(lines)


def _program() -> str:
    """Return how a person at this prompt calls nebctl."""
    return "nebctl" if shutil.which("nebctl") else sys.argv[0]


def _jet_note(report: Report) -> list[str]:
    if all(dose["device"] != "jet" for dose in report.doses):
        return []
    return ["A jet emits about half of 3 mL: UNDER by the same rule as the mesh, under the signed deviation DEV-001."]


def _bar(view: View) -> str:
    emitted = view["emitted"]
    planned = view["review"]["volume_nl"] if view["review"] else 1
    share = min(1.0, emitted["best_nl"] / planned) if emitted else 0.0
    return "[" + ("#" * round(BAR * share)).ljust(BAR) + "]"


def _sentence(view: View) -> str:
    outcome, emitted = view["outcome"], view["emitted"]
    if outcome is not None:
        low, high = format_ml(outcome["low_nl"], 2, "down"), format_ml(outcome["high_nl"], 2, "up")
        return f"{outcome['end']}, {outcome['verdict']}: {low} to {high} mL"
    if emitted is None:
        return str(view["state"])
    low, high = format_ml(emitted["low_nl"], 2, "down"), format_ml(emitted["high_nl"], 2, "up")
    return f"{view['state']}: {format_ml(emitted['best_nl'])} mL ({low} to {high})"
