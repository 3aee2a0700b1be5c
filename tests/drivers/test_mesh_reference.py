"""The reference driver against a fake controller, in virtual time: good wires, bad wires and wrong devices."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, EndCause, Identity, Output

pytestmark = pytest.mark.virtual

RUN = "0badcafe"
Join = Callable[..., Any]


def now() -> float:
    """Return the loop's virtual time in seconds."""
    return asyncio.get_running_loop().time()


async def test_opening_tells_who_answered(join: Join) -> None:
    """HELLO's fields become the identity, the simulator's own admission included."""
    async with join(opened=False) as bench:
        identity = await bench.device.open()
        assert identity == Identity(
            maker="nebctl",
            model="mesh-fake",
            serial="FAKE-0001",
            firmware="0.1.0",
            protocol="0.1.0",
            boot=7,
            max_on_ms=1_800_000,
            simulated=True,
        )
        assert bench.device.loss is None


@pytest.mark.req("S23")
async def test_opening_turns_a_running_device_off(join: Join) -> None:
    """A device that is found on is OFF after the opening, and nothing was started."""
    async with join(opened=False) as bench:
        bench.controller.state, bench.controller.run, bench.controller.end = "RUN", RUN, "-"
        assert isinstance(await bench.device.open(), Identity)
        assert bench.controller.state == "OFF"
        assert bench.controller.commands == ["HELLO", "STAT"]


async def test_opening_again_after_a_restart_sees_the_new_boot(join: Join) -> None:
    """The same driver opens anew and reports the controller's new boot counter."""
    async with join() as bench:
        bench.controller.restart()
        identity = await bench.device.open()
        assert isinstance(identity, Identity)
        assert identity.boot == 8


async def test_a_dose_in_its_plain_form(join: Join) -> None:
    """Start, beat, read, stop and the last run each give what the controller says."""
    async with join() as bench:
        started = await bench.device.start(RUN, 1000)
        await asyncio.sleep(0.4)
        assert await bench.device.beat() is None
        running = await bench.device.status()
        stopped = await bench.device.stop()
        last = await bench.device.last_run()
        assert [report.output for report in (started, running, stopped)] == [Output.RUNNING, Output.RUNNING, Output.OFF]
        assert (running.on_ms, running.at_ns, stopped.end) == (400, 400_000_000, EndCause.STOP)
        assert (last.run, last.on_ms, last.end, last.boot) == (RUN, 400, EndCause.STOP, 7)


async def test_numbers_of_requests_never_repeat(join: Join) -> None:
    """Each request has a number of its own, one more than the last."""
    async with join() as bench:
        for _ in range(5):
            await bench.device.status()
        numbers = [int(payload.split(",")[1]) for _, payload in bench.controller.heard]
        assert numbers == list(range(numbers[0], numbers[0] + 5))


# bad wires


def send_bytewise(send: Callable[[bytes], object], line: bytes) -> None:
    """Send one byte at a time."""
    for byte in line:
        send(bytes([byte]))


def send_with_noise(send: Callable[[bytes], object], line: bytes) -> None:
    """Send with noise around it, a line that was begun included."""
    send(b"\x00$A,1,ST" + line[:5] + line + b"\xff\r\n")


def send_doubled(send: Callable[[bytes], object], line: bytes) -> None:
    """Send twice."""
    send(line + line)


class SendInTwo:
    """A wire that pauses 30 ms in the middle of each line, and keeps order."""

    def __init__(self) -> None:
        self.free_at = 0.0

    def __call__(self, send: Callable[[bytes], object], line: bytes) -> None:
        """Send the line behind what is under way."""
        loop = asyncio.get_running_loop()
        begin = max(loop.time(), self.free_at)
        self.free_at = begin + 0.030
        loop.call_at(begin, send, line[:7])
        loop.call_at(self.free_at, send, line[7:])


@pytest.mark.parametrize("wire", [send_bytewise, send_with_noise, send_doubled, SendInTwo()])
async def test_a_bad_wire_changes_no_answer(join: Join, wire: Callable[..., None]) -> None:
    """Cut, noisy and doubled answers give the same readings as a good wire."""
    async with join() as bench:
        send = bench.controller.send
        bench.controller.send = lambda line: wire(send, line)
        for seconds in (0.25, 0.5):
            assert isinstance(await bench.device.start(RUN, 5000), DeviceReport)
            begun = bench.controller.on_ms
            await asyncio.sleep(seconds)
            await bench.device.beat()
            report = await bench.device.status()
            assert begun + seconds * 1000 <= report.on_ms <= bench.controller.on_ms
            stopped = await bench.device.stop()
            assert (stopped.output, stopped.on_ms) == (Output.OFF, bench.controller.on_ms)


async def test_a_wire_that_loses_a_fifth_never_tells_a_lie(join: Join) -> None:
    """With every fifth answer lost, late, garbled or doubled, a reading is of its own moment or a failure."""
    chance = random.Random(20)
    async with join() as bench:
        faults: list[str | float] = ["vanish", "mute", "garble", "twice", 0.15, 0.4]
        for command in ("STAT", "LAST", "BEAT"):
            bench.controller.faults[command].extend(
                chance.choice(faults) if chance.random() < 0.2 else "" for _ in range(400)
            )
        await bench.device.start(RUN, 600_000)
        for _ in range(100):
            asked = bench.controller.on_ms
            report = await bench.device.status()
            last = await bench.device.last_run()
            for reading in (report, last):
                assert isinstance(reading, CommandFailed) or asked <= reading.on_ms <= bench.controller.on_ms
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", ["vanish", "mute", "garble", "A,{seq},STAT,nonsense,1", "A,{seq},LAST,-,0,POWER,7"])
async def test_a_read_is_asked_again_under_a_new_number(join: Join, fault: str) -> None:
    """Two lost, garbled, unreadable or misplaced answers cost time only; the third attempt is good."""
    async with join() as bench:
        bench.controller.faults["STAT"].extend([fault, fault])
        assert isinstance(await bench.device.status(), DeviceReport)
        assert len({payload for _, payload in bench.controller.heard}) == 3


async def test_an_answer_to_another_command_is_no_answer(join: Join) -> None:
    """The right number with the wrong command is dropped, although its fields would fit."""
    async with join() as bench:
        bench.controller.faults["BEAT"].append("A,{seq},STOP")
        assert await bench.device.beat() is None
        assert bench.controller.commands == ["BEAT", "BEAT"]


async def test_a_read_gives_up_after_three_attempts(join: Join) -> None:
    """A controller that stays silent is asked three times, 110 ms each, and the failure says so."""
    async with join() as bench:
        bench.controller.faults["STAT"].extend(["vanish"] * 9)
        began = now()
        failure = await bench.device.status()
        assert isinstance(failure, CommandFailed)
        assert failure.sentence().startswith("STAT: saw no answer (3 times asked)")
        assert now() - began == pytest.approx(0.33)
        assert bench.controller.commands == ["STAT"] * 3


async def test_an_unreadable_answer_is_quoted(join: Join) -> None:
    """After three unreadable answers the failure names the field."""
    async with join() as bench:
        bench.controller.faults["LAST"].extend(["A,{seq},LAST,-,0,TIRED,7"] * 3)
        failure = await bench.device.last_run()
        assert isinstance(failure, CommandFailed)
        assert "end 'TIRED' is none of" in failure.seen


async def test_a_late_answer_is_not_taken_for_the_next_one(join: Join) -> None:
    """An answer that comes while a later request of the same kind waits is dropped by its number."""
    async with join() as bench:
        bench.controller.faults["STAT"].extend([0.250, 0.050])
        old = await bench.device.status()
        assert isinstance(old, DeviceReport)
        await bench.device.start(RUN, 60_000)
        bench.controller.faults["STAT"].extend([0.150, 0.080])
        await asyncio.sleep(1)
        report = await bench.device.status()
        assert report.on_ms == 1110, "the second request's answer, not the first one's 1000 ms"


async def test_after_a_cancelled_read_the_next_one_waits_for_its_answer(join: Join) -> None:
    """A cancelled caller leaves neither the turn taken nor two requests on the wire, and its answer goes nowhere."""
    async with join() as bench:
        bench.controller.faults["STAT"].append(0.080)
        reading = asyncio.create_task(bench.device.status())
        await asyncio.sleep(0.010)
        reading.cancel()
        last = await bench.device.last_run()
        assert last.end is EndCause.POWER_UP
        (asked, _), (next_asked, _) = bench.controller.heard
        assert next_asked - asked == pytest.approx(0.080)


async def test_one_request_is_on_the_wire_at_a_time(join: Join) -> None:
    """Requests made together go out one after the other, each after the answer before it."""
    async with join() as bench:
        bench.controller.faults["STAT"].extend([0.02] * 4)
        await asyncio.gather(*(bench.device.status() for _ in range(4)))
        assert [when for when, _ in bench.controller.heard] == pytest.approx([0, 0.02, 0.04, 0.06])


@pytest.mark.parametrize(
    ("reason", "advice"),
    [("CUP", "Put the cup on."), ("MAXON", "on-time is used up"), ("ODD", "not one of this protocol")],
)
async def test_a_refusal_is_not_done_and_says_why(join: Join, reason: str, advice: str) -> None:
    """A refused start certainly did not happen; the failure names the reason and the next step."""
    async with join() as bench:
        bench.controller.faults["START"].append(f"N,{{seq}},START,{reason}")
        failure = await bench.device.start(RUN, 1000)
        assert isinstance(failure, CommandFailed)
        assert failure.certainty is Certainty.NOT_DONE
        assert reason in failure.seen
        assert advice in failure.advice


# START: sent once, whatever happens


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ("A,{seq},HELLO,ffffffff,0.1.0,m,x,1,0.1.0,7,1,-", "the nonce 00000003 come back as ffffffff"),
        ("A,{seq},HELLO,00000003,0.2.0,Acme,Mist,1,9,7,1,-", "Acme Mist with protocol 0.2.0"),
        ("A,{seq},HELLO,00000003,0.1.0", "2 fields where 9 belong"),
        ("N,{seq},HELLO,CMD", "HELLO refused with CMD"),
        ("B,{seq},HELLO", "the line 'B,3,HELLO' (neither an answer, a refusal nor an event)"),
        ("vanish", "no answer"),
    ],
)
async def test_a_wrong_device_is_told_in_one_line(join: Join, answer: str, seen: str) -> None:
    """Another device, protocol or nonce, or silence, is one clear line with what was heard and what to check."""
    async with join(opened=False) as bench:
        bench.controller.faults["HELLO"].extend([answer] * 3)
        failure = await bench.device.open()
        assert isinstance(failure, CommandFailed)
        assert failure.sentence() == (
            f"open /x: saw {failure.seen}, expected a reference mesh controller, protocol 0.1. "
            "Check [device] driver and port."
        )
        assert seen in failure.seen
        assert bench.device.loss is not None


async def test_garbage_is_quoted(join: Join) -> None:
    """A device that talks another language is quoted."""
    async with join(opened=False) as bench:
        bench.controller.send = lambda _: bench.controller.link.write(b"\xaaU\x01\x00")
        failure = await bench.device.open()
        assert isinstance(failure, CommandFailed)
        assert r"bytes that are no answer, beginning b'\xaaU\x01\x00" in failure.seen


async def test_a_device_that_stays_on_after_hello_does_not_open(join: Join) -> None:
    """HELLO promises OFF; a STAT that says on is a failure to open."""
    async with join(opened=False) as bench:
        bench.controller.faults["STAT"].append(f"A,{{seq}},STAT,RUN,{RUN},1,-,7,1.0,1,1,-,0,-")
        failure = await bench.device.open()
        assert isinstance(failure, CommandFailed)
        assert "output running" in failure.seen


async def test_a_lost_first_hello_is_asked_again(join: Join) -> None:
    """HELLO turns off only, so it may be sent again, with a nonce of its own."""
    async with join(opened=False) as bench:
        bench.controller.faults["HELLO"].append("vanish")
        assert isinstance(await bench.device.open(), Identity)
        assert [payload.split(",")[3] for _, payload in bench.controller.heard[:2]] == ["00000001", "00000002"]


async def test_a_pulled_plug_fails_every_request_with_the_reason(join: Join) -> None:
    """When the wire goes, what waits fails at once, what comes later too, and the loss is visible."""
    async with join() as bench:
        bench.controller.faults["STAT"].append("vanish")
        reading = asyncio.create_task(bench.device.status())
        await asyncio.sleep(0.01)
        began = now()
        bench.controller.link.cut()
        results = [
            await reading,
            await bench.device.beat(),
            await bench.device.start(RUN, 9),
            await bench.device.stop(),
        ]
        assert all(isinstance(result, CommandFailed) and "the wire is gone" in result.seen for result in results)
        assert [result.certainty for result in results[1:]] == [
            Certainty.NOT_DONE,
            Certainty.NOT_DONE,
            Certainty.UNKNOWN,
        ]
        assert now() == began
        assert bench.device.loss is not None
        assert bench.device.loss is not None


async def test_a_plug_pulled_while_start_waits_leaves_it_unknown(join: Join) -> None:
    """START was on the wire when the wire went: it may have been acted on."""
    async with join() as bench:
        bench.controller.faults["START"].append("mute")
        starting = asyncio.create_task(bench.device.start(RUN, 9000))
        await asyncio.sleep(0.01)
        bench.controller.link.cut()
        result = await starting
        assert isinstance(result, CommandFailed)
        assert result.certainty is Certainty.UNKNOWN


async def test_a_device_that_was_never_opened_says_so(join: Join) -> None:
    """Without a conversation every call is a value that asks for the opening."""
    async with join(opened=False) as bench:
        failure = await bench.device.status()
        assert isinstance(failure, CommandFailed)
        assert failure.advice == "Open the device first."


def test_the_driver_declares_what_the_page_promises(join: Join) -> None:
    """The declaration names S14, the 2000 ms of the watchdog and the maximum on-time in the device."""
    from nebctl_drivers.mesh_reference.device import DECLARATION

    assert DECLARATION.keeps_s14
    assert DECLARATION.max_on_in_device
    assert DECLARATION.host_loss_off_ms == 2000
    assert DECLARATION.senses == ("drive_mA", "drive_Hz", "drive_mW", "temp_C", "dry")
