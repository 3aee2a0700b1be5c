"""Rules that restart the controller from outside (sections 2, 3, 5 and 6)."""

import asyncio

from nebctl.core.device import EndCause, Output
from nebctl_drivers.mesh_reference.answers import read_last
from nebctl_drivers.mesh_reference.frames import Answer, Refused

from .bench import Bench, expect, heard, readable, tell, word
from .running import FULL_LENGTH_S, LATE_MS, RUN_MS, SHORT_S, begin, end
from .verdicts import Need, Untested

KNOWN_MS = 1000
"""How much of a run's on-time a loss of power may cost. Source: docs/wire-protocol.md section 6, memory."""


async def boot_counts(bench: Bench) -> str:
    """Every restart adds one."""
    before = (await bench.hello()).identity.boot
    await bench.restart()
    after = (await bench.stat()).report.boot
    restarts = max(1, len(bench.talker.take_events("BOOT")))
    expect(1 <= after - before <= restarts, f"boot {before}, then {after}", f"{before + 1} after one restart")
    return f"boot {before}, then {after}"


async def boot_event(bench: Bench) -> str:
    """A controller that comes up says so once, with its number."""
    bench.talker.take_events("BOOT")
    opened = bench.talker.openings
    await bench.restart()
    boot = (await bench.stat()).report.boot
    await asyncio.sleep(0.1)
    told = [event.fields for event in bench.talker.take_events("BOOT")]
    if not told and bench.talker.openings != opened:
        raise Untested("the port went away with the controller: use a serial adapter that keeps its own power")
    expect(told[-1:] == [(str(boot),)], f"{told or 'no event'}", f"E,BOOT,{boot}")
    return f"E,BOOT,{boot}"


async def cache_forgets(bench: Bench) -> str:
    """A restart empties the cache: a host's first number is never refused."""
    seq = (await bench.answer("STAT")).seq
    line = await bench.restart(seq=seq)
    expect(isinstance(line, Answer), tell(line), f"an answer to LAST under {seq}, the last number before the restart")
    return f"number {seq} was free again"


async def max_on_returns(bench: Bench) -> str:
    """What MAXON lowered is as before after a restart."""
    await bench.restart()
    greatest = (await bench.hello()).identity.max_on_ms
    await bench.answer("MAXON", greatest - 1)
    await bench.restart()
    now = (await bench.hello()).identity.max_on_ms
    expect(now == greatest, f"{now} ms", f"{greatest} ms again")
    return f"{greatest} ms again"


async def up_is_off(bench: Bench) -> str:
    """After a loss of power the output is OFF, for the reason POWER, and no run is known."""
    await bench.restart(power=True)
    report = (await bench.stat()).report
    seen = f"{word(report.output)}, end {word(report.end)}, run {report.run}, {report.on_ms} ms"
    wanted = (Output.OFF, EndCause.POWER_UP, None, 0)
    expect((report.output, report.end, report.run, report.on_ms) == wanted, seen, "OFF, end POWER, run -, 0 ms")
    return "OFF with POWER, no run"


async def last_survives(bench: Bench) -> str:
    """What LAST told before a loss of power it tells after it."""
    if not bench.means.lacks(Need.LOAD):
        await begin(bench)
        await end(bench)
    before = await bench.answer("LAST")
    if before.fields[:1] == ("-",):
        raise Untested("there was no run yet whose outcome could survive: give --load")
    await bench.restart(power=True)
    after = await bench.answer("LAST")
    expect(after.fields == before.fields, tell(after), ",".join(before.fields))
    return f"{','.join(after.fields)} before and after"


async def lowered_in_mid_run(bench: Bench) -> str:
    """MAXON shortens the run that is on; the restart behind it brings the maximum back."""
    limit_ms = 700
    await begin(bench)
    await bench.answer("MAXON", limit_ms)
    went_off = await bench.follow(FULL_LENGTH_S, beating=True)
    await bench.restart()
    expect(went_off is not None, "the output stays on", f"OFF at {limit_ms} ms")
    assert went_off is not None
    report = went_off.report
    fits = report.end is EndCause.MAX_ON and limit_ms <= report.on_ms <= limit_ms + LATE_MS
    seen = f"end {word(report.end)} at {report.on_ms} ms"
    expect(fits, seen, f"end MAXON at {limit_ms} to {limit_ms + LATE_MS} ms")
    return seen


async def cut_in_mid_run(bench: Bench) -> str:
    """A run that a loss of power cut off does not resume, and LAST says what it was."""
    run = await begin(bench)
    boot = (await bench.run_for(1.2)).report.boot
    await bench.restart(power=True)
    reading = await bench.stat()
    expect(not reading.is_on, word(reading.report.output), "OFF: nothing resumes")
    outcome = readable(read_last((await bench.answer("LAST")).fields), "LAST")
    told = (outcome.run, outcome.end, outcome.boot)
    expect(told == (run, EndCause.POWER_UP, boot), f"{outcome}", f"{run}, end POWER, boot {boot}")
    return f"LAST: {run}, {outcome.on_ms} ms, POWER"


async def on_time_survives(bench: Bench) -> str:
    """A loss of power stretches no maximum: the same run goes on counting."""
    run = await begin(bench)
    before_ms = (await bench.run_for(KNOWN_MS / 1000 + SHORT_S)).report.on_ms
    await bench.restart(power=True)
    outcome = readable(read_last((await bench.answer("LAST")).fields), "LAST")
    least_ms = before_ms - KNOWN_MS
    expect(outcome.run == run and outcome.on_ms >= least_ms, f"{outcome}", f"{run} with {least_ms} ms or more")
    line = heard(await bench.try_start(run, max(1, outcome.on_ms)), "START")
    expect(isinstance(line, Refused) and line.reason == "MAXON", tell(line), f"{outcome.on_ms} ms refused with MAXON")
    await begin(bench, run, RUN_MS)
    counted_ms = await end(bench)
    expect(counted_ms >= outcome.on_ms, f"{counted_ms} ms", f"{outcome.on_ms} ms or more")
    return f"{outcome.on_ms} ms kept of {before_ms}"
