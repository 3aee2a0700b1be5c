"""What answers at a port: harmless questions of every family that nebctl knows, at the usual rates.

Nothing asked here moves, starts, stops or sets anything, also not at a device of another family: no line of it is a
command of an Alicat controller or of a balance. `I4`, by which a balance tells its number, is not asked for that
reason: a controller with the id I takes it for a set-point. HELLO is not either: it turns a mesh controller off.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nebctl.core.device import CommandFailed
from nebctl.ports import Link
from nebctl_drivers.address import Address, Framing, Kind, LineSettings, read_address
from nebctl_drivers.alicat_ascii.frames import AlicatGrammar, Ask, Frame, Query, Streamed
from nebctl_drivers.balance.frames import Command as BalanceCommand
from nebctl_drivers.balance.frames import Fault, Hindered, MtSicsGrammar, Weighed
from nebctl_drivers.board_9c.dialect import Board9CDialect
from nebctl_drivers.board_9c.dialect import Request as BoardRequest
from nebctl_drivers.board_9c.payloads import Command as BoardCommand
from nebctl_drivers.exchange import Answered, Dialect, Unasked
from nebctl_drivers.lines import LineDialect
from nebctl_drivers.link import open_link
from nebctl_drivers.mesh_reference.dialect import Command, MeshDialect
from nebctl_drivers.modbus import Denied, Outcome
from nebctl_drivers.modbus_nebulizer.station import Station, Taken, holds, words_of
from nebctl_drivers.modbus_rtu import ModbusRtu
from nebctl_drivers.modbus_tcp import ModbusTcp
from nebctl_drivers.profiles import Profile, find_profile, installed_profiles
from nebctl_drivers.registry import with_scheme

RATES = (115_200, 19_200, 9_600)
"""The rates that the devices of the installed profiles come with."""
UNITS = (1, 40, 41)
"""The Modbus units that are asked: what a new device has as a rule, and those of a jet's profile."""
ANSWER_S = 0.3
"""How long an answer is awaited: the slowest profile's 200 ms, and the longest answer at 9600 baud."""
_LETTER = "A"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What answers at a port, in words; `profile` None where no installed one is known to fit.

    `url` is the one to read it by.
    """

    what: str
    profile: str | None
    url: str


@dataclass(frozen=True, slots=True)
class _Question:
    """One question of a family; `describe` says who answered, or None where that is no answer of this family."""

    profile: str
    dialect: Callable[[], Dialect[Any, Any]]
    request: Any
    describe: Callable[[Any], str | None]
    setting: str = ""


async def probe(url: str, *, trace: Path | None = None) -> tuple[Heard, ...] | CommandFailed:
    """Ask at a port until somebody answers; empty means that nobody did.

    A URL with a baud rate is asked at that rate alone. A port that cannot be opened, because another program holds it
    or for another reason, is a failure, and nothing was sent then.
    """
    address = read_address(url)
    if isinstance(address, CommandFailed):
        return address
    for place, modbus_tcp in _places(address):
        async with _open(place, trace) as talk:
            if isinstance(talk, CommandFailed):
                return talk
            heard = await _ask_modbus(talk, ModbusTcp) if modbus_tcp else await _ask_all(talk)
        if heard:
            return heard
    return ()


def _places(address: Address) -> Iterator[tuple[Address, bool]]:
    """Yield the address with each of the settings to try, and whether Modbus TCP is tried with them."""
    if address.kind is Kind.TCP and address.framing is Framing.TCP:
        yield address, True
    if address.kind is Kind.TCP or address.line.baudrate is not None:
        yield address, False
        return
    for rate in RATES:
        yield replace(address, line=LineSettings(baudrate=rate).over(address.line)), False


class _Talk:
    """An open link, and the questions that go over it."""

    def __init__(self, link: Link, place: Address) -> None:
        self._link = link
        self.place = place

    async def ask(self, question: _Question, times: int = 1) -> str | None:
        """Return who answers; None is silence, or what is not of the question's family."""
        dialect = question.dialect()
        for _ in range(times):
            dialect.reset()
            sent = dialect.encode(question.request)
            if self._link.write(sent.frame) is not None:
                return None
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await self._listen(question, dialect, sent)
            except TimeoutError:
                continue
        return None

    async def _listen(self, question: _Question, dialect: Dialect[Any, Any], sent: Any) -> str | None:
        while not isinstance(data := await self._link.read(), CommandFailed):
            for heard in dialect.feed(data, [sent]):
                if isinstance(heard, Answered | Unasked) and (who := question.describe(heard.answer)) is not None:
                    return who
        return None

    def found(self, what: str, profile: str | None, setting: str = "") -> Heard:
        """Return what was found, with the URL to read it by."""
        return Heard(what=what, profile=profile, url=_write_url(self.place, setting))


@asynccontextmanager
async def _open(place: Address, trace: Path | None) -> AsyncIterator[_Talk | CommandFailed]:
    link = open_link(place.url, trace=trace, defaults=place.line)
    failure = link if isinstance(link, CommandFailed) else await link.open()
    if isinstance(failure, CommandFailed):
        yield failure
        return
    assert not isinstance(link, CommandFailed)
    try:
        yield _Talk(link, place)
    finally:
        link.close()


async def _ask_all(talk: _Talk) -> tuple[Heard, ...]:
    """Ask in every language; lines go first, and twice, so that no rest of something else spoils them."""
    if talk.place.framing is Framing.RTU or talk.place.kind is Kind.TCP:
        for question in _QUESTIONS:
            who = await talk.ask(question, times=2)
            if who is not None:
                return (talk.found(who, question.profile, question.setting),)
    return await _ask_modbus(talk, ModbusRtu)


async def _ask_modbus(talk: _Talk, dialect: Callable[[], Dialect[Any, Any]]) -> tuple[Heard, ...]:
    """Return the units that answer; several may share the line."""
    found = []
    named = talk.place.unit
    for unit in UNITS if named is None else (named,):
        stranger = None
        for profile in _identified():
            who = await talk.ask(_identity_question(profile, unit, dialect))
            if who is None and stranger is None:
                break  # nobody there: a unit answers every question, if only to refuse it
            if who is not None and who != _STRANGER:
                found.append(talk.found(f"{who}, unit {unit}", profile.id, f"unit={unit}"))
                stranger = None
                break
            stranger = _STRANGER
        if stranger is not None:
            found.append(talk.found(f"{_STRANGER}, unit {unit}", None, f"unit={unit}"))
    return tuple(found)


_STRANGER = "a Modbus device that no installed profile identifies"


def _identified() -> list[Profile]:
    """Return the installed profiles by which a device proves who it is."""
    found = (find_profile(name) for name in installed_profiles() if name not in _NO_REGISTERS)
    return [profile for profile in found if isinstance(profile, Profile) and profile.identity]


_NO_REGISTERS = frozenset(("alicat-ascii", "board-9c", "jet-modbus", "mesh-reference", "mt-sics"))


def _identity_question(profile: Profile, unit: int, dialect: Callable[[], Dialect[Any, Any]]) -> _Question:
    station = Station(profile, unit)
    [block, *_] = station.blocks_of(profile.identity)

    def describe(outcome: Outcome) -> str | None:
        if isinstance(outcome, Denied):
            return _STRANGER
        words = words_of(outcome)
        if isinstance(words, str):
            return None
        values = station.measure({block.name: Taken(words, 0)}, 0)
        return f"{profile.maker} {profile.model}" if holds(profile.identity, values, profile) is True else _STRANGER

    return _Question(profile.id, dialect, station.read(block), describe)


def _describe_alicat(answer: Any) -> str | None:
    if isinstance(answer, Streamed):
        return "an Alicat controller that streams"
    return f"an Alicat controller, id {answer.unit}" if isinstance(answer, Frame) else None


def _describe_balance(answer: Any) -> str | None:
    return "a balance that speaks MT-SICS" if isinstance(answer, Weighed | Hindered | Fault) else None


_QUESTIONS = (
    _Question(
        "alicat-ascii",
        lambda: LineDialect(AlicatGrammar()),
        Query(_LETTER, Ask.FRAME),
        _describe_alicat,
        f"id={_LETTER}",
    ),
    _Question("mt-sics", lambda: LineDialect(MtSicsGrammar()), BalanceCommand.NOW, _describe_balance),
    _Question("mesh-reference", MeshDialect, Command("STAT"), lambda _: "a reference mesh controller"),
    _Question("board-9c", Board9CDialect, BoardRequest(BoardCommand.GET_STATUS), lambda _: "a 9C nebulizer main board"),
)


def _write_url(place: Address, setting: str) -> str:
    """Return the URL of a place with the settings under which it answered."""
    settings = [setting] if setting else []
    if place.kind is not Kind.TCP and place.line.baudrate is not None and "baudrate=" not in place.url:
        settings.insert(0, f"baudrate={place.line.baudrate}")
    url = with_scheme(place.url) if settings else place.url
    known = [item for item in settings if f"{item.partition('=')[0]}=" not in url]
    return url + ("&" if "?" in url else "?") * bool(known) + "&".join(known)
