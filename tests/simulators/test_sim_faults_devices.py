"""The faults at the devices themselves: which each can have, and what each does to what it says."""

import math
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from nebctl_simulators.alicat.device import Device as Alicat
from nebctl_simulators.balance.device import Device as Balance
from nebctl_simulators.balance.device import Unit
from nebctl_simulators.board_9c.codec import Frame, FrameReader, Kind, encode_frame
from nebctl_simulators.board_9c.device import Device as Board
from nebctl_simulators.catalogue import CATALOGUE
from nebctl_simulators.control import Device
from nebctl_simulators.faults import parse_fault
from nebctl_simulators.jet.device import Device as Jet
from nebctl_simulators.jet.presets import build_unit as build_jet
from nebctl_simulators.mesh.codec import LineReader, encode_line
from nebctl_simulators.mesh.device import Device as Mesh
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.modbus.framing import RtuFraming, build_framing, crc16
from nebctl_simulators.modbus.line import ModbusLine
from nebctl_simulators.modbus.nebulizer import Nebulizer
from nebctl_simulators.modbus.profile import read_map
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

MS, S = 1_000_000, 1_000_000_000
RUN = "0badcafe"
PROFILE = Path(__file__).resolve().parents[2] / "drivers" / "nebctl_profiles" / "modbus-nebulizer.toml"


def mesh() -> Mesh:
    """Return a mesh controller."""
    unit = build_unit("mesh.solo", 1)
    return Mesh(unit=unit, serial="SIM-0001", sim_time=ScaledTime(0), memory=Memory(), real_ns=0)


def jet(framing: str = "rtu") -> Jet:
    """Return a jet nebulizer on Modbus RTU."""
    line = ModbusLine(build_framing(framing), 1)
    return Jet(unit=build_jet("jet.lc", 1), serial="SIM-0002", sim_time=ScaledTime(0), real_ns=0, line=line)


def nebulizer() -> Nebulizer:
    """Return a Modbus nebulizer with the map of the profile that comes with the project."""
    unit = build_unit("mesh.solo", 1)
    sim_time = ScaledTime(0)
    return Nebulizer(device_map=read_map(PROFILE), unit=unit, serial="SIM-0003", sim_time=sim_time, real_ns=0)


def board() -> Board:
    """Return a 9C board."""
    return Board(unit=build_unit("mesh.solo", 1), serial="SIM-0004", sim_time=ScaledTime(0), real_ns=0)


def alicat() -> Alicat:
    """Return a gas controller with the ASCII dialect."""
    return Alicat(unit=build_jet("jet.lc", 1), serial="SIM-0005", sim_time=ScaledTime(0), real_ns=0)


def balance() -> Balance:
    """Return a balance with 25 g on its pan."""
    device = Balance(unit=Unit(), serial="SIM-0006", sim_time=ScaledTime(0), real_ns=0)
    device.put(25_000_000)
    for step in range(300):
        device.step(step * 10 * MS)
    return device


DEVICES: dict[str, Callable[[], Device]] = {
    "mesh": mesh,
    "jet": jet,
    "jet-tcp": lambda: jet("tcp"),
    "nebulizer": nebulizer,
    "board": board,
    "alicat": alicat,
    "balance": balance,
}


def arm(device: Device, text: str, real_ns: int = 0) -> None:
    """Arm a fault as a command would."""
    parse_fault(text).arm(device, real_ns)


@pytest.mark.parametrize("name", DEVICES)
def test_each_device_knows_its_faults(name: str) -> None:
    """What a device offers is in the catalogue, can be armed and cleared; all else is refused with a reason."""
    for fault in CATALOGUE:
        device = DEVICES[name]()
        if fault in device.fault_names:
            arm(device, fault, 3 * S)
            device.step(3 * S + MS)
            device.clear(3 * S + MS)
            device.step(3 * S + 2 * MS)
            assert device.faults() == {}, fault
        else:
            with pytest.raises(ValueError, match=f"this device cannot have the fault '{fault}': .+; choose one of: "):
                arm(device, fault, 3 * S)
    assert set(DEVICES[name]().fault_names) <= set(CATALOGUE)


def test_the_catalogue_promises_nothing_that_no_device_has() -> None:
    """Every name of the catalogue is a fault of some device here."""
    had = {fault for build in DEVICES.values() for fault in build().fault_names}
    assert set(CATALOGUE) - had == set()


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_has_the_common_ones(name: str) -> None:
    """Each has the bytes, the times, values that are wrong, and the ways in which hardware leaves."""
    common = {"flip_bit", "truncate", "late", "drop_reply", "unsolicited", "stuck", "drift", "jump", "out_of_range"}
    assert common | {"unplug", "mute", "hang", "brownout", "reset"} <= set(DEVICES[name]().fault_names)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("mesh", "nan", "cannot have the fault 'nan': its values are decimal digits"),
        ("alicat", "bad_crc", "its dialect has no check"),
        ("jet-tcp", "second_master", "on Modbus TCP each host has a connection of its own"),
        ("balance", "word_swapped", "MT-SICS has no registers"),
        ("mesh", "late:unit=40", "unit: the requests on this line do not have it: leave it out; they have command"),
        ("jet", "late:command=S", "command: the requests on this line do not have it: leave it out; they have unit"),
        ("alicat", "jump:point=weight", "point: this device tells no 'weight'; choose one of: pressure, temperature"),
    ],
)
def test_what_a_device_cannot_have_is_explained(name: str, text: str, message: str) -> None:
    """The reason is the device's own, not a general one."""
    with pytest.raises(ValueError, match=re.escape(message)):
        arm(DEVICES[name](), text)


@pytest.mark.parametrize("name", DEVICES)
def test_a_fault_of_the_device_can_wait(name: str) -> None:
    """Every kind of device loses its cable in a window of plant time, and has it back after."""
    device = DEVICES[name]()
    device.step(4 * S)
    arm(device, "unplug:from=5s,until=6s", 4 * S)
    seen = []
    for half in range(8, 15):
        device.step(half * S // 2)
        seen.append(device.is_plugged)
    assert seen == [True, True, False, False, True, True, True]
    assert [(one.fault, one.t_ns) for one in device.injections()] == [("unplug", 5 * S)]


@pytest.mark.parametrize("name", DEVICES)
def test_a_program_that_hangs_comes_back(name: str) -> None:
    """While it hangs nothing is said, whatever is asked; half a second later it is as after a reset."""
    device = DEVICES[name]()
    device.step(4 * S)
    arm(device, "hang", 4 * S)
    assert device.faults() == {"hang": 1}
    for line in (encode_line("C,1,STAT"), b"A\r", b"SI\r\n", read_gas(), encode_frame(Frame(1, 1, b"\x24"))):
        assert device.feed(line, 4 * S + 100 * MS) == b""
    device.step(4 * S + 500 * MS)
    assert device.faults() == {}


class MeshHost:
    """A host of a mesh controller that runs."""

    def __init__(self) -> None:
        self.device = mesh()
        self.device.pour(3_000_000)
        self.number = 1
        self.now_ns = 0
        self.ask(f"START,{RUN},600000")
        for _ in range(30):
            self.wait(100)
            self.ask("BEAT")

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.now_ns += ms * MS
        self.device.step(self.now_ns)

    def ask(self, command: str) -> list[str]:
        """Return the fields of the answer."""
        self.number += 1
        said = self.device.feed(encode_line(f"C,{self.number},{command}"), self.now_ns)
        return LineReader().feed(said)[-1].split(",")


def test_mesh_values_go_wrong() -> None:
    """A current is off by an amount for two answers, the frequency stays as it was, the temperature runs away."""
    host = MeshHost()
    good = host.ask("STAT")
    arm(host.device, "jump:point=current,value=25,count=2", host.now_ns)
    assert [float(host.ask("STAT")[8]) - float(good[8]) for _ in range(3)] == pytest.approx([25, 25, 0])
    arm(host.device, "drift:point=temperature,value=2", host.now_ns)
    warm = int(host.ask("STAT")[11])
    host.wait(1000)
    assert int(host.ask("STAT")[11]) - warm == 20
    host.device.clear(host.now_ns)
    arm(host.device, "out_of_range:point=power,ms=500", host.now_ns)
    assert int(host.ask("STAT")[10]) == 5500
    host.wait(500)
    assert int(host.ask("STAT")[10]) < 5000
    assert {one.fault for one in host.device.injections()} == {"jump", "drift", "out_of_range"}
    assert {one.tag.command for one in host.device.injections()} == {"STAT"}


def test_a_mesh_current_that_is_stuck_hides_the_dry_mesh() -> None:
    """The told current stays what it was when the fault began, although the output has ended."""
    host = MeshHost()
    arm(host.device, "stuck:point=current", host.now_ns)
    before = host.ask("STAT")
    host.ask("STOP")
    after = host.ask("STAT")
    assert (before[3], after[3]) == ("RUN", "OFF")
    assert before[8] == after[8] != "0.0"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("refuse", ["N", "{n}", "STAT", "STATE"]),
        ("refuse:code=6", ["N", "{n}", "STAT", "CUP"]),
        ("wrong_number", ["A", "{n+1}", "STAT"]),
        ("wrong_command", ["A", "{n}", "BEAT"]),
    ],
)
def test_a_mesh_answers_wrongly(fault: str, expected: list[str]) -> None:
    """A refusal, another number and another word stand in a line that is good in itself, once."""
    host = MeshHost()
    arm(host.device, fault, host.now_ns)
    answer = host.ask("STAT")
    wanted = [part.replace("{n+1}", str(host.number + 1)).replace("{n}", str(host.number)) for part in expected]
    assert answer[: len(wanted)] == wanted
    assert host.ask("STAT")[:3] == ["A", str(host.number), "STAT"]


def test_a_short_mesh_answer_lacks_a_field() -> None:
    """The last field of STAT is missing in a line whose check is good."""
    host = MeshHost()
    whole = len(host.ask("STAT"))
    arm(host.device, "short", host.now_ns)
    assert len(host.ask("STAT")) == whole - 1


def read_gas(unit: int = 40, address: int = 1202, count: int = 8) -> bytes:
    """Return the request that reads the gas controller's four measured values."""
    body = bytes([unit, 3]) + address.to_bytes(2) + count.to_bytes(2)
    return body + crc16(body).to_bytes(2, "little")


def floats(answer: bytes) -> list[float]:
    """Return the floats of an answer to such a read."""
    assert crc16(answer) == 0
    return list(struct.unpack(f">{answer[2] // 4}f", answer[3:-2]))


def test_jet_values_go_wrong() -> None:
    """A pressure is no number, a temperature has its words swapped, a flow is off, all in one good frame."""
    device = jet()
    good = floats(device.feed(read_gas(), S))
    for text in ("nan:point=pressure", "word_swapped:point=temperature", "jump:point=mass,value=2"):
        arm(device, text, S)
    pressure, temperature, volumetric, mass = floats(device.feed(read_gas(), S))
    swapped = struct.unpack(">f", struct.pack(">f", good[1])[2:] + struct.pack(">f", good[1])[:2])[0]
    assert math.isnan(pressure)
    assert (temperature, volumetric) == (swapped, good[2])
    assert mass == pytest.approx(good[3] + 2)
    device.clear(S)
    arm(device, "units_changed:point=pressure,count=1", S)
    assert floats(device.feed(read_gas(), S))[0] == pytest.approx(good[0] * 6.894757)
    assert floats(device.feed(read_gas(), S)) == good


def test_half_a_value_is_left_as_it_is() -> None:
    """A read that cuts a float in two has its true register: the fault needs the whole value."""
    device = jet()
    good = device.feed(read_gas(count=1), S)
    arm(device, "nan", S)
    assert device.feed(read_gas(count=1), S) == good


def test_a_second_master_is_heard() -> None:
    """Another host's question to the same unit and its answer come before the host's own, whole and good."""
    device = jet()
    arm(device, "second_master:unit=40", S)
    said = device.feed(read_gas(), S)
    (foreign,) = list(RtuFraming().feed(said[:8], 0))
    assert (foreign.unit, foreign.function, foreign.address) == (40, 3, 1202)
    assert crc16(said[8:15]) == 0
    assert len(floats(said[15:])) == 4
    assert len(device.feed(read_gas(), 2 * S)) == len(said) - 15


def test_a_busy_gas_controller_says_so() -> None:
    """Busy is exception 6, and the write is not done."""
    device = jet()
    arm(device, "busy:function=16", S)
    body = bytes([40, 16]) + (1009).to_bytes(2) + b"\0\2\4" + struct.pack(">f", 5.0)
    assert device.feed(body + crc16(body).to_bytes(2, "little"), S)[:3] == b"\x28\x90\x06"
    assert device.truth().setpoint_sccm == 0


def read_current(device: Nebulizer, now_ns: int) -> tuple[int, ...]:
    """Return the registers of the nebulizer's current."""
    (name,) = [name for key, name in read_map(PROFILE).roles.quantities.items() if key == "current"]
    point = read_map(PROFILE).points[name]
    body = bytes([40, 4 if point.table == "input" else 3]) + point.address.to_bytes(2) + point.size.to_bytes(2)
    answer = device.feed(body + crc16(body).to_bytes(2, "little"), now_ns)
    assert crc16(answer) == 0
    return tuple(int.from_bytes(answer[at : at + 2]) for at in range(3, len(answer) - 2, 2))


def test_a_nebulizers_value_goes_wrong() -> None:
    """By the profile's own name a current is off by 5 in its unit, in the registers and scale of the profile."""
    device = nebulizer()
    points = read_map(PROFILE)
    name = points.roles.quantities["current"]
    point = points.points[name]
    good = point.unpack(read_current(device, S))
    arm(device, f"jump:point={name},value=5,count=1", S)
    assert point.unpack(read_current(device, S)) == pytest.approx(good + 5)
    assert point.unpack(read_current(device, S)) == good


def status(said: bytes) -> bytes:
    """Return the payload of the last STATUS frame in what a board said."""
    return [frame.payload for frame in FrameReader().feed(said, 0) if frame.kind == Kind.STATUS][-1]


def test_a_board_tells_a_wrong_temperature() -> None:
    """The outlet's temperature is 15 °C off in the STATUS that nobody asked for, and in the one that is asked for."""
    device = board()
    good = struct.unpack_from("<h", status(device.step(S)), 5)[0]
    arm(device, "jump:point=outlet,value=15,command=STATUS", S)
    assert struct.unpack_from("<h", status(device.step(2 * S)), 5)[0] == good + 150
    asked = device.feed(encode_frame(Frame(7, Kind.COMMAND, b"\x24")), 2 * S)
    assert struct.unpack_from("<h", status(asked), 5)[0] == good + 150


def test_a_board_that_hangs_goes_on_misting() -> None:
    """The mist of a hung board stays on, although the host's heartbeat is lost, until its watchdog resets it."""
    device = board()
    device.pour(3_000_000)
    device.step(S)
    device.feed(encode_frame(Frame(1, Kind.COMMAND, b"\x20")), S)
    for step in range(100, 250):
        device.step(step * 10 * MS)
    assert device.truth().output == "RUN"
    arm(device, "hang:ms=5500", 2500 * MS)
    before_nl = device.truth().emitted_nl
    device.step(7 * S)
    assert device.truth().output == "RUN"
    assert device.truth().emitted_nl > before_nl
    device.step(8 * S)
    assert (device.truth().output, device.truth().boots) == ("OFF", 2)


def test_an_alicat_shows_a_wrong_flow() -> None:
    """A stuck pressure and a flow that is off are in the frame of the poll, and in no other command's."""
    device = alicat()
    good = device.feed(b"A\r", S).split()
    arm(device, "jump:point=mass,value=3,command=POLL", S)
    shown = device.feed(b"A\r", S).split()
    assert float(shown[4]) - float(good[4]) == pytest.approx(3)
    assert shown[1:4] == good[1:4]
    assert float(device.feed(b"AS 0\r", S).split()[4]) == float(good[4])


def test_another_host_polls_the_same_alicat() -> None:
    """Its poll and the answer to that stand before the answer to the host's own, once."""
    device = alicat()
    arm(device, "second_master", S)
    frame = device.feed(b"A\r", S)
    parts = frame.split(b"\r")
    assert parts[0] == b"A"
    assert parts[1] == parts[2]
    assert device.feed(b"A\r", S) == parts[2] + b"\r"


def test_a_balance_shows_a_wrong_weight() -> None:
    """The weight is 1.5 g off in ten characters, in the answer to SI; a fault of S leaves SI alone."""
    device = balance()
    arm(device, "jump:command=S", 3 * S)
    good = device.feed(b"SI\r\n", 3 * S)
    assert float(good.split()[2]) == pytest.approx(25, abs=0.001)
    arm(device, "jump:point=weight,value=1.5,command=SI", 3 * S)
    wrong = device.feed(b"SI\r\n", 3 * S)
    assert len(wrong) == len(good)
    assert float(wrong.split()[2]) - float(good.split()[2]) == pytest.approx(1.5)


def test_an_out_of_range_balance() -> None:
    """A weight above what the balance can weigh is told as if it were good."""
    device = balance()
    arm(device, "out_of_range:count=1", 3 * S)
    assert device.feed(b"SI\r\n", 3 * S).split()[2] == b"242.0000"
