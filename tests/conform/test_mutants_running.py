"""Each rule about the output and about restarts catches the controller that breaks it."""

# ruff: noqa: D102 - a mutant's name says what its method breaks

from dataclasses import replace

import pytest

from nebctl_drivers.conform.rules import RULES
from nebctl_drivers.conform.verdicts import Verdict
from nebctl_simulators.mesh.controller import Controller, End, State, parse_request
from nebctl_simulators.mesh.memory import Memory

Fields = tuple[str, ...]
S = 1_000_000_000


class SlowSweep(Controller):
    def _begin(self, run: str, granted_ms: int) -> object:
        fields = super()._begin(run, granted_ms)
        self._sweep_left_ns = 10 * S
        return fields


class TakesZeros(Controller):
    def _start(self, arguments: Fields) -> object:
        return super()._start((*arguments[:-1], arguments[-1].lstrip("0")) if arguments else ())


class StartsAnew(Controller):
    def _start(self, arguments: Fields) -> object:
        return self._begin(arguments[0], 60_000) if self.is_on else super()._start(arguments)


class GrantsAll(Controller):
    def _start(self, arguments: Fields) -> object:
        greatest_ms, self._max_on_ms = self._max_on_ms, 10**9
        fields = super()._start(arguments)
        self._max_on_ms = greatest_ms
        return fields


class RepeatFeeds(Controller):
    def receive(self, payload: str) -> str | None:
        if ",START," in payload:
            self._beat_ns = self._real_ns
        return super().receive(payload)


class ReadsAfresh(Controller):
    def receive(self, payload: str) -> str | None:
        if ",STAT" in payload:
            self._answered = None
        return super().receive(payload)


class StopsAtTheSecond(Controller):
    stops = 0

    def _stop(self, arguments: Fields) -> object:
        self.stops += 1
        return super()._stop(arguments) if self.stops % 2 == 0 else ("OFF", str(self.on_ms))


class StopFromCache(Controller):
    def receive(self, payload: str) -> str | None:
        request, last = parse_request(payload), self._answered
        if request and last and request.command == "STOP" and request.seq == last.seq:
            return f"A,{request.seq},STOP,OFF,{self.on_ms}"
        return super().receive(payload)


class HelloGoesOn(Controller):
    def _hello(self, arguments: Fields) -> object:
        state, end = self.state, self.end
        fields = super()._hello(arguments)
        self.state, self.end = state, end
        return fields


class NeverDone(Controller):
    def _begin(self, run: str, granted_ms: int) -> object:
        fields = super()._begin(run, granted_ms)
        self._granted_ms = 10**9
        return fields


class ForgetsTheRun(Controller):
    def _done_ns(self, _run: str) -> int:
        return 0


class GrantsMore(Controller):
    def _begin(self, run: str, granted_ms: int) -> object:
        return super()._begin(run, granted_ms + self._done_ns(run) // 1_000_000)


class AddsUp(Controller):
    def _done_ns(self, _run: str) -> int:
        return self._on_ns


class LongStart(Controller):
    def _begin(self, run: str, granted_ms: int) -> object:
        fields = super()._begin(run, granted_ms)
        self._beat_ns += S
        return fields


class DeafToBeats(Controller):
    def _beat(self, _arguments: Fields) -> object:
        return ()


class FastClock(Controller):
    def _drive(self, dt_ns: int) -> None:
        super()._drive(dt_ns)
        self._on_ns += dt_ns // 10 if self.is_on else 0


class SaysNoEnd(Controller):
    def _end_unasked(self, end: End) -> None:
        self._go_off(end)


class SaysEveryEnd(Controller):
    def _stop(self, arguments: Fields) -> object:
        if self.is_on:
            self._end_unasked(End.STOP)
        return super()._stop(arguments)


class LastIsOld(Controller):
    def _last(self, _arguments: Fields) -> object:
        return (self._past.run or "-", str(self._past.on_ms), "POWER" if self._past.run else "-", "0")


class BootChanged(Controller):
    """What is changed as it comes up: by `change`, with what was so before."""

    def _boot_up(self, memory: Memory) -> None:
        before = dict(vars(self))
        super()._boot_up(memory)
        if "state" in before:
            self.change(before)

    def change(self, before: dict[str, object]) -> None:
        """Break one rule of a restart."""


class CountsNothing(BootChanged):
    def change(self, before: dict[str, object]) -> None:
        self._past = replace(self._past, boot=self._past.boot - 1)


class ComesUpQuietly(BootChanged):
    def change(self, before: dict[str, object]) -> None:
        self._events.clear()


class KeepsCache(BootChanged):
    def change(self, before: dict[str, object]) -> None:
        self._answered = before["_answered"]


class KeepsMaxOn(BootChanged):
    def change(self, before: dict[str, object]) -> None:
        self._max_on_ms = before["_max_on_ms"]


class HidesTheRestart(BootChanged):
    def change(self, before: dict[str, object]) -> None:
        self.end = End.STOP


class ForgetsLast(BootChanged):
    def change(self, before: dict[str, object]) -> None:
        self._past = Memory(boot=self._past.boot)


class Resumes(BootChanged):
    was_on = False

    def cut_power(self) -> None:
        self.was_on |= self.is_on
        super().cut_power()

    def change(self, before: dict[str, object]) -> None:
        if self.was_on:
            self._begin(str(before["run"]), 60_000)


class CallsItStop(Controller):
    def cut_power(self) -> None:
        if self.is_on:
            self._go_off(End.STOP)


class RunGoesOn(Controller):
    def _maxon(self, arguments: Fields) -> object:
        granted_ms = self._granted_ms
        fields = super()._maxon(arguments)
        self._granted_ms = granted_ms
        return fields


class StretchedByPower(Controller):
    def _done_ns(self, run: str) -> int:
        return self._on_ns if run == self.run else 0


class RunsDry(Controller):
    def _boot_up(self, memory: Memory) -> None:
        self.firmware = replace(self.firmware, dry_confirm_ns=30 * S)
        super()._boot_up(memory)


class StartsUnderUsedNumbers(Controller):
    def receive(self, payload: str) -> str | None:
        if ",START," in payload:
            self._answered = None
        return super().receive(payload)


class GrantsAnew(Controller):
    """It refuses a run that is used up, and grants another the whole time again."""

    def _begin(self, run: str, granted_ms: int) -> object:
        done_ms = self._done_ns(run) // 1_000_000
        fields = super()._begin(run, granted_ms)
        self._granted_ms += done_ms
        return fields


class Feeds(Controller):
    """It takes what begins with `word` and ends with `tail` for a beat, whatever becomes of it."""

    word, tail = "", ""

    def receive(self, payload: str) -> str | None:
        words = payload.split(",", 2)[2]
        if words.startswith(self.word) and words.endswith(self.tail):
            self._beat_ns = self._real_ns
        return super().receive(payload)


class LastFeeds(Feeds):
    word = "LAST"


class MaxonFeeds(Feeds):
    word = "MAXON"


class UnknownFeeds(Feeds):
    word = "NOPE"


class StartWhileOnFeeds(Feeds):
    word, tail = "START,", "60000"


class BadStartFeeds(Feeds):
    word, tail = "START", "START"


class BadBeatFeeds(Feeds):
    word = "BEAT,"


class RepeatedBeatFeeds(Controller):
    def receive(self, payload: str) -> str | None:
        if self._answered is not None and self._answered.payload == payload and payload.endswith(",BEAT"):
            self._beat_ns = self._real_ns
        return super().receive(payload)


MUTANTS = [
    ("W29", SlowSweep),
    ("W30", TakesZeros),
    ("W31", StartsAnew),
    ("W32", GrantsAll),
    ("W33", RepeatFeeds),
    ("W34", ReadsAfresh),
    ("W35", StopsAtTheSecond),
    ("W36", StopFromCache),
    ("W37", HelloGoesOn),
    ("W38", NeverDone),
    ("W39", ForgetsTheRun),
    ("W40", GrantsMore),
    ("W41", AddsUp),
    ("W42", LongStart),
    ("W43", DeafToBeats),
    ("W44", FastClock),
    ("W45", SaysNoEnd),
    ("W46", SaysEveryEnd),
    ("W47", LastIsOld),
    ("W48", CountsNothing),
    ("W49", ComesUpQuietly),
    ("W50", KeepsCache),
    ("W51", KeepsMaxOn),
    ("W52", HidesTheRestart),
    ("W53", ForgetsLast),
    ("W54", RunGoesOn),
    ("W55", Resumes),
    ("W55", CallsItStop),
    ("W56", StretchedByPower),
    ("W57", RunsDry),
    ("W60", StartsUnderUsedNumbers),
    ("W61", GrantsAnew),
    ("W62", LastFeeds),
    ("W62", MaxonFeeds),
    ("W62", UnknownFeeds),
    ("W62", StartWhileOnFeeds),
    ("W62", BadStartFeeds),
    ("W62", BadBeatFeeds),
    ("W62", RepeatedBeatFeeds),
]
ELSEWHERE = {"W59", "W63"}
"""Broken by a board and not by a controller's program: see test_mutants_boards.py."""


@pytest.mark.virtual
@pytest.mark.parametrize(("rule", "controller"), MUTANTS, ids=lambda part: getattr(part, "__name__", part))
async def test_the_rule_catches_who_breaks_it(examine_board, rule: str, controller: type[Controller]) -> None:
    """A controller that breaks this rule fails it, and its output is OFF when the examination has ended."""
    report, board = await examine_board(rule, controller=controller)
    (result,) = [result for result in report.results if result.rule.id == rule]
    assert result.verdict is Verdict.FAILED, result.seen
    assert result.expected
    assert not report.conforms
    assert board.device.truth().output is State.OFF


def test_every_rule_with_a_load_or_a_restart_has_a_mutant() -> None:
    """No rule that needs a load or a restart goes without a controller that breaks it."""
    assert {rule for rule, _ in MUTANTS} | ELSEWHERE == {rule.id for rule in RULES if rule.needs}
