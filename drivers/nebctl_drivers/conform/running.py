"""Rules that turn the output on, and are therefore tested with --load alone (sections 3 to 7).

Times are judged by what is certain: a controller fails only where no pause of the host could explain what was seen.
"""

import asyncio
from collections.abc import AsyncGenerator

from nebctl.core.device import EndCause, Output
from nebctl_drivers.mesh_reference.answers import Granted, read_last
from nebctl_drivers.mesh_reference.frames import Answer, Event, Refused

from .bench import Bench, WentOff, expect, heard, readable, tell, word
from .speed import judge_speed
from .talker import Reply
from .verdicts import Broken, Untested

RUN_MS = 60_000
"""The maximum on-time of a test's run where the maximum is not what is tested."""
SHORT_S = 0.3
SWEEP_S = 3.0
WATCHDOG_S = (1.9, 2.05)
LATE_MS = 50
"""How far past its maximum a run may be when it ends. Source: docs/wire-protocol.md section 6, like the two above."""
DRY_S = 5.0
CLOCK_PERCENT = 2
FULL_LENGTH_S = 4.0
TIMED_RUNS = 5


async def begin(bench: Bench, run: str = "", max_on_ms: int = RUN_MS) -> str:
    """Start a run, a fresh one unless it is named, and return it."""
    await need_time(bench, max_on_ms)
    run = run or bench.means.new_id()
    await bench.start(run, max_on_ms)
    return run


async def need_time(bench: Bench, max_on_ms: int) -> None:
    """Raise `Untested` where an earlier MAXON leaves less than the rule needs."""
    greatest = (await bench.hello()).identity.max_on_ms
    if greatest < max_on_ms:
        raise Untested(f"the controller's maximum on-time is lowered to {greatest} ms: restart it and begin again")


async def end(bench: Bench) -> int:
    """Stop, and return the on-time in milliseconds that STOP told."""
    line = await bench.answer("STOP")
    expect(line.fields[:1] == ("OFF",), tell(line), "STOP,OFF,<on_ms>")
    return (await bench.stat()).report.on_ms


def judge_time(went_off: WentOff | None, since: tuple[float, float], window_s: tuple[float, float], what: str) -> str:
    """Weigh when an output went OFF against when what it counts from was sent and answered."""
    wanted = f"OFF by {what} between {window_s[0]:g} and {window_s[1]:g} s"
    if went_off is None:
        raise Broken("the output stays on", wanted)
    least, most = went_off.after_s - since[1], went_off.before_s - since[0]
    seen = f"OFF between {max(0.0, least):.2f} and {most:.2f} s with {word(went_off.report.end)}"
    expect(least <= window_s[1] and most >= window_s[0], seen, wanted)
    return seen


async def turns_on(bench: Bench) -> str:
    """START turns the output on, and resonance is found in time."""
    run = bench.means.new_id()
    await need_time(bench, RUN_MS)
    granted = await bench.start(run, RUN_MS)
    expect(granted == Granted(run, RUN_MS), f"{granted}", f"START,{run},{RUN_MS}")
    first = (await bench.stat()).report
    expect(first.output is not Output.OFF and first.run == run, f"{word(first.output)}, {first.run}", f"on, {run}")
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    while (await bench.run_for(0.1)).report.output is not Output.RUNNING:
        expect(loop.time() < begun_s + SWEEP_S + 0.1, "SWEEP", f"RUN in {SWEEP_S:g} s after START")
    report = (await bench.stat()).report
    expect(bool(report.drive_hz), "drive_Hz 0 in RUN", "the drive's frequency")
    return f"RUN at {report.drive_hz} Hz after {loop.time() - begun_s:.1f} s"


async def bad_start(bench: Bench) -> str:
    """A START with mistaken arguments is refused and turns nothing on."""
    run = bench.means.new_id()
    cases: list[tuple[str | int, ...]] = [(), (run,), (run, 0), (run, "01000"), (run, "-1"), (run, "x"), (run, "")]
    cases += [(run.upper() if run.upper() != run else "ABCDEFAB", 1000), (run[:7], 1000), (run, 1000, 1)]
    for args in cases:
        line = heard(await bench.try_start(*args), "START")
        is_refused = isinstance(line, Refused) and line.reason == "ARG"
        expect(is_refused, tell(line), f"START,{','.join(map(str, args))} refused with ARG")
    expect(not (await bench.stat()).is_on, "output on", "OFF after refusals")
    return f"{len(cases)} mistaken START were refused with ARG"


async def start_while_on(bench: Bench) -> str:
    """A second START is refused and the run goes on as it was."""
    run = await begin(bench)
    for other in (run, bench.means.new_id()):
        line = heard(await bench.talker.ask("START", other, RUN_MS), "START")
        expect(isinstance(line, Refused) and line.reason == "STATE", tell(line), "START refused with STATE while on")
    report = (await bench.stat()).report
    expect(report.run == run and report.output is not Output.OFF, f"{word(report.output)}, {report.run}", f"on, {run}")
    return "START while on was refused with STATE, with the same run and with another"


async def grant_is_capped(bench: Bench) -> str:
    """The controller's own maximum is above the host's wish."""
    greatest, run = (await bench.hello()).identity.max_on_ms, bench.means.new_id()
    granted = await bench.start(run, greatest + 60_000)
    expect(granted == Granted(run, greatest), f"{granted.granted_ms} ms granted", f"{greatest} ms, its own maximum")
    return f"{greatest} ms granted of {greatest + 60_000}"


async def start_repeated(bench: Bench) -> str:
    """A repeated START is answered from the cache and does not count as a second beat."""
    await need_time(bench, RUN_MS)
    run, seq = bench.means.new_id(), bench.talker.next_seq()
    first = await bench.try_start(run, RUN_MS, seq=seq)
    line = heard(first, "START")
    expect(isinstance(line, Answer), tell(line), "START accepted")
    await asyncio.sleep(1.0)
    again = heard(await bench.talker.ask("START", run, RUN_MS, seq=seq), "START")
    expect(again == line, tell(again), f"{tell(line)} from the cache")
    went_off = await bench.follow(FULL_LENGTH_S)
    return judge_time(went_off, (first.sent_s, first.heard_s), WATCHDOG_S, "the watchdog, counted from the first START")


async def stat_repeated(bench: Bench) -> str:
    """A repeated STAT has the old bytes, on-time included; a new number has new ones."""
    await begin(bench)
    first = await bench.answer("STAT")
    await asyncio.sleep(SHORT_S)
    again = await bench.ask("STAT", seq=first.seq)
    expect(again == first, tell(again), f"{tell(first)}, from the cache")
    fresh = await bench.answer("STAT")
    expect(fresh.fields != first.fields, tell(fresh), "a new number read afresh")
    return "the repeat had the same bytes in mid-run"


async def stop_turns_off(bench: Bench) -> str:
    """STOP turns OFF before it is answered, tells the run's on-time, and is as fast as any answer."""
    run = await begin(bench)
    await bench.run_for(SHORT_S)
    line = await bench.answer("STOP")
    report = (await bench.stat()).report
    expect(line.fields == ("OFF", str(report.on_ms)), tell(line), f"STOP,OFF,{report.on_ms}, as STAT says after it")
    seen = f"{word(report.output)}, end {word(report.end)}, run {report.run}"
    expect((report.end, report.run) == (EndCause.STOP, run), seen, f"OFF, end STOP, run {run}")
    expect(report.on_ms > 0 and report.drive_hz == 0, f"{report.on_ms} ms, {report.drive_hz} Hz", "on-time, and 0 Hz")
    await asyncio.sleep(0.1)
    later = (await bench.stat()).report
    expect(later.on_ms == report.on_ms, f"{later.on_ms} ms later", f"{report.on_ms} ms: no on-time while OFF")
    return f"OFF after {report.on_ms} ms; {await judge_speed(bench, lambda: _stops(bench))}"


async def _stops(bench: Bench) -> AsyncGenerator[tuple[str, Reply], None]:
    for _ in range(TIMED_RUNS):
        await begin(bench)
        yield "STOP", await bench.talker.ask("STOP")


async def answer_time_on(bench: Bench) -> str:
    """Time answers while the output is on, that to START included."""

    async def batch() -> AsyncGenerator[tuple[str, Reply], None]:
        for _ in range(TIMED_RUNS):
            await need_time(bench, RUN_MS)
            started = await bench.try_start(bench.means.new_id(), RUN_MS)
            expect(isinstance(started.line, Answer), tell(heard(started, "START")), "START accepted")
            yield "START", started
            for command in ("STAT", "BEAT", "LAST") * 3:
                yield command, await bench.talker.ask(command)

    return await judge_speed(bench, batch)


async def stop_used_number(bench: Bench) -> str:
    """STOP under the number of the request before it turns OFF in mid-run."""
    await begin(bench)
    seq = (await bench.answer("STAT")).seq
    line = await bench.ask("STOP", seq=seq)
    expect(isinstance(line, Answer) and line.fields[:1] == ("OFF",), tell(line), f"STOP,OFF under the number {seq}")
    expect(not (await bench.stat()).is_on, "output on", "OFF")
    return "STOP under a used number turned OFF"


async def hello_turns_off(bench: Bench) -> str:
    """A host that greets begins from OFF."""
    await begin(bench)
    await bench.hello()
    report = (await bench.stat()).report
    seen = f"{word(report.output)}, end {word(report.end)}"
    expect(report.output is Output.OFF and report.end is EndCause.HOST, seen, "OFF, end HOST")
    return "OFF with HOST"


async def max_on_ends(bench: Bench) -> str:
    """The controller ends a run by itself at its maximum, beats or not."""
    limit_ms = 1200
    await need_time(bench, limit_ms)
    reply = await bench.try_start(bench.means.new_id(), limit_ms)
    expect(isinstance(reply.line, Answer), tell(heard(reply, "START")), "START accepted")
    went_off = await bench.follow(FULL_LENGTH_S, beating=True)
    window_s = (
        limit_ms / 1000 * (1 - CLOCK_PERCENT / 100),
        limit_ms / 1000 * (1 + CLOCK_PERCENT / 100) + LATE_MS / 1000,
    )
    seen = judge_time(went_off, (reply.sent_s, reply.heard_s), window_s, "the maximum on-time")
    assert went_off is not None
    report = went_off.report
    expect(report.end is EndCause.MAX_ON, f"end {word(report.end)}", "end MAXON")
    fits = limit_ms <= report.on_ms <= limit_ms + LATE_MS
    expect(fits, f"on_ms {report.on_ms}", f"{limit_ms} to {limit_ms + LATE_MS}")
    return seen


async def run_continues(bench: Bench) -> str:
    """The same run goes on counting where it was."""
    run = await begin(bench)
    await bench.run_for(SHORT_S)
    before_ms = await end(bench)
    await begin(bench, run)
    again_ms = (await bench.stat()).report.on_ms
    expect(again_ms >= before_ms, f"{again_ms} ms", f"{before_ms} ms or more: the same run continues")
    return f"{before_ms} ms before, {again_ms} ms after the second START"


async def grant_is_for_the_run(bench: Bench) -> str:
    """A grant limits the whole run: what an earlier START of it has used does not come again."""
    limit_ms = 1500
    run = await begin(bench, max_on_ms=limit_ms)
    await bench.run_for(0.5)
    used_ms = await end(bench)
    await begin(bench, run, limit_ms)
    went_off = await bench.follow(FULL_LENGTH_S, beating=True)
    wanted = f"OFF with MAXON at {limit_ms} to {limit_ms + LATE_MS} ms, {used_ms} ms of them before the second START"
    if went_off is None:
        raise Broken("the output stays on", wanted)
    report = went_off.report
    fits = report.end is EndCause.MAX_ON and limit_ms <= report.on_ms <= limit_ms + LATE_MS
    expect(fits, f"OFF with {word(report.end)} at {report.on_ms} ms", wanted)
    return f"OFF at {report.on_ms} ms, {used_ms} ms of them before the second START"


async def used_up(bench: Bench) -> str:
    """A run whose on-time has reached the grant is not started again."""
    run = await begin(bench)
    await bench.run_for(SHORT_S)
    done_ms = await end(bench)
    line = heard(await bench.try_start(run, done_ms), "START")
    expect(isinstance(line, Refused) and line.reason == "MAXON", tell(line), f"START,{run},{done_ms} refused: MAXON")
    report = (await bench.stat()).report
    expect(report.output is Output.OFF and report.on_ms == done_ms, f"{report.on_ms} ms", f"OFF with {done_ms} ms")
    return f"a run of {done_ms} ms was refused {done_ms} ms"


async def other_run(bench: Bench) -> str:
    """Another run begins at 0."""
    await begin(bench)
    await bench.run_for(SHORT_S)
    done_ms = await end(bench)
    await begin(bench)
    on_ms = (await bench.stat()).report.on_ms
    expect(on_ms < done_ms, f"{on_ms} ms", f"less than the other run's {done_ms} ms")
    return f"another run began at {on_ms} ms"


async def watchdog(bench: Bench) -> str:
    """Without any beat the output goes OFF, counted from START."""
    await need_time(bench, RUN_MS)
    reply = await bench.try_start(bench.means.new_id(), RUN_MS)
    expect(isinstance(reply.line, Answer), tell(heard(reply, "START")), "START accepted")
    went_off = await bench.follow(FULL_LENGTH_S)
    return judge_cause(went_off, judge_time(went_off, (reply.sent_s, reply.heard_s), WATCHDOG_S, "the watchdog"))


async def beat_feeds(bench: Bench) -> str:
    """A beat begins the watchdog's time anew; STAT does not."""
    await begin(bench)
    went_off = await bench.follow(1.0)
    expect(went_off is None, "OFF before the beat", "a run of one second")
    reply = await bench.talker.ask("BEAT")
    heard(reply, "BEAT")
    went_off = await bench.follow(FULL_LENGTH_S)
    seen = judge_time(went_off, (reply.sent_s, reply.heard_s), WATCHDOG_S, "the watchdog, counted from the beat")
    return judge_cause(went_off, seen)


def judge_cause(went_off: WentOff | None, seen: str) -> str:
    """Pass on what was seen if the end cause is the watchdog's."""
    assert went_off is not None
    expect(went_off.report.end is EndCause.BEAT, seen, "end BEAT")
    return seen


async def on_time_is_true(bench: Bench) -> str:
    """The on-time goes as real time does."""
    await begin(bench)
    first = await bench.stat()
    await bench.run_for(1.5)
    last = await bench.stat()
    counted_ms = last.report.on_ms - first.report.on_ms
    least_ms = (last.sent_s - first.heard_s) * 1000 * (1 - CLOCK_PERCENT / 100) - ANSWER_SLACK_MS
    most_ms = (last.heard_s - first.sent_s) * 1000 * (1 + CLOCK_PERCENT / 100) + ANSWER_SLACK_MS
    expect(least_ms <= counted_ms <= most_ms, f"{counted_ms} ms counted", f"{least_ms:.0f} to {most_ms:.0f} ms")
    return f"{counted_ms} ms counted in {(last.heard_s - first.sent_s) * 1000:.0f} ms"


ANSWER_SLACK_MS = 20
"""A controller may count in steps as long as its answer time."""


async def end_event(bench: Bench) -> str:
    """What ends by itself is told once, with the run's own numbers."""
    run = await begin(bench, max_on_ms=300)
    went_off = await bench.follow(FULL_LENGTH_S, beating=True)
    expect(went_off is not None, "on", "OFF by the maximum on-time")
    assert went_off is not None
    await asyncio.sleep(0.1)
    events = bench.talker.take_events("END")
    wanted = Event("END", (run, str(went_off.report.on_ms), "MAXON"))
    expect(events == [wanted], "; ".join(map(tell, events)) or "no event", f"once {tell(wanted)}")
    return f"{tell(wanted)}"


async def no_end_event(bench: Bench) -> str:
    """What the host ends itself is not told to it."""
    await begin(bench)
    await end(bench)
    await begin(bench)
    await bench.hello()
    await asyncio.sleep(0.1)
    events = bench.talker.take_events("END")
    expect(not events, "; ".join(map(tell, events)), "no END after STOP or HELLO")
    return "no END after STOP and HELLO"


async def last_tells(bench: Bench) -> str:
    """LAST tells the run while it is on and after it."""
    boot, run = (await bench.hello()).identity.boot, await begin(bench)
    await bench.run_for(SHORT_S)
    during = readable(read_last((await bench.answer("LAST")).fields), "LAST")
    expect((during.run, during.end, during.boot) == (run, EndCause.NONE, boot), f"{during}", f"{run}, end -, {boot}")
    done_ms = await end(bench)
    after = readable(read_last((await bench.answer("LAST")).fields), "LAST")
    told = (after.run, after.on_ms, after.end, after.boot)
    expect(told == (run, done_ms, EndCause.STOP, boot), f"{after}", f"{run},{done_ms},STOP,{boot}")
    return f"{run},{done_ms},STOP,{boot}"


async def runs_dry(bench: Bench) -> str:
    """A dry mesh is turned OFF by the controller itself; no START follows in this test."""
    await begin(bench)
    while (await bench.run_for(0.1)).report.output is not Output.RUNNING:
        pass
    begun_s = asyncio.get_running_loop().time()
    dry_s = await bench.make_dry()
    went_off = await bench.follow(DRY_S + 2, beating=True)
    seen = judge_time(went_off, (begun_s, dry_s), (0.0, DRY_S), "a dry mesh")
    assert went_off is not None
    report = went_off.report
    expect(report.end is EndCause.DRY and bool(report.dry), f"{seen}, dry {report.dry:d}", "end DRY and dry 1")
    return seen
