"""Each rule about lines, numbers and refusals catches the controller that breaks it."""

# ruff: noqa: D102 - a mutant's name says what its method breaks

import asyncio
from collections.abc import Iterator

import pytest

from nebctl_drivers.conform.verdicts import Verdict
from nebctl_simulators.mesh.codec import crc16, parse_request
from nebctl_simulators.mesh.controller import Controller, State


class Loose:
    """A receiver that keeps every rule of the page's section 1; a mutant breaks one."""

    longest = 110
    checks_crc = checks_characters = checks_case = begins_anew = True
    ends = (b"\r\n",)

    def __init__(self) -> None:
        self.pending: bytes | None = None

    def feed(self, data: bytes) -> list[str]:
        """Return the payloads of the lines that it takes for good."""
        return [payload.decode("latin-1") for payload in self.take(data)]

    def take(self, data: bytes) -> Iterator[bytes]:
        """Cut the stream at every `$` and at a line's end."""
        for byte in data:
            if byte == ord("$") and (self.pending is None or self.begins_anew):
                self.pending = b""
            elif self.pending is not None:
                self.pending += bytes([byte])
                if self.pending.endswith(self.ends):
                    yield from self.judge(self.pending.removesuffix(b"\n").removesuffix(b"\r"))
                    self.pending = None

    def judge(self, body: bytes) -> Iterator[bytes]:
        """Give the payload if the line is good."""
        payload, _, crc = body.rpartition(b"*")
        right = b"%04X" % crc16(payload)
        has_crc = crc == right or (crc.upper() == right and not self.checks_case) or not self.checks_crc
        is_plain = all(0x20 <= byte < 0x7F and byte not in b"$*" for byte in payload)
        if has_crc and (is_plain or not self.checks_characters) and 0 < len(payload) <= self.longest:
            yield payload


class Impatient(Loose):
    """It forgets a line whose bytes pause for more than 20 ms."""

    last_s = 0.0

    def feed(self, data: bytes) -> list[str]:
        now_s = asyncio.get_running_loop().time()
        if now_s - self.last_s > 0.02:
            self.pending = None
        self.last_s = now_s
        return super().feed(data)


class AfterLineEnd(Loose):
    """It looks for `$` right behind a line's end only."""

    before = ord("\n")

    def take(self, data: bytes) -> Iterator[bytes]:
        for byte in data:
            if byte != ord("$") or self.before == ord("\n"):
                yield from super().take(bytes([byte]))
            self.before = byte


def loose(**changed: object) -> type[Loose]:
    """Return the receiver with one check changed."""
    return type("Mutant", (Loose,), changed)


READERS = {
    "W01": loose(checks_crc=False),
    "W02": loose(longest=200),
    "W03": loose(longest=109),
    "W04": loose(checks_characters=False),
    "W05": loose(ends=(b"\r\n", b"\n")),
    "W06": loose(checks_case=False),
    "W07": loose(begins_anew=False),
    "W08": AfterLineEnd,
    "W09": Impatient,
}


class OneLineAtATime:
    def hear(self, data: bytes) -> bytes:
        return data[: data.index(b"\r\n") + 2] if b"\r\n" in data else data


class SaysBeatTwice:
    def say(self, data: bytes) -> bytes:
        return data * 2 if b",BEAT*" in data else data


class Babbles:
    def say(self, data: bytes) -> bytes:
        return data + b"$oops\r\n" if b",STAT," in data else data


BOARDS = {"W10": OneLineAtATime, "W11": SaysBeatTwice, "W58": Babbles}


class Talkative(Controller):
    def receive(self, payload: str) -> str | None:
        return super().receive(payload) or "N,9,STAT,CMD"


class Ordered(Controller):
    def receive(self, payload: str) -> str | None:
        request, last = parse_request(payload), self._answered
        if request and last and request.seq < last.seq and request.command != "HELLO":
            return f"N,{request.seq},{request.command},SEQ"
        return super().receive(payload)


class PlateOf(Controller):
    """HELLO's fields with one changed: `place` and `text`."""

    place, text = 0, ""

    def _hello(self, arguments: tuple[str, ...]) -> object:
        fields = super()._hello(arguments)
        return (*fields[: self.place], self.text, *fields[self.place + 1 :]) if isinstance(fields, tuple) else fields


class NoBoot(PlateOf):
    place, text = 6, "0"


class OldNonce(PlateOf):
    place, text = 0, "00000000"


class Other(PlateOf):
    place, text = 1, "0.2.0"


class DropsRepeats(Controller):
    def receive(self, payload: str) -> str | None:
        is_repeat = self._answered is not None and self._answered.payload == payload
        return None if is_repeat else super().receive(payload)


class NoSeq(Controller):
    def receive(self, payload: str) -> str | None:
        if self._answered is not None and self._answered.payload != payload:
            self._answered = None
        return super().receive(payload)


class SeqFirst(Controller):
    """It refuses every used number, that of one command included which always passes."""

    passes = ""

    def receive(self, payload: str) -> str | None:
        request, last = parse_request(payload), self._answered
        if request and last and request.seq == last.seq and request.command == self.passes:
            return f"N,{request.seq},{request.command},SEQ"
        return super().receive(payload)


class StopSeq(SeqFirst):
    passes = "STOP"


class HelloSeq(SeqFirst):
    passes = "HELLO"


class StopState(Controller):
    def receive(self, payload: str) -> str | None:
        is_idle = ",STOP" in payload and not self.is_on
        return f"N,{payload.split(',')[1]},STOP,STATE" if is_idle else super().receive(payload)


class Guesses(Controller):
    def _act(self, request: object) -> str:
        return super()._act(request).replace(",CMD", ",ARG")


class TakesAnything(Controller):
    def _beat(self, _arguments: tuple[str, ...]) -> object:
        return super()._beat(())


class HumsWhileOff(Controller):
    def _stat(self, arguments: tuple[str, ...]) -> object:
        fields = super()._stat(arguments)
        return (*fields[:6], "128000", *fields[7:]) if isinstance(fields, tuple) else fields


class RemembersNothingWell(Controller):
    def _last(self, _arguments: tuple[str, ...]) -> object:
        return ("-", "5", "-", "0")


class BeatStarts(Controller):
    def _beat(self, arguments: tuple[str, ...]) -> object:
        self._begin("0badcafe", 1000)
        return super()._beat(arguments)


class Raises(Controller):
    def _maxon(self, arguments: tuple[str, ...]) -> object:
        self._max_on_ms = self.firmware.max_on_ms
        return super()._maxon(arguments)


CONTROLLERS = {
    "W12": Talkative,
    "W13": Ordered,
    "W15": NoBoot,
    "W16": OldNonce,
    "W17": Other,
    "W18": DropsRepeats,
    "W19": NoSeq,
    "W20": StopSeq,
    "W21": HelloSeq,
    "W22": StopState,
    "W23": Guesses,
    "W24": TakesAnything,
    "W25": HumsWhileOff,
    "W26": RemembersNothingWell,
    "W27": BeatStarts,
    "W28": Raises,
}
MUTANTS = {
    **{rule: {"reader": reader} for rule, reader in READERS.items()},
    **{rule: {"spoil": board} for rule, board in BOARDS.items()},
    **{rule: {"controller": controller} for rule, controller in CONTROLLERS.items()},
    "W14": {"delay_s": 0.06},
}


@pytest.mark.virtual
@pytest.mark.parametrize("rule", sorted(MUTANTS))
async def test_the_rule_catches_who_breaks_it(examine_board, rule: str) -> None:
    """A controller that breaks this rule and is sound otherwise fails it, and is told how to mend it."""
    report, board = await examine_board(rule, load=None, **MUTANTS[rule])
    (result,) = [result for result in report.results if result.rule.id == rule]
    assert result.verdict is Verdict.FAILED, result.seen
    assert result.expected
    assert result.exchange
    assert not report.conforms
    assert b"START" not in board.heard
    assert board.device.truth().output is State.OFF


@pytest.mark.virtual
@pytest.mark.parametrize("rule", sorted(READERS))
async def test_the_receiver_of_these_tests_is_sound(examine_board, rule: str) -> None:
    """The receiver from which the mutants are made keeps every rule, so that it is the change that is caught."""
    report, _ = await examine_board(rule, load=None, reader=Loose)
    (result,) = [result for result in report.results if result.rule.id == rule]
    assert result.verdict is Verdict.PASSED, result.seen
