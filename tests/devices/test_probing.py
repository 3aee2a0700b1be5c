"""What is sent to find out who answers at a port: harmless to every family, also to the wrong one."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.link import open_link as real_open_link
from nebctl_drivers.readers import probing
from nebctl_drivers.readers.probing import RATES, Heard, probe

ACTING_9C = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x20, 0x21, 0x22, 0x23, 0x26}
"""Commands of the 9C board that set, start, stop or clear. Source: HostProtocolReference.md section 8."""
GONE = real_open_link("")
assert isinstance(GONE, CommandFailed)


@dataclass
class Wire:
    """A port at which `reply` answers; it keeps what was written since each opening, with the baud rate."""

    reply: Callable[[bytes], bytes]
    openings: list[tuple[int | None, list[bytes]]] = field(default_factory=list)
    waiting: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)

    def open_link(self, _url: str, *, trace: object, defaults: object) -> "Wire":
        """Stand in for the link's opening; the settings are those to try."""
        assert trace is None
        self.openings.append((getattr(defaults, "baudrate", None), []))
        return self

    async def open(self) -> None:
        """Open."""
        self.waiting = asyncio.Queue()

    def write(self, data: bytes) -> None:
        """Take a question."""
        self.openings[-1][1].append(data)
        if answer := self.reply(data):
            self.waiting.put_nowait(answer)

    async def read(self) -> bytes:
        """Give the answer."""
        return await self.waiting.get()

    def close(self) -> None:
        """Close."""

    @property
    def written(self) -> list[bytes]:
        """Return every question."""
        return [data for _, opening in self.openings for data in opening]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A port at which nobody answers, until a test says who does."""
    port = Wire(lambda _: b"")
    monkeypatch.setattr(probing, "open_link", port.open_link)
    return port


def lines(data: bytes) -> list[str]:
    """Return what a device that ends lines with CR makes of a stream, whether or not LF belongs to it."""
    return [line.strip(b"\n").decode("latin-1") for line in data.split(b"\r")]


@pytest.mark.virtual
@pytest.mark.parametrize("url", ["/dev/ttyX", "tcp://127.0.0.1:4001", "rtu+tcp://127.0.0.1:4001"])
async def test_no_question_is_a_command_of_another_family(wire: Wire, url: str) -> None:
    """No line of all questions together is an Alicat set-point, tare or hold, a balance's tare, or a HELLO."""
    assert await probe(url) == ()
    said = [line for line in lines(b"".join(wire.written)) if re.match(r"[ -~]", line)]
    assert {line for line in said if re.match(r"[A-Z@]", line)} == {"A", "SI"}
    assert all(line.startswith(("$C,1,STAT*", "$C,2,STAT*")) for line in said if line.startswith("$"))
    for line in said:
        assert not re.search(r"[A-Z][0-9]+$", line) or line.startswith("$C,"), line  # digits after an Alicat's id
    for data in wire.written:
        if data.startswith(b"\xaa\x55"):
            assert data[7] not in ACTING_9C


@pytest.mark.virtual
async def test_only_reads_go_to_modbus_units(wire: Wire) -> None:
    """Every Modbus question has the function 3 or 4, on RTU and on TCP."""
    await probe("/dev/ttyX")
    rtu = [data for data in wire.written if data[0] in (1, 40, 41)]
    assert len(rtu) >= 3 * len(RATES)
    assert {data[1] for data in rtu} <= {3, 4}
    await probe("tcp://127.0.0.1:502")
    tcp = [data for data in wire.written if data[2:4] == b"\0\0" and len(data) == 12]
    assert tcp
    assert {data[7] for data in tcp} <= {3, 4}


@pytest.mark.virtual
async def test_each_usual_rate_is_tried_unless_the_url_says_one(wire: Wire) -> None:
    """A serial port is opened at each usual rate; a URL with a baud rate at that rate alone."""
    await probe("/dev/ttyX")
    assert [rate for rate, _ in wire.openings] == list(RATES)
    wire.openings.clear()
    await probe("serial:///dev/ttyX?baudrate=57600")
    assert [rate for rate, _ in wire.openings] == [57_600]


@pytest.mark.virtual
@pytest.mark.parametrize(
    ("answer", "to", "what", "profile"),
    [
        (b"A +014.70 +022.00 +00.000 +00.000 000.00 Air\r", b"A\r", "an Alicat controller, id A", "alicat-ascii"),
        (
            b"@ +014.70 +022.00 +00.000 +00.000 000.00 Air\r",
            b"A\r",
            "an Alicat controller that streams",
            "alicat-ascii",
        ),
        (b"S D     -0.305 mg\r\n", b"SI\r\n", "a balance that speaks MT-SICS", "mt-sics"),
        (b"ES\r\n", b"SI\r\n", "a balance that speaks MT-SICS", "mt-sics"),
    ],
)
async def test_golden_answers_are_known(wire: Wire, answer: bytes, to: bytes, what: str, profile: str) -> None:
    """Lines of the makers' manuals are recognised, and the URL to read by has the rate at which they came."""
    wire.reply = lambda data: answer if data == to and wire.openings[-1][0] == 9_600 else b""
    [heard] = [*await probe("/dev/ttyX")]  # type: ignore[misc]  # a failure has no items, and fails here
    setting = "&id=A" if profile == "alicat-ascii" else ""
    assert heard == Heard(what=what, profile=profile, url=f"serial:///dev/ttyX?baudrate=9600{setting}")


@pytest.mark.virtual
async def test_an_echo_is_nobody(wire: Wire) -> None:
    """A line that gives back every byte, as a shorted one does, is no device."""
    wire.reply = lambda data: data
    assert await probe("/dev/ttyX") == ()


@pytest.mark.virtual
async def test_noise_is_nobody(wire: Wire) -> None:
    """Bytes that are no answer of any family are no device."""
    wire.reply = lambda data: bytes((byte * 37 + 11) & 0xFF for byte in data)
    assert await probe("/dev/ttyX") == ()


async def test_a_held_port_is_left_alone(tmp_path: Path) -> None:
    """A port that does not open is a failure, and a URL that is none too."""
    missing = await probe(str(tmp_path / "ttyNone"))
    assert isinstance(missing, CommandFailed)
    assert "does not exist" in missing.seen
    assert isinstance(await probe("COM3"), CommandFailed)
