"""The simulated 9C board on its wire: frames as bytes, refusals, states, interlocks and clocks.

Frames with their checks are those of https://github.com/zq9278/9C-Nebulizer-main (docs/HostProtocolReference.md 13).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from nebctl_simulators.board_9c.device import Device
from nebctl_simulators.board_9c.settings import Firmware
from nebctl_simulators.presets import build_unit
from nebctl_simulators.shim import ANY, Terms
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000
SECOND = 1_000_000_000
COMMAND, ACK, NACK, STATUS, EVENT, CONFIG, PID, RUNTIME, MAINT = 1, 2, 3, 4, 5, 6, 7, 8, 9
READY, CONFIGURING, RUN_HOT, RUN_COLD, PAUSED, DONE, FAULT, PREHEAT, KEEP_WARM = 2, 3, 4, 5, 6, 7, 8, 9, 10
START, PAUSE, RESUME, STOP, GET_STATUS, BEAT, CLEAR = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26


def crc(data: bytes) -> int:
    """Return the CRC-16/MODBUS by its table-free definition."""
    value = 0xFFFF
    for bit in (byte >> place & 1 for byte in data for place in range(8)):
        value = value >> 1 ^ (0xA001 if (value ^ bit) & 1 else 0)
    return value


def frame(number: int, payload: bytes) -> bytes:
    """Return a command's frame."""
    body = struct.pack("<HBH", number, COMMAND, len(payload)) + payload
    return b"\xaa\x55" + body + struct.pack("<H", crc(body)) + b"\r\n"


def cut(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, type and payload of each frame, all of them good."""
    while data:
        head, number, kind, length = struct.unpack("<2sHBH", data[:7])
        body, data = data[: 11 + length], data[11 + length :]
        assert (head, body[-2:], body[-4:-2]) == (b"\xaa\x55", b"\r\n", struct.pack("<H", crc(body[2:-4])))
        yield number, kind, body[7:-4]


@dataclass(frozen=True)
class Status:
    """A STATUS frame's fields in their order."""

    state: int
    left_s: int
    target: int
    outlet: int
    kettle: int
    air: int
    mist: int
    liquid: int
    cover: int
    fault: int
    mist_online: int
    mist_fault: int
    mist_running: int
    heart: int
    mode: int
    warm: int


QUICK = Firmware(start_ms=0, poll_ms=0)
"""A board that starts at once and sees its mist board at every moment, so that a test need not wait for either."""


class Host:
    """A host that speaks the protocol by hand; `now_ns` is the real time of what it does next."""

    def __init__(self, scale: int = 1, firmware: Firmware = QUICK) -> None:
        time = ScaledTime(0, scale * 1000)
        unit = build_unit("mesh.solo", 1)
        self.device = Device(unit=unit, serial="SIM-0003", sim_time=time, real_ns=0, firmware=firmware)
        self.device.pour(3_000_000)
        self.now_ns = SECOND
        self.unasked = list(cut(self.device.step(self.now_ns)))
        self._number = 0

    def ask(self, command: int, data: bytes = b"") -> list[tuple[int, bytes]]:
        """Send a command and return type and payload of what answers it; what is unasked is put aside."""
        self._number += 1
        answers = []
        said = list(cut(self.device.feed(frame(self._number, bytes([command]) + data), self.now_ns)))
        ends = [place for place, (number, kind, _) in enumerate(said) if kind in (ACK, NACK) and number == self._number]
        end = ends[0] if ends else -1
        for place, (_, kind, payload) in enumerate(said):
            if place == end or (place == end - 1 and kind not in (STATUS, EVENT, RUNTIME)) or command == GET_STATUS:
                answers.append((kind, payload))
            else:
                self.unasked.append((0, kind, payload))
        return answers

    def do(self, command: int, data: bytes = b"") -> int:
        """Send a command and return its code, 0 for an acknowledgement."""
        kind, payload = self.ask(command, data)[-1]
        assert payload[0] == command
        assert (kind, payload[1]) in ((ACK, 1), (NACK, 0))
        return payload[2]

    def status(self) -> Status:
        """Return the status."""
        (_, payload), (kind, _) = self.ask(GET_STATUS)[-2:]
        assert kind == ACK
        return Status(*struct.unpack("<BHHhhBBBBBBHBBBB", payload))

    def pass_time(self, ms: int, *, beating: bool = True) -> list[tuple[int, int, bytes]]:
        """Let real time pass and return what was said unasked."""
        said = []
        for _ in range(ms // 100):
            self.now_ns += 100 * MS
            said += list(cut(self.device.step(self.now_ns)))
            if beating and self.now_ns // MS % 1000 == 0:
                self.do(BEAT)
        return said

    def run_cold(self, minutes: int = 10) -> None:
        """Begin a cold treatment."""
        assert self.do(0x10, b"\1") == self.do(0x12, struct.pack("<H", minutes)) == self.do(BEAT) == self.do(START) == 0
        assert self.status().state == RUN_COLD

    def inject(self, fault: str, count: int = 1, ms: int | None = None, terms: Terms = ANY) -> None:
        """Arm a fault now."""
        self.device.inject(fault, count, ms, self.now_ns, terms)


@pytest.fixture
def host() -> Host:
    """A host with a board that has booted."""
    return Host()


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("aa550100010100 25902d0d0a", "aa5501000204002501 00007fe80d0a"),
        ("aa550110010300 11a4013ed20d0a", "aa55011002040011010000 70d40d0a"),
    ],
)
def test_the_makers_own_examples(host: Host, asked: str, answered: str) -> None:
    """The page's frames for HEARTBEAT and SET_TARGET_TEMP are answered with the page's acknowledgements."""
    said = host.device.feed(bytes.fromhex(asked), host.now_ns)
    assert said.startswith(bytes.fromhex(answered))


def test_the_makers_example_of_a_configuration_with_seven_bytes() -> None:
    """A board before keep-warm answers GET_CONFIG with the page's seven bytes, its own number first at 0x8000."""
    host = Host(firmware=Firmware(config_bytes=7))
    host.device.switch_power(on=False, real_ns=host.now_ns)
    host.device.switch_power(on=True, real_ns=host.now_ns)
    said = host.device.feed(bytes.fromhex("aa552301010100272aae0d0a"), host.now_ns)
    data = "aa55008006070000a401580202021d0a0d0a"
    assert said == bytes.fromhex(data + "aa552301020400270100003f3d0d0a")


def test_the_makers_example_of_a_refused_start(host: Host) -> None:
    """With the cover open START is refused with 0x42, byte for byte as on the page."""
    host.inject("cover_open")
    said = host.device.feed(frame(0x2001, bytes([START])), host.now_ns)
    assert said == bytes.fromhex("aa550120030400200042000c9c0d0a")


def test_boot_takes_its_time() -> None:
    """A board boots, tests itself, and is READY; until then STOP is refused, and nothing runs."""
    device = Device(unit=build_unit("mesh.solo", 1), serial="SIM-0003", sim_time=ScaledTime(0), real_ns=0)
    said = list(cut(device.feed(frame(1, bytes([STOP])), 10 * MS)))
    assert said[-1] == (1, NACK, bytes([STOP, 0, 0x40, 0]))
    states = [
        payload[0] for at in range(20, 1000, 20) for _, kind, payload in cut(device.step(at * MS)) if kind == STATUS
    ]
    assert list(dict.fromkeys(states)) == [1, READY]


def test_a_cold_run_and_its_stop(host: Host) -> None:
    """START makes aerosol and an event; STOP ends it in READY, and the clock stands where it stood."""
    host.run_cold()
    assert [payload[0] for _, kind, payload in host.unasked if kind == EVENT] == [2]
    host.pass_time(10_000)
    status = host.status()
    assert (status.state, status.left_s, status.mist_running, status.heart) == (RUN_COLD, 590, 1, 1)
    emitted_nl = host.device.truth().emitted_nl
    assert emitted_nl == pytest.approx(10 * host.device.truth().rate_nl_s * 0.7, rel=0.001)
    assert host.do(STOP) == 0
    assert (host.status().state, host.status().mist_running, host.status().left_s) == (READY, 0, 590)
    host.pass_time(5_000)
    assert host.device.truth().emitted_nl == emitted_nl


def test_levels_scale_the_output(host: Host) -> None:
    """Level 3 gives the full rate, level 0 none, at once and in the middle of a run."""
    host.run_cold()
    assert host.do(0x14, b"\3") == 0
    before = host.device.truth().emitted_nl
    host.pass_time(1_000)
    assert host.device.truth().emitted_nl - before == host.device.truth().rate_nl_s
    assert host.do(0x14, b"\0") == 0
    assert host.status().mist_running == 0


def test_the_time_runs_out() -> None:
    """After its minutes the treatment is DONE, with an event, and the mist is off."""
    host = Host(scale=20)
    host.run_cold(minutes=1)
    said = host.pass_time(4_000)
    assert [payload[0] for _, kind, payload in said if kind == EVENT] == [3]
    assert (host.status().state, host.status().mist_running) == (DONE, 0)
    truth = host.device.truth()
    assert truth.emitted_nl == truth.rate_nl_s * 70 // 100 * 60


def test_a_hot_run_heats_first(host: Host) -> None:
    """A hot treatment begins as PREHEAT, and its clock starts at 30 degrees."""
    assert host.do(START) == 0
    assert host.status().state == PREHEAT
    host.pass_time(60_000)
    status = host.status()
    assert status.state == RUN_HOT
    assert status.outlet >= 300
    assert 540 < status.left_s < 600


def test_pause_holds_the_clock(host: Host) -> None:
    """PAUSE keeps what is left, RESUME goes on with it; neither works in the other's place."""
    assert (host.do(PAUSE), host.do(RESUME)) == (0x40, 0x40)
    host.run_cold()
    host.pass_time(2_000)
    assert host.do(PAUSE) == 0
    host.pass_time(5_000)
    assert (host.status().state, host.status().left_s, host.status().mist_running) == (PAUSED, 598, 0)
    assert host.do(RESUME) == 0
    assert host.status().state == RUN_COLD


@pytest.mark.parametrize(
    ("command", "data", "code"),
    [
        (0x10, b"\2", 1),
        (0x11, struct.pack("<H", 451), 2),
        (0x12, struct.pack("<H", 0), 3),
        (0x12, struct.pack("<H", 61), 3),
        (0x13, b"\4", 4),
        (0x14, b"\4", 5),
        (0x29, struct.pack("<4i", 1, 1, 1, 1001), 6),
        (0x2D, b"\1", 8),
        (0x2E, b"\1", 9),
        (0x2F, b"\1\0", 10),
        (0x32, b"", 12),
        (0x34, struct.pack("<4i", -1, 0, 0, 0), 13),
        (0x15, b"\2", 14),
        (CLEAR, b"", 0x40),
        (0x7A, b"", 0x7F),
    ],
)
def test_every_refusal_has_its_code(host: Host, command: int, data: bytes, code: int) -> None:
    """A bad value, a wrong state and an unknown command are refused with the page's codes, and change nothing."""
    before = host.ask(0x27)[0]
    assert host.do(command, data) == code
    assert host.ask(0x27)[0] == before


@pytest.mark.parametrize(
    ("fault", "code"),
    [("cover_open", 0x42), ("no_liquid", 0x43), ("mist_locked", 0x45), ("otp_reset", 0x41)],
)
def test_a_start_is_refused_for_its_reason(host: Host, fault: str, code: int) -> None:
    """Each hindrance has its code, and the board stays as it is."""
    host.inject(fault)
    assert host.do(START) == code
    host.device.clear(host.now_ns)
    assert host.do(START) == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("cover_open", 10),
        ("no_liquid", 9),
        ("mist_offline", 11),
        ("mist_broken", 12),
        ("ntc_open", 6),
        ("outlet_hot", 16),
    ],
)
def test_a_fault_in_a_run_latches(host: Host, fault: str, code: int) -> None:
    """The mist is off at once; CLEAR_FAULT leads to READY, never back into the run."""
    host.run_cold()
    host.inject(fault)
    host.pass_time(100)
    status = host.status()
    assert (status.state, status.fault, status.mist_running) == (FAULT, code, 0)
    assert host.do(START) != 0
    host.device.clear(host.now_ns)
    assert host.do(CLEAR) == 0
    assert (host.status().state, host.status().fault) == (READY, 0)


def test_a_lost_host_stops_the_mist_after_3_s() -> None:
    """Three seconds of real time after the last heartbeat the board stops by itself with fault 13, not later."""
    host = Host(scale=10)
    host.run_cold()
    host.pass_time(4_000, beating=False)
    status = host.status()
    assert (status.state, status.fault, status.mist_running, status.heart) == (FAULT, 13, 0, 0)
    truth = host.device.truth()
    assert truth.emitted_nl == truth.rate_nl_s * 70 // 100 * 30


@pytest.mark.parametrize(("fault", "resumes"), [("cover_open", True), ("no_liquid", True), (None, False)])
def test_a_board_like_its_source_pauses_and_may_go_on_alone(fault: str | None, resumes: bool) -> None:
    """In the public source these pause a run without a fault, and cover and liquid, made good, resume it unasked."""
    host = Host(firmware=replace(QUICK, pauses=True))
    host.run_cold()
    if fault is not None:
        host.inject(fault)
    host.pass_time(4_000, beating=fault is not None)
    status = host.status()
    assert (status.state, status.fault, status.mist_running) == (PAUSED, 0, 0)
    host.device.clear(host.now_ns)
    host.pass_time(1_000)
    assert (host.status().state == RUN_COLD) == resumes


def test_a_stop_while_paused_by_itself_holds() -> None:
    """After a STOP a closed cover starts nothing."""
    host = Host(firmware=replace(QUICK, pauses=True))
    host.run_cold()
    host.inject("cover_open")
    host.pass_time(200)
    assert host.do(STOP) == 0
    host.device.clear(host.now_ns)
    host.pass_time(1_000)
    assert (host.status().state, host.status().mist_running) == (READY, 0)


def test_an_empty_cup_is_found_dry() -> None:
    """When the cup has run dry the mist board says 9, the board latches fault 9, and refuses a start with 0x43."""
    host = Host(scale=100)
    host.run_cold(minutes=60)
    host.do(0x14, b"\3")
    host.pass_time(20_000)
    status = host.status()
    assert (status.state, status.fault, status.mist_fault, status.liquid) == (FAULT, 9, 9, 0)
    assert host.do(CLEAR) == 0
    assert host.do(START) == 0x43
    host.device.pour(1_000_000)
    host.pass_time(100)
    assert host.do(START) == 0


def test_status_comes_every_half_second(host: Host) -> None:
    """Unasked, a STATUS each 500 ms with the board's own rising numbers from 0x8000 on; with NO_STATUS nothing."""
    said = host.pass_time(5_000, beating=False)
    assert [kind for _, kind, _ in said] == [STATUS] * 10
    numbers = [number for number, _, _ in said]
    assert numbers == list(range(numbers[0], numbers[0] + 10))
    assert numbers[0] > 0x8000
    assert host.device.next_ns() == host.now_ns + 500 * MS
    host.inject("no_status")
    assert host.pass_time(2_000, beating=False) == []


def test_a_change_of_state_is_told_at_once(host: Host) -> None:
    """A change sends STATUS and RUNTIME before the acknowledgement, without waiting for the half second."""
    said = list(cut(host.device.feed(frame(9, bytes([START])), host.now_ns)))
    assert [kind for _, kind, _ in said] == [EVENT, STATUS, RUNTIME, ACK]


def test_another_time_winds_the_clock_up_in_mid_run(host: Host) -> None:
    """SET_TIME and SET_MODE in a run give the whole time again: a host that sends them stretches the treatment."""
    host.run_cold()
    host.pass_time(5_000)
    assert host.status().left_s == 595
    host.do(0x12, struct.pack("<H", 10))
    assert host.status().left_s == 600
