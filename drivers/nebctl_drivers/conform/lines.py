"""Rules about lines: what a receiver reads, and what it drops without a word (section 1 of the page)."""

import asyncio

from nebctl_drivers.mesh_reference.frames import MAX_PAYLOAD, Answer, Refused

from .bench import Bench, expect, heard, tell
from .talker import show, sign
from .verdicts import Broken

PAUSE_S = 0.03
NOISE = b"\x00\xffU\xaa\r\n*garbage*0000\r\nC,1,STAT"


def request(bench: Bench, command: str = "STAT") -> tuple[int, bytes]:
    """Return a fresh number and the payload of a harmless request."""
    seq = bench.talker.next_seq()
    return seq, f"C,{seq},{command}".encode()


async def wrong_crc(bench: Bench) -> str:
    """Each of the four digits is wrong once, and once the CRC is that of another payload."""
    for place in range(-6, -2):
        line = sign(request(bench)[1])
        digit = b"1" if line[place : place + 1] == b"0" else b"0"
        await bench.expect_dropped(line[:place] + digit + line[place + 1 :])
    (_, payload), (_, other) = request(bench), request(bench)
    await bench.expect_dropped(b"$" + payload + sign(other)[-7:])
    return "5 lines with a wrong CRC were dropped"


async def too_long(bench: Bench) -> str:
    """One character too many, and a line as long as three."""
    for length in (MAX_PAYLOAD + 1, 3 * MAX_PAYLOAD):
        _, payload = request(bench)
        await bench.expect_dropped(sign((payload + b",").ljust(length, b"x")))
    return f"payloads of {MAX_PAYLOAD + 1} and {3 * MAX_PAYLOAD} characters were dropped"


async def longest(bench: Bench) -> str:
    """The longest line is a good one: it is refused for its argument and not dropped."""
    seq, payload = request(bench)
    line = heard(await bench.talker.ask_bytes(sign((payload + b",").ljust(MAX_PAYLOAD, b"x")), seq, "STAT"), "STAT")
    expect(isinstance(line, Refused) and line.reason == "ARG", tell(line), "STAT with an argument refused with ARG")
    return f"a payload of {MAX_PAYLOAD} characters was read"


async def bad_characters(bench: Bench) -> str:
    """Controls, DEL, bytes above ASCII and a second asterisk, each under a right CRC."""
    evils = (b"\x00", b"\t", b"\x1f", b"\x7f", b"\x80", b"\xff", b"*")
    for evil in evils:
        await bench.expect_dropped(sign(request(bench)[1] + b"," + evil))
    return f"{len(evils)} forbidden characters were dropped, each under a right CRC"


async def line_end(bench: Bench) -> str:
    """Nothing but CR LF ends a line."""
    for end in (b"\n", b"\r", b"\r\r\n", b" \r\n", b"\n\r"):
        await bench.expect_dropped(sign(request(bench)[1])[:-2] + end)
    return "five other line ends were dropped"


async def crc_case(bench: Bench) -> str:
    """The digits of the CRC are upper-case; a line is looked for whose CRC has letters."""
    line = sign(request(bench)[1])
    while not any(digit in b"ABCDEF" for digit in line[-6:-2]):
        line = sign(request(bench)[1])
    await bench.expect_dropped(line[:-6] + line[-6:].lower())
    return "a lower-case CRC was dropped"


async def begin_anew(bench: Bench) -> str:
    """A line that is broken off hides nothing of the next."""
    for cut in (1, 2, 6, -2, -1):
        await bench.expect_dropped(sign(request(bench)[1])[:cut])
    return "a line broken off at five places was dropped, the one behind it answered"


async def noise(bench: Bench) -> str:
    """Bytes outside a line are nothing."""
    await bench.expect_dropped(NOISE)
    return f"{len(NOISE)} bytes of noise were dropped, the line behind them answered"


async def pauses(bench: Bench) -> str:
    """A line may come in pieces: a serial adapter cuts it as it likes."""
    seq, payload = request(bench)
    line = sign(payload)
    for piece in (line[:1], line[1:7], line[7:-3], line[-3:-1]):
        bench.talker.send(piece)
        await asyncio.sleep(PAUSE_S)
    heard(await bench.talker.ask_bytes(line[-1:], seq, "STAT"), "STAT")
    return f"a line in five pieces, {PAUSE_S * 1000:g} ms apart, was answered"


async def back_to_back(bench: Bench) -> str:
    """Two requests in one write are answered once each, in their order."""
    (first, one), (second, two) = request(bench, "LAST"), request(bench, "STAT")
    await bench.talker.await_answer(bench.talker.send(sign(one) + sign(two)), second, "STAT")
    passed = b"".join(passage.data for passage in bench.talker.passages if not passage.to_device)
    places = [passed.find(b"$A,%d," % seq) for seq in (first, second)]
    expect(-1 < places[0] < places[1], show(passed) or "silence", f"answers to {first} and then {second}")
    return "two requests in one write were answered in order"


async def once(bench: Bench) -> str:
    """No request has a second answer."""
    bench.talker.take_answers()
    for command in ("STAT", "LAST", "BEAT", "STOP", "STAT"):
        await bench.ask(command)
    await asyncio.sleep(PAUSE_S)
    extra = bench.talker.take_answers()
    expect(not extra, "; ".join(map(tell, extra)), "one answer to each request")
    return "five requests had five answers"


async def no_request(bench: Bench) -> str:
    """Nobody could match an answer to these."""
    forms = ("C,0,STAT", "C,01,STAT", "C,65536,STAT", "C,+1,STAT", "C,,STAT", "C,x,STAT", "C,9", "C,9,", "A,9,STAT")
    for form in (*forms, "c,9,STAT", "STAT", "C"):
        await bench.expect_dropped(sign(form.encode()))
    return f"{len(forms) + 3} lines without a good number or a command had no answer"


async def well_formed(bench: Bench) -> str:
    """Whatever the controller sent since the first rule was a line of the page; it is therefore the last rule."""
    await bench.answer("STAT")
    if bench.talker.odd:
        shown = "; ".join(show(data) for data in bench.talker.odd[:3])
        raise Broken(f"{len(bench.talker.odd)} lines that are none, such as {shown}", "good lines alone")
    return "every line of the whole test was well formed"


async def any_number(bench: Bench) -> str:
    """The controller keeps no order of numbers: a host that begins again is answered."""
    for seq in (65_535, 1, 40_000, 2):
        line = await bench.ask("STAT", seq=seq)
        expect(isinstance(line, Answer), tell(line), f"an answer to number {seq}")
    return "numbers 65535, 1, 40000 and 2 were answered, in that order"
