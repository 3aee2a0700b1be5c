"""docs/wire-vectors.json against our driver's codec, our simulator, and a receiver in another language."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nebctl_drivers.mesh_reference import frames
from nebctl_simulators.mesh import codec
from nebctl_simulators.mesh.device import Device
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "docs" / "wire-vectors.json").read_text("utf-8"))
PAGE = (ROOT / "docs" / "wire-protocol.md").read_text("utf-8")
MS = 1_000_000
LINES = VECTORS["lines"]
SPOKEN = [line for line in LINES if line["from"] == "controller"]
ASKED = [line for line in LINES if line["from"] == "host"]
RANGE = re.compile(r"<([0-9]+)\.\.([0-9]+)>")
NAME = re.compile(r"<([a-z]+)(\+1)?>")


class Bed:
    """The simulated controller with a full cup, and time by hand."""

    def __init__(self) -> None:
        self.now_ns = 0
        unit = build_unit("mesh.solo", 1)
        self.device = Device(unit=unit, serial="SIM-0001", sim_time=ScaledTime(0), memory=Memory(boot=6), real_ns=0)
        self.device.pour(3_000_000)
        self.said = bytearray()
        self.names: dict[str, str] = {}
        self.device.step(0)

    def pass_ms(self, ms: int) -> None:
        """Let time pass in small steps."""
        for _ in range(ms // 5):
            self.now_ns += 5 * MS
            self.said += self.device.step(self.now_ns)

    def hear(self, payload: str) -> None:
        """Give the controller one good line."""
        self.said += self.device.feed(codec.encode_line(payload), self.now_ns)

    def restart(self, how: str) -> None:
        """Restart from outside."""
        if how == "reset":
            self.device.inject("brownout", 1, None, self.now_ns)
        else:
            self.device.switch_power(on=False, real_ns=self.now_ns)
            self.device.switch_power(on=True, real_ns=self.now_ns)
        self.said += self.device.step(self.now_ns)

    def next_line(self) -> str:
        """Return the payload of the next line that was said; empty where none was."""
        line, _, rest = bytes(self.said).partition(b"\r\n")
        self.said = bytearray(rest)
        return line[1:-5].decode()

    def play(self, step: dict[str, object]) -> None:
        """Play one step of a dialogue."""
        ((act, what),) = step.items()
        if act == "host":
            self.hear(what)
        elif act == "wait_ms":
            self.pass_ms(what)
        elif act == "restart":
            self.restart(what)
        elif act == "quiet":
            assert self.next_line() == ""
        else:
            self.compare(what, self.next_line())

    def compare(self, pattern: str, seen: str) -> None:
        """Compare a line field by field, with the placeholders as the file explains them."""
        wanted, fields = pattern.split(","), seen.split(",")
        assert len(wanted) == len(fields), (pattern, seen)
        for want, field in zip(wanted, fields, strict=True):
            assert self.fits(want, field), (pattern, seen)

    def fits(self, want: str, field: str) -> bool:
        """Tell whether a field is as wanted."""
        if between := RANGE.fullmatch(want):
            return int(between[1]) <= int(field) <= int(between[2])
        name = NAME.fullmatch(want)
        if name is None or want == "<any>":
            return want in ("<any>", field)
        known = self.names.setdefault(name[1], field)
        return field == (str(int(known) + 1) if name[2] else known)


def test_the_file_is_what_its_script_writes() -> None:
    """Nobody edited the file by hand: the script writes it byte for byte."""
    script = ROOT / "scripts" / "wire_vectors.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout


def test_the_file_is_of_this_pages_version() -> None:
    """Page and vectors name the same version."""
    assert f"# The reference mesh protocol, version {VECTORS['protocol']}\n" in PAGE


@pytest.mark.parametrize("vector", VECTORS["crc"], ids=lambda vector: vector["hex"][:20] or "nothing")
def test_checksums(vector: dict[str, str]) -> None:
    """Driver and simulator work out the same CRC."""
    data = bytes.fromhex(vector["hex"])
    assert f"{frames.checksum(data):04X}" == f"{codec.crc16(data):04X}" == vector["crc"]


@pytest.mark.parametrize("vector", ASKED, ids=lambda vector: vector["line"].strip())
def test_requests(vector: dict[str, object]) -> None:
    """The driver encodes each request byte for byte, and the simulator reads its parts from it."""
    line = str(vector["line"]).encode()
    assert frames.encode_request(vector["seq"], vector["command"], *vector["fields"]) == line
    (payload,) = codec.LineReader().feed(line)
    request = codec.parse_request(payload)
    assert request is not None
    assert (request.seq, request.command, list(request.arguments)) == (
        vector["seq"],
        vector["command"],
        vector["fields"],
    )


@pytest.mark.parametrize("vector", SPOKEN, ids=lambda vector: vector["line"].strip())
def test_lines_of_the_controller(vector: dict[str, object]) -> None:
    """The driver reads each line's parts, and the simulator writes it byte for byte."""
    (line,) = frames.LineReader().feed(str(vector["line"]).encode())
    match line:
        case frames.Answer(seq, command, fields):
            parts = ("answer", seq, command, list(fields))
        case frames.Refused(seq, command, reason):
            parts = ("refusal", seq, command, [reason])
        case frames.Event(name, fields):
            parts = ("event", None, name, list(fields))
    wanted = vector["kind"], vector.get("seq"), vector.get("command", vector.get("name")), vector["fields"]
    assert parts == wanted
    assert codec.encode_line(str(vector["line"])[1:-7]).decode() == vector["line"]


@pytest.mark.parametrize("vector", VECTORS["received"], ids=lambda vector: vector["what"])
def test_what_a_receiver_takes(vector: dict[str, object]) -> None:
    """Driver and simulator take the same payloads of a stream, whole and byte by byte."""
    data, payloads = bytes.fromhex(str(vector["hex"])), vector["payloads"]
    whole, slow = codec.LineReader(), codec.LineReader()
    assert whole.feed(data) == payloads
    assert [line for byte in data for line in slow.feed(bytes([byte]))] == payloads
    # the driver reads controllers, not hosts: a host's payload is a line of no known form, quoted whole
    assert [line.payload for line in frames.LineReader().feed(data)] == payloads


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: vector["host"])
def test_requests_are_answered_as_listed(vector: dict[str, str | None]) -> None:
    """The simulator, OFF and just greeted, answers or keeps silent as the file says."""
    bed = Bed()
    bed.play({"host": "C,1,HELLO,a1b2c3d4"})
    bed.play({"controller": "A,1,HELLO,a1b2c3d4,<any>,<any>,<any>,<any>,<any>,<any>,<max>,<any>"})
    most = bed.names["max"]
    bed.hear(str(vector["host"]).replace("<max_on_ms>", most))
    if vector["controller"] is None:
        assert bed.next_line() == ""
    else:
        bed.compare(vector["controller"].replace("<max_on_ms>", most), bed.next_line())


@pytest.mark.parametrize("dialogue", VECTORS["dialogues"], ids=lambda dialogue: dialogue["name"])
def test_dialogues(dialogue: dict[str, object]) -> None:
    """The simulator plays its part of each dialogue, line by line, and ends with nothing unsaid."""
    bed = Bed()
    for step in dialogue["steps"]:
        bed.play(step)
    assert bed.next_line() == ""


def test_a_dialogue_with_a_start_says_so() -> None:
    """Each dialogue that turns the output on is marked, so that nobody plays it on a dry mesh unawares."""
    for dialogue in VECTORS["dialogues"]:
        starts = any(",START," in step.get("host", "") for step in dialogue["steps"])
        assert dialogue["load"] == starts, dialogue["name"]


def test_the_vectors_name_every_command_reason_and_event() -> None:
    """No command, refusal reason, end cause or event of the page goes without a vector."""
    assert {line["command"] for line in ASKED} == {"HELLO", "START", "STOP", "BEAT", "STAT", "LAST", "MAXON"}
    reasons = {line["fields"][0] for line in SPOKEN if line["kind"] == "refusal"}
    assert reasons == {"CMD", "ARG", "SEQ", "STATE", "MAXON", "CUP", "FAULT"}
    assert {line["name"] for line in SPOKEN if line["kind"] == "event"} == {"BOOT", "END"}


def test_every_line_on_the_page_has_its_right_checksum() -> None:
    """No example of the page, of the how-to for makers or of the driver's page has a wrong CRC."""
    pages = ("wire-protocol.md", "how-to/make-a-mesh-controller.md", "devices/mesh-reference.md")
    text = "".join((ROOT / "docs" / page).read_text("utf-8") for page in pages)
    lines = re.findall(r"\$([^$*`\n]+)\*([0-9A-F]{4})", text)
    assert len(lines) > 40
    assert [payload for payload, crc in lines if f"{codec.crc16(payload.encode()):04X}" != crc] == []


def test_a_receiver_in_c_takes_the_same(tmp_path: Path) -> None:
    """A receiver of 60 lines of C, written from the page, takes the same payloads of every stream."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here")
    program = tmp_path / "receiver"
    source = Path(__file__).with_name("receiver.c")
    subprocess.run([compiler, "-std=c99", "-Wall", "-Werror", "-O1", "-o", program, source], check=True, timeout=50)
    streams = "".join(f"{vector['hex']}\n" for vector in VECTORS["received"])
    done = subprocess.run([program], input=streams, capture_output=True, text=True, check=True, timeout=20)
    taken = [[bytes.fromhex(word).decode() for word in line.split()] for line in done.stdout.splitlines()]
    assert taken == [vector["payloads"] for vector in VECTORS["received"]]
