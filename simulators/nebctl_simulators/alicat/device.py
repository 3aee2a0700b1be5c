"""The simulated gas controller whole: serial port, control loop, jet and cup, power, cable, and faults."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from nebctl_simulators.alicat.head import REFUSED, STREAMING, Head
from nebctl_simulators.alicat.loop import Loop, Reading, Trouble, emitted_nl
from nebctl_simulators.alicat.model import Model
from nebctl_simulators.alicat.tables import FLOW_UNITS
from nebctl_simulators.chassis import Chassis, Harm, line_faults
from nebctl_simulators.jet.cup import AL_PER_NL
from nebctl_simulators.jet.presets import Unit
from nebctl_simulators.shim import NS_PER_MS, Shim, Tag
from nebctl_simulators.simtime import SimTime
from nebctl_simulators.values import ANY_DEVICE, Reach, tell_falsely

LONGEST_LINE = 80


class AnswerFault(StrEnum):
    """What can be wrong with an answer.

    `?` instead of it (nothing is done), the next ID, one column too few; or another host asks the same instrument just
    before, and its question and the answer to it are heard too.
    """

    REFUSE = "refuse"
    WRONG_ID = "wrong_id"
    SHORT = "short"
    SECOND_MASTER = "second_master"


class GasFault(StrEnum):
    """What can be wrong with the instrument and its gas, until it is cleared; each is what its name says.

    OTHER_UNIT, or UNITS_CHANGED: somebody chose the other flow unit on the panel. LEFT_STREAMING: somebody left the
    stream on.
    """

    KINKED_TUBE = "kinked_tube"
    WEAK_COMPRESSOR = "weak_compressor"
    NO_GAS = "no_gas"
    STUCK_VALVE = "stuck_valve"
    ZERO_SHIFT = "zero_shift"
    OVER_RANGE = "over_range"
    ADC_ERROR = "adc_error"
    FROZEN = "frozen"
    OTHER_UNIT = "other_unit"
    UNITS_CHANGED = "units_changed"
    LEFT_STREAMING = "left_streaming"


VALUES = tuple(fault.value for fault in ANY_DEVICE)
POINTS = {"pressure": "absolute_psi", "temperature": "temperature_c", "volumetric": "volumetric", "mass": "mass"}
WHY_NOT = {
    "nan": "its values are decimal digits",
    "word_swapped": "its ASCII dialect has no registers",
    "bad_crc": "its dialect has no check",
    "busy": "it has no word for that",
    "exception": "that is Modbus: take refuse",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is really so: flows in mL/min under standard conditions, pressure in Pa above the atmosphere's.

    Volumes are of the jet's cup in nL, plant time in ns; `output` is RUN while the jet makes aerosol.
    """

    t_ns: int
    emitted_nl: int
    cup_nl: int
    output: str
    setpoint: float
    flow_sccm: int
    gauge_pa: int
    letter: str
    gas: int
    hold: str | None
    powered: bool
    plugged: bool


class Device(Chassis):
    """A gas controller, or a meter, with the jet and the cup behind it; it answers to `letter` alone.

    Raises: ValueError for an ID or a firmware that there cannot be.
    """

    harm = Harm(
        line=line_faults(checked=False),
        answers=tuple(fault.value for fault in AnswerFault),
        lasting=tuple(fault.value for fault in GasFault),
        values=VALUES,
        points=tuple(POINTS),
        terms=("unit", "command"),
        why_not=WHY_NOT,
    )

    def __init__(
        self,
        *,
        unit: Unit,
        serial: str,
        sim_time: SimTime,
        real_ns: int,
        letter: str = "A",
        model: Model | None = None,
    ) -> None:
        super().__init__(unit=unit, serial=serial, sim_time=sim_time, real_ns=real_ns, shim=Shim(unit.seed))
        self._model = model or Model()
        if not re.fullmatch(r"[A-Z]", letter):
            raise ValueError(f"an ID on the line is one letter from A to Z, got {letter!r}")
        if not re.fullmatch(r"[0-9]{1,2}v[0-9]{2}.*", self._model.firmware):
            raise ValueError(f"a firmware is such as 10v20.0-R24, got {self._model.firmware!r}")
        self._loop = Loop(unit, self._model.full_scale)
        self._head = Head(letter=letter, serial=serial, model=self._model, loop=self._loop)
        self._line = b""
        self._frozen: Reading | None = None
        self._stream_ns = real_ns
        full_scale = self._model.full_scale
        self._reaches: Mapping[str, Reach] = {
            "pressure": Reach(least=0, most=160),
            "temperature": Reach(least=-10, most=60),
            "volumetric": Reach(least=0, most=full_scale),
            "mass": Reach(least=0, most=full_scale),
        }

    def pour(self, volume_nl: int) -> None:
        """Pour into the jet's cup.

        Raises: ValueError for a volume that does not fit.
        """
        self._loop.pour(volume_nl)

    def empty_cup(self) -> int:
        """Draw what is in the cup and return it in nL."""
        return self._loop.empty_cup()

    def truth(self) -> Truth:
        """Return what is really so, as of the last step."""
        loop, cup = self._loop, self._loop.cup
        return Truth(
            t_ns=cup.at_ns,
            emitted_nl=emitted_nl(cup),
            cup_nl=-(-cup.volume_al // AL_PER_NL),
            output="RUN" if self._is_on() else "OFF",
            setpoint=loop.requested,
            flow_sccm=loop.sccm,
            gauge_pa=loop.gauge_pa(),
            letter=self._head.letter,
            gas=self._head.gas,
            hold=loop.hold,
            powered=self._powered,
            plugged=self.is_plugged,
        )

    def _is_on(self) -> bool:
        cup = self._loop.cup
        return self._loop.sccm > 0 and not cup.is_spent and cup.volume_al > 0

    def _advance(self, dt_ns: int) -> None:
        self._suffer()
        if not self._powered:
            self._loop.lose_power(dt_ns)
            return
        self._loop.advance(dt_ns)
        self._stream()

    def _stream(self) -> None:
        if self._head.letter != STREAMING:
            self._stream_ns = self._real_ns + self._head.stream_ms * NS_PER_MS
        elif self._real_ns >= self._stream_ns:
            if self._speaks:
                self._show(Tag(unit=ord(STREAMING), command="STREAM"))
                self._shim.send(self._head.frame().encode("ascii") + b"\r", self._real_ns)
                self._suffer()
            self._stream_ns = self._real_ns + self._head.stream_ms * NS_PER_MS

    def _hear(self, data: bytes) -> None:
        for byte in data:
            if byte != 0x0D:
                self._line = (self._line + bytes([byte]))[-LONGEST_LINE - 1 :]
                continue
            line, self._line = self._line, b""
            if len(line) <= LONGEST_LINE:
                self._take(line)

    def _take(self, line: bytes) -> None:
        text = line.strip(b"\n ").decode("latin-1")
        tag = Tag(unit=ord(self._head.letter), command=_word(text[1:]))
        self._shim.heard(line + b"\r", self._real_ns, tag if self._head.is_meant(text) else Tag())
        if not self._head.is_meant(text) or not self._speaks:  # the request may have set a fault off
            return
        self._show(tag)
        self._hear_another(tag)
        if self._shim.take((AnswerFault.REFUSE,), self._real_ns, tag):
            answer: list[str] | None = [REFUSED]
        else:
            answer = self._head.obey(text)
        self._suffer()  # what was shown falsely was so for this answer
        if answer is not None:
            spoilt = self._spoil(answer, tag)
            self._shim.answer("".join(f"{item}\r" for item in spoilt).encode("ascii"), self._real_ns, tag)
        self._stream_ns = self._real_ns + self._head.stream_ms * NS_PER_MS

    def _spoil(self, answer: list[str], tag: Tag) -> list[str]:
        armed = self._shim.take((AnswerFault.WRONG_ID, AnswerFault.SHORT), self._real_ns, tag)
        match armed and armed.fault:
            case AnswerFault.WRONG_ID:
                other = "B" if answer[0][:1] == "A" else "A"
                return [other + line[1:] for line in answer]
            case AnswerFault.SHORT:
                words = answer[0].split(" ")
                return [" ".join(words[:1] + words[2:]), *answer[1:]]
        return answer

    def _show(self, tag: Tag) -> None:
        """Let the instrument show what the armed faults of values make of its readings."""
        if not self._shim.has_any(VALUES):
            return
        true = self._head.frozen or self._loop.read()
        values = {point: float(getattr(true, name)) for point, name in POINTS.items()}
        told, _ = tell_falsely(self._shim, VALUES, values, self._reaches, self._real_ns, tag, self.moment())
        if told != values:
            self._head.frozen = replace(true, **{POINTS[point]: value for point, value in told.items()})

    def _hear_another(self, tag: Tag) -> None:
        if self._shim.take((AnswerFault.SECOND_MASTER,), self._real_ns, tag):
            letter = self._head.letter
            self._shim.send(f"{letter}\r{self._head.frame()}\r".encode("ascii"), self._real_ns)

    def _come_up(self) -> None:
        self._line = b""
        self._loop.restart()
        self._head.restart()

    def _unasked_ns(self) -> int | None:
        return self._stream_ns if self._head.letter == STREAMING else None

    def _suffer(self) -> None:
        there, head = self._has_any(GasFault), self._head
        self._loop.trouble = Trouble(
            kinked=GasFault.KINKED_TUBE in there,
            weak=GasFault.WEAK_COMPRESSOR in there,
            no_gas=GasFault.NO_GAS in there,
            stuck_valve=GasFault.STUCK_VALVE in there,
            zero_shift=GasFault.ZERO_SHIFT in there,
            over_range=GasFault.OVER_RANGE in there,
        )
        head.adc_error = GasFault.ADC_ERROR in there
        self._frozen = (self._frozen or self._loop.read()) if GasFault.FROZEN in there else None
        head.frozen = self._frozen
        other = "SCCM" if self._model.flow_unit == "SLPM" else "SLPM"
        head.unit = FLOW_UNITS[
            other if {GasFault.OTHER_UNIT, GasFault.UNITS_CHANGED} & there else self._model.flow_unit
        ]
        if GasFault.LEFT_STREAMING in self._until_ns:  # only the host can end it
            del self._until_ns[GasFault.LEFT_STREAMING]
            head.letter = STREAMING


def _word(body: str) -> str:
    """Return a request's word: POLL for an empty one, SETPOINT for bare digits, else its letters and signs."""
    body = body.strip().upper()
    match = re.match(r"\$\$[A-Z]+|\?\?[A-Z]|[A-Z]+|@", body)
    return match[0] if match else "SETPOINT" if body else "POLL"
