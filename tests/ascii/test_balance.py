"""The balance over the bus guard in virtual time: weights, tare and zero, streams, and a wire that lies."""

import asyncio
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed
from nebctl_drivers.balance.device import BalanceIdentity, Weight
from nebctl_drivers.balance.frames import State

pytestmark = pytest.mark.virtual


async def test_it_opens_with_a_reset(scale: Any) -> None:
    """The reset is the handshake, and serial number, model and software are what the balance says."""
    async with scale(opened=False) as bench:
        identity = await bench.driver.open()
        assert identity == BalanceIdentity(serial="B123456789", model="XS205DU 220.00000 g", software="2.10")
        assert bench.device.heard == ["@", "I2", "I3"]


async def test_another_serial_number_is_refused(scale: Any) -> None:
    """A balance of another serial number than the site's is not opened."""
    async with scale(opened=False, serial="B1") as bench:
        failure = await bench.driver.open()
        assert "the serial number B123456789" in failure.seen
        assert bench.driver.loss is not None


async def test_silence_is_said(scale: Any) -> None:
    """Nobody there is one line that says what to check."""
    async with scale(opened=False) as bench:
        bench.device.far.close()
        failure = await bench.driver.open()
        assert isinstance(failure, CommandFailed)
        assert failure.expected == "a balance that speaks MT-SICS"


async def test_a_stable_weight_is_said_twice(scale: Any) -> None:
    """A stable weight is the net weight in micrograms, out of two answers in a row."""
    async with scale(load=100_123_400, tare=23_400) as bench:
        weight = await bench.driver.weigh()
        assert isinstance(weight, Weight)
        assert (weight.ug, weight.stable) == (100_100_000, True)
        assert weight.at_ns > 0
        assert bench.device.heard == ["SI", "SI"]


async def test_a_weight_of_this_moment_says_that_it_moves(scale: Any) -> None:
    """Without waiting, a moving weight comes as one and is marked so."""
    async with scale(steady=False) as bench:
        weight = await bench.driver.weigh(stable=False)
        assert (weight.ug, weight.stable) == (100_000_000, False)


async def test_a_balance_that_comes_to_rest_is_waited_for(scale: Any) -> None:
    """Moving and busy are waited out."""
    async with scale(steady=False) as bench:
        weighing = asyncio.create_task(bench.driver.weigh())
        await asyncio.sleep(3)
        bench.device.state = "I"
        await asyncio.sleep(3)
        bench.device.state, bench.device.steady = "", True
        assert (await weighing).ug == 100_000_000


async def test_a_balance_that_never_rests_is_a_failure(scale: Any) -> None:
    """After its time a moving balance is a failure, never a number."""
    async with scale(steady=False) as bench:
        failure = await bench.driver.weigh()
        assert (failure.seen, failure.expected) == ("a balance that is busy, or not at rest", "rest within 20 s")


@pytest.mark.parametrize("stable", [True, False])
@pytest.mark.parametrize(("state", "seen"), [("+", "an overload"), ("-", "an underload")])
async def test_over_and_underload_are_no_weights(scale: Any, stable: bool, state: str, seen: str) -> None:
    """Overload and underload are failures of their own, at once."""
    async with scale(state=state) as bench:
        failure = await bench.driver.weigh(stable=stable)
        assert isinstance(failure, CommandFailed)
        assert failure.seen == seen
        assert bench.device.heard == ["SI"]


async def test_one_flipped_digit_is_no_weight(scale: Any) -> None:
    """There is no checksum: a digit changed on the way costs another question, because it does not come twice."""
    async with scale() as bench:
        bench.device.faults["SI"] = [lambda data: data.replace(b"100.0000", b"900.0000")]
        assert (await bench.driver.weigh()).ug == 100_000_000
        assert bench.device.heard.count("SI") == 3


MATRIX = {
    "late": 2.0,
    "later": 4.0,
    "dropped": "drop",
    "byte by byte": "crumbs",
    "doubled": lambda data: data * 2,
    "cut short": lambda data: data[:9],
    "cut short with its end": lambda data: data[:9] + b"\r\n",
    "without CR": lambda data: data.replace(b"\r", b""),
    "without LF": lambda data: data.replace(b"\n", b""),
    "noise before": lambda data: b"\xf8\x80" + data,
    "noise behind": lambda data: data + b"\x00\xff",
    "with an echo": lambda data: b"SI\r\n" + data,
    "a byte short": lambda data: data[:8] + data[9:],
    "a byte too many": lambda data: data[:8] + data[7:],
    "in ounces": lambda data: data.replace(b" g", b" oz"),
    "a syntax error": lambda _: b"ES\r\n",
    "a transmission error": lambda _: b"ET\r\n",
}


@pytest.mark.parametrize("fault", MATRIX)
async def test_no_fault_of_the_wire_gives_a_wrong_weight(scale: Any, fault: str) -> None:
    """Whatever the wire does to an answer, a weight is what lies there now, or a failure; opened again, it recovers."""
    async with scale() as bench:
        for turn in range(40):
            bench.device.load = 1_000_000 * turn
            bench.device.faults["SI"] = [MATRIX[fault]] * (turn % 4)
            weight = await bench.driver.weigh(stable=False)
            if isinstance(weight, Weight):
                assert weight.ug == 1_000_000 * turn
            else:
                await bench.driver.open()
        bench.device.faults.clear()
        await asyncio.sleep(10)
        await bench.driver.open()
        assert (await bench.driver.weigh()).ug == 39_000_000


@pytest.mark.parametrize(("call", "command"), [("tare", "T"), ("zero", "Z")])
async def test_tare_and_zero_are_done_once_and_weighed(scale: Any, call: str, command: str) -> None:
    """They go out once, at rest, and count as done when the net weight is then 0."""
    async with scale() as bench:
        assert await getattr(bench.driver, call)() is None
        assert bench.device.heard == ["SI", "SI", command, "SI", "SI"]
        assert (await bench.driver.weigh()).ug == 0


@pytest.mark.parametrize("call", ["tare", "zero"])
async def test_an_overload_is_not_tared(scale: Any, call: str) -> None:
    """Where no weight is to be had nothing is sent."""
    async with scale(state="+") as bench:
        failure = await getattr(bench.driver, call)()
        assert (failure.command, failure.certainty) == (call, Certainty.NOT_DONE)
        assert bench.device.heard == ["SI"]


async def test_a_tare_without_an_answer_is_in_doubt(scale: Any) -> None:
    """A lost answer leaves it UNKNOWN: it is not sent again, and a reset keeps the balance from doing it later."""
    async with scale() as bench:
        bench.device.faults["T"] = ["drop"]
        failure = await bench.driver.tare()
        assert failure.certainty is Certainty.UNKNOWN
        assert bench.device.heard.count("T") == 1
        assert bench.device.heard[-1] == "@"


@pytest.mark.parametrize(
    ("answer", "seen"), [(b"T I\r\n", "busy"), (b"T +\r\n", "overload"), (b"EL\r\n", "the fault EL")]
)
async def test_a_refused_tare_was_not_done(scale: Any, answer: bytes, seen: str) -> None:
    """What the balance refuses it has not done."""
    async with scale() as bench:
        bench.device.faults["T"] = [lambda _: answer]
        failure = await bench.driver.tare()
        assert failure.certainty is Certainty.NOT_DONE
        assert seen in failure.seen


async def test_a_tare_that_does_not_show_is_in_doubt(scale: Any) -> None:
    """An answer that says tared, and a weight that is not 0: the weight is believed."""
    async with scale() as bench:
        tared = bench.device.answer
        bench.device.answer = lambda command: ["T S   100.0000 g"] if command == "T" else tared(command)
        failure = await bench.driver.tare()
        assert (failure.certainty, failure.seen) == (Certainty.UNKNOWN, "100000000 micrograms afterwards")


async def test_a_stream_brings_weights_and_states(scale: Any) -> None:
    """Each weight of the stream comes with its time; overload comes as a state; the reset ends it."""
    async with scale() as bench:
        seen: list[Any] = []
        assert await bench.driver.stream(seen.append) is None
        await asyncio.sleep(1)
        bench.device.state = "+"
        await asyncio.sleep(0.5)
        assert await bench.driver.stop_stream() is None
        count = len(seen)
        await asyncio.sleep(1)
        weights = [item for item in seen if isinstance(item, Weight)]
        assert 9 <= len(weights) <= 11
        assert sorted(weight.at_ns for weight in weights) == [weight.at_ns for weight in weights]
        assert State.OVER in seen
        assert (len(seen), bench.device.heard) == (count, ["SIR", "@"])


@pytest.mark.parametrize("call", ["weigh", "tare", "zero"])
async def test_during_a_stream_nothing_else_is_asked(scale: Any, call: str) -> None:
    """An answer could not be told from the stream's weights, so the question is refused."""
    async with scale() as bench:
        await bench.driver.stream(lambda _: None)
        failure = await getattr(bench.driver, call)()
        assert (failure.certainty, failure.seen) == (Certainty.NOT_DONE, "a stream under way")
        assert bench.device.heard == ["SIR"]
        await bench.driver.stop_stream()
        assert (await bench.driver.weigh()).ug == 100_000_000


async def test_a_stream_left_on_is_ended_at_the_opening(scale: Any) -> None:
    """A balance that streams from an earlier conversation is reset, and opens."""
    async with scale(opened=False, streams=True) as bench:
        bench.device.begin(bench.device.stream())
        await asyncio.sleep(0.35)
        assert isinstance(await bench.driver.open(), BalanceIdentity)
        assert not bench.device.streams
        assert (await bench.driver.weigh()).ug == 100_000_000


async def test_closing_ends_a_stream(scale: Any) -> None:
    """A driver that closes leaves no stream behind."""
    async with scale() as bench:
        await bench.driver.stream(lambda _: None)
        await bench.driver.close()
        assert bench.device.heard == ["SIR", "@"]


async def test_a_stream_that_does_not_begin_is_ended(scale: Any) -> None:
    """Where no weight comes the stream may still have begun, so it is reset; weighing goes on."""
    async with scale() as bench:
        bench.device.faults["SIR"] = [lambda _: b"ES\r\n"]
        failure = await bench.driver.stream(lambda _: None)
        assert "the fault ES" in failure.seen
        assert (await bench.driver.weigh()).ug == 100_000_000


async def test_a_balance_that_starts_anew_is_not_believed(scale: Any) -> None:
    """A balance that was switched off and on has lost its tare: it weighs nothing more until it is opened again."""
    async with scale() as bench:
        bench.device.far.write(b'I4 A "B123456789"\r\n')
        await asyncio.sleep(0.1)
        failure = await bench.driver.weigh()
        assert failure.seen == "a balance that has started anew, without its tare and zero"
        assert isinstance(await bench.driver.open(), BalanceIdentity)
        assert (await bench.driver.weigh()).ug == 100_000_000


GREETING = b'I4 A "B123456789"\r\n'
"""What a balance says unasked when it has power again."""


@pytest.mark.parametrize("phase_s", [0.0, 0.037, 0.111, 0.2])
@pytest.mark.parametrize(
    ("away_s", "is_heard"),
    [(0.02, True), (0.3, True), (1.0, True), (3.0, True), (10.0, True), (1.0, False), (3.0, False), (10.0, False)],
)
async def test_no_restart_passes_unseen(scale: Any, away_s: float, phase_s: float, is_heard: bool) -> None:
    """Power lost while it is polled: no weight without the tare is handed up, though the greeting itself be lost."""
    async with scale(load=53_200_000) as bench:
        assert await bench.driver.tare() is None
        answer, device = bench.device.answer, bench.device

        async def lose_power() -> None:
            await asyncio.sleep(0.05 + phase_s)
            device.answer = lambda _: []
            await asyncio.sleep(away_s)
            device.answer, device.tare = answer, 0
            if is_heard:
                device.far.write(GREETING)

        device.begin(lose_power())
        refusals = []
        for _ in range(100):
            weight = await bench.driver.weigh(stable=False)
            if isinstance(weight, Weight):
                assert weight.ug == 0
            else:
                refusals.append(weight.seen)
            await asyncio.sleep(0.15)
        assert "started anew" in refusals[-1]
        assert isinstance(await bench.driver.open(), BalanceIdentity)
        assert (await bench.driver.weigh()).ug == 53_200_000


async def test_a_lost_answer_puts_the_tare_in_doubt(scale: Any) -> None:
    """One question without any answer is enough: nothing more is asked or weighed until it is opened again."""
    async with scale() as bench:
        bench.device.faults["SI"] = ["drop"]
        failure = await bench.driver.weigh()
        assert (failure.certainty, failure.seen) == (Certainty.UNKNOWN, "no answer")
        for call in (bench.driver.weigh, bench.driver.tare, bench.driver.zero):
            refused = await call()
            assert refused.seen == "a balance that did not answer, and may have started anew, without its tare and zero"
            assert (refused.certainty, refused.expected) == (Certainty.NOT_DONE, "it to be opened again")
        assert bench.device.heard == ["SI"]


async def test_one_spoilt_answer_is_asked_again(scale: Any) -> None:
    """A balance that says something is there: noise on one answer costs a question, three in a row the opening."""
    async with scale() as bench:
        bench.device.faults["SI"] = [lambda _: b"#\r\n"] * 2
        assert (await bench.driver.weigh(stable=False)).ug == 100_000_000
        # between them it gets back in step by a question whose answer no greeting can be
        assert "I2" in bench.device.heard
        assert "I4" not in bench.device.heard
        bench.device.faults["SI"] = [lambda _: b"#\r\n"] * 3
        assert "bytes that are no answer" in (await bench.driver.weigh(stable=False)).seen
        assert "may have started anew" in (await bench.driver.weigh(stable=False)).seen


async def test_a_tare_without_an_answer_ends_the_weighing(scale: Any) -> None:
    """The reset after it may have taken the tare away, so the balance has to be opened again."""
    async with scale() as bench:
        bench.device.faults["T"] = ["drop"]
        await bench.driver.tare()
        assert "may have started anew" in (await bench.driver.weigh()).seen


async def test_it_must_be_open(scale: Any) -> None:
    """Before the opening and after a lost wire there is a reason in place of a weight."""
    async with scale(opened=False) as bench:
        assert (await bench.driver.weigh()).seen == "no open conversation"
        await bench.driver.open()
        bench.device.far.cut()
        await asyncio.sleep(0.01)
        assert "wire is gone" in (await bench.driver.weigh()).seen
