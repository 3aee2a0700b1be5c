"""Lines of the reference mesh protocol: golden, cut, doubled and corrupted."""

import itertools
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_drivers.mesh_reference.frames import (
    Answer,
    Event,
    Line,
    LineReader,
    Malformed,
    Refused,
    checksum,
    encode_request,
    next_seq,
)

PROFILE: dict[str, Any] = tomllib.loads(files("nebctl_profiles").joinpath("mesh-reference.toml").read_text("utf-8"))
FRAMES: list[dict[str, Any]] = PROFILE["frame"]
SPOKEN = [frame for frame in FRAMES if frame["from"] == "controller"]
LINES = sorted({frame["line"].encode() + b"\r\n" for frame in SPOKEN})
GOOD = b"$A,3,BEAT*32C8\r\n"


def expected_line(frame: dict[str, Any]) -> Line:
    """Return what a golden frame of the profile means."""
    fields = tuple(frame["fields"])
    if frame["kind"] == "event":
        return Event(frame["name"], fields)
    if frame["kind"] == "refusal":
        return Refused(frame["seq"], frame["command"], fields[0])
    return Answer(frame["seq"], frame["command"], fields)


def test_page_and_profile_show_the_same_lines() -> None:
    """The examples of the page's section 8 and the profile's golden frames agree, in order."""
    page = (Path(__file__).parents[2] / "docs/wire-protocol.md").read_text("utf-8")
    rows = re.findall(r"^\| (host|controller) \| `(\$.*)` \|$", page, re.MULTILINE)
    assert rows == [(frame["from"], frame["line"]) for frame in FRAMES]
    assert f"gives `{PROFILE['crc']['check']}`" in page


def test_crc_has_the_check_value_of_the_page() -> None:
    """The CRC of "123456789" is the published one."""
    assert f"{checksum(b'123456789'):04X}" == PROFILE["crc"]["check"]


@pytest.mark.parametrize("frame", [frame for frame in FRAMES if frame["from"] == "host"], ids=lambda f: f["line"])
def test_requests_are_encoded_byte_for_byte(frame: dict[str, Any]) -> None:
    """Each golden request comes out of the encoder exactly."""
    encoded = encode_request(frame["seq"], frame["command"], *frame["fields"])
    assert encoded == frame["line"].encode() + b"\r\n"


@pytest.mark.parametrize("frame", SPOKEN, ids=lambda f: f["line"])
def test_golden_lines_are_read(frame: dict[str, Any]) -> None:
    """Each golden line of the controller is read with its number, command and fields."""
    assert LineReader().feed(frame["line"].encode() + b"\r\n") == [expected_line(frame)]


@given(cuts=st.lists(st.integers(0, 600), max_size=20))
def test_cutting_the_bytes_changes_nothing(cuts: list[int]) -> None:
    """However the stream is cut into pieces, the same lines come out."""
    stream = b"".join(LINES)
    edges = [0, *sorted(cuts), len(stream)]
    reader = LineReader()
    pieces = [line for start, end in itertools.pairwise(edges) for line in reader.feed(stream[start:end])]
    assert pieces == LineReader().feed(stream)
    assert len(pieces) == len(LINES)


def test_one_byte_at_a_time_is_enough() -> None:
    """A line that comes byte by byte is read once, at its last byte."""
    reader = LineReader()
    counts = [len(reader.feed(bytes([byte]))) for byte in GOOD]
    assert counts == [0] * (len(GOOD) - 1) + [1]


def flip_every_bit(line: bytes) -> Iterator[bytes]:
    """Give the line once for each of its bits, with that bit flipped."""
    for place in range(len(line) * 8):
        flipped = bytearray(line)
        flipped[place // 8] ^= 1 << place % 8
        yield bytes(flipped)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.decode().strip())
def test_no_line_with_one_flipped_bit_is_read(line: bytes) -> None:
    """Whichever single bit of a line flips, nothing is read from it, and the next good line is."""
    for flipped in flip_every_bit(line):
        assert LineReader().feed(flipped + GOOD) == [Answer(3, "BEAT", ())], flipped


@given(line=st.sampled_from(LINES), place=st.integers(1, 200), noise=st.binary(min_size=2, max_size=2))
def test_no_line_with_a_burst_of_noise_is_read_as_another(line: bytes, place: int, noise: bytes) -> None:
    """Two neighbouring bytes replaced by anything give the true line (when nothing changed) or nothing."""
    start = place % (len(line) - 2)
    noisy = line[:start] + noise + line[start + 2 :]
    good = LineReader().feed(GOOD)
    assert LineReader().feed(noisy + GOOD) in ([*LineReader().feed(line), *good], good)


@given(st.binary(max_size=300))
def test_noise_never_hides_the_next_good_line(noise: bytes) -> None:
    """After any bytes at all, a good line is read."""
    assert LineReader().feed(noise + GOOD)[-1] == Answer(3, "BEAT", ())


def test_a_doubled_line_is_read_twice() -> None:
    """The reader hides no duplicate: it is the conversation that drops it by its number."""
    assert LineReader().feed(GOOD + GOOD) == [Answer(3, "BEAT", ())] * 2


def test_an_endless_line_is_dropped_and_counted() -> None:
    """A line past its greatest length is dropped, without an end to wait for."""
    reader = LineReader()
    assert reader.feed(b"$" + b"a" * 100_000 + b"\r\n") == []
    assert reader.dropped == 1
    assert reader.feed(GOOD) == [Answer(3, "BEAT", ())]


@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\r\n", b" \r\n"])
def test_a_line_ends_with_cr_lf_only(ending: bytes) -> None:
    """No other line end is taken for one."""
    assert LineReader().feed(GOOD[:-2] + ending) == []


@pytest.mark.parametrize(
    "payload",
    [
        "A,0,BEAT",
        "A,65536,BEAT",
        "A,07,BEAT",
        "A,3,beat",
        "A,3",
        "N,3,STOP",
        "N,3,STOP,A,B",
        "X,1",
        "A,3,STAT,",
        "E, B",
    ],
)
def test_a_good_crc_does_not_excuse_a_bad_form(payload: str, sign_line: Callable[[str], bytes]) -> None:
    """A line of another form is a value that quotes it, never an exception."""
    (line,) = LineReader().feed(sign_line(payload))
    assert isinstance(line, Malformed)
    assert line.payload == payload


@pytest.mark.parametrize(
    ("seq", "command", "arg"), [(0, "STOP", "1"), (65536, "STOP", "1"), (1, "stop", "1"), (1, "STOP", "$")]
)
def test_the_encoder_refuses_what_is_no_line(seq: int, command: str, arg: str) -> None:
    """A request outside the page's rules never becomes bytes."""
    with pytest.raises(ValueError, match="no request"):
        encode_request(seq, command, arg)


def test_numbers_begin_again_after_the_last() -> None:
    """1 follows 65535, as the page says."""
    assert [next_seq(0), next_seq(1), next_seq(65535)] == [1, 2, 1]
