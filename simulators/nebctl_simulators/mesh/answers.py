"""What can be wrong with a mesh controller's answer although its line is good."""

from collections.abc import Mapping
from enum import StrEnum

from nebctl_simulators.armed import Moment, Tag
from nebctl_simulators.mesh.controller import Reason
from nebctl_simulators.shim import Shim
from nebctl_simulators.values import ANY_DEVICE, Reach, tell_falsely

PLACES = {"current": 8, "frequency": 9, "power": 10, "temperature": 11}
"""Where in the answer to STAT the values stand (docs/wire-protocol.md, section 5)."""
REACHES: Mapping[str, Reach] = {
    "current": Reach(least=0, most=200),
    "frequency": Reach(least=90_000, most=150_000),
    "power": Reach(least=0, most=5000),
    "temperature": Reach(least=0, most=85),
}
"""In mA, Hz, mW and °C. Source of the frequencies: Microchip AN2265, 90 to 150 kHz; the others are assumed."""
VALUES = tuple(fault.value for fault in ANY_DEVICE)


class AnswerFault(StrEnum):
    """What can be wrong with an answer.

    REFUSE: refused, and nothing done; the code counts the reasons CMD, ARG, SEQ, STATE, MAXON, CUP and FAULT from 1 on,
    STATE without one. WRONG_NUMBER: another request's number. WRONG_COMMAND: another request's word. SHORT: the last
    field is missing.
    """

    REFUSE = "refuse"
    WRONG_NUMBER = "wrong_number"
    WRONG_COMMAND = "wrong_command"
    SHORT = "short"


def read_tag(payload: str) -> Tag:
    """Return what a request is about."""
    fields = payload.split(",")
    return Tag(command=fields[2] if len(fields) > 2 else None)


def refuse_request(payload: str, code: int | None) -> str | None:
    """Return the refusal of a request; None where it is too broken to refuse."""
    fields = payload.split(",")
    if len(fields) < 3:
        return None
    reasons = tuple(Reason)
    reason = reasons[code - 1] if code else Reason.STATE
    return f"N,{fields[1]},{fields[2]},{reason}"


def spoil_answer(answer: str, shim: Shim, now_ns: int, tag: Tag, at: Moment) -> str:
    """Return the answer as the armed faults let it be."""
    if tag.command == "STAT" and answer.startswith("A,"):
        answer = _tell(answer, shim, now_ns, tag, at)
    armed = shim.take((AnswerFault.WRONG_NUMBER, AnswerFault.WRONG_COMMAND, AnswerFault.SHORT), now_ns, tag)
    if armed is None:
        return answer
    fields = answer.split(",")
    match armed.fault:
        case AnswerFault.WRONG_NUMBER:
            fields[1] = str(int(fields[1]) % 65_535 + 1)
        case AnswerFault.WRONG_COMMAND:
            fields[2] = "BEAT" if fields[2] != "BEAT" else "STOP"
        case _:
            fields.pop()
    return ",".join(fields)


def _tell(answer: str, shim: Shim, now_ns: int, tag: Tag, at: Moment) -> str:
    fields = answer.split(",")
    values = {name: float(fields[place]) for name, place in PLACES.items() if fields[place] != "-"}
    if "temperature" in values:
        values["temperature"] /= 10
    told, _ = tell_falsely(shim, VALUES, values, REACHES, now_ns, tag, at)
    for name in (name for name, value in told.items() if value != values[name]):
        fields[PLACES[name]] = _write(name, told[name])
    return ",".join(fields)


def _write(name: str, value: float) -> str:
    if name == "current":
        return f"{max(0.0, value):.1f}"
    return str(round(value * 10) if name == "temperature" else max(0, round(value)))
