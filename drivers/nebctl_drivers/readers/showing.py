"""Readings, failures and ports as JSON, as one line, and as a table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from nebctl.core.device import CommandFailed
from nebctl_drivers.ports_found import FoundPort

from .probing import Heard
from .reader import NO_UNIT, Readings, Status, Value

NS_PER_MS = 1_000_000
Json: TypeAlias = dict[str, Any]
Utc: TypeAlias = Callable[[int], str]
"""Takes the host's monotonic time in ns and returns that moment as UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is known of one device now: its URL, who answered (empty before anybody did), and the last reading."""

    url: str
    who: str = ""
    last: Readings | CommandFailed | None = None


def reading_json(who: str, readings: Readings, *, utc: Utc, now_ns: int) -> Json:
    """Return a reading; `mono_ns` is the host's monotonic time of its oldest answer, and `age_ms` its age now."""
    return {
        "at": utc(readings.at_ns),
        "mono_ns": readings.at_ns,
        "device": who,
        "values": {name: _value_json(value) for name, value in readings.values.items()},
        "age_ms": max(0, now_ns - readings.at_ns) // NS_PER_MS,
    }


def failure_json(who: str, failure: CommandFailed, *, utc: Utc, now_ns: int) -> Json:
    """Return a failure, with the moment at which it was told."""
    said = as_called(failure)
    error = {"command": said.command, "seen": said.seen, "expected": said.expected, "advice": said.advice}
    return {"at": utc(now_ns), "mono_ns": now_ns, "device": who, "error": error}


def as_called(failure: CommandFailed) -> CommandFailed:
    """Return a failure in the words of a command line, where there is no configuration to correct."""

    def word(text: str) -> str:
        return text.replace("[device] port", "--url").replace("[device] driver", "--profile")

    return replace(failure, seen=word(failure.seen), expected=word(failure.expected), advice=word(failure.advice))


def line_of(shown: Shown, *, utc: Utc, now_ns: int) -> str:
    """Return one line: the moment, the URL, and all values or what is wrong."""
    if isinstance(shown.last, Readings):
        values = " ".join(f"{name}={_text(value)}" for name, value in shown.last.values.items())
        return f"{utc(shown.last.at_ns)} {shown.url} {values}"
    said = as_called(shown.last).sentence() if shown.last is not None else "nothing read yet"
    return f"{utc(now_ns)} {shown.url} ! {said}"


def table_of(devices: Iterable[Shown], *, now_ns: int) -> list[str]:
    """Return the lines of a table of several devices, one below the other; an alarm or a doubt is marked."""
    lines: list[str] = []
    for shown in devices:
        lines += ["", f"{shown.url}  {shown.who}".rstrip()] if lines else [f"{shown.url}  {shown.who}".rstrip()]
        if isinstance(shown.last, Readings):
            width = max(map(len, shown.last.values), default=0)
            lines += [f"  {name:<{width}}  {_cell(value)}" for name, value in shown.last.values.items()]
            lines.append(f"  ({max(0, now_ns - shown.last.at_ns) // NS_PER_MS} ms old)")
        else:
            said = as_called(shown.last).sentence() if shown.last is not None else "…"
            lines.append(f"  {said}")
    return lines


def port_json(port: FoundPort, answers: Sequence[Heard] | CommandFailed | None) -> Json:
    """Return a port; `answers` None means that nobody was asked there."""
    return {
        "url": port.url,
        "path": port.path,
        "usb": port.usb.text() if port.usb is not None else None,
        "maker": port.maker,
        "product": port.product,
        "latency_ms": port.latency_ms,
        "holders": [{"pid": holder.pid, "name": holder.name, "user": holder.user} for holder in port.holders],
        **answers_json(answers),
    }


def answers_json(answers: Sequence[Heard] | CommandFailed | None) -> Json:
    """Return what a port's questions came to: `answers` null where nobody was asked, `error` null where none stands."""
    if isinstance(answers, CommandFailed):
        said = as_called(answers)
        error = {"command": said.command, "seen": said.seen, "expected": said.expected, "advice": said.advice}
        return {"answers": None, "error": error}
    told = None if answers is None else [{"what": a.what, "profile": a.profile, "url": a.url} for a in answers]
    return {"answers": told, "error": None}


def port_lines(name: str, told: str, answers: Sequence[Heard] | CommandFailed | None) -> list[str]:
    """Return a port for a person; `told` is what is known without asking."""
    lines = [f"{name}  {told}".rstrip()]
    if isinstance(answers, CommandFailed):
        return [*lines, f"    {as_called(answers).sentence()}"]
    if answers is None:
        return lines
    if not answers:
        return [*lines, "    nobody answers"]
    for heard in answers:
        lines.append(f"    {heard.what}")
        if heard.profile is not None:
            lines.append(f"      nebctl devices read --profile {heard.profile} --url '{heard.url}'")
    return lines


def _value_json(value: Value) -> Json:
    return {"value": value.value, "unit": value.unit, "status": value.status.value}


def _text(value: Value) -> str:
    """Return a value without a blank."""
    shown = "-" if value.value is None else _plain(value.value)
    unit = "" if value.unit == NO_UNIT or value.value is None else value.unit
    mark = "" if value.status is Status.OK else f"!{value.status.value}"
    return f"{shown}{unit}{mark}".replace(" ", "_")


def _cell(value: Value) -> str:
    shown = "-" if value.value is None else _plain(value.value)
    unit = "" if value.unit == NO_UNIT else f" {value.unit}"
    mark = "" if value.status is Status.OK else f"  <- {value.status.value}"
    return f"{shown}{unit}{mark}"


def _plain(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
