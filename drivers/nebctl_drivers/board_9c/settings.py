"""What the board is told before a run, read back before anything is started.

Cold mist only: a heated suspension of vesicles is spoilt. A later run never inherits an earlier one's settings, because
the board keeps them in an EEPROM or forgets them with the power, as its firmware has it.
"""

from dataclasses import dataclass, replace
from typing import TypeVar

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.bus import Permit, Reply, Seat
from nebctl_drivers.reading import read

from .dialect import Answer, Request, Told
from .payloads import Command, Config, Runtime, Status
from .profile import Board9CProfile
from .starting import MS_PER_MINUTE, explain_refusal, refuse

UNKNOWN_COMMAND = 0x7F
MOST_MINUTES = 60
ADVICE = "Check cable, power and firmware (docs/devices/board-9c.md)."
Data = TypeVar("Data", Status, Config, Runtime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The settings of a run; the board counts `minutes` down by itself."""

    minutes: int
    air_level: int
    mist_level: int

    def requests(self) -> tuple[Request, ...]:
        """Return the commands that set it; the time comes last, because setting the mode sets the countdown too."""
        return (
            Request(Command.SET_MODE, b"\x01"),
            Request(Command.SET_KEEP_WARM, b"\x00"),
            Request(Command.SET_AIR_LEVEL, bytes((self.air_level,))),
            Request(Command.SET_MIST_LEVEL, bytes((self.mist_level,))),
            Request(Command.SET_TIME, self.minutes.to_bytes(2, "little")),
        )

    def differs(self, config: Config) -> str:
        """Return what is not as wanted; empty where all is."""
        pairs = (
            ("mode", "hot" if config.hot else "cold", "cold"),
            ("time", f"{config.duration_s} s", f"{self.minutes * 60} s"),
            ("air level", config.air_level, self.air_level),
            ("mist level", config.mist_level, self.mist_level),
        )
        return ", ".join(f"{name} {seen}" for name, seen, wanted in pairs if seen != wanted)


def whole_minutes(left_ms: int) -> int:
    """Return the time to set for `left_ms`, rounded down; 0 where not one whole minute is left."""
    return min(MOST_MINUTES, left_ms // MS_PER_MINUTE)


async def settle(
    seat: Seat[Request, Told], wanted: Wanted, profile: Board9CProfile, permit: Permit
) -> CommandFailed | None:
    """Set the board up for a cold run, each command once, and prove it by a read-back; None means that all is set.

    A lost answer is not asked for again: the read-back decides.
    """
    can_keep_warm = True
    for request in wanted.requests():
        result = await seat.ask(request, permit)
        if isinstance(result, CommandFailed):
            return replace(result, command="START", certainty=Certainty.NOT_DONE)
        if not isinstance(result, Reply) or not isinstance(result.answer, Answer):
            continue
        error = result.answer.error
        if request.command is Command.SET_KEEP_WARM and error == UNKNOWN_COMMAND:
            can_keep_warm = False  # a firmware without the switch has nothing to switch off
        elif error:
            return explain_refusal(f"START: {request.command.name}", error, profile)
    config = await _read_config(seat, wanted, permit)
    if isinstance(config, CommandFailed):
        return config
    status = await _read_cold(seat, permit)
    if isinstance(status, CommandFailed):
        return status
    kept = {config.keep_warm, status.keep_warm} - {None}
    if kept == {False} or not (kept or can_keep_warm):
        return None
    seen = "keep-warm on" if True in kept else "keep-warm neither on nor off"
    return refuse("START", seen, "keep-warm off, because a heated suspension is spoilt")


async def _read_config(seat: Seat[Request, Told], wanted: Wanted, permit: Permit) -> Config | CommandFailed:
    def parse(reply: Reply[Told]) -> Config | str:
        config = data_of(reply, Config)
        return config if isinstance(config, str) else (wanted.differs(config) or config)

    expected = f"cold, {wanted.minutes * 60} s, air level {wanted.air_level}, mist level {wanted.mist_level}"
    found = await read(
        seat,
        Request(Command.GET_CONFIG),
        name="START",
        parse=parse,
        expected=expected,
        advice="Nothing was started. " + ADVICE,
        permit=permit,
    )
    return replace(found, certainty=Certainty.NOT_DONE) if isinstance(found, CommandFailed) else found


async def _read_cold(seat: Seat[Request, Told], permit: Permit) -> Status | CommandFailed:
    def parse(reply: Reply[Told]) -> Status | str:
        status = data_of(reply, Status)
        return "mode hot" if isinstance(status, Status) and status.hot else status

    found = await read(
        seat,
        Request(Command.GET_STATUS),
        name="START",
        parse=parse,
        expected="mode cold",
        advice="Nothing was started. " + ADVICE,
        permit=permit,
    )
    return replace(found, certainty=Certainty.NOT_DONE) if isinstance(found, CommandFailed) else found


def data_of(reply: Reply[Told], kind: type[Data]) -> Data | str:
    """Return what a query asked for, or what came instead."""
    answer = reply.answer
    if not isinstance(answer, Answer):
        return "something that is no answer"
    if answer.error:
        return f"refused with {answer.error:#04x}"
    return answer.data if isinstance(answer.data, kind) else f"an ACK without {kind.__name__.upper()}"
