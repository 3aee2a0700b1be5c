"""The program of an Alicat's serial port: lines in, lines out. A foreign ID is none of its business.

Serial commands are not case-sensitive. What the sources leave open is said where it is decided.
Source: see `alicat.tables`.
"""

import re
from collections.abc import Callable

from nebctl_simulators.alicat.listings import Row, describe_columns, describe_maker, list_gases
from nebctl_simulators.alicat.loop import ABSOLUTE, DIFFERENCE, GAUGE, MASS, MOST_OVER, VOLUME, Loop, Reading
from nebctl_simulators.alicat.model import Model
from nebctl_simulators.alicat.tables import (
    CODES,
    FLOW_UNITS,
    FOR_CONTROLLERS,
    GASES,
    RAMP_TIMES,
    SINCE,
    FlowUnit,
)

STREAMING = "@"
LEGACY_FULL_SCALE = 64_000
REFUSED = "?"
Answer = list[str] | None

BARE = {"HP", "$$H", "HC", "C", "$$C", "V", "$$V", "P", "PC", "$$PC", "L", "$$L", "U", "$$U", "VE"}
"""Words that take no argument."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_REGISTER = re.compile(r"(?:\$\$)?([RW]) ?([0-9]{1,3})(?:=([0-9]{1,5}))?")
_WORDS = re.compile(r"(\$\$[A-Z]+|\?\?[A-Z]|LSRC|LSS|LS|GS|FPF|NCS|VE|SR|HP|HC|PC|[SGCVPTLU@])(.*)")


class Head:
    """One instrument on the line. `readings` are what it shows; None: what the sensors say now."""

    def __init__(self, *, letter: str, serial: str, model: Model, loop: Loop) -> None:
        self.model = model
        self.loop = loop
        self.serial = serial
        self.home = letter
        self.frozen: Reading | None = None
        self.adc_error = False
        self.restart()

    def restart(self) -> None:
        """Come up after a loss of power: ID, gas and unit are kept, the rest is not."""
        self.letter = self.home
        self.unit = FLOW_UNITS[self.model.flow_unit]
        self.gas = 0
        self.locked = False
        self.missed_flow = False
        self.analog = False
        self.stream_ms = 50
        self._ramp_time = 4
        self._registers = {21: 200, 22: 5000, 23: 0, 85: 1, 91: 50}

    def is_meant(self, line: str) -> bool:
        """Tell whether a line begins with this unit's ID."""
        return line[:1].upper() == self.letter

    def obey(self, line: str) -> Answer:
        """Act on one line that is meant for this unit and return the lines of the answer; None: silence."""
        body = line[1:].strip()
        if self.letter == STREAMING and not body.startswith(STREAMING):
            return None
        return self._act(body.upper())

    def frame(self) -> str:
        """Return the data frame; a streamed one has no ID."""
        reading = self.frozen or self.loop.read()
        unit = self.unit
        values = [_signed(reading.absolute_psi, 7, 2), _signed(reading.temperature_c, 7, 2)]
        values += [_flow(reading.volumetric, unit), _flow(reading.mass, unit)]
        if self.model.controller:
            values.append(self._set_point(self.loop.current))
        if self.model.totalizer:
            values.append(_signed(reading.total * unit.per_litre, 10, 1))
        words = [*([] if self.letter == STREAMING else [self.letter]), *values, f"{GASES[self.gas][0]:>6}"]
        return " ".join([*words, *self._codes(reading)])

    def _codes(self, reading: Reading) -> list[str]:
        over = abs(reading.mass) >= MOST_OVER * self.loop.full_scale * 0.99
        self.missed_flow |= over and self.model.totalizer
        there = {
            "POV": self.loop.trouble.kinked and self.loop.gauge_pa() > 0,
            "VOV": over,
            "MOV": over,
            "TMF": self.missed_flow,
            "HLD": self.loop.hold is not None,
            "LCK": self.locked,
        }
        return ["ADC"] * self.adc_error + [code for code in CODES if there.get(code)]

    def _act(self, body: str) -> Answer:
        if not body:
            return [self.frame()]
        if re.fullmatch(r"[0-9]{1,5}", body):
            return self._for_valve(lambda: self._set_legacy(int(body)))
        if match := _REGISTER.fullmatch(body):
            return self._register(match[1], int(match[2]), match[3])
        match = _WORDS.fullmatch(body)
        if match is None:
            return [REFUSED]
        word, rest = match[1], match[2].strip()
        if word in FOR_CONTROLLERS | {"$$H", "$$C"} and not self.model.controller:
            return None
        if self.model.version < SINCE.get(word, (0, 0)):
            return [REFUSED]
        act = _ACTS.get(word)
        if act is None or (rest and word in BARE):
            return [REFUSED]
        return act(self, rest)

    def _for_valve(self, act: Callable[[], Answer]) -> Answer:
        return act() if self.model.controller else None

    def _set_legacy(self, count: int) -> Answer:
        return self._request(min(count, 65_535) / LEGACY_FULL_SCALE * self.loop.full_scale)

    def _request(self, value: float) -> Answer:
        if not self.analog:  # set-points by wire are ignored while the analogue input gives them
            self.loop.request(value)
        return [self.frame()]

    def set(self, rest: str) -> Answer:
        """S: a new set-point."""
        value = _number(rest)
        return [REFUSED] if value is None else self._request(value / self._scale)

    def set_or_ask(self, rest: str) -> Answer:
        """LS: a new set-point, or the present and the requested one."""
        value = _number(rest)
        if rest and value is None:
            return [REFUSED]
        if value is not None and not self.analog:
            self.loop.request(value / self._scale)
        current, requested = self._set_point(self.loop.current), self._set_point(self.loop.requested)
        return [f"{self.letter} {current} {requested} {self._scale_unit}"]

    def source(self, rest: str) -> Answer:
        """LSS: who gives the set-point."""
        if rest and rest not in ("S", "U", "A"):
            return [REFUSED]
        if rest:
            self.analog = rest == "A"
            self.loop.request(0.0)  # an analogue input that nothing is connected to
        return [f"{self.letter} {'A' if self.analog else 'S'}"]

    def choose_gas(self, rest: str) -> Answer:
        """G: another gas, answered by a data frame."""
        return [self.frame()] if self._take_gas(rest) else [REFUSED]

    def choose_or_ask_gas(self, rest: str) -> Answer:
        """GS: another gas, or the present one."""
        if rest and not self._take_gas(rest.split(maxsplit=1)[0]):
            return [REFUSED]
        short, name = GASES[self.gas]
        return [f"{self.letter} {self.gas} {short} {name}"]

    def _take_gas(self, text: str) -> bool:
        if not text.isdecimal() or int(text) not in GASES:
            return False
        self.gas = int(text)
        return True

    def hold_position(self, _rest: str) -> Answer:
        """HP: the valve stays where it is."""
        self.loop.hold = "position"
        return [self.frame()]

    def hold_closed(self, _rest: str) -> Answer:
        """HC: the valve shuts."""
        self.loop.hold = "closed"
        return [self.frame()]

    def end_hold(self, _rest: str) -> Answer:
        """C: the loop has the valve again."""
        self.loop.hold = None
        return [self.frame()]

    def tare_flow(self, _rest: str) -> Answer:
        """V: what flows now counts as nothing."""
        self.loop.tare_flow()
        return [self.frame()]

    def tare_gauge(self, _rest: str) -> Answer:
        """P: refused, this model has no gauge sensor."""
        return [REFUSED]

    def tare_absolute(self, _rest: str) -> Answer:
        """PC: to the barometer; the sensor is right already."""
        return [self.frame()]

    def total(self, rest: str) -> Answer:
        """T: see `Model.bare_t`; with a number it resets that totalizer."""
        if rest and rest not in ("1", "2"):
            return [REFUSED]
        if not rest and self.model.bare_t == "tare":
            return self.tare_flow(rest)
        self.loop.total, self.missed_flow = 0.0, False
        return [self.frame()]

    def lock(self, _rest: str) -> Answer:
        """L: no buttons."""
        self.locked = True
        return [self.frame()]

    def unlock(self, _rest: str) -> Answer:
        """U: buttons again."""
        self.locked = False
        return [self.frame()]

    def ramp(self, rest: str) -> Answer:
        """SR: the greatest change of the set-point a unit of time."""
        words = rest.split()
        if words:
            rate = _number(words[0])
            if len(words) != 2 or rate is None or not words[1].isdecimal() or int(words[1]) not in RAMP_TIMES:
                return [REFUSED]
            self._ramp_time = int(words[1])
            self.loop.ramp.rate_s = abs(rate) / self._scale / RAMP_TIMES[self._ramp_time][1]
        name, seconds = RAMP_TIMES[self._ramp_time]
        shown = self.loop.ramp.rate_s * self._scale * seconds
        number, unit = self._scale_unit.split()
        return [f"{self.letter} {shown:.7f} {number} {self._ramp_time} {unit}/{name}"]

    def ramp_flags(self, rest: str) -> Answer:
        """LSRC: where the ramp applies."""
        flags, ramp = rest.split(), self.loop.ramp
        if flags:
            if len(flags) != 4 or not set(flags) <= {"0", "1"}:
                return [REFUSED]
            ramp.up, ramp.down, ramp.zero, ramp.power = (flag == "1" for flag in flags)
        return [f"{self.letter} {ramp.up:d} {ramp.down:d} {ramp.zero:d} {ramp.power:d}"]

    def full_scale_of(self, rest: str) -> Answer:
        """FPF: the full scale of one statistic."""
        if rest in ("4", "5", "36", "37"):
            unit = self.unit
            name = unit.volumetric if rest in ("4", "36") else unit.name
            return [f"{self.letter} {_flow(self.loop.full_scale, unit)} {unit.number} {name}"]
        ends = {"2": "+160.00 10 PSIA", "34": "+160.00 10 PSIA", "3": "+050.00 2 `C"}
        return [f"{self.letter} {ends[rest]}" if rest in ends else REFUSED]

    def firmware(self, _rest: str) -> Answer:
        """VE: the firmware."""
        return [f"{self.letter}   {self.model.firmware} Jan  9 2025,15:04:07"]

    def change_letter(self, rest: str) -> Answer:
        """@: another ID; the ID @ means streaming, and leaving it ends the stream."""
        wanted = rest.removeprefix("=").strip()
        if not re.fullmatch(r"[A-Z@]", wanted):
            return None if self.letter == STREAMING else [REFUSED]
        self.letter = wanted
        if wanted == STREAMING:
            return None
        self.home = wanted
        return [self.frame()]

    def stream_interval(self, rest: str) -> Answer:
        """NCS: the milliseconds between streamed frames."""
        if rest and (not rest.isdecimal() or not 1 <= int(rest) <= 65_535):
            return [REFUSED]
        if rest:
            self.stream_ms = int(rest)
        return [f"{self.letter} {self.stream_ms}"]

    def describe(self, rest: str) -> Answer:
        """??M: who made it; `*` gives all lines, a number one."""
        shown = describe_maker(self.letter, self.model.name, self.serial, self.model.firmware)
        if rest == "*":
            return shown
        return [shown[int(rest)]] if rest.isdecimal() and int(rest) < len(shown) else [REFUSED]

    def columns(self, rest: str) -> Answer:
        """??D: what the data frame holds."""
        set_point = self._set_point_row() if self.model.controller else None
        table = describe_columns(self.letter, self.unit, set_point, totalizer=self.model.totalizer)
        return table if rest == "*" else [REFUSED]

    def gases(self, rest: str) -> Answer:
        """??G: the gases that it knows."""
        return list_gases(self.letter) if rest == "*" else [REFUSED]

    def _set_point_row(self) -> Row:
        number, unit = self._scale_unit.split()
        names = {MASS: "Mass Flow Setpt", VOLUME: "Volu Flow Setpt"}
        digits = f"{self.unit.width}/{self.unit.decimals}" if self.loop.variable in names else "7/2"
        name = names.get(self.loop.variable, "Press Setpt")
        return f"{self.loop.variable:03d}", name, "s decimal", digits, f"{int(number):03d} 02 {unit}"

    @property
    def _scale(self) -> float:
        return self.unit.per_litre if self.loop.variable in (MASS, VOLUME) else 1.0

    @property
    def _scale_unit(self) -> str:
        names = {
            MASS: self.unit.name,
            VOLUME: self.unit.volumetric,
            ABSOLUTE: "PSIA",
            GAUGE: "PSIG",
            DIFFERENCE: "PSID",
        }
        number = self.unit.number if self.loop.variable in (MASS, VOLUME) else 10
        return f"{number} {names[self.loop.variable]}"

    def _set_point(self, value: float) -> str:
        flows = self.loop.variable in (MASS, VOLUME)
        return _flow(value, self.unit) if flows else _signed(value, 7, 2)

    def _register(self, way: str, number: int, text: str | None) -> Answer:
        if (way == "W") != (text is not None):
            return [REFUSED]
        if text is not None:
            self._write_register(number, int(text))
        value = {122: self.loop.variable, 46: self.gas, 91: self.stream_ms}.get(number, self._registers.get(number))
        return [REFUSED] if value is None else [f"{self.letter}   {number:03d} = {value}"]

    def _write_register(self, number: int, value: int) -> None:
        """Write what can be; a read-back shows what was not taken, and a value out of range is not."""
        if number == 122 and value in (MASS, VOLUME, ABSOLUTE, GAUGE, DIFFERENCE):
            self.loop.variable = value
        elif number == 46 and value & 0x1FF in GASES:
            self.gas = value & 0x1FF
        elif number == 91 and value:
            self.stream_ms = value
        elif number in self._registers:
            self._registers[number] = value


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _signed(value: float, width: int, decimals: int) -> str:
    return f"{round(value, decimals) + 0.0:+0{width}.{decimals}f}"


def _flow(litres: float, unit: FlowUnit) -> str:
    return _signed(litres * unit.per_litre, unit.width, unit.decimals)


_ACTS: dict[str, Callable[[Head, str], Answer]] = {
    "S": Head.set,
    "LS": Head.set_or_ask,
    "LSS": Head.source,
    "LSRC": Head.ramp_flags,
    "SR": Head.ramp,
    "G": Head.choose_gas,
    "GS": Head.choose_or_ask_gas,
    "HP": Head.hold_position,
    "$$H": Head.hold_position,
    "HC": Head.hold_closed,
    "C": Head.end_hold,
    "$$C": Head.end_hold,
    "V": Head.tare_flow,
    "$$V": Head.tare_flow,
    "P": Head.tare_gauge,
    "PC": Head.tare_absolute,
    "$$PC": Head.tare_absolute,
    "T": Head.total,
    "L": Head.lock,
    "$$L": Head.lock,
    "U": Head.unlock,
    "$$U": Head.unlock,
    "VE": Head.firmware,
    "FPF": Head.full_scale_of,
    "@": Head.change_letter,
    "NCS": Head.stream_interval,
    "??M": Head.describe,
    "??D": Head.columns,
    "??G": Head.gases,
}
