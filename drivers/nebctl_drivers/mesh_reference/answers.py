"""The fields of each answer, read strictly into the words that every driver shares.

Source: docs/wire-protocol.md sections 3 and 4.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nebctl.core.device import DeviceReport, EndCause, Identity, Output, RunOutcome

PROTOCOL = "0.1"
"""The protocol that this driver speaks; below 1.0 another minor number is another protocol."""

Read = TypeVar("Read")
Chosen = TypeVar("Chosen")

_COUNT = re.compile(r"0|[1-9][0-9]{0,14}")
_TENTHS = re.compile(r"(0|[1-9][0-9]{0,14})\.([0-9])")
_HEX = re.compile(r"[0-9a-f]{8}")
_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
_OUTPUTS = {"OFF": Output.OFF, "SWEEP": Output.SWEEP, "RUN": Output.RUNNING}
_ENDS = {
    "-": EndCause.NONE,
    "POWER": EndCause.POWER_UP,
    "HOST": EndCause.HOST,
    "STOP": EndCause.STOP,
    "DRY": EndCause.DRY,
    "MAXON": EndCause.MAX_ON,
    "BEAT": EndCause.BEAT,
    "FAULT": EndCause.FAULT,
}
_FAULTS = {"-": None, "CUP": "CUP", "RES": "RES", "HW": "HW"}
_FLAGS = {"S": True, "-": False}
_BITS = {"0": False, "1": True}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An answer whose fields are not as the protocol says."""

    why: str


@dataclass(frozen=True, slots=True)
class Hello:
    """The answer to HELLO: the nonce as it came back, and who answered."""

    nonce: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Granted:
    """The answer to START: the run, and the on-time in milliseconds that the controller grants it in all."""

    run: str
    granted_ms: int


class _OddFieldError(ValueError):
    """A field that is not as the protocol says; it never leaves this module."""


def is_run(text: str) -> bool:
    """Tell whether `text` is a run id or a nonce: eight lower-case hexadecimal digits."""
    return bool(_HEX.fullmatch(text))


def speaks_our_protocol(version: str) -> bool:
    """Tell whether a controller of that protocol version is one that this driver knows."""
    match = _VERSION.fullmatch(version)
    return match is not None and f"{match[1]}.{match[2]}" == PROTOCOL


def read_hello(fields: Sequence[str]) -> Hello | Unreadable:
    """Read the answer to HELLO."""
    return _read(fields, 9, _hello)


def read_start(fields: Sequence[str]) -> Granted | Unreadable:
    """Read the answer to START."""
    return _read(fields, 2, lambda f: Granted(_run(f[0]), _count("granted_ms", f[1])))


def read_status(fields: Sequence[str], at_ns: int) -> DeviceReport | Unreadable:
    """Read the answer to STAT; `at_ns` is the host's monotonic time of its arrival."""
    return _read(fields, 11, lambda f: _status(f, at_ns))


def read_last(fields: Sequence[str]) -> RunOutcome | Unreadable:
    """Read the answer to LAST."""
    return _read(fields, 4, _last)


def read_beat(fields: Sequence[str]) -> tuple[()] | Unreadable:
    """Read the answer to BEAT, which has no fields."""
    return _read(fields, 0, lambda _: ())


def _read(fields: Sequence[str], count: int, read: Callable[[Sequence[str]], Read]) -> Read | Unreadable:
    if len(fields) != count:
        return Unreadable(f"{len(fields)} fields where {count} belong")
    try:
        return read(fields)
    except _OddFieldError as odd:
        return Unreadable(str(odd))


def _hello(fields: Sequence[str]) -> Hello:
    nonce, protocol, maker, model, serial, firmware, boot, max_on_ms, flags = fields
    identity = Identity(
        maker=maker,
        model=model,
        serial=serial,
        firmware=firmware,
        protocol=protocol,
        boot=_count("boot", boot),
        max_on_ms=_count("max_on_ms", max_on_ms),
        simulated=_choose("flags", _FLAGS, flags),
    )
    return Hello(_run(nonce), identity)


def _status(fields: Sequence[str], at_ns: int) -> DeviceReport:
    state, run, on_ms, end, boot, drive_ma, drive_hz, drive_mw, temp_dc, dry, fault = fields
    report = DeviceReport(
        at_ns=at_ns,
        output=_choose("state", _OUTPUTS, state),
        run=None if run == "-" else _run(run),
        on_ms=_count("on_ms", on_ms),
        end=_choose("end", _ENDS, end),
        boot=_count("boot", boot),
        drive_ua=_tenths("drive_mA", drive_ma) * 100,
        drive_hz=_count("drive_Hz", drive_hz),
        drive_uw=_count("drive_mW", drive_mw) * 1000,
        temp_mc=_temperature(temp_dc),
        dry=_choose("dry", _BITS, dry),
        fault=_choose("fault", _FAULTS, fault),
    )
    _check_sense(report)
    return report


def _check_sense(report: DeviceReport) -> None:
    # a report that contradicts itself must not tell anybody that the output is off
    is_on = report.output is not Output.OFF
    if is_on != (report.end is EndCause.NONE):
        raise _OddFieldError(f"state {report.output.value} together with end cause {report.end.value}")
    if report.run is None and (is_on or report.on_ms):
        raise _OddFieldError("on-time without a run")


def _last(fields: Sequence[str]) -> RunOutcome:
    run, on_ms, end, boot = fields
    outcome = RunOutcome(
        run=None if run == "-" else _run(run),
        on_ms=_count("on_ms", on_ms),
        end=_choose("end", _ENDS, end),
        boot=_count("boot", boot),
    )
    if outcome.run is None and outcome.on_ms:
        raise _OddFieldError("on-time without a run")
    return outcome


def _count(name: str, text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise _OddFieldError(f"{name} {text!r} is no whole number")
    return int(text)


def _tenths(name: str, text: str) -> int:
    match = _TENTHS.fullmatch(text)
    if match is None:
        raise _OddFieldError(f"{name} {text!r} is no number with one decimal")
    return int(match[1]) * 10 + int(match[2])


def _temperature(text: str) -> int | None:
    if text == "-":
        return None
    negative = text.startswith("-") and text != "-0"
    tenths = _count("temp_dC", text[1:] if negative else text)
    return (-tenths if negative else tenths) * 100


def _run(text: str) -> str:
    if not is_run(text):
        raise _OddFieldError(f"{text!r} is not eight lower-case hexadecimal digits")
    return text


def _choose(name: str, choices: Mapping[str, Chosen], text: str) -> Chosen:
    if text not in choices:
        raise _OddFieldError(f"{name} {text!r} is none of {', '.join(choices)}")
    return choices[text]
