"""The simulated jet on its wire: requests as bytes, answers as bytes, the relay's page and the controller's map."""

import struct
from collections.abc import Callable

import pytest

from nebctl_simulators.jet.device import Device
from nebctl_simulators.jet.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000
SECOND = 1_000_000_000
RUN = (0x0BAD, 0xCAFE)


class Host:
    """A host that speaks Modbus TCP by hand; `now_ns` is the real time of its next request."""

    def __init__(self, scale: int = 1) -> None:
        self.now_ns = 0
        time = ScaledTime(0, scale * 1000)
        self.device = Device(unit=build_unit("jet.lc", 1), serial="SIM-0002", sim_time=time, real_ns=0)
        self.device.pour(3_000_000)
        self._tid = 0

    def ask(self, unit: int, pdu: bytes) -> bytes:
        """Send a request and return the answer's function and data; empty means silence."""
        self._tid += 1
        head = struct.pack(">HHHB", self._tid, 0, len(pdu) + 1, unit)
        answer = self.device.feed(head + pdu, self.now_ns)
        if answer:
            assert answer[:4] == head[:4]
            assert answer[4:7] == struct.pack(">HB", len(answer) - 6, unit)
        return answer[7:]

    def read(self, unit: int, address: int, count: int) -> tuple[int, ...]:
        """Return holding registers."""
        answer = self.ask(unit, struct.pack(">BHH", 3, address, count))
        assert answer[:2] == bytes([3, 2 * count]), answer.hex()
        return struct.unpack(f">{count}H", answer[2:])

    def write(self, unit: int, address: int, *values: int) -> bytes:
        """Write holding registers and return the answer."""
        body = struct.pack(f">{len(values)}H", *values)
        return self.ask(unit, struct.pack(">BHHB", 16, address, len(values), len(body)) + body)

    def coil(self, on: bool) -> bytes:
        """Tell the relay."""
        return self.ask(41, bytes([5, 0, 0, 0xFF if on else 0, 0]))

    def float_at(self, address: int) -> float:
        """Return a float of the gas controller."""
        return float(struct.unpack(">f", struct.pack(">HH", *self.read(40, address, 2)))[0])

    def set_flow(self, slpm: float) -> bytes:
        """Set the gas controller."""
        return self.write(40, 1009, *struct.unpack(">HH", struct.pack(">f", slpm)))

    def drive(self, max_on_ms: int = 1_200_000) -> None:
        """Arm and close the relay, and set 6 SLPM."""
        self.write(41, 6, *RUN, max_on_ms >> 16, max_on_ms & 0xFFFF)
        self.coil(on=True)
        self.set_flow(6)

    def pass_time(self, ms: int, *, beating: bool = True) -> None:
        """Let real time pass."""
        for _ in range(ms // 500):
            self.now_ns += 500 * MS
            if beating:
                self.write(41, 4, 1)
        self.now_ns += ms % 500 * MS
        self.device.pass_time(self.now_ns)


@pytest.fixture
def host() -> Host:
    """A host with a device that was just switched on."""
    return Host()


def test_power_up_is_open_and_nothing_set(host: Host) -> None:
    """After power-up the relay is open with no run, and the set-point is 0."""
    words = host.read(41, 0, 22)
    assert words[:12] == (0x4E57, 1, 0, 0, 0, 2000, 0, 0, 0, 0, 0, 0)
    assert struct.pack(">10H", *words[12:]).rstrip(b"\0") == b"SIM-0002"
    assert host.float_at(1009) == 0


def test_a_run_on_the_wire(host: Host) -> None:
    """Armed, closed and set, gas flows and the cup empties; opened, it stops; the relay counts the time between."""
    host.drive()
    host.pass_time(30_000)
    assert host.float_at(1208) == pytest.approx(6, rel=0.01)
    assert host.float_at(1202) == pytest.approx((101.325 + 138) / 6.894757, rel=0.01)
    assert host.read(41, 2, 10) == (1, 4, 1, 2000, *RUN, 0x12, 0x4F80, 0, 30_000)
    assert host.device.truth().output == "RUN"
    assert host.coil(on=False) == bytes([5, 0, 0, 0, 0])
    before = host.device.truth()
    host.pass_time(10_000)
    after = host.device.truth()
    assert host.read(41, 2, 2) == (0, 1)
    assert host.float_at(1208) == 0
    assert (before.emitted_nl, before.cup_nl) == (after.emitted_nl, after.cup_nl)
    assert before.emitted_nl > 30 * before.rate_nl_s


@pytest.mark.parametrize("missing", ["set-point", "relay"])
def test_gas_needs_both(host: Host, missing: str) -> None:
    """A closed relay without a set-point, or a set-point behind an open relay, gives no gas."""
    host.drive()
    if missing == "relay":
        host.coil(on=False)
    else:
        host.set_flow(0)
    host.pass_time(10_000)
    assert host.device.truth().emitted_nl == 0
    assert host.float_at(1208) == 0


@pytest.mark.req("S22")
@pytest.mark.parametrize("scale", [1, 100])
def test_the_watchdog_runs_on_real_time(scale: int) -> None:
    """2 s after the last beat the contact opens, however fast plant time runs; reads and other writes are no beats."""
    host = Host(scale)
    host.drive(max_on_ms=3_600_000)
    host.pass_time(1_000)
    for _ in range(19):
        host.now_ns += 100 * MS
        host.read(41, 0, 22)
        host.set_flow(6)
    assert host.read(41, 2, 2) == (1, 4)
    host.now_ns += 101 * MS
    assert host.read(41, 2, 2) == (0, 2)
    assert host.device.truth().on_ms == 3000 * scale


def test_the_watchdog_acts_while_nobody_ticks(host: Host) -> None:
    """Although the process looked away for a minute, the gas stopped after 2 s of it."""
    host.drive()
    host.now_ns += 60 * SECOND
    host.device.pass_time(host.now_ns)
    assert host.device.truth().on_ms == 2000
    fresh = 1.08  # the cup is still at room temperature
    assert host.device.truth().aerosol_nl == pytest.approx(2 * fresh * host.device.truth().rate_nl_s, rel=0.01)


@pytest.mark.req("S24")
def test_the_maximum_on_time_runs_on_plant_time() -> None:
    """At a hundred times real time 10 s of on-time end after 100 ms, and the same run cannot be closed again."""
    host = Host(100)
    host.drive(max_on_ms=10_000)
    host.pass_time(150)
    assert host.read(41, 2, 2) == (0, 3)
    assert host.device.truth().on_ms == 10_000
    assert host.coil(on=True) == bytes([0x85, 3])
    host.write(41, 6, 0, 1, 0, 5000)
    assert host.coil(on=True) == bytes([5, 0, 0, 0xFF, 0])


def test_closing_twice_changes_nothing(host: Host) -> None:
    """A repeated close neither starts the time anew nor feeds the watchdog."""
    host.drive()
    host.pass_time(1_500, beating=False)
    host.coil(on=True)
    host.pass_time(600, beating=False)
    assert host.read(41, 2, 2) == (0, 2)
    assert host.device.truth().on_ms == 2000


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        (bytes([5, 0, 0, 0xFF, 0]), "8503"),  # closed without a run
        (bytes([5, 0, 1, 0xFF, 0]), "8502"),  # another coil
        (bytes([5, 0, 0, 0x12, 0]), "8503"),  # neither on nor off
        (bytes([16, 0, 2, 0, 1, 2, 0, 1]), "9002"),  # a register that is read only
        (bytes([16, 0, 6, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 1]), "9003"),  # the run 0
        (bytes([16, 0, 6, 0, 4, 6, 0, 0, 0, 0, 0, 0]), "9003"),  # count and length differ
        (bytes([3, 0, 0, 0, 23]), "8302"),
        (bytes([3, 0, 0, 0, 0]), "8303"),
        (bytes([6, 0, 4, 0, 1]), "8601"),
        (bytes([1, 0, 0, 0, 1]), "010100"),
    ],
)
def test_the_relay_refuses_what_its_page_does_not_have(host: Host, pdu: bytes, answer: str) -> None:
    """Each wrong request gets the exception that names what is wrong with it."""
    assert host.ask(41, pdu).hex() == answer


def test_a_closed_relay_takes_no_new_run(host: Host) -> None:
    """Run and maximum on-time are fixed while the contact is closed."""
    host.drive()
    assert host.write(41, 6, 0, 1, 0, 5000) == bytes([0x90, 3])


def test_the_controllers_map_has_gaps_and_limits(host: Host) -> None:
    """Registers outside the map, a set-point beyond full scale and an unknown function are exceptions."""
    assert host.ask(40, struct.pack(">BHH", 3, 1011, 1)) == bytes([0x83, 2])
    assert host.ask(40, struct.pack(">BHH", 4, 1199, 11))[:2] == bytes([4, 22])
    assert host.set_flow(20.5) == bytes([0x90, 3])
    assert host.set_flow(-1) == bytes([0x90, 3])
    assert host.ask(40, bytes([5, 0, 0, 0xFF, 0])) == bytes([0x85, 1])


def test_special_commands_answer_in_their_register(host: Host) -> None:
    """Hold-closed stops the gas and shows its status bit, cancel gives it back, unknown commands say so."""
    host.drive()
    host.write(40, 999, 6, 1)
    assert host.read(40, 999, 2) == (6, 0)
    assert (host.float_at(1208), host.read(40, 1200, 2)) == (0, (0, 0x100))
    host.write(40, 999, 6, 0)
    assert host.float_at(1208) > 5
    for command, argument, status in ((6, 9, 32_770), (77, 0, 32_769)):
        host.write(40, 999, command, argument)
        assert host.read(40, 999, 2) == (command, status)


def test_a_unit_that_is_not_there_is_silent(host: Host) -> None:
    """Nobody answers for another unit id, as on a bus."""
    assert host.ask(1, struct.pack(">BHH", 3, 0, 1)) == b""


def test_sputter_shows_in_the_readings(host: Host) -> None:
    """Flow readings lie within 0.3 % before the sputter and scatter by percents in it."""
    host.drive()

    def scatter() -> float:
        flows = []
        for _ in range(40):
            host.pass_time(500)
            flows.append(host.float_at(1208))
        return max(abs(flow - 6) / 6 for flow in flows)

    assert scatter() < 0.004
    while host.device.truth().duty_ppm > 500_000:
        host.pass_time(5_000)
    assert 0.02 < scatter() < 0.06


def test_faults_of_tube_and_compressor(host: Host) -> None:
    """A kinked tube raises the pressure and stops the aerosol; a weak compressor gives 70 % and leaves 0.2 mL more."""
    host.drive()
    host.device.inject("kinked_tube", 1, None, host.now_ns)
    assert host.float_at(1208) < 0.5
    assert host.float_at(1202) > 60
    assert host.device.truth().output == "OFF"
    host.device.clear(host.now_ns)
    before = host.device.truth().residual_nl
    host.device.inject("weak_compressor", 1, None, host.now_ns)
    host.device.inject("weak_compressor", 1, None, host.now_ns)
    assert host.float_at(1208) == pytest.approx(4.2, rel=0.01)
    assert host.device.truth().residual_nl == before + 200_000


@pytest.mark.req("S23")
def test_power_comes_back_off(host: Host) -> None:
    """Power lost in a run and given again: silent in between, open and unset afterwards, with nothing remembered."""
    host.drive()
    host.pass_time(5_000)
    host.device.switch_power(False, host.now_ns)
    assert host.ask(41, struct.pack(">BHH", 3, 0, 1)) == b""
    host.device.switch_power(True, host.now_ns)
    assert host.read(41, 2, 10) == (0, 0, 0, 2000, 0, 0, 0, 0, 0, 0)
    assert host.float_at(1009) == 0


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("wrong_unit", lambda good, bad: good[6] != bad[6] and good[7:] == bad[7:]),
        ("wrong_function", lambda good, bad: good[7] != bad[7] and good[:7] == bad[:7]),
        ("wrong_transaction", lambda good, bad: good[0] != bad[0] and good[2:] == bad[2:]),
        ("wrong_count", lambda good, bad: len(bad) == len(good) - 2 and bad[4:6] == b"\0\x05"),
        ("drop_reply", lambda good, bad: bad == b""),
        ("duplicate_reply", lambda good, bad: bad == good + good),
    ],
)
def test_faults_of_the_wire(host: Host, fault: str, check: Callable[[bytes, bytes], bool]) -> None:
    """Each fault spoils one answer in its own way and is gone afterwards."""
    request = struct.pack(">HHHBBHH", 1, 0, 6, 40, 3, 1009, 2)
    good = host.device.feed(request, 0)
    host.device.inject(fault, 1, None, 0)
    assert host.device.faults() == {fault: 1}
    assert check(good, host.device.feed(request, 0))
    assert host.device.faults() == {}
    assert host.device.feed(request, 0) == good


def test_an_unknown_fault_is_refused(host: Host) -> None:
    """The fault that Modbus TCP cannot have is not offered."""
    with pytest.raises(ValueError, match="the fault 'bad_crc': Modbus TCP has no check; choose one of: drop_reply"):
        host.device.inject("bad_crc", 1, None, 0)


def test_a_frame_that_was_left_unfinished_is_forgotten(host: Host) -> None:
    """Half a frame of a host that has gone does not spoil the next one's first request."""
    request = struct.pack(">HHHBBHH", 1, 0, 6, 40, 3, 1009, 2)
    assert host.device.feed(request[:5], 0) == b""
    assert host.device.feed(request[5:], 100 * MS) != b""
    assert host.device.feed(request[:5], 200 * MS) == b""
    assert host.device.feed(request, 900 * MS) != b""
    assert host.device.feed(b"\1\2\3\4\5\6\7\x08\x09", 901 * MS) == b""
    assert host.device.feed(request, 902 * MS) != b""
