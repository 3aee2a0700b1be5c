"""The simulated gas controller whole: serial port, control loop, jet and cup, power, cable, and faults."""

import re
from dataclasses import dataclass
from enum import StrEnum

from nebctl_simulators.alicat.head import REFUSED, STREAMING, Head
from nebctl_simulators.alicat.loop import Loop, Trouble, emitted_nl
from nebctl_simulators.alicat.model import Model
from nebctl_simulators.alicat.tables import FLOW_UNITS
from nebctl_simulators.chassis import Chassis, Harm, line_faults
from nebctl_simulators.jet.cup import AL_PER_NL
from nebctl_simulators.jet.presets import Unit
from nebctl_simulators.shim import NS_PER_MS, Shim, Tag
from nebctl_simulators.simtime import SimTime

LONGEST_LINE = 80


class AnswerFault(StrEnum):
    """What can be wrong with an answer: `?` instead of it (nothing is done), the next ID, one column too few."""

    REFUSE = "refuse"
    WRONG_ID = "wrong_id"
    SHORT = "short"


class GasFault(StrEnum):
    """What can be wrong with the instrument and its gas, until it is cleared; each is what its name says.

    OTHER_UNIT: somebody chose the other flow unit on the panel. LEFT_STREAMING: somebody left the stream on.
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
    LEFT_STREAMING = "left_streaming"


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

    harm = Harm(line=line_faults(checked=False), answers=tuple(AnswerFault), lasting=tuple(GasFault))

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
        self._stream_ns = real_ns

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
        sprays = loop.sccm > 0 and not cup.is_spent and cup.volume_al > 0
        return Truth(
            t_ns=cup.at_ns,
            emitted_nl=emitted_nl(cup),
            cup_nl=-(-cup.volume_al // AL_PER_NL),
            output="RUN" if sprays else "OFF",
            setpoint=loop.requested,
            flow_sccm=loop.sccm,
            gauge_pa=loop.gauge_pa(),
            letter=self._head.letter,
            gas=self._head.gas,
            hold=loop.hold,
            powered=self._powered,
            plugged=self.is_plugged,
        )

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
                self._shim.send(self._head.frame().encode("ascii") + b"\r", self._real_ns)
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
        tag = Tag(unit=ord(self._head.letter))
        text = line.strip(b"\n ").decode("latin-1")
        self._shim.heard(line + b"\r", self._real_ns, tag)
        if not self._head.is_meant(text):
            return
        if self._shim.take((AnswerFault.REFUSE,), self._real_ns, tag):
            answer: list[str] | None = [REFUSED]
        else:
            answer = self._head.obey(text)
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
        head.frozen = (head.frozen or self._loop.read()) if GasFault.FROZEN in there else None
        other = "SCCM" if self._model.flow_unit == "SLPM" else "SLPM"
        head.unit = FLOW_UNITS[other if GasFault.OTHER_UNIT in there else self._model.flow_unit]
        if GasFault.LEFT_STREAMING in self._until_ns:  # only the host can end it
            del self._until_ns[GasFault.LEFT_STREAMING]
            head.letter = STREAMING
