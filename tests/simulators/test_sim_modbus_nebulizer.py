"""The simulated Modbus nebulizer: the map of the example profile as bytes, and the rules behind it."""

import struct
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.modbus.framing import crc16
from nebctl_simulators.modbus.nebulizer import Nebulizer
from nebctl_simulators.modbus.profile import read_map
from nebctl_simulators.presets import build_unit
from nebctl_simulators.shim import Terms
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000
RUN = 0x0BADCAFE
OFF, SWEEP, RUNNING = 0, 1, 2
PROFILE = resources.files("nebctl_profiles").joinpath("modbus-nebulizer.toml").read_text(encoding="utf-8")


class Host:
    """A host that speaks RTU by hand; `now_ns` is the real time of its next request."""

    def __init__(self, path: Path, text: str = PROFILE, memory: Memory | None = None) -> None:
        path.write_text(text, encoding="utf-8")
        self.now_ns = 0
        self.device = Nebulizer(
            device_map=read_map(path),
            unit=build_unit("mesh.solo", 1),
            serial="SIM-0004",
            sim_time=ScaledTime(0),
            real_ns=0,
            memory=memory or Memory(boot=6),
        )
        self.device.pour(3_000_000)

    def send(self, frame: bytes) -> bytes:
        """Send a frame and return what comes back."""
        self.now_ns += 10 * MS
        return self.device.feed(frame, self.now_ns)

    def ask(self, *pdu: int) -> bytes:
        """Send a request and return the answer's function and data; empty means silence."""
        body = bytes([40, *pdu])
        answer = self.send(body + crc16(body).to_bytes(2, "little"))
        assert not answer or (answer[0] == 40 and crc16(answer) == 0)
        return answer[1:-2]

    def read(self, address: int, count: int, function: int = 4) -> tuple[int, ...]:
        """Return registers."""
        answer = self.ask(function, *struct.pack(">HH", address, count))
        assert answer[:2] == bytes([function, 2 * count]), answer.hex()
        return struct.unpack(f">{count}H", answer[2:])

    def write(self, address: int, *values: int) -> bytes:
        """Write holding registers and return the answer."""
        body = struct.pack(f">{len(values)}H", *values)
        return self.ask(16, *struct.pack(">HHB", address, len(values), len(body)), *body)

    def beat(self, seconds: float) -> None:
        """Let time pass with beats."""
        for _ in range(int(seconds * 2)):
            self.now_ns += 490 * MS
            self.write(5, 1)

    def start(self, max_on_s: int = 1200) -> bytes:
        """Start as the profile says."""
        self.write(0, RUN >> 16, RUN & 0xFFFF)
        self.write(2, max_on_s)
        self.write(3, 60)
        return self.write(4, 1)

    @property
    def state(self) -> int:
        """The state register."""
        return self.read(100, 1)[0]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host with a device that was just switched on."""
    return Host(tmp_path / "profile.toml")


def golden(what: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the profile's golden RTU exchanges whose description begins so."""
    for frame in tomllib.loads(PROFILE)["golden"]:
        if frame["what"].startswith(what):
            yield bytes.fromhex(frame["request"]), bytes.fromhex(frame["answer"])


def test_the_profiles_golden_frames(host: Host) -> None:
    """Every frame that does not depend on the moment comes out as it was worked out by hand."""
    order = ("name the run", "allow it", "set the level", "turn on", "read the commands", "beat", "turn off")
    pairs = [pair for what in order for pair in golden(what)]
    assert len(pairs) == len(order)
    for request, answer in pairs:
        assert host.send(request).hex() == answer.hex()


def test_power_up_is_off_with_the_reset_values(host: Host) -> None:
    """After power-up it says who it is, is off, its boot counter is one more, and nothing is set."""
    words = host.read(0, 11)
    assert words[:3] == (0x4E42, 1, 100)
    assert struct.pack(">8H", *words[3:]).rstrip(b"\0") == b"SIM-0004"
    assert host.read(100, 8) == (OFF, 1, 0, 0, 0, 0, 0, 7)
    assert host.read(0, 5, 3) == (0, 0, 0, 0, 0)


def test_a_run_on_the_wire(host: Host) -> None:
    """Started it sweeps and runs, tells its on-time, run and drive; stopped it is off and says why."""
    assert host.start() == bytes([16, 0, 4, 0, 1])
    assert host.state == SWEEP
    host.beat(10)
    state, end, flags, high, low, *run, boot = host.read(100, 8)
    assert (state, end, flags, run, boot) == (RUNNING, 0, 0, [RUN >> 16, RUN & 0xFFFF], 7)
    assert (high << 16 | low) == pytest.approx(10_000, abs=400)
    current, frequency, power, temperature = host.read(120, 4)
    assert (current, power) == (834, 1460)
    assert frequency == pytest.approx(12_800, abs=600)
    assert 220 <= temperature <= 250
    before = host.device.truth()
    assert before.emitted_nl > 7 * before.rate_nl_s
    assert host.write(4, 0) == bytes([16, 0, 4, 0, 1])
    assert host.read(100, 2) == (OFF, 3)
    assert host.read(120, 3) == (0, 0, 0)


@pytest.mark.req("S22")
def test_a_lost_host_means_off(host: Host) -> None:
    """2 s after the last beat it is off and says so; reads are no beats, and the output's register reads back off."""
    host.start()
    for _ in range(19):
        host.now_ns += 90 * MS
        assert host.state != OFF
    host.now_ns += 200 * MS
    assert host.read(100, 2) == (OFF, 6)
    assert host.read(4, 1, 3) == (0,)


def test_a_map_without_a_watchdog_has_none(tmp_path: Path) -> None:
    """Where the profile promises nothing about a lost host the device goes on; with another time it keeps that."""
    for promise, state in (("", RUNNING), ("host_loss_off_ms = 6000", RUNNING), ("host_loss_off_ms = 500", OFF)):
        host = Host(tmp_path / "profile.toml", PROFILE.replace("host_loss_off_ms = 2000", promise))
        host.start()
        host.now_ns += 5000 * MS
        assert host.state == state


@pytest.mark.req("S24")
def test_the_maximum_on_time_ends_a_run(host: Host) -> None:
    """After its maximum on-time it is off, and the same run cannot be started again."""
    host.start(max_on_s=5)
    host.beat(6)
    assert host.read(100, 2) == (OFF, 5)
    assert host.write(4, 1) == bytes([0x90, 4])
    assert host.read(4, 1, 3) == (0,)


def test_a_dry_mesh_ends_a_run(host: Host) -> None:
    """With an empty cup it runs dry: off, the cause and the flag say so."""
    host.device.empty_cup()
    host.start()
    host.beat(8)
    assert host.read(100, 3) == (OFF, 4, 1)


def test_a_brown_out_shows(host: Host) -> None:
    """In a run: off again, boot counter one more, level and output back at their reset values."""
    host.start()
    host.beat(3)
    host.device.inject("brownout", 1, None, host.now_ns)
    assert host.read(100, 8)[:2] == (OFF, 1)
    assert host.read(107, 1) == (8,)
    assert host.read(0, 5, 3) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(("fault", "flags"), [("no_cup", 2), ("lost_resonance", 4), ("hardware", 8)])
def test_faults_of_the_device_set_their_flags(host: Host, fault: str, flags: int) -> None:
    """A latched fault ends the run, sets its own flag and refuses the next start."""
    host.start()
    host.device.inject(fault, 1, None, host.now_ns)
    assert host.read(100, 3) == (OFF, 7, flags)
    assert host.write(4, 1) == bytes([0x90, 4])


@pytest.mark.parametrize("fault", ["mute", "hang"])
def test_a_deaf_device_is_silent(host: Host, fault: str) -> None:
    """Mute or hung it answers nothing for so long."""
    host.device.inject(fault, 1, 300, host.now_ns)
    assert host.ask(4, 0, 100, 0, 1) == b""
    host.now_ns += 300 * MS
    assert host.state == OFF


def test_without_power_it_is_silent(host: Host) -> None:
    """Power lost in a run and given again: silent in between, off afterwards."""
    host.start()
    host.device.switch_power(False, host.now_ns)
    assert host.ask(4, 0, 100, 0, 1) == b""
    host.device.switch_power(True, host.now_ns)
    assert host.read(100, 2) == (OFF, 1)


def test_a_stuck_output_says_so(host: Host) -> None:
    """A stop that does not take leaves the state on, for the read-back to find."""
    host.start()
    host.device.inject("stuck_on", 1, None, host.now_ns)
    host.write(4, 0)
    assert host.state == SWEEP
    host.write(4, 0)
    assert host.state == OFF


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        ((16, 0, 3, 0, 1, 2, 0, 101), "9003"),  # above its limit
        ((16, 0, 0, 0, 1, 2, 0, 1), "9002"),  # half of a value of two registers
        ((16, 0, 9, 0, 1, 2, 0, 1), "9002"),  # nothing is there
        ((16, 0, 3, 0, 1, 4, 0, 1, 0, 1), "9003"),  # count and length differ
        ((6, 0, 3, 0, 60), "060003003c"),
        ((6, 0, 3, 0, 60, 1), "86"),
        ((5, 0, 0, 0xFF, 0), "8502"),  # it has no coils
        ((15, 0, 0, 0, 3, 1, 7), "8f02"),
        ((1, 0, 0, 0, 1), "8102"),
        ((3, 0, 5, 0, 1), "8302"),  # write only
        ((4, 0, 108, 0, 1), "8402"),
        ((4, 0, 100, 0, 126), "8403"),
        ((3, 0xFF, 0xFF, 0, 2), "8302"),
        ((8, 0, 0, 0, 0), "8801"),
    ],
)
def test_what_the_map_does_not_have_is_refused(host: Host, pdu: tuple[int, ...], answer: str) -> None:
    """Each wrong request gets the exception that names what is wrong with it; one that is too long gets silence."""
    assert host.ask(*pdu).hex() == ("" if answer == "86" else answer)


def test_a_start_that_lacks_a_setting_is_refused(host: Host) -> None:
    """Without run, on-time or level nothing starts, and the output's register reads back off."""
    assert host.write(4, 1) == bytes([0x90, 3])
    assert (host.state, host.read(4, 1, 3)) == (OFF, (0,))


def test_everything_in_one_write_starts_too(host: Host) -> None:
    """The settings and the start in one request of five registers are obeyed in the order of their addresses."""
    assert host.write(0, RUN >> 16, RUN & 0xFFFF, 60, 60, 1) == bytes([16, 0, 0, 0, 5])
    assert host.state == SWEEP
    assert host.write(4, 1) == bytes([16, 0, 4, 0, 1])  # on already: nothing happens
    assert host.state == SWEEP


def test_faults_of_the_line_are_aimed_at_this_unit(host: Host) -> None:
    """Line faults pass through to the shim with their terms, are listed, and clear() ends them all."""
    host.device.inject("drop_reply", 2, None, host.now_ns, Terms(address=120))
    host.device.inject("no_cup", 1, None, host.now_ns)
    assert host.device.faults() == {"no_cup": 1, "drop_reply": 2}
    assert host.state == OFF
    assert host.ask(4, 0, 120, 0, 1) == b""
    assert [one.fault for one in host.device.injections()] == ["no_cup", "drop_reply"]
    host.device.clear(host.now_ns)
    assert host.device.faults() == {}
    with pytest.raises(ValueError, match="no fault 'fire'; choose one of: drop_reply"):
        host.device.inject("fire", 1, None, host.now_ns)


OTHER_MAP = """
[profile]
id = "other"
[block.all]
table = "holding"
address = 10
count = 6
[block.switch]
table = "coil"
address = 3
count = 1
[block.lamps]
table = "discrete"
address = 0
count = 2
[point.seconds]
block = "all"
address = 10
type = "float32"
order = "CDAB"
unit = "s"
[point.hertz]
block = "all"
address = 12
type = "uint32"
order = "DCBA"
unit = "Hz"
[point.warmth]
block = "all"
address = 14
type = "int16"
order = "BA"
scale = 0.5
offset = -10
unit = "degC"
[point.switch]
block = "switch"
address = 3
type = "bit"
access = "rw"
[point.lamp]
block = "lamps"
address = 1
type = "bit"
[nebulizer]
start = [{ point = "switch", value = 1 }]
stop = [{ point = "switch", value = 0 }]
on_time = "seconds"
off = { lamp = 0 }
running = { lamp = 1 }
quantities = { frequency = "hertz", temperature = "warmth" }
"""


def test_another_map_with_coils_and_other_orders(tmp_path: Path) -> None:
    """A map of coils, floats with the low word first and crooked bytes is as good: the roles decide, not the names."""
    host = Host(tmp_path / "profile.toml", OTHER_MAP)
    assert host.ask(5, 0, 3, 0xFF, 0) == bytes([5, 0, 3, 0xFF, 0])
    assert host.ask(2, 0, 0, 0, 2) == bytes([2, 1, 0b10])
    assert host.ask(1, 0, 3, 0, 1) == bytes([1, 1, 1])
    host.now_ns += 9980 * MS
    low, high, *frequency, warmth, gap = host.read(10, 6, 3)
    assert struct.unpack(">f", struct.pack(">HH", high, low))[0] == pytest.approx(10, abs=0.2)
    hertz = int.from_bytes(struct.pack(">HH", *frequency), "little")
    assert hertz == pytest.approx(128_000, abs=6000)
    assert int.from_bytes(warmth.to_bytes(2), "little") / 2 - 10 == pytest.approx(22, abs=0.6)
    assert gap == 0
    assert host.ask(15, 0, 3, 0, 1, 1, 0) == bytes([15, 0, 3, 0, 1])
    assert host.ask(2, 0, 0, 0, 2) == bytes([2, 1, 0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "modbus-nebulizer"', "", "id is missing"),
        ("[nebulizer.off]", "[nebulizer.off", "not a profile of a Modbus nebulizer"),
        ('type = "int16"', 'type = "int17"', "point.temperature: type = 'int17', expected one of"),
        ('order = "ABCD"', 'order = "ACBD"', "point.on_time: order = 'ACBD'"),
        ('block = "drive"', 'block = "drove"', "drove is missing"),
        ('beat = "beat"', 'beat = "pulse"', "there is no point pulse"),
        ("stop = [{ point", "stop = [] # [{ point", "start and stop need at least one write"),
    ],
)
def test_a_bad_profile_is_refused_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A file that is no profile of a Modbus nebulizer is named with its key and what is wrong."""
    path = tmp_path / "bad.toml"
    assert old in PROFILE
    path.write_text(PROFILE.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad\.toml") as caught:
        read_map(path)
    assert message in str(caught.value)


def test_a_missing_profile_is_named(tmp_path: Path) -> None:
    """A path where nothing lies is named."""
    with pytest.raises(ValueError, match="cannot read the profile"):
        read_map(tmp_path / "none.toml")
