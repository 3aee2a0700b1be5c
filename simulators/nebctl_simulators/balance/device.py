"""The simulated balance whole: pan, program, power, cable, and a line with faults on it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from nebctl_simulators.balance.pan import Make, Pan, Trouble
from nebctl_simulators.balance.sics import LOGICAL, SYNTAX, TRANSMISSION, Sics
from nebctl_simulators.chassis import Chassis, Harm, line_faults
from nebctl_simulators.shim import Shim, Tag
from nebctl_simulators.simtime import SimTime
from nebctl_simulators.values import ANY_DEVICE, Reach, tell_falsely

LONGEST_LINE = 80
LOOK_NS = 20_000_000
"""A weight that is waited for, or watched, is looked at this often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One built balance: its maker's name for it, and the seed of its noise."""

    preset: str = "balance.220g"
    seed: int = 1


class AnswerFault(StrEnum):
    """What can be wrong with an answer: an error in its place, nothing done; or `SI` in front of a weight, not `S`.

    The last is how a widespread emulator answers, against the maker's manual.
    """

    SYNTAX_ERROR = "syntax_error"
    TRANSMISSION_ERROR = "transmission_error"
    LOGICAL_ERROR = "logical_error"
    BUSY = "busy"
    WRONG_ID = "wrong_id"


class PanFault(StrEnum):
    """What can be wrong on and around the pan, until it is cleared; each is what its name says.

    OTHER_UNIT, or UNITS_CHANGED: somebody chose milligrams. LEFT_REPEATING: somebody left SIR on; only the host can
    end it.
    """

    SHAKES = "shakes"
    DRIFTS = "drifts"
    DRIPS = "drips"
    NO_PAN = "no_pan"
    HAND = "hand"
    TUBING = "tubing"
    FROZEN = "frozen"
    OTHER_UNIT = "other_unit"
    UNITS_CHANGED = "units_changed"
    LEFT_REPEATING = "left_repeating"


VALUES = tuple(fault.value for fault in ANY_DEVICE)
REACHES: Mapping[str, Reach] = {"weight": Reach(least=0, most=220)}
"""In g."""
PER_GRAM = {"g": 1.0, "mg": 0.001}
WEIGHT = re.compile(r"(S [SD]) +(-?[0-9.]+) (g|mg)")
WHY_NOT = {
    "nan": "its values are decimal digits",
    "word_swapped": "MT-SICS has no registers",
    "bad_crc": "MT-SICS has no check",
    "second_master": "its line has two ends; on a bus take a Modbus device or an Alicat",
    "exception": "that is Modbus: take logical_error",
    "refuse": "take syntax_error, logical_error or busy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is really so, in ug; `cup_nl` is what was poured on the pan, and nothing ever leaves as aerosol."""

    t_ns: int
    emitted_nl: int
    cup_nl: int
    output: str
    load_ug: int
    net_ug: int
    tare_ug: int
    zero_ug: int
    stable: bool
    powered: bool
    plugged: bool


class Device(Chassis):
    """A balance. `load` gives what else lies on the pan in ug, such as a cup that empties; None: nothing."""

    harm = Harm(
        line=line_faults(checked=False),
        answers=tuple(fault.value for fault in AnswerFault),
        lasting=tuple(fault.value for fault in PanFault),
        values=VALUES,
        points=tuple(REACHES),
        terms=("command",),
        why_not=WHY_NOT,
    )

    def __init__(
        self,
        *,
        unit: Unit,
        serial: str,
        sim_time: SimTime,
        real_ns: int,
        make: Make | None = None,
        shown_unit: str = "g",
        load: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(unit=unit, serial=serial, sim_time=sim_time, real_ns=real_ns, shim=Shim(unit.seed))
        self._poured_nl = self._stands_ug = 0
        self._load = load or (lambda: 0)
        self._pan = Pan(make or Make(), unit.seed, self._weigh)
        self._shown_unit = shown_unit
        self._sics = Sics(pan=self._pan, serial=serial, unit=shown_unit, real_ns=real_ns)
        self._line = b""
        self._tag = Tag()
        self._tell()

    def put(self, weight_ug: int) -> None:
        """Put something on the pan beside what is poured, such as an empty cup; nothing takes it away again."""
        self._stands_ug += weight_ug

    def pour(self, volume_nl: int) -> None:
        """Pour into what stands on the pan; 1 nL weighs 1 ug."""
        self._poured_nl += volume_nl

    def empty_cup(self) -> int:
        """Take away what was poured and return it in nL."""
        drawn_nl, self._poured_nl = self._poured_nl, 0
        return drawn_nl

    def truth(self) -> Truth:
        """Return what is really so, as of the last step."""
        pan = self._pan
        return Truth(
            t_ns=self._sim_ns,
            emitted_nl=0,
            cup_nl=self._poured_nl,
            output="OFF",
            load_ug=pan.true_ug,
            net_ug=pan.net_ug,
            tare_ug=pan.tare_ug,
            zero_ug=pan.zero_ug,
            stable=pan.is_stable,
            powered=self._powered,
            plugged=self.is_plugged,
        )

    def _weigh(self) -> int:
        return self._poured_nl + self._stands_ug + self._load()

    def _is_on(self) -> bool:
        return False

    def _advance(self, dt_ns: int) -> None:
        self._suffer()
        if not self._has(PanFault.FROZEN):
            self._pan.advance(dt_ns)
        if self._powered:
            self._sics.advance(self._real_ns)
            self._tell()

    def _hear(self, data: bytes) -> None:
        for byte in data:
            if byte != 0x0A:
                self._line = (self._line + bytes([byte]))[-LONGEST_LINE - 1 :]
                continue
            line, self._line = self._line, b""
            self._take(line)

    def _take(self, line: bytes) -> None:
        text = line.removesuffix(b"\r").decode("latin-1")
        self._tag = Tag(command=text.split(" ", 1)[0] or None)
        self._shim.heard(line + b"\n", self._real_ns, self._tag)
        if not self._speaks or not text or len(line) > LONGEST_LINE or self._is_refused(text):
            return
        self._sics.hear(text)
        self._tell()

    def _is_refused(self, text: str) -> bool:
        refusals = {
            AnswerFault.SYNTAX_ERROR: SYNTAX,
            AnswerFault.TRANSMISSION_ERROR: TRANSMISSION,
            AnswerFault.LOGICAL_ERROR: LOGICAL,
            AnswerFault.BUSY: f"{'S' if text.startswith('S') else text.split(' ', 1)[0]} I",
        }
        armed = self._shim.take(tuple(refusals), self._real_ns, self._tag)
        if armed is None:
            return False
        self._shim.answer(refusals[AnswerFault(armed.fault)].encode("latin-1") + b"\r\n", self._real_ns, self._tag)
        return True

    def _come_up(self) -> None:
        self._line = b""
        self._sics.restart()
        if self._powered:
            self._tell()
        else:
            self._sics.said.clear()

    def _unasked_ns(self) -> int | None:
        repeat_ns = self._sics.next_repeat_ns
        if self._sics.waits:
            return min(self._real_ns + LOOK_NS, repeat_ns or self._real_ns + LOOK_NS)
        return repeat_ns

    def _tell(self) -> None:
        for line in self._sics.said:
            if not self._speaks:
                continue
            said = self._tell_falsely(line)
            if line.startswith("S ") and self._shim.take((AnswerFault.WRONG_ID,), self._real_ns, self._tag):
                said = f"SI{said[1:]}"
            self._shim.answer(f"{said}\r\n".encode("latin-1"), self._real_ns, self._tag)
        self._sics.said.clear()

    def _tell_falsely(self, line: str) -> str:
        match = WEIGHT.fullmatch(line) if self._shim.has_any(VALUES) else None
        if match is None:
            return line
        values = {"weight": float(match[2]) * PER_GRAM[match[3]]}
        told, _ = tell_falsely(self._shim, VALUES, values, REACHES, self._real_ns, self._tag, self.moment())
        if told == values:
            return line
        decimals = len(match[2].partition(".")[2])
        return f"{match[1]} {told['weight'] / PER_GRAM[match[3]]:>10.{decimals}f} {match[3]}"

    def _suffer(self) -> None:
        there = self._has_any(PanFault)
        self._pan.trouble = Trouble(
            shakes=PanFault.SHAKES in there,
            drifts=PanFault.DRIFTS in there,
            drips=PanFault.DRIPS in there,
            no_pan=PanFault.NO_PAN in there,
            hand=PanFault.HAND in there,
            tubing=PanFault.TUBING in there,
        )
        self._sics.unit = "mg" if {PanFault.OTHER_UNIT, PanFault.UNITS_CHANGED} & there else self._shown_unit
        if PanFault.LEFT_REPEATING in self._until_ns:
            del self._until_ns[PanFault.LEFT_REPEATING]
            self._sics.leave_repeating()
