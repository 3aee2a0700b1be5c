"""Rules about what must change nothing: dropped lines, refusals and repeats, with an output that is or could be on.

They are tested with --load alone. That a line has no answer does not prove that nobody acted on it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from nebctl.core.device import EndCause
from nebctl_drivers.mesh_reference.frames import Answer, Refused

from .bench import Bench, WentOff, expect, heard, tell, word
from .running import FULL_LENGTH_S, RUN_MS, WATCHDOG_S, begin, judge_cause, judge_time, need_time
from .talker import sign
from .verdicts import Broken, Untested

FIRST_S, STEP_S = 0.4, 0.08
"""When the first line that must not feed is sent after the beat, and how far apart they are.

The steps are so wide that the moment of OFF tells which of them has fed.
"""
SAFE_S = 1.8
"""Up to here the output is on for sure, so that a START is refused and not the beginning of another run."""
ATTEMPTS = 3

Suspect = tuple[str, Callable[[], Awaitable[object]]]


class _Paused(Exception):  # noqa: N818 - caught in this module and never seen outside
    """Sending took so long that the watchdog may have turned OFF before everything was sent."""


def spoil(bench: Bench, *words: str | int) -> Iterator[bytes]:
    """Yield the request once for each way in which its CRC or its end can be wrong, each under a fresh number."""
    for place in range(-6, -2):
        line = _request(bench, *words)
        yield line[:place] + (b"1" if line[place : place + 1] == b"0" else b"0") + line[place + 1 :]
    yield _request(bench, *words)[:-7] + b"\r\n"
    yield _request(bench, *words)[:-2] + b"\n"
    line = _request(bench, *words)
    while not any(digit in b"ABCDEF" for digit in line[-6:-2]):
        line = _request(bench, *words)
    yield line[:-6] + line[-6:].lower()


def _request(bench: Bench, *words: str | int) -> bytes:
    return sign(",".join(("C", str(bench.talker.next_seq()), *map(str, words))).encode())


async def dropped_does_nothing(bench: Bench) -> str:
    """A START that is dropped turns nothing on, and a STOP or HELLO that is dropped ends no run."""
    await need_time(bench, RUN_MS)
    await bench.allow_start()
    run = bench.means.new_id()
    for evil in spoil(bench, "START", run, RUN_MS):
        bench.talker.send(evil)
        expect(not (await bench.stat()).is_on, "output on", f"OFF after {evil!r}, which is dropped")
    run = await begin(bench)
    for words in (("STOP",), ("HELLO", bench.means.new_id())):
        bench.talker.send(next(spoil(bench, *words)))
        report = (await bench.stat()).report
        told = f"{word(report.output)} with {word(report.end)}, run {report.run}"
        expect(
            report.end is EndCause.NONE and report.run == run, told, f"run {run} on after a {words[0]} that is dropped"
        )
    return "7 spoilt START turned nothing on, a spoilt STOP and HELLO ended no run"


async def used_number_does_nothing(bench: Bench) -> str:
    """A START under a used number is refused and turns nothing on."""
    await need_time(bench, RUN_MS)
    await bench.allow_start()
    before = await bench.answer("LAST")
    for command in ("STAT", "BEAT"):
        seq = (await bench.answer(command)).seq
        line = heard(await bench.talker.ask("START", bench.means.new_id(), RUN_MS, seq=seq), "START")
        is_refused = isinstance(line, Refused) and line.reason == "SEQ"
        expect(is_refused, tell(line), f"START under the number {seq} of {command} refused with SEQ")
        expect(not (await bench.stat()).is_on, "output on", "OFF: the START was refused with SEQ")
    after = await bench.answer("LAST")
    expect(after.fields == before.fields, tell(after), f"{','.join(before.fields)}, for no run has begun")
    return "two START under used numbers were refused with SEQ, and nothing was turned on"


async def nothing_else_feeds(bench: Bench) -> str:
    """After one beat comes much that is none; the watchdog counts from that beat alone."""
    for _ in range(ATTEMPTS):
        try:
            return await _starve(bench)
        except _Paused:
            continue
    raise Untested(f"answers were slow or this host was away, {ATTEMPTS} times: see W63, or use a host with less to do")


async def _starve(bench: Bench) -> str:
    greatest = (await bench.hello()).identity.max_on_ms
    run = await begin(bench)
    beat = await bench.talker.ask("BEAT")
    expect(isinstance(beat.line, Answer), tell(heard(beat, "BEAT")), "an answer to BEAT")
    sent: list[tuple[str, float]] = []
    loop = asyncio.get_running_loop()
    for number, (what, send) in enumerate(_suspects(bench, run, beat.seq, greatest)):
        await asyncio.sleep(beat.sent_s + FIRST_S + number * STEP_S - loop.time())
        if loop.time() > beat.sent_s + SAFE_S:
            raise _Paused
        sent.append((what, loop.time()))
        await send()
    went_off = await bench.follow(FULL_LENGTH_S)
    try:
        seen = judge_time(went_off, (beat.sent_s, beat.heard_s), WATCHDOG_S, "the watchdog, counted from the one BEAT")
    except Broken as broken:
        raise Broken(f"{broken.seen}{_name(went_off, sent)}", broken.expected) from None
    return f"{judge_cause(went_off, seen)}; {len(sent)} lines behind the beat fed nothing"


def _suspects(bench: Bench, run: str, beat_seq: int, greatest_ms: int) -> Iterator[Suspect]:
    """Yield what must not feed; the repeat comes first, because the cache holds the last request alone."""

    def ask(*words: str | int, seq: int | None = None) -> Callable[[], Awaitable[object]]:
        return lambda: bench.ask(str(words[0]), *words[1:], seq=seq)

    async def send_spoilt() -> None:
        bench.talker.send(next(spoil(bench, "BEAT")))

    yield "the repeated BEAT", ask("BEAT", seq=beat_seq)
    yield "START under the BEAT's number", ask("START", run, RUN_MS, seq=beat_seq)
    yield "START while on", ask("START", bench.means.new_id(), RUN_MS)
    yield "START of the same run", ask("START", run, RUN_MS)
    yield "START without arguments", ask("START")
    yield "BEAT with a wrong CRC", send_spoilt
    yield "BEAT with an argument", ask("BEAT", "x")
    yield "LAST", ask("LAST")
    yield "MAXON", ask("MAXON", greatest_ms)
    yield "MAXON that is refused", ask("MAXON", 0)
    yield "an unknown command", ask("NOPE")


def _name(went_off: WentOff | None, sent: list[tuple[str, float]]) -> str:
    """Name what was sent one watchdog's time before the output went OFF."""
    if went_off is None:
        return ""
    least_s, most_s = went_off.after_s - WATCHDOG_S[1], went_off.before_s - WATCHDOG_S[0]
    named = [what for what, at_s in sent if least_s <= at_s <= most_s]
    return f"; sent 2 s before that: {', '.join(named)}" if named else ""
