"""Rules that never turn the output on: identity, numbers, refusals and readings (sections 2 to 4)."""

from nebctl.core.device import EndCause, Output
from nebctl_drivers.mesh_reference.answers import read_last, speaks_our_protocol
from nebctl_drivers.mesh_reference.frames import Answer

from .bench import Bench, expect, readable, tell, word
from .verdicts import Broken


async def hello_fields(bench: Bench) -> str:
    """Nine readable fields, and a second greeting that tells the same."""
    first, second = (await bench.hello()).identity, (await bench.hello()).identity
    expect(first == second, f"{second}", f"the same as before: {first}")
    texts = (first.maker, first.model, first.serial, first.firmware)
    expect(all(texts) and first.boot > 0 and first.max_on_ms > 0, f"{first}", "no field empty, boot and max_on_ms > 0")
    return f"{first.maker} {first.model} {first.serial}, firmware {first.firmware}, boot {first.boot}"


async def nonce(bench: Bench) -> str:
    """The nonce comes back, so that a host knows that this answer is to its own greeting."""
    for _ in range(3):
        wanted = bench.means.new_id()
        fields = (await bench.answer("HELLO", wanted)).fields
        expect(fields[:1] == (wanted,), f"{','.join(fields)}", f"the nonce {wanted} first")
    return "three nonces came back"


async def version(bench: Bench) -> str:
    """The version decides who may talk to whom."""
    stated = (await bench.hello()).identity.protocol
    expect(speaks_our_protocol(stated), f"protocol {stated!r}", "0.1.x, three numbers without leading zeros")
    return f"protocol {stated}"


async def repeat(bench: Bench) -> str:
    """The same line again has the same answer again, and a new number a fresh one."""
    for command in ("STAT", "LAST", "MAXON"):
        first = await bench.ask(command)
        again = await bench.ask(command, seq=first.seq)
        expect(again == first, f"{tell(again)} for a repeat of {first.seq}", tell(first))
    return "three repeats were answered with the same bytes"


async def other_payload(bench: Bench) -> str:
    """A used number with another payload is refused and not acted on, and the kept answer stays."""
    greatest = (await bench.hello()).identity.max_on_ms
    first = await bench.answer("STAT")
    await bench.expect_refusal("SEQ", "LAST", seq=first.seq)
    await bench.expect_refusal("SEQ", "MAXON", max(1, greatest - 1), seq=first.seq)
    again = await bench.ask("STAT", seq=first.seq)
    expect(again == first, tell(again), f"{tell(first)}, kept also after the refusal")
    now = (await bench.hello()).identity.max_on_ms
    expect(now == greatest, f"a maximum of {now} ms", f"{greatest} ms: MAXON was refused with SEQ")
    return "another payload was refused with SEQ, the kept answer stayed"


async def stop_any_number(bench: Bench) -> str:
    """STOP passes under a used number too."""
    seq = (await bench.answer("STAT")).seq
    line = await bench.ask("STOP", seq=seq)
    expect(isinstance(line, Answer), tell(line), f"an answer to STOP under the used number {seq}")
    return "STOP under a used number was acknowledged"


async def hello_any_number(bench: Bench) -> str:
    """HELLO passes under a used number too: a host that begins again cannot know what was used."""
    seq = (await bench.answer("STAT")).seq
    line = await bench.ask("HELLO", bench.means.new_id(), seq=seq)
    expect(isinstance(line, Answer), tell(line), f"an answer to HELLO under the used number {seq}")
    return "HELLO under a used number was answered"


async def stop_when_off(bench: Bench) -> str:
    """STOP is acknowledged when it is OFF already, again and again, and whatever follows the word."""
    for args in ((), (), ("now",), ("1", "2")):
        line = await bench.answer("STOP", *args)
        expect(line.fields[:1] == ("OFF",) and len(line.fields) == 2, tell(line), "STOP,OFF,<on_ms>")
    return "four STOP in OFF were acknowledged, two of them with arguments"


async def unknown_command(bench: Bench) -> str:
    """What the page does not name is refused by name."""
    for command in ("NOPE", "STATUS", "STO", "X" * 16):
        await bench.expect_refusal("CMD", command)
    return "four unknown commands were refused with CMD"


async def bad_arguments(bench: Bench) -> str:
    """Missing, surplus, padded and mistaken arguments; those of START are another rule's, for they need a load."""
    cases = [("STAT", "x"), ("LAST", "x"), ("BEAT", "x"), ("HELLO",), ("HELLO", "A1B2C3D4"), ("HELLO", "a1b2c3d")]
    cases += [("HELLO", "a1b2c3d4", "x"), ("MAXON",), ("MAXON", "1", "1")]
    cases += [("MAXON", text) for text in ("0", "01000", "-1", "+1", "1.5", "x", " 1000", "")]
    for command, *args in cases:
        await bench.expect_refusal("ARG", command, *args)
    return f"{len(cases)} bad arguments were refused with ARG"


async def status_makes_sense(bench: Bench) -> str:
    """A reading while OFF does not contradict itself, nor what HELLO and LAST say."""
    boot = (await bench.hello()).identity.boot
    report = (await bench.stat()).report
    expect(report.output is Output.OFF, f"state {word(report.output)}", "OFF after HELLO")
    expect(report.end is not EndCause.NONE, "end -", "why the output is OFF")
    expect(report.drive_hz == 0, f"drive_Hz {report.drive_hz}", "0 while OFF")
    expect(report.boot == boot, f"boot {report.boot}", f"boot {boot}, as HELLO says")
    return f"OFF with {word(report.end)}, boot {boot}, run {report.run}"


async def last_makes_sense(bench: Bench) -> str:
    """LAST reads, and agrees with STAT on a run of this boot."""
    outcome = readable(read_last((await bench.answer("LAST")).fields), "LAST")
    report = (await bench.stat()).report
    if outcome.run is None:
        expect((outcome.on_ms, outcome.end, outcome.boot) == (0, EndCause.NONE, 0), f"{outcome}", "-,0,-,0")
    if report.run is not None:
        same = (outcome.run, outcome.on_ms, outcome.boot) == (report.run, report.on_ms, report.boot)
        expect(same, f"{outcome}", f"the run {report.run} of STAT with {report.on_ms} ms")
    expect(outcome.boot <= report.boot, f"boot {outcome.boot} of the run", f"at most {report.boot}")
    return f"last run {outcome.run}, {outcome.on_ms} ms"


async def beat_when_off(bench: Bench) -> str:
    """A beat feeds the watchdog and does nothing else."""
    line = await bench.answer("BEAT")
    expect(line.fields == (), tell(line), "A,<seq>,BEAT")
    expect(not (await bench.stat()).is_on, "output on", "OFF: a beat turns nothing on")
    return "answered, and the output stayed OFF"


async def max_on_lowers(bench: Bench) -> str:
    """MAXON goes down and never up; the test lowers by one millisecond, until the next restart."""
    greatest = (await bench.hello()).identity.max_on_ms
    await bench.expect_refusal("ARG", "MAXON", greatest + 1)
    for wanted in (greatest, greatest - 1):
        line = await bench.answer("MAXON", wanted)
        expect(line.fields == (str(wanted),), tell(line), f"MAXON,{wanted}")
    await bench.expect_refusal("ARG", "MAXON", greatest)
    now = (await bench.hello()).identity.max_on_ms
    if now != greatest - 1:
        raise Broken(f"HELLO tells {now} ms", f"the lowered maximum of {greatest - 1} ms")
    return f"lowered from {greatest} to {now} ms; {greatest} was refused after that"
