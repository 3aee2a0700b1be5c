"""The 9C board's frames: the maker's own byte for byte, every payload's form, and any bytes at all."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl_drivers.board_9c.frames import MAX_PAYLOAD, OVERHEAD, Frame, FrameReader, FrameType, checksum, encode_frame
from nebctl_drivers.board_9c.payloads import Config, Runtime, State, Status, read_payload
from nebctl_drivers.board_9c.profile import read_board_profile
from nebctl_drivers.profiles import read_profile

PROFILE = read_profile("board-9c")
GOLDEN = PROFILE["frame"]
Pack = Callable[[int, int, bytes], bytes]
HEARTBEAT = bytes.fromhex("AA5501000101002590 2D0D0A")
ACK = bytes.fromhex("AA5501000204002501 00007FE80D0A")
LENGTHS = {
    FrameType.CMD: (1, 128), FrameType.ACK: (4, 4), FrameType.NACK: (4, 4), FrameType.STATUS: (20, 21),
    FrameType.EVENT: (12, 12), FrameType.CONFIG: (7, 8), FrameType.PID: (20, 20), FrameType.RUNTIME: (46, 128),
    FrameType.MAINT: (5, 5), FrameType.FAN_PID: (20, 20), FrameType.PREHEAT_PID: (20, 20),
}  # fmt: skip


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Draw a frame of any type and length."""
    kind = draw(st.sampled_from(FrameType))
    least, most = LENGTHS[kind]
    return Frame(draw(st.integers(0, 0xFFFF)), kind, draw(st.binary(min_size=least, max_size=most)))


def golden_bytes(row: dict[str, Any]) -> bytes:
    """Return a golden frame's bytes."""
    return bytes.fromhex(row["bytes"])


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["what"])
def test_the_golden_frames(row: dict[str, Any], pack: Pack) -> None:
    """Each golden frame is made, cut and read as it stands in the profile, by this codec and by the tests' own."""
    frame = Frame(row["id"], FrameType[row["type"]], bytes.fromhex(row["payload"]))
    raw = golden_bytes(row)
    assert encode_frame(frame) == raw == pack(frame.frame_id, frame.type, frame.payload)
    assert FrameReader().feed(raw) == [frame]
    if "read" in row:
        payload = read_payload(frame)
        assert not isinstance(payload, str), payload
        assert {name: getattr(payload, name) for name in row["read"]} == row["read"]


def test_the_two_frames_that_the_fact_sheet_quotes() -> None:
    """The heartbeat and its ACK, typed here a second time, are those of the profile."""
    assert [golden_bytes(row) for row in GOLDEN[:2]] == [HEARTBEAT, ACK]
    assert checksum(b"123456789") == 0x4B37


def test_the_profile_tells_its_source_and_its_limits() -> None:
    """The profile names where it is from, and its numbers are those that the driver goes by."""
    profile = read_board_profile()
    assert re.search("HostProtocolReference", PROFILE["profile"]["source"])
    assert (profile.timing.baud, profile.stale_ns, profile.start_answer_s) == (115_200, 1_500_000_000, 2.0)
    assert (PROFILE["timing"]["host_loss_off_ms"], PROFILE["promises"]["keeps_s14"]) == (3000, False)
    assert PROFILE["limits"]["minutes"] == [1, 60]
    assert 1 <= profile.mist_level <= 3


def test_every_fault_has_a_name() -> None:
    """The 17 faults of the maker's list are named, each once, and one that is not in it by its number."""
    profile = read_board_profile()
    names = [profile.name_fault(code, 0) for code in range(1, 18)]
    assert len(set(names)) == 17
    assert not any(name.startswith("FAULT-") for name in names if name)
    assert (profile.name_fault(0, 0), profile.name_fault(18, 0)) == (None, "FAULT-18")
    assert (profile.name_fault(0, 9), profile.name_fault(0, 3)) == ("LIQUID-EMPTY", "MIST-FAULT-3")


@given(frames())
def test_what_is_encoded_is_read_back(frame: Frame) -> None:
    """Every frame comes back as it went out, whole and byte by byte."""
    raw = encode_frame(frame)
    reader = FrameReader()
    assert FrameReader().feed(raw) == [frame]
    assert [found for byte in raw for found in reader.feed(bytes((byte,)))] == [frame]
    assert reader.dropped == 0


@settings(max_examples=300)
@given(st.lists(st.one_of(st.binary(max_size=60), frames().map(encode_frame)), max_size=12), st.integers(1, 50))
def test_the_reader_takes_any_bytes(pieces: list[bytes], cut: int) -> None:
    """No bytes raise, the pieces' size makes no difference, and no more than one frame's bytes are ever kept."""
    data = b"".join(pieces)
    whole, split = FrameReader(), FrameReader()
    found = whole.feed(data)
    assert [f for at in range(0, len(data), cut) for f in split.feed(data[at : at + cut])] == found
    assert len(whole._buffer) < OVERHEAD + MAX_PAYLOAD
    for frame in found:
        read_payload(frame)


@given(st.binary(max_size=200), frames())
def test_the_reader_is_back_in_step_after_any_noise(noise: bytes, frame: Frame) -> None:
    """Behind noise that happens to look like a header, a frame is found as soon as that header's claim is over."""
    reader = FrameReader()
    reader.feed(noise)
    later = [found for _ in range(MAX_PAYLOAD + OVERHEAD) for found in reader.feed(encode_frame(frame))]
    assert later[-5:] == [frame] * 5


@pytest.mark.parametrize("at", range(len(ACK)))
def test_a_flipped_bit_is_no_frame(at: int) -> None:
    """Whichever byte of an ACK is changed, it is no frame, and the next one is found behind it."""
    bad = ACK[:at] + bytes((ACK[at] ^ 0x10,)) + ACK[at + 1 :]
    found = FrameReader().feed(bad + ACK * 12)
    assert found == [Frame(1, FrameType.ACK, bytes((0x25, 1, 0, 0)))] * len(found)
    assert len(found) >= 2


@pytest.mark.parametrize("cut", range(1, len(ACK)))
def test_a_truncated_frame_gives_way_to_the_next(cut: int) -> None:
    """A frame that breaks off anywhere costs itself alone."""
    assert FrameReader().feed(ACK[:cut] + ACK + HEARTBEAT)[-2:] == [
        Frame(1, FrameType.ACK, bytes((0x25, 1, 0, 0))),
        Frame(1, FrameType.CMD, b"\x25"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        ACK[:-2] + b"\n\r",
        ACK[:-2] + b"\x00\x00",
        b"\xaa\x55\x01\x00\x02\x05\x00",
        b"\xaa\x55\x01\x00\x08\xff\xff",
        b"\xaa\x55\x01\x00\x77\x04\x00",
        b"\xaa\xaa\xaa",
    ],
    ids=["tail swapped", "no tail", "length of another type", "length beyond all", "unknown type", "marks"],
)
def test_a_wrong_frame_is_dropped_at_once(bad: bytes) -> None:
    """A wrong tail, an impossible length, or an unknown type is not waited for."""
    reader = FrameReader()
    assert reader.feed(bad + ACK) == [Frame(1, FrameType.ACK, bytes((0x25, 1, 0, 0)))]
    assert reader.dropped == len(bad)
    assert reader.sample == bad


def test_a_frame_that_breaks_the_rules_is_not_made() -> None:
    """The encoder refuses a number or a length that the protocol does not have."""
    for frame in (
        Frame(0x10000, FrameType.CMD, b"\x25"),
        Frame(1, FrameType.CMD, b""),
        Frame(1, FrameType.ACK, b"123"),
    ):
        with pytest.raises(ValueError, match="no frame"):
            encode_frame(frame)


@pytest.mark.parametrize("length", [46, 66, 76, 90, 91, 92, 100])
def test_a_runtime_of_any_length_is_read(length: int) -> None:
    """The first 46 bytes are the same in every firmware; keep-warm is told by those of 92 and more alone."""
    runtime = read_payload(Frame(0x8000, FrameType.RUNTIME, bytes((2,)) + bytes(length - 1)))
    assert isinstance(runtime, Runtime)
    assert (runtime.state, runtime.keep_warm) == (State.READY, False if length > 91 else None)


def test_the_config_quirk() -> None:
    """CONFIG of 7 bytes, as in the maker's example, says nothing of keep-warm; of 8, as in the table, it does."""
    old = read_payload(Frame(1, FrameType.CONFIG, bytes.fromhex("01A40158020203")))
    new = read_payload(Frame(1, FrameType.CONFIG, bytes.fromhex("01A4015802020301")))
    assert isinstance(old, Config)
    assert isinstance(new, Config)
    assert (old.keep_warm, new.keep_warm, old.hot, old.mist_level) == (None, True, False, 3)


@pytest.mark.parametrize(("at", "value"), [(0, 11), (11, 2), (12, 255), (14, 2), (17, 7), (18, 2), (19, 2), (20, 9)])
def test_a_status_without_meaning_is_unreadable(at: int, value: int) -> None:
    """A state or a flag that the page does not know makes the STATUS unreadable: it is not read as true or false."""
    good = bytes.fromhex("055702A401EA00D200020201010001000001010100")
    assert isinstance(read_payload(Frame(1, FrameType.STATUS, good)), Status)
    said = read_payload(Frame(1, FrameType.STATUS, good[:at] + bytes((value,)) + good[at + 1 :]))
    assert isinstance(said, str)
    assert str(value) in said


@pytest.mark.parametrize(
    ("kind", "payload"), [("ACK", "25000000"), ("ACK", "25014000"), ("NACK", "20014200"), ("NACK", "20000000")]
)
def test_an_answer_that_contradicts_itself_is_none(kind: str, payload: str) -> None:
    """An ACK that says not ok, or a NACK that says ok or gives no reason, is no answer."""
    assert isinstance(read_payload(Frame(1, FrameType[kind], bytes.fromhex(payload))), str)
