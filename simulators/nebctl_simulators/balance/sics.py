"""MT-SICS as a balance speaks it: levels 0 and 1, and a little of level 2. Lines in, lines out; no clock of its own.

What waits for a stable weight waits on real time, because the host does. Source: AT balances manual page 87, al-ic
operating instructions page 72, JS series operating instructions page 30 (what `@` and `SR` do), reference manual
11780711 as quoted by a client library; the width of ten characters rests on the last alone.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from nebctl_simulators.balance.pan import Pan

NS_PER_S = 1_000_000_000
PATIENCE_NS = 10 * NS_PER_S
"""Assumed: how long a balance waits for a stable weight before it answers `I`."""
REPEAT_NS = NS_PER_S // 10
"""Assumed: how often SIR sends."""
ADJUST_NS = 60 * NS_PER_S
WIDTH = 10
LEVELS = (
    (0, ("I0", "I1", "I2", "I3", "I4", "S", "SI", "SIR", "Z", "ZI", "@")),
    (1, ("SR", "T", "TA", "TAC", "TI")),
    (2, ("C3", "I11")),
)
UNITS = {"g": 1_000_000, "mg": 1_000, "kg": 1_000_000_000}
SYNTAX, TRANSMISSION, LOGICAL = "ES", "ET", "EL"

_WEIGHT = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) (g|mg|kg)")


@dataclass(slots=True)
class Waiting:
    """A command that waits for a stable weight until `until_ns`."""

    command: str
    until_ns: int


@dataclass(slots=True)
class OnChange:
    """SR: `last_ug` is what was sent, `least_ug` the change that counts; None: 12.5 % of it, at least 30 steps."""

    last_ug: int
    least_ug: int | None
    moving: bool = False


class Sics:
    """The program from power-up on; `said` are the lines that wait to be sent, oldest first."""

    def __init__(self, *, pan: Pan, serial: str, unit: str, real_ns: int) -> None:
        self.pan = pan
        self.serial = serial
        self.unit = unit
        self.said: list[str] = []
        self._real_ns = real_ns
        self.next_repeat_ns: int | None = None
        self._queue: deque[str] = deque()
        self._waiting: Waiting | None = None
        self._on_change: OnChange | None = None
        self._adjusts_until_ns: int | None = None
        self.restart()

    def restart(self) -> None:
        """Come up after a loss of power, and say the serial number, as after `@`."""
        self.pan.restart()
        self.said.clear()
        self._cancel()
        self._tell_serial()

    @property
    def waits(self) -> bool:
        """Whether something may have to be said as soon as the weight says so."""
        return self._waiting is not None or self._on_change is not None or self._adjusts_until_ns is not None

    def advance(self, real_ns: int) -> None:
        """Come to the present: answer what waited, and repeat what is to be repeated."""
        self._real_ns = real_ns
        if self._adjusts_until_ns is not None and real_ns >= self._adjusts_until_ns:
            self._adjusts_until_ns = None
            self.said.append("C3 A")
        self._settle()
        if self.next_repeat_ns is not None and real_ns >= self.next_repeat_ns:
            self.said.append(self._weigh("S"))
            self.next_repeat_ns = real_ns + REPEAT_NS
        if self._on_change is not None:
            self._watch(self._on_change)

    def hear(self, line: str) -> None:
        """Take one line of the host."""
        if line == "@":
            self._cancel()
            self.pan.tare_ug = 0
            self._tell_serial()
            return
        self._queue.append(line)
        self._settle()

    def leave_repeating(self) -> None:
        """Let SIR run as somebody left it."""
        self.next_repeat_ns = self._real_ns

    def text(self, value_ug: int) -> str:
        """Return a weight as the balance writes it: ten characters, a space, the unit."""
        per = UNITS[self.unit]
        decimals = max(0, len(str(per)) - len(str(self.pan.make.step_ug)))
        return f"{Decimal(value_ug) / per:>{WIDTH}.{decimals}f} {self.unit}"

    def _cancel(self) -> None:
        self._queue.clear()
        self._waiting = self.next_repeat_ns = self._on_change = self._adjusts_until_ns = None

    def _tell_serial(self) -> None:
        self.said.append(f'I4 A "{self.serial}"')

    def _settle(self) -> None:
        while self._waiting is None and self._queue:
            self._obey(self._queue.popleft())
            self._try_waiting()
        self._try_waiting()

    def _try_waiting(self) -> None:
        if self._waiting is None:
            return
        command = self._waiting.command
        if self.pan.range or self.pan.is_stable:
            self._waiting = None
            self.said.append(_STABLE[command](self, command))
        elif self._real_ns >= self._waiting.until_ns:
            self._waiting = None
            self._on_change = None
            self.said.append(f"{_name(command)} I")

    def _obey(self, line: str) -> None:
        command, _, rest = line.partition(" ")
        act = _COMMANDS.get(command)
        if act is None:
            self.said.append(SYNTAX)
        elif self._adjusts_until_ns is not None:
            self.said.append(f"{_name(command)} I")
        elif rest and command not in ("TA", "SR"):
            self.said.append(f"{_name(command)} L")
        else:
            if command in ("S", "SI", "SIR", "SR"):
                self.next_repeat_ns, self._on_change = None, None
            act(self, command, rest)

    def wait(self, command: str, _rest: str) -> None:
        """S, T, Z: as soon as the weight is stable."""
        self._waiting = Waiting(command, self._real_ns + PATIENCE_NS)

    def weigh_now(self, command: str, _rest: str) -> None:
        """SI: stable or not."""
        self.said.append(self._weigh(command))

    def repeat(self, _command: str, _rest: str) -> None:
        """SIR: now, and again until told otherwise."""
        self.said.append(self._weigh("S"))
        self.next_repeat_ns = self._real_ns + REPEAT_NS

    def repeat_on_change(self, command: str, rest: str) -> None:
        """SR: the stable weight, then whatever changes it."""
        match = _WEIGHT.fullmatch(rest)
        if rest and match is None:
            self.said.append("S L")
            return
        least_ug = None if match is None else _micrograms(match)
        self._on_change = OnChange(self.pan.net_ug, least_ug)
        self.wait(command, "")

    def tare_now(self, command: str, _rest: str) -> None:
        """TI: stable or not."""
        if self.pan.range:
            self.said.append(f"{command} {self.pan.range}")
            return
        self.pan.set_tare()
        self.said.append(f"{command} {self._steadiness} {self.text(self.pan.tare_ug)}")

    def tare_value(self, command: str, rest: str) -> None:
        """TA: the tare, asked or given."""
        match = _WEIGHT.fullmatch(rest)
        if rest and (match is None or _micrograms(match) > self.pan.make.capacity_ug):
            self.said.append(f"{command} L")
            return
        if match is not None:
            self.pan.tare_ug = self.pan.make.step_ug * round(_micrograms(match) / self.pan.make.step_ug)
        self.said.append(f"{command} A {self.text(self.pan.tare_ug)}")

    def clear_tare(self, command: str, _rest: str) -> None:
        """TAC: no tare."""
        self.pan.tare_ug = 0
        self.said.append(f"{command} A")

    def zero_now(self, command: str, _rest: str) -> None:
        """ZI: stable or not."""
        steadiness = self._steadiness
        self.said.append(f"{command} {self._zero() or steadiness}")

    def adjust(self, command: str, _rest: str) -> None:
        """C3: with the weight inside; a minute in which nothing else is done."""
        self._adjusts_until_ns = self._real_ns + ADJUST_NS
        self.said.append(f"{command} B")

    def list_commands(self, command: str, _rest: str) -> None:
        """I0: every command with its level, the last line with `A`."""
        every = [(level, name) for level, names in LEVELS for name in names]
        for place, (level, name) in enumerate(every, start=1):
            self.said.append(f'{command} {"A" if place == len(every) else "B"} {level} "{name}"')

    def tell(self, command: str, _rest: str) -> None:
        """I1 to I4, I11: what it is."""
        capacity = self.text(self.pan.make.capacity_ug).strip()
        texts = {
            "I1": '"012" "2.30" "2.20" "1.00" ""',
            "I2": f'"SIM-BALANCE {capacity}"',
            "I3": '"0.1.0 simulator"',
            "I4": f'"{self.serial}"',
            "I11": '"SIM-BALANCE"',
        }
        self.said.append(f"{command} A {texts[command]}")

    def weigh_stable(self, command: str) -> str:
        """Return the answer to S or SR once the weight is stable."""
        if command == "SR" and self._on_change is not None:
            self._on_change.last_ug = self.pan.net_ug
        return self._weigh("S")

    def tare_stable(self, command: str) -> str:
        """Return the answer to T once the weight is stable."""
        if self.pan.range:
            return f"{command} {self.pan.range}"
        self.pan.set_tare()
        return f"{command} S {self.text(self.pan.tare_ug)}"

    def zero_stable(self, command: str) -> str:
        """Return the answer to Z once the weight is stable."""
        return f"{command} {self._zero() or 'A'}"

    @property
    def _steadiness(self) -> str:
        return "S" if self.pan.is_stable else "D"

    def _zero(self) -> str:
        off = self.pan.in_zero_range()
        if not off:
            self.pan.set_zero()
        return off

    def _weigh(self, command: str) -> str:
        if self.pan.range:
            return f"{_name(command)} {self.pan.range}"
        return f"{_name(command)} {self._steadiness} {self.text(self.pan.net_ug)}"

    def _watch(self, change: OnChange) -> None:
        if self._waiting is not None:
            return
        net_ug, step_ug = self.pan.net_ug, self.pan.make.step_ug
        least_ug = max(30 * step_ug, abs(change.last_ug) // 8) if change.least_ug is None else change.least_ug
        if not change.moving and abs(net_ug - change.last_ug) >= least_ug:
            change.moving = True
            self.said.append(self._weigh("S"))
        if change.moving and self.pan.is_stable:
            change.moving, change.last_ug = False, net_ug
            self.said.append(self._weigh("S"))


def _name(command: str) -> str:
    """Return the word that an answer begins with: all weights answer as `S`."""
    return "S" if command in ("SI", "SIR", "SR") else command


def _micrograms(match: re.Match[str]) -> int:
    return int(Decimal(match[1]) * UNITS[match[2]])


_STABLE: dict[str, Callable[[Sics, str], str]] = {
    "S": Sics.weigh_stable,
    "SR": Sics.weigh_stable,
    "T": Sics.tare_stable,
    "Z": Sics.zero_stable,
}
_COMMANDS: dict[str, Callable[[Sics, str, str], None]] = {
    "S": Sics.wait,
    "SI": Sics.weigh_now,
    "SIR": Sics.repeat,
    "SR": Sics.repeat_on_change,
    "T": Sics.wait,
    "TI": Sics.tare_now,
    "TA": Sics.tare_value,
    "TAC": Sics.clear_tare,
    "Z": Sics.wait,
    "ZI": Sics.zero_now,
    "C3": Sics.adjust,
    "I0": Sics.list_commands,
    "I1": Sics.tell,
    "I2": Sics.tell,
    "I3": Sics.tell,
    "I4": Sics.tell,
    "I11": Sics.tell,
}
