"""What a device says to one Modbus unit: a read that may be asked again, and a write that is sent once."""

from dataclasses import replace
from typing import TypeAlias

from nebctl.core.device import Certainty, CommandFailed

from .modbus import Denied, Done, Odd, Outcome, Read, ReadInput, Request, Words, WriteRequest
from .reading import read
from .seat import Seat
from .timing import Permit, Reply, Silence

ModbusSeat: TypeAlias = Seat[Request, Outcome]
_ADVICE = "Check cable, power, unit ids and register map."


def say(outcome: Outcome) -> str:
    """Return an answer that is not the wanted one, in words."""
    match outcome:
        case Denied():
            return outcome.text()
        case Odd():
            return outcome.why
        case _:
            return f"a {type(outcome).__name__.lower()} answer of another kind"


async def read_words(
    seat: ModbusSeat, request: Read | ReadInput, name: str
) -> tuple[tuple[int, ...], int] | CommandFailed:
    """Return the registers and the time of their arrival in ns, asked for at most three times."""

    def parse(reply: Reply[Outcome]) -> tuple[tuple[int, ...], int] | str:
        return (reply.answer.values, reply.at_ns) if isinstance(reply.answer, Words) else say(reply.answer)

    return await read(seat, request, name=name, parse=parse, expected="registers of the unit's map", advice=_ADVICE)


async def write_once(
    seat: ModbusSeat, request: WriteRequest, name: str, permit: Permit | None = None
) -> CommandFailed | None:
    """Send a write once; None means acknowledged, and an exception of the unit means not done."""
    result = await seat.ask(request, permit)
    if isinstance(result, CommandFailed):
        return replace(result, command=name)
    if isinstance(result, Silence):
        return _fail(name, Certainty.UNKNOWN, result.seen)
    if isinstance(result.answer, Done):
        return None
    certainty = Certainty.NOT_DONE if isinstance(result.answer, Denied) else Certainty.UNKNOWN
    return _fail(name, certainty, say(result.answer))


def _fail(command: str, certainty: Certainty, seen: str) -> CommandFailed:
    expected = "the write to be acknowledged"
    return CommandFailed(command=command, certainty=certainty, seen=seen, expected=expected, advice=_ADVICE)
