"""The simulated controller against the examples of docs/wire-protocol.md, read from the page itself."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_simulators.mesh.codec import LineReader, crc16, encode_line, parse_request
from nebctl_simulators.mesh.device import Device

PAGE = Path(__file__).parents[2] / "docs" / "wire-protocol.md"
MS = 1_000_000
printable = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="$*"), min_size=1, max_size=110
)


def read_examples() -> list[tuple[str, bytes]]:
    """Return who says what in section 8, in order."""
    section = PAGE.read_text(encoding="utf-8").split("## 8.")[1]
    rows = re.findall(r"^\| (host|controller) \| `(\$[^`]+)` \|$", section, re.MULTILINE)
    return [(who, line.encode("ascii") + b"\r\n") for who, line in rows]


def test_the_page_is_answered_byte_for_byte(make_device: Callable[..., Device]) -> None:
    """Every line that section 8 gives the controller comes out of the simulator, given the page's requests."""
    device = make_device(scale=10_000)  # the page's 474 s of plant time pass in 47.4 ms of real time
    device.pour(2_994_880)  # 474 s less both sweeps and the confirmation of dryness, at 6400 nL/s
    assert device.step(0) == b"$E,BOOT,7*%04X\r\n" % crc16(b"E,BOOT,7")
    *dialogue, last = read_examples()
    assert len(dialogue) == 16
    on_ms = {b"STAT": 12_500, b"STOP": 13_000}
    now_ns = 0
    for (asker, request), (answerer, answer) in zip(dialogue[::2], dialogue[1::2], strict=True):
        assert (asker, answerer) == ("host", "controller")
        command = request.split(b"*")[0].split(b",")[2]
        now_ns = on_ms.get(command, 0) * MS // 10_000 or now_ns
        assert device.feed(request, now_ns) == answer
    device.feed(encode_line("C,8,START,0badcafe,1200000"), now_ns)
    assert device.step(now_ns + 461_000 * MS // 10_000) == last[1]


def test_the_check_value_of_the_checksum() -> None:
    """CRC-16/MODBUS of 123456789 is 4B37, as the page says."""
    assert crc16(b"123456789") == 0x4B37


@given(printable, st.lists(st.integers(0, 130), max_size=8))
def test_a_good_line_is_read_however_it_is_cut(payload: str, cuts: list[int]) -> None:
    """Lines survive noise before them and any division into pieces."""
    data = b"noise\r\n$broken" + encode_line(payload)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    reader = LineReader()
    found = [line for start, end in pairwise(edges) for line in reader.feed(data[start:end])]
    assert found == [payload]


@given(printable, st.data())
def test_a_line_with_a_changed_bit_is_dropped(payload: str, data: st.DataObject) -> None:
    """No single wrong bit inside a line lets it through as another request."""
    line = encode_line(payload)
    place = data.draw(st.integers(0, len(line) * 8 - 1))
    spoiled = bytearray(line)
    spoiled[place // 8] ^= 1 << place % 8
    assert LineReader().feed(bytes(spoiled)) == []


@pytest.mark.parametrize(
    "data",
    [
        b"$" + b"x" * 111 + b"*%04X\r\n" % crc16(b"x" * 111),
        b"$*FFFF\r\n",
        b"$a*%04x\r\n" % crc16(b"a"),
        b"$a\x7f*0000\r\n",
    ],
    ids=["too long", "empty", "lower-case checksum", "character"],
)
def test_what_the_page_forbids_is_dropped(data: bytes) -> None:
    """A line that is too long, empty, or has a wrong character gets no answer, and the next line is read."""
    assert LineReader().feed(data + encode_line("C,1,BEAT")) == ["C,1,BEAT"]


@pytest.mark.parametrize(
    "payload",
    ["C", "C,1", "C,1,", "C,0,BEAT", "C,01,BEAT", "C,65536,BEAT", "C,+1,BEAT", "A,1,BEAT", "hello", "C,1," + "X" * 98],
)
def test_what_is_no_request_gets_no_answer(payload: str) -> None:
    """Without a good sequence number and a command nobody could match an answer."""
    assert parse_request(payload) is None
