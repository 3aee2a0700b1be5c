"""What a board does behind the wire: it acts on what it never answers, or it is slow; and a host that is away."""

# ruff: noqa: D102 - a mutant's name says what its method breaks

import asyncio
from typing import Any

import pytest

from nebctl_drivers.conform.speed import adapter_ms
from nebctl_drivers.conform.unmoved import FIRST_S, SAFE_S, STEP_S
from nebctl_drivers.conform.verdicts import Result, Verdict
from nebctl_simulators.mesh.codec import crc16
from nebctl_simulators.mesh.controller import Controller, State, parse_request


class ActsOnBadCrc:
    """It does what a spoilt line says, without a word; `word` names the command."""

    word = ""
    device: Any

    def hear(self, data: bytes) -> bytes:
        payload, _, rest = data.partition(b"$")[2].partition(b"*")
        request = parse_request(payload.decode("latin-1"))
        if request is not None and request.command == self.word and rest[:4] != b"%04X" % crc16(payload):
            self.device._controller._act(request)
        return data


class StartsOnBadCrc(ActsOnBadCrc):
    word = "START"


class StopsOnBadCrc(ActsOnBadCrc):
    word = "STOP"


class BeatsOnBadCrc(ActsOnBadCrc):
    word = "BEAT"


class SlowWhileOn:
    """Its answers take 300 ms while it drives, that to STOP included."""

    device: Any
    delay_s = 0.0

    def hear(self, data: bytes) -> bytes:
        self.delay_s = 0.3 if self.device.truth().output is not State.OFF else 0.0
        return data


class SlowToStop:
    """It answers STOP alone in 35 ms."""

    delay_s = 0.0

    def hear(self, data: bytes) -> bytes:
        self.delay_s = 0.035 if b",STOP" in data else 0.0
        return data


class SlowToStart:
    """It writes to its memory for 60 ms before it answers START."""

    delay_s = 0.0

    def hear(self, data: bytes) -> bytes:
        self.delay_s = 0.06 if b",START" in data else 0.0
        return data


class LowersAllTheSame(Controller):
    """It refuses MAXON under a used number, and lowers its maximum."""

    def receive(self, payload: str) -> str | None:
        answer = super().receive(payload)
        if answer is not None and answer.endswith(",MAXON,SEQ"):
            self._maxon(tuple(payload.split(",")[3:]))
        return answer


MUTANTS = [
    ("W14", {"delay_s": 0.035}),
    ("W14", {"spoil": SlowToStop}),
    ("W19", {"controller": LowersAllTheSame}),
    ("W35", {"spoil": SlowWhileOn}),
    ("W35", {"spoil": SlowToStop}),
    ("W59", {"spoil": StartsOnBadCrc}),
    ("W59", {"spoil": StopsOnBadCrc}),
    ("W62", {"spoil": BeatsOnBadCrc}),
    ("W63", {"spoil": SlowWhileOn}),
    ("W63", {"spoil": SlowToStart}),
    ("W63", {"delay_s": 0.035}),
]


async def judge(examine_board: Any, rule: str, **parts: object) -> Result:
    """Examine a board by one rule and return what became of it; the output is OFF at the end."""
    report, board = await examine_board(rule, **parts)
    assert board.device.truth().output is State.OFF
    return next(result for result in report.results if result.rule.id == rule)


@pytest.mark.virtual
@pytest.mark.parametrize(("rule", "parts"), MUTANTS, ids=str)
async def test_the_rule_catches_who_breaks_it(examine_board: Any, rule: str, parts: dict[str, Any]) -> None:
    """A board that breaks this rule fails it, with what was expected and what passed."""
    result = await judge(examine_board, rule, **parts)
    assert result.verdict is Verdict.FAILED, result.seen
    assert result.expected
    assert result.exchange


@pytest.mark.virtual
async def test_what_has_fed_is_named(examine_board: Any) -> None:
    """A watchdog that was fed by what is no beat tells by the moment of OFF which line it was."""
    result = await judge(examine_board, "W62", spoil=BeatsOnBadCrc)
    assert "sent 2 s before that: " in result.seen
    assert "BEAT with a wrong CRC" in result.seen
    assert result.seen.count(", ") <= 1


@pytest.mark.virtual
@pytest.mark.parametrize("delay_s", [0.0, 0.015, 0.022])
async def test_answers_in_time_are_no_finding(examine_board: Any, delay_s: float) -> None:
    """Answers within 20 ms, and a host that adds a little, break no rule of time."""
    for rule in ("W14", "W35", "W63"):
        assert (await judge(examine_board, rule, delay_s=delay_s)).verdict is Verdict.PASSED


@pytest.mark.virtual
async def test_answers_too_slow_for_one_run_leave_it_untested(examine_board: Any) -> None:
    """Where all of it takes so long that the watchdog bites first, nobody is blamed for the START that follows."""
    assert FIRST_S + 12 * STEP_S < SAFE_S
    result = await judge(examine_board, "W62", spoil=SlowWhileOn)
    assert result.verdict is Verdict.NOT_TESTED
    assert "see W63" in result.seen


class AwayNowAndThen:
    """A sound controller before a host that hears nothing for `away_s` of each `each_s`."""

    away_s, each_s = 0.0, 1.0

    @property
    def delay_s(self) -> float:
        """Return how long the host is still away."""
        since_s = asyncio.get_running_loop().time() % self.each_s
        return max(0.0, self.away_s - since_s)


@pytest.mark.virtual
@pytest.mark.parametrize(("away_s", "each_s"), [(0.03, 0.23), (0.15, 0.85), (0.4, 2.7)])
async def test_a_host_that_is_away_blames_nobody(examine_board: Any, away_s: float, each_s: float) -> None:
    """With pauses of 30, 150 and 400 ms on the host's side, a sound controller keeps every rule."""
    report, _ = await examine_board(spoil=AwayNowAndThen, away_s=away_s, each_s=each_s)
    assert [result for result in report.results if result.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize(
    ("url", "ms"),
    [
        ("tcp://127.0.0.1:4001", 0),
        ("tcp://device-server:4001", 16),
        ("serial:///dev/ttyUSB0", 16),
        ("serial:///dev/ttyUSB0?latency_ms=1", 1),
        ("tcp://127.0.0.1:4001?latency_ms=30", 30),
        ("nonsense", 16),
    ],
)
def test_what_the_adapter_keeps_back(url: str, ms: int) -> None:
    """What the URL says counts; without it a USB adapter's default, and nothing where there is no adapter."""
    assert adapter_ms(url) == ms


@pytest.mark.virtual
@pytest.mark.parametrize(("adapter", "verdict"), [(0, Verdict.FAILED), (16, Verdict.PASSED)])
async def test_an_adapter_has_its_share(bench_of: Any, means_for: Any, adapter: int, verdict: Verdict) -> None:
    """Answers in 35 ms are the firmware's fault without an adapter; behind one nobody can tell."""
    from dataclasses import replace

    from nebctl_drivers.conform.examine import Choice, examine

    async with bench_of(delay_s=0.035) as (board, talker):
        means = replace(means_for(board), adapter_ms=adapter)
        report = await examine(talker, means, Choice(only=("W14",), skipped={}), lambda rule, result: None)
    assert next(result for result in report.results if result.rule.id == "W14").verdict is verdict
