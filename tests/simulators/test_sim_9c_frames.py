"""The simulated 9C board's frames in bad company, its memory, keep-warm, maintenance, and the faults of its line."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_simulators.board_9c.codec import Frame, FrameReader, encode_frame
from nebctl_simulators.board_9c.device import Device
from nebctl_simulators.board_9c.settings import Firmware
from nebctl_simulators.presets import build_unit
from nebctl_simulators.shim import ANY, Terms
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000
SECOND = 1_000_000_000
ACK, NACK, STATUS, EVENT, CONFIG, PID, RUNTIME, MAINT = 2, 3, 4, 5, 6, 7, 8, 9
READY, RUN_COLD, KEEP_WARM = 2, 5, 10
BEAT = Frame(7, 1, b"\x25")


QUICK = Firmware(start_ms=0, poll_ms=0)


class Bench:
    """A booted board and the time; frames go in and come out through the codec that the maker's examples proved."""

    def __init__(self, firmware: Firmware = QUICK) -> None:
        unit = build_unit("mesh.solo", 1)
        self.device = Device(unit=unit, serial="SIM-0003", sim_time=ScaledTime(0), real_ns=0, firmware=firmware)
        self.device.pour(3_000_000)
        self.now_ns = SECOND
        self.reader = FrameReader()
        self.device.step(self.now_ns)

    def ask(self, command: int, data: bytes = b"") -> list[Frame]:
        """Send a command and return every frame that comes at once."""
        said = self.device.feed(encode_frame(Frame(7, 1, bytes([command]) + data)), self.now_ns)
        return self.reader.feed(said, self.now_ns)

    def code(self, command: int, data: bytes = b"") -> int:
        """Send a command and return its code, 0 for an acknowledgement."""
        (last,) = [frame for frame in self.ask(command, data) if frame.kind in (ACK, NACK)]
        return last.payload[2]

    def data(self, command: int) -> bytes:
        """Ask and return the payload of the data frame, which comes before the acknowledgement."""
        first, second = self.ask(command)[:2]
        assert (second.kind, first.number & 0x8000) == (ACK, 0x8000)
        return first.payload

    def pass_time(self, ms: int) -> list[Frame]:
        """Let real time pass and return what was said unasked."""
        self.now_ns += ms * MS
        return self.reader.feed(self.device.step(self.now_ns), self.now_ns)

    def inject(self, fault: str, count: int = 1, ms: int | None = None, terms: Terms = ANY) -> None:
        """Arm a fault now."""
        self.device.inject(fault, count, ms, self.now_ns, terms)


@pytest.fixture
def bench() -> Bench:
    """A bench with a board that has booted."""
    return Bench()


def test_a_start_takes_a_second_in_which_commands_wait_and_questions_do_not() -> None:
    """Between START and its acknowledgement questions are answered with the old state, and a STOP waits its turn."""
    bench = Bench(Firmware())
    bench.code(0x10, b"\1")
    asked = [encode_frame(Frame(number, 1, bytes([command]))) for number, command in ((1, 0x20), (2, 0x23), (3, 0x24))]
    said = bench.reader.feed(bench.device.feed(b"".join(asked), bench.now_ns), bench.now_ns)
    assert [(frame.number, frame.kind) for frame in said if frame.kind == ACK] == [(3, ACK)]
    assert [frame.payload[0] for frame in said if frame.kind == STATUS] == [READY]
    bench.pass_time(900)
    assert bench.device.next_ns() == bench.now_ns + 100 * MS
    said = bench.pass_time(100)
    assert [(frame.number, frame.kind) for frame in said if frame.kind == ACK] == [(1, ACK), (2, ACK)]
    assert (bench.data(0x24)[0], bench.device.truth().output) == (READY, "OFF")


def test_the_mist_board_is_seen_once_a_second() -> None:
    """STATUS says that the mist runs up to a second after it began, and up to a second after it ended."""
    bench = Bench(Firmware(start_ms=0))
    bench.code(0x10, b"\1")
    bench.code(0x25)
    bench.code(0x20)
    assert (bench.device.truth().output, bench.data(0x24)[17]) == ("RUN", 0)
    bench.pass_time(1_000)
    assert bench.data(0x24)[17] == 1
    bench.code(0x23)
    assert (bench.device.truth().output, bench.data(0x24)[17]) == ("OFF", 1)
    bench.pass_time(1_000)
    assert bench.data(0x24)[17] == 0


def test_too_many_commands_at_once_are_refused_as_busy() -> None:
    """Behind a START so many commands wait; one more is refused with 0x7E at once."""
    bench = Bench(Firmware())
    asked = b"".join(encode_frame(Frame(number, 1, b"\x20")) for number in range(1, 18))
    said = bench.reader.feed(bench.device.feed(asked, bench.now_ns), bench.now_ns)
    assert said == [Frame(17, NACK, b"\x20\0\x7e\0")]


@given(st.binary(max_size=40), st.binary(max_size=300), st.integers(1, 20))
def test_a_good_frame_is_found_in_any_noise(before: bytes, after: bytes, size: int) -> None:
    """Noise, however cut, hides a good frame only while it can be the beginning of a longer one: time brings it out."""
    reader = FrameReader()
    data = before + encode_frame(BEAT)
    found = [one for at in range(0, len(data), size) for one in reader.feed(data[at : at + size], at)]
    found += reader.feed(after, len(data))
    found += reader.feed(encode_frame(BEAT), 10 * SECOND)
    assert found.count(BEAT) >= 1
    assert all(one == BEAT or one.payload in before + after for one in found)


@pytest.mark.parametrize("length", [1, 6, 128, 129, 65_535])
def test_a_head_by_chance_hides_no_frame(length: int) -> None:
    """A frame's head in the noise, with whatever length behind it, costs no good frame that follows at once."""
    reader = FrameReader()
    chance = b"\xaa\x55\x01\x00\x01" + length.to_bytes(2, "little")
    assert reader.feed(chance + encode_frame(BEAT) * 12, 0)[:11] == [BEAT] * 11


@pytest.mark.parametrize("place", range(2, 12))
def test_a_spoilt_frame_is_not_acted_on(bench: Bench, place: int) -> None:
    """One wrong bit anywhere behind the head, and the board says nothing."""
    good = bytearray(encode_frame(BEAT))
    good[place] ^= 0x10
    assert bench.device.feed(bytes(good), bench.now_ns) == b""
    assert bench.device.feed(b"", bench.now_ns) == b""


def test_settings_outlive_power_after_a_second(bench: Bench) -> None:
    """A setting is kept across a loss of power once a second has passed since it was made, and not before."""
    bench.code(0x14, b"\3")
    bench.pass_time(1_100)
    bench.code(0x13, b"\1")
    bench.inject("brownout")
    assert struct.unpack("<BHHBBB", bench.data(0x27)) == (0, 420, 600, 2, 3, 0)


@pytest.mark.req("S23")
def test_a_brown_out_ends_the_run_and_shows_in_the_uptime(bench: Bench) -> None:
    """After a loss of power nothing runs, nothing resumes, and RUNTIME's uptime begins anew."""
    bench.code(0x10, b"\1")
    bench.pass_time(1_500)
    assert bench.code(0x20) == 0
    before = struct.unpack_from("<I", bench.data(0x2A), 38)[0]
    bench.inject("brownout")
    bench.pass_time(900)
    assert struct.unpack_from("<I", bench.data(0x2A), 38)[0] == 900 < before
    assert bench.data(0x24)[0] == READY
    assert bench.device.truth().output == "OFF"


def test_keep_warm_begins_and_ends_at_once(bench: Bench) -> None:
    """Switched on where nothing runs the board keeps warm, tells it, and returns to READY when it is switched off."""
    said = bench.ask(0x15, b"\1")
    assert [frame.payload[0] for frame in said if frame.kind == EVENT] == [4]
    assert bench.data(0x24)[0] == KEEP_WARM
    said = bench.ask(0x15, b"\0")
    assert [frame.payload[0] for frame in said if frame.kind == EVENT] == [5]
    assert bench.data(0x24)[0] == READY


def test_kept_warm_it_boots_heating(bench: Bench) -> None:
    """A board that was told to keep warm does so after a loss of power too, without any host."""
    bench.code(0x15, b"\1")
    bench.pass_time(1_100)
    bench.inject("brownout")
    bench.pass_time(1_000)
    assert bench.data(0x24)[0] == KEEP_WARM


def test_maintenance_drives_the_mist_by_hand(bench: Bench) -> None:
    """In maintenance the mist runs without a treatment; outside it that is refused, and START is refused in it."""
    assert bench.code(0x2B) == 0
    assert bench.code(0x20) == 11
    assert bench.ask(0x2E, b"\2")[0].payload == bytes([1, 0, 2, 0, 0])
    bench.pass_time(1_000)
    assert bench.device.truth().emitted_nl > 0
    assert bench.code(0x2C) == 0
    assert bench.device.truth().output == "OFF"


@pytest.mark.parametrize("length", [46, 66, 76, 90, 91, 92])
def test_runtime_comes_in_every_known_length(length: int) -> None:
    """Each known length is one frame, with the first 46 bytes the same."""
    payload = Bench(Firmware(runtime_bytes=length)).data(0x2A)
    assert len(payload) == length
    assert payload[:46] == Bench().data(0x2A)[:46]


def test_an_older_board_has_a_shorter_status() -> None:
    """Before keep-warm a STATUS has 20 bytes."""
    assert len(Bench(Firmware(status_bytes=20)).data(0x24)) == 20


def test_pids_are_kept(bench: Bench) -> None:
    """A set of four numbers is answered with itself and read back."""
    numbers = struct.pack("<4i", 120_000, 10_000, 5_000, 1_000)
    assert bench.ask(0x29, numbers)[0].payload[:16] == numbers
    assert bench.data(0x28)[:16] == numbers


def test_a_refusal_can_be_had_on_demand(bench: Bench) -> None:
    """An armed refusal answers the command it names with its code, does nothing, and leaves other commands alone."""
    bench.inject("refuse", terms=Terms(function=0x14, code=0x45))
    assert bench.code(0x13, b"\1") == 0
    assert bench.code(0x14, b"\3") == 0x45
    assert bench.data(0x27)[6] == 2


def test_a_stuck_mist_says_so(bench: Bench) -> None:
    """A mist that cannot be stopped goes on, and STATUS tells it beside the state READY."""
    bench.code(0x10, b"\1")
    bench.code(0x20)
    bench.inject("stuck_on")
    bench.pass_time(100)
    assert bench.code(0x23) == 0
    status = bench.data(0x24)
    assert (status[0], status[17]) == (READY, 1)
    bench.device.clear(bench.now_ns)
    bench.pass_time(100)
    assert bench.data(0x24)[17] == 0


def test_faults_of_the_answer_keep_the_frame_whole(bench: Bench) -> None:
    """A wrong number, a wrong command and a short payload each come in a good frame."""
    for fault, wrong in (
        ("wrong_number", Frame(6, ACK, b"\x25\1\0\0")),
        ("wrong_command", Frame(7, ACK, b"\x24\1\0\0")),
        ("short", Frame(7, ACK, b"\x25\1\0")),
    ):
        bench.inject(fault)
        assert bench.ask(0x25) == [wrong]


def test_a_bad_check_is_one_bit_wrong(bench: Bench) -> None:
    """The line's bad check leaves number, type and payload as they were."""
    bench.inject("bad_crc")
    said = bench.device.feed(encode_frame(BEAT), bench.now_ns)
    good = encode_frame(Frame(7, ACK, b"\x25\1\0\0"))
    assert len(said) == len(good)
    assert [place for place, pair in enumerate(zip(said, good, strict=True)) if pair[0] != pair[1]] == [11]
    assert bench.device.injections()[0].before == good


def test_without_power_or_ear_it_is_silent(bench: Bench) -> None:
    """Muted or without power the board says nothing; unplugged the cable is out for its time."""
    bench.inject("mute", ms=300)
    assert bench.ask(0x25) == []
    bench.pass_time(300)
    assert bench.code(0x25) == 0
    bench.device.switch_power(on=False, real_ns=bench.now_ns)
    assert bench.ask(0x25) == bench.pass_time(2_000) == []
    bench.device.switch_power(on=True, real_ns=bench.now_ns)
    bench.inject("unplug", ms=100)
    assert not bench.device.is_plugged
    bench.pass_time(100)
    assert bench.device.is_plugged


def test_what_was_under_way_is_lost_with_the_cable(bench: Bench) -> None:
    """An answer that was still to come when the cable was pulled never comes."""
    bench.inject("no_status")
    bench.inject("late", ms=200)
    assert bench.ask(0x25) == []
    bench.inject("unplug", ms=100)
    assert bench.pass_time(300) == []


def test_an_unknown_fault_is_refused(bench: Bench) -> None:
    """What is no fault of this device is named, with those that are."""
    with pytest.raises(ValueError, match="there is no fault 'fire'; choose one of: drop_reply"):
        bench.inject("fire")
    assert bench.device.faults() == {}
