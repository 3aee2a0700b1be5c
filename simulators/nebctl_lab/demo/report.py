"""How the demonstration shows itself: a live line in a terminal, plain lines elsewhere, a table at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import click

from nebctl.core.units import format_ml
from nebctl_lab.demo.course import View
from nebctl_lab.demo.proving import Proven

BAR = 24


class Display(Protocol):
    """Where the demonstration tells what goes on."""

    def say(self, text: str) -> None:
        """Tell one step."""
        ...

    def dose(self, subject: str, day: int, view: View) -> None:
        """Show the dose as it runs."""
        ...


class Silent:
    """Tells nothing; for scripts that read the JSON line alone."""

    def say(self, text: str) -> None:
        """Tell nothing."""

    def dose(self, subject: str, day: int, view: View) -> None:
        """Show nothing."""


class Plain:
    """One line a step; for logs."""

    def __init__(self) -> None:
        self._told: tuple[int, str] = (0, "")

    def say(self, text: str) -> None:
        """Tell one step."""
        click.echo(text)

    def dose(self, subject: str, day: int, view: View) -> None:
        """Tell each state of a dose once."""
        now = (day, str(view["state"]))
        if now != self._told:
            self._told = now
            click.echo(f"  Day {day}  {subject}  {_sentence(view)}")


class Live(Plain):
    """The volume as it leaves the cup, on one line that is drawn anew."""

    def dose(self, subject: str, day: int, view: View) -> None:
        """Draw the running dose; end its line with the outcome."""
        done = view["outcome"] is not None
        click.echo(f"\r\x1b[2K  Day {day}  {subject}  {_bar(view)} {_sentence(view)}", nl=done)


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
    """Return the doses as a table for people."""
    lines = [f"{report.doses[0]['subject']} on {report.doses[0]['unit']}, lot {report.doses[0]['lot']}"]
    lines.append("  ".join(name.ljust(width) for name, width in _COLUMNS))
    for dose in report.doses:
        emitted = f"{dose['emitted_ml']:.2f} ({dose['low_ml']:.2f} to {dose['high_ml']:.2f})"
        cells = (dose["day"], dose["kit"], dose["started"][:16], emitted, dose["verdict"], dose["end"])
        lines.append(
            "  ".join(str(cell).ljust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True)).rstrip()
        )
    return "\n".join(lines)


def summary(report: Report) -> str:
    """Return what was verified, where the data lies and what to look at next."""
    proven, data = report.proven, report.data
    unit, first = report.doses[0]["unit"], report.doses[0]["session"]
    by = f", {proven.by_openssl} of them by openssl alone" if proven.by_openssl else ""
    lines = [
        f"{proven.records} records signed and chained, {proven.receipted} receipted by the pharmacy",
        f"{proven.proofs} proofs of one dose verified{by}",
        *(f"FOUND: {finding}" for finding in proven.findings),
        f"all of it in {report.seconds:.0f} s; simulated: device, balance, badge reader, clock; sound: none",
        "",
        f"The data lies in {data}. Look at it next:",
        f"  nebctl pharmacy show --db {data}/pharmacy.db --subject {report.doses[0]['subject']}",
        f"  nebctl ledger show {data}/units/{unit}/unit.db",
        f"  nebctl ledger verify {data}/units/{unit}/unit.db --trust {data}/trust",
        f"  nebctl verify {data}/proofs/{unit}/{first} --trust {data}/trust",
        f"  scripts/verify-dose.sh {data}/proofs/{unit}/{first} {data}/trust",
    ]
    return "\n".join(lines)


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
