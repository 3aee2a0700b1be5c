"""Write docs/wire-vectors.json, or with --check say whether it is what this script would write.

The tables below are the vectors; the script adds the checksums with a CRC of its own, bit by bit, so that a mistake in
the driver's or the simulator's does not hide here.
"""

import json
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1] / "docs" / "wire-vectors.json"
PROTOCOL = "0.1.0"

ABOUT = {
    "page": "wire-protocol.md has the rules; this file is their examples for programs, in any language.",
    "bytes": "'hex' is bytes as hexadecimal digits. A payload stands between $ and *; add frame and CRC yourself.",
    "crc": "The CRC of the bytes in 'hex', as it stands on the wire.",
    "lines": "Good lines, whole with CR LF, and their parts. 'fields' is what follows the command or the event's name; "
    "a refusal's only field is its reason.",
    "received": "Bytes that come in, and the payloads that a receiver, host or controller, takes for good, in order.",
    "requests": "What a controller that is OFF, has no fault and has just answered HELLO answers: a payload, or null "
    "where it says nothing. Greet it before each one. <max_on_ms> is what HELLO told.",
    "dialogues": "Steps in order. 'host' is a payload to send. 'controller' is the next line, which must come within "
    "100 ms, with no other before it. 'wait_ms' lets time pass. 'restart' is 'power' or 'reset': do it from outside. "
    "'quiet' means that no line came since the last step. A dialogue with 'load' true turns the output on: play it "
    "on a wet mesh or on a dummy load only, never on a dry mesh.",
    "placeholders": "In 'controller', fields are compared one by one. <any>: any field. <a..b>: a number, a to b. "
    "<name>: any field, and the same wherever that name stands again in the dialogue. <name+1>: one more than that.",
}

CRC = ["", "00", "ff", "313233343536373839", "432c312c42454154", "20" * 110, "7e00ff55aa"]

LINES = [
    *("C,1,HELLO,a1b2c3d4", "C,2,START,0badcafe,1200000", "C,3,BEAT", "C,4,STAT", "C,5,STOP", "C,6,LAST"),
    *("C,7,MAXON,600000", "C,65535,STAT"),
    "A,1,HELLO,a1b2c3d4,0.1.0,nebctl,mesh-sim,SIM-0001,0.1.0,7,1800000,S",
    "A,1,HELLO,a1b2c3d4,0.1.0,Some maker,M 1,0042,2.3.1-rc1,4000000000,1200000,-",
    *("A,2,START,0badcafe,1200000", "A,3,BEAT", "A,5,STOP,OFF,13000", "A,7,MAXON,600000"),
    "A,4,STAT,RUN,0badcafe,12500,-,7,83.4,128250,1460,221,0,-",
    "A,4,STAT,SWEEP,0badcafe,120,-,7,33.0,127900,180,-,0,-",
    "A,4,STAT,OFF,-,0,POWER,7,0.0,0,0,-5,0,-",
    "A,4,STAT,OFF,0badcafe,474000,DRY,7,0.0,0,0,245,1,-",
    "A,4,STAT,OFF,0badcafe,9000,FAULT,7,0.0,0,0,240,0,RES",
    *("A,6,LAST,-,0,-,0", "A,6,LAST,0badcafe,13000,STOP,7", "A,6,LAST,0badcafe,13000,-,7"),
    *("N,8,NOPE,CMD", "N,9,MAXON,ARG", "N,10,LAST,SEQ", "N,11,START,STATE", "N,12,START,MAXON", "N,13,START,CUP"),
    *("N,14,START,FAULT", "E,BOOT,7", "E,END,0badcafe,474000,DRY", "E,END,0badcafe,1200000,MAXON"),
    *("E,END,0badcafe,2000,BEAT", "E,END,0badcafe,9000,FAULT"),
]

REQUESTS: list[tuple[str, str | None]] = [
    *((payload, None) for payload in ("C,0,STAT", "C,01,STAT", "C,65536,STAT", "C,+1,STAT", "C,,STAT", "C,x,STAT")),
    *((payload, None) for payload in ("C", "C,9", "C,9,", "A,9,STAT", "N,9,STAT,CMD", "E,BOOT,1", "c,9,STAT", "STAT")),
    *((f"C,9,{command}", f"N,9,{command},CMD") for command in ("NOPE", "STATUS", "S", "ABCDEFGHIJKLMNOP")),
    *((f"C,9,{text}", f"N,9,{text.split(',')[0]},ARG") for text in ("STAT,x", "LAST,x", "BEAT,x", "STAT,", "HELLO")),
    *((f"C,9,HELLO,{text}", "N,9,HELLO,ARG") for text in ("A1B2C3D4", "a1b2c3d", "a1b2c3d4e", "a1b2c3d4,x", "")),
    *((f"C,9,MAXON{text}", "N,9,MAXON,ARG") for text in ("", ",0", ",01000", ",-1", ",+1", ",1.5", ",x", ",", ",1,1")),
    ("C,9,MAXON,99999999999", "N,9,MAXON,ARG"),
    ("C,9,STOP,and,more", "A,9,STOP,OFF,<any>"),
    ("C,9,BEAT", "A,9,BEAT"),
    ("C,9,MAXON,<max_on_ms>", "A,9,MAXON,<max_on_ms>"),
]


def crc_of(data: bytes) -> str:
    """Return the CRC-16/MODBUS as four digits, worked out bit by bit."""
    register = 0xFFFF
    for bit in (byte >> place & 1 for byte in data for place in range(8)):
        register = register >> 1 ^ (0xA001 if (register ^ bit) & 1 else 0)
    return f"{register:04X}"


def frame(payload: bytes, *, crc: str | None = None, end: bytes = b"\r\n") -> bytes:
    """Return a line, good or (by `crc` and `end`) evil."""
    return b"$" + payload + b"*" + (crc_of(payload) if crc is None else crc).encode() + end


def part(payload: str) -> dict[str, object]:
    """Return a good line and its parts."""
    kind, *rest = payload.split(",")
    line = {"line": frame(payload.encode()).decode(), "kind": {"C": "request", "A": "answer", "N": "refusal"}.get(kind)}
    if kind == "E":
        return {**line, "from": "controller", "kind": "event", "name": rest[0], "fields": rest[1:]}
    sender = "host" if kind == "C" else "controller"
    return {**line, "from": sender, "seq": int(rest[0]), "command": rest[1], "fields": rest[2:]}


def received() -> list[dict[str, object]]:
    """Return byte streams with what a receiver takes of them."""
    beat, stat = b"C,3,BEAT", b"C,4,STAT"
    good, both = frame(stat), ["C,4,STAT"]
    letters = crc_of(stat).lower()
    long = b"C,5,STAT,".ljust(110, b"x")
    cases: list[tuple[str, bytes, list[str]]] = [
        ("a good line", good, both),
        ("two lines in one piece", frame(beat) + good, ["C,3,BEAT", "C,4,STAT"]),
        ("noise before a line", b"\x00\xffU*0000\r\nnoise" + good, both),
        ("noise behind a line", good + b"\r\n\r\n*", both),
        ("a wrong CRC", frame(beat, crc="0000") + good, both),
        ("the CRC of another payload", frame(beat, crc=crc_of(stat)) + good, both),
        ("a lower-case CRC", frame(stat, crc=letters), []),
        ("a CRC of three digits", frame(beat, crc=crc_of(beat)[:3]) + good, both),
        ("a CRC of five digits", frame(beat, crc=crc_of(beat) + "0") + good, both),
        ("no CRC", b"$C,3,BEAT\r\n" + good, both),
        ("an empty payload", frame(b"") + good, both),
        ("the longest payload, 110 characters", frame(long), [long.decode()]),
        ("a payload of 111 characters", frame(long + b"x") + good, both),
        ("a line without an end", b"$" + b"x" * 500 + good, both),
        ("a line broken off by another", b"$C,3,BE" + good, both),
        ("a line broken off before its LF", frame(beat)[:-1] + good, both),
        ("a $ in the payload", b"$C,3,BEAT,$x*0000\r\n" + good, both),
        ("a * in the payload", frame(b"C,3,BEAT,*") + good, both),
        *(
            (f"the byte {byte:02X} in the payload", frame(b"C,3,BEAT," + bytes([byte])) + good, both)
            for byte in (0x00, 0x09, 0x0A, 0x0D, 0x1F, 0x7F, 0x80, 0xFF)
        ),
        *(
            (f"the line end {end.hex()}", frame(beat, end=end) + good, both)
            for end in (b"\n", b"\r", b"\r\r\n", b" \r\n", b"\n\r")
        ),
        ("0x20 and 0x7E are allowed", frame(b" ~"), [" ~"]),
    ]
    return [{"what": what, "hex": data.hex(), "payloads": payloads} for what, data, payloads in cases]


HELLO_AS = "0.1.0,<any>,<any>,<any>,<any>"


def greet(seq: int, boot: str = "<boot>", max_on_ms: str = "<max>") -> list[dict[str, object]]:
    """Return the steps of a greeting; the controller's boot counter and maximum become names."""
    return says(f"C,{seq},HELLO,a1b2c3d4", f"A,{seq},HELLO,a1b2c3d4,{HELLO_AS},{boot},{max_on_ms},<any>")


def says(host: str, controller: str) -> list[dict[str, object]]:
    """Return a request and its answer."""
    return [{"host": host}, {"controller": controller}]


def wait(ms: int) -> list[dict[str, object]]:
    """Return a pause."""
    return [{"wait_ms": ms}]


OFF_NOW = "<boot>,0.0,0,0,<any>,0,-"
ON_NOW = "<boot>,<any>,<any>,<any>,<any>,0,-"

DIALOGUES: list[tuple[str, bool, list[dict[str, object]]]] = [
    (
        "a repeat is answered from the cache, another payload is refused, STOP and HELLO always pass",
        False,
        [
            *greet(1),
            *says("C,2,LAST", "A,2,LAST,<run>,<on>,<end>,<ran>"),
            *says("C,2,LAST", "A,2,LAST,<run>,<on>,<end>,<ran>"),
            *says("C,2,STAT", "N,2,STAT,SEQ"),
            *says("C,2,LAST", "A,2,LAST,<run>,<on>,<end>,<ran>"),
            *says("C,2,STOP", "A,2,STOP,OFF,<any>"),
            *greet(2),
            *says("C,65535,BEAT", "A,65535,BEAT"),
            *says("C,1,BEAT", "A,1,BEAT"),
            {"quiet": True},
        ],
    ),
    (
        "a run, stopped by the host",
        True,
        [
            *greet(1),
            *says("C,2,START,0badcafe,60000", "A,2,START,0badcafe,60000"),
            *says("C,3,STAT", f"A,3,STAT,SWEEP,0badcafe,<0..100>,-,{ON_NOW}"),
            *says("C,4,START,0badcafe,60000", "N,4,START,STATE"),
            *says("C,5,LAST", "A,5,LAST,0badcafe,<0..200>,-,<boot>"),
            *wait(500),
            *says("C,6,BEAT", "A,6,BEAT"),
            *says("C,7,STOP", "A,7,STOP,OFF,<on>"),
            *says("C,8,STOP", "A,8,STOP,OFF,<on>"),
            *says("C,9,STAT", f"A,9,STAT,OFF,0badcafe,<on>,STOP,{OFF_NOW}"),
            *says("C,10,LAST", "A,10,LAST,0badcafe,<on>,STOP,<boot>"),
            {"quiet": True},
        ],
    ),
    (
        "a repeated START is not acted on, and no second beat: the watchdog turns OFF 2 s after the first",
        True,
        [
            *greet(1),
            *says("C,2,START,00000002,60000", "A,2,START,00000002,60000"),
            *wait(1500),
            *says("C,2,START,00000002,60000", "A,2,START,00000002,60000"),
            *wait(600),
            {"controller": "E,END,00000002,<1900..2050>,BEAT"},
            *says("C,3,STAT", f"A,3,STAT,OFF,00000002,<1900..2050>,BEAT,{OFF_NOW}"),
        ],
    ),
    (
        "a beat feeds the watchdog, STAT does not",
        True,
        [
            *greet(1),
            *says("C,2,START,00000003,60000", "A,2,START,00000003,60000"),
            *wait(1500),
            *says("C,3,BEAT", "A,3,BEAT"),
            *wait(1500),
            *says("C,4,STAT", f"A,4,STAT,<any>,00000003,<2900..3200>,-,{ON_NOW}"),
            *wait(650),
            {"controller": "E,END,00000003,<3400..3700>,BEAT"},
        ],
    ),
    (
        "the maximum on-time is the whole run's: the run ends at it, and is not started again",
        True,
        [
            *greet(1),
            *says("C,2,START,00000004,600", "A,2,START,00000004,600"),
            *wait(250),
            *says("C,3,STOP", "A,3,STOP,OFF,<200..400>"),
            *says("C,4,START,00000004,600", "A,4,START,00000004,600"),
            *wait(500),
            {"controller": "E,END,00000004,<600..650>,MAXON"},
            *says("C,5,START,00000004,600", "N,5,START,MAXON"),
            *says("C,6,LAST", "A,6,LAST,00000004,<600..650>,MAXON,<boot>"),
        ],
    ),
    (
        "HELLO turns OFF and tells no END",
        True,
        [
            *greet(1),
            *says("C,2,START,00000005,60000", "A,2,START,00000005,60000"),
            *greet(3),
            *says("C,4,STAT", f"A,4,STAT,OFF,00000005,<0..300>,HOST,{OFF_NOW}"),
            {"quiet": True},
        ],
    ),
    (
        "MAXON lowers, shortens the run that is on, and is undone by a restart",
        True,
        [
            *greet(1),
            *says("C,2,START,00000006,60000", "A,2,START,00000006,60000"),
            *says("C,3,MAXON,400", "A,3,MAXON,400"),
            *says("C,4,MAXON,401", "N,4,MAXON,ARG"),
            *wait(500),
            {"controller": "E,END,00000006,<400..450>,MAXON"},
            *greet(5, max_on_ms="400"),
            {"restart": "reset"},
            {"controller": "E,BOOT,<boot+1>"},
            *greet(1, boot="<boot+1>"),
        ],
    ),
    (
        "a loss of power in mid-run: OFF, remembered, and no maximum is stretched",
        True,
        [
            *greet(1),
            *says("C,2,START,00000007,1500", "A,2,START,00000007,1500"),
            *wait(1200),
            {"restart": "power"},
            {"controller": "E,BOOT,<boot+1>"},
            *says("C,2,STAT", "A,2,STAT,OFF,-,0,POWER,<boot+1>,0.0,0,0,<any>,0,-"),
            *says("C,3,LAST", "A,3,LAST,00000007,<200..1300>,POWER,<boot>"),
            *says("C,4,START,00000007,200", "N,4,START,MAXON"),
            {"quiet": True},
        ],
    ),
]


def build() -> dict[str, object]:
    """Return the whole file as JSON values."""
    return {
        "protocol": PROTOCOL,
        "about": ABOUT,
        "crc": [{"hex": text, "crc": crc_of(bytes.fromhex(text))} for text in CRC],
        "lines": [part(payload) for payload in LINES],
        "received": received(),
        "requests": [{"host": host, "controller": controller} for host, controller in REQUESTS],
        "dialogues": [{"name": name, "load": load, "steps": steps} for name, load, steps in DIALOGUES],
    }


def main() -> int:
    """Write the file, or check it."""
    text = json.dumps(build(), indent=1) + "\n"
    if sys.argv[1:] == ["--check"]:
        is_same = HOME.read_text(encoding="utf-8") == text
        print("as written" if is_same else f"{HOME.name} differs: run scripts/wire_vectors.py")
        return 0 if is_same else 1
    HOME.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
