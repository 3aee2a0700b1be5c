"""One bus for each physical port: devices that are given by URL share it, where they speak the same language there."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link

from .address import DEFAULT_BAUDRATE, Address, Framing, Kind, LineSettings
from .alicat_ascii.profile import AlicatProfile
from .alicat_ascii.source import AlicatBus
from .alicat_ascii.source import make_bus as make_alicat_bus
from .balance.device import BalanceBus
from .balance.device import make_bus as make_balance_bus
from .balance.profile import BalanceProfile
from .board_9c.dialect import Board9CDialect, Told
from .board_9c.dialect import Request as BoardRequest
from .bus import Bus
from .exchange import A, R
from .link import open_link
from .modbus import Outcome, Request
from .modbus_rtu import ModbusRtu, rtu_timing
from .modbus_tcp import ModbusTcp
from .profiles import Profile, gap_s, refuse_slow
from .timing import Timing

ADAPTER_LATENCY_MS = 16
"""How long an adapter may keep bytes back where nobody says otherwise: too much costs a failing read some time only.

Source: the latency timer that the kernel's ftdi_sio driver starts with; other adapters have less as a rule.
"""


BoardBus: TypeAlias = Bus[BoardRequest, Told]


class Language(Enum):
    """What is spoken on a port, in words for a person."""

    MODBUS_RTU = "Modbus RTU"
    MODBUS_TCP = "Modbus TCP"
    ALICAT = "Alicat ASCII"
    MT_SICS = "MT-SICS"
    MESH = "the reference mesh protocol"
    BOARD_9C = "the 9C host protocol"


@dataclass(slots=True)
class _Port:
    """A port that is taken: by whom, in which language, with which line; `bus` None where nobody else may join."""

    url: str
    language: Language
    line: LineSettings
    bus: Any


class Buses:
    """The ports of one process; `now_ns` is the host's monotonic time, `trace` the file that every byte goes to.

    `own_link` makes the link of a URL in a simulation that has its wires in memory, which no trace sees; None: the
    wires of this machine.
    """

    def __init__(
        self,
        *,
        now_ns: Callable[[], int],
        trace: Path | None = None,
        own_link: Callable[[str], Link | CommandFailed] | None = None,
    ) -> None:
        self._now_ns = now_ns
        self._own_link = own_link
        self._trace = trace
        self._ports: dict[str, _Port] = {}

    @property
    def now_ns(self) -> Callable[[], int]:
        """Return the host's monotonic time, for parts that stand on no port."""
        return self._now_ns

    def modbus(
        self, address: Address, *, defaults: LineSettings, answer_s: float, gap_s: float | None = None
    ) -> Bus[Request, Outcome] | CommandFailed:
        """Return the Modbus bus of a port; units on one port wait for as long as the slowest of them may take.

        `gap_s` is the silence between RTU frames, None for what the specification asks for.
        """
        line = address.line.over(defaults)
        if address.framing is Framing.TCP:
            timing = Timing(answer_s=answer_s)
            return self._join(
                address, Language.MODBUS_TCP, line, timing, lambda link: Bus(link, ModbusTcp(), timing, **self._time)
            )
        timing = rtu_timing(
            baud=line.baudrate or DEFAULT_BAUDRATE,
            char_bits=line.char_bits,
            answer_s=answer_s,
            latency_s=_latency_s(line),
        )
        timing = timing if gap_s is None else replace(timing, gap_s=gap_s)
        return self._join(
            address, Language.MODBUS_RTU, line, timing, lambda link: Bus(link, ModbusRtu(), timing, **self._time)
        )

    def for_profile(self, address: Address, profile: Profile) -> Bus[Request, Outcome] | CommandFailed:
        """Return the Modbus bus of a port for a device of `profile`, which says how its line is set and how slow it is.

        A block that would hold up a STOP at the port's own baud rate is refused.
        """
        serial, times = profile.serial, profile.bus
        defaults = LineSettings(
            baudrate=serial.baudrate,
            parity=serial.parity,
            stop_bits=serial.stop_bits,
            latency_ms=times.latency_ms or None,
        )
        baud = address.line.baudrate or serial.baudrate
        slow = refuse_slow(profile, baud) if address.framing is Framing.RTU else None
        if slow is not None:
            return slow
        return self.modbus(address, defaults=defaults, answer_s=times.answer_ms / 1000, gap_s=gap_s(profile, baud))

    def alicat(self, address: Address, *, defaults: LineSettings, profile: AlicatProfile) -> AlicatBus | CommandFailed:
        """Return the bus of a port with Alicat controllers, which are told apart by their letters."""
        line = address.line.over(defaults)
        baud = _baud(address, line)
        timing = _with_line(profile.timing(baud), line, baud)

        def make(link: Link) -> AlicatBus:
            return make_alicat_bus(link, baud=baud, profile=profile, **self._time)

        return self._join(address, Language.ALICAT, line, timing, make)

    def balance(
        self, address: Address, *, defaults: LineSettings, profile: BalanceProfile
    ) -> BalanceBus | CommandFailed:
        """Return the bus of a balance, which has its port for itself."""
        line = address.line.over(defaults)
        baud = _baud(address, line)
        timing = _with_line(profile.timing(baud), line, baud)

        def make(link: Link) -> BalanceBus:
            return make_balance_bus(link, baud=baud, profile=profile, **self._time)

        return self._join(address, Language.MT_SICS, line, timing, make, shared=False)

    def board_9c(self, address: Address, *, defaults: LineSettings, timing: Timing) -> BoardBus | CommandFailed:
        """Return the bus of a 9C board, which has its port for itself."""
        line = address.line.over(defaults)

        def make(link: Link) -> BoardBus:
            return Bus(link, Board9CDialect(), timing, **self._time)

        return self._join(address, Language.BOARD_9C, line, timing, make, shared=False)

    def link(self, address: Address, language: Language, *, defaults: LineSettings) -> Link | CommandFailed:
        """Return the link of a port for a device that makes its own bus, and has the port for itself."""
        line = address.line.over(defaults)
        refusal = self._refuse(address, language, line, shared=False)
        if refusal is not None:
            return refusal
        link = self._open(address.url, defaults)
        if not isinstance(link, CommandFailed):
            self._ports[address.bus_key] = _Port(address.url, language, line, None)
        return link

    def _open(self, url: str, defaults: LineSettings) -> Link | CommandFailed:
        if self._own_link is not None:
            return self._own_link(url)
        return open_link(url, trace=self._trace, defaults=defaults)

    @property
    def _time(self) -> dict[str, Callable[[], int]]:
        return {"now_ns": self._now_ns}

    def _join(
        self,
        address: Address,
        language: Language,
        line: LineSettings,
        timing: Timing,
        make: Callable[[Link], Bus[R, A]],
        *,
        shared: bool = True,
    ) -> Bus[R, A] | CommandFailed:
        """Return the bus that the port has, or a new one of these settings; or why it may not be had."""
        refusal = self._refuse(address, language, line, shared=shared)
        if refusal is not None:
            return refusal
        port = self._ports.get(address.bus_key)
        if port is not None:
            known: Bus[R, A] = port.bus
            known.timing = _slower(known.timing, timing)
            return known
        link = self._open(address.url, line)
        if isinstance(link, CommandFailed):
            return link
        bus = make(link)
        bus.timing = timing
        self._ports[address.bus_key] = _Port(address.url, language, line, bus if shared else None)
        return bus

    def _refuse(
        self, address: Address, language: Language, line: LineSettings, *, shared: bool
    ) -> CommandFailed | None:
        port = self._ports.get(address.bus_key)
        if port is None:
            return None
        if port.language is not language:
            seen = f"{language.value} on the port of {port.url}, which speaks {port.language.value}"
            return _fail(address, seen, "one language on a port", "Give this device a port of its own.")
        if not shared or port.bus is None:
            seen = f"a second device on the port of {port.url}"
            right = f"one device alone where {language.value} is spoken"
            return _fail(address, seen, right, "Give this device a port of its own.")
        wired = address.kind is not Kind.TCP or address.framing is Framing.RTU
        if wired and line.text() != port.line.text():
            seen = f"{line.text()} on the port of {port.url}, which has {port.line.text()}"
            advice = "Write the same baudrate, parity and stop_bits into every URL of the port."
            return _fail(address, seen, "one baud rate, parity and number of stop bits on a port", advice)
        return None


def _fail(address: Address, seen: str, expected: str, advice: str) -> CommandFailed:
    return CommandFailed(
        command=f"open {address.url}", certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice=advice
    )


def _baud(address: Address, line: LineSettings) -> int | None:
    """Return the baud rate that counts for the wire's own time; None for a TCP stream that says nothing of a line."""
    if address.kind is Kind.TCP and address.framing is Framing.TCP and address.line.baudrate is None:
        return None
    return line.baudrate or DEFAULT_BAUDRATE


def _latency_s(line: LineSettings) -> float:
    return (ADAPTER_LATENCY_MS if line.latency_ms is None else line.latency_ms) / 1000


def _with_line(timing: Timing, line: LineSettings, baud: int | None) -> Timing:
    """Return the timing of a dialect on this line; a TCP stream has no line."""
    return timing if baud is None else replace(timing, char_bits=line.char_bits, latency_s=_latency_s(line))


def _slower(one: Timing, other: Timing) -> Timing:
    return replace(
        one,
        answer_s=max(one.answer_s, other.answer_s),
        gap_s=max(one.gap_s, other.gap_s),
        latency_s=max(one.latency_s, other.latency_s),
    )
