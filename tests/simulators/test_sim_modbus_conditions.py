"""The simulated unit shows each state so that the drivers' reading of the same profile sees just that one."""

import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_drivers.modbus import Words, encode_rtu, judge_answer
from nebctl_drivers.modbus_nebulizer.station import Measured, Station, Taken, holds
from nebctl_drivers.profiles import Profile, load_profile
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.modbus.conditions import Condition, settle
from nebctl_simulators.modbus.conditions import holds as shown
from nebctl_simulators.modbus.nebulizer import Nebulizer
from nebctl_simulators.modbus.points import Point
from nebctl_simulators.modbus.profile import read_map
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

from .test_sim_modbus_nebulizer import PROFILE

MS = 1_000_000
BITS = "bits = { DRY = 0, NO_CUP = 1, NO_RESONANCE = 2, HARDWARE = 3 }"
MORE = "bits = { DRY = 0, NO_CUP = 1, NO_RESONANCE = 2, HARDWARE = 3, ON = 4, WET = 5, WARM = 6 }"
STATES = ("off", "sweep", "running")


def changed(**tables: str) -> str:
    """Return the example with other conditions; the flags have three more names."""
    assert BITS in PROFILE
    text = PROFILE.replace(BITS, MORE)
    usual = {"off": "state = 0", "sweep": "state = 1", "running": "state = 2", "dry": 'flags = "DRY"'}
    for name, lines in tables.items():
        old = f"[nebulizer.{name}]\n{usual[name]}\n"
        assert old in text
        text = text.replace(old, f"[nebulizer.{name}]\n{lines}\n" if lines else "")
    return text


VARIANTS = {
    "as it is": changed(),
    "lists": changed(off="state = [7, 0]", sweep="state = [1, 3]", running="state = [2, 4]"),
    "a flag that is set or not": changed(off='flags = "!ON"', sweep='flags = "ON"\nstate = 1', running="state = 2"),
    "flags alone": changed(off='flags = "!ON"', running='flags = "ON"', sweep=""),
    "one of several flags": changed(off='flags = ["!ON"]', running='flags = ["WARM", "ON"]', sweep=""),
    "two points": changed(
        off="state = 0", sweep='state = 2\nflags = "WARM"', running='state = 2\nflags = "!WARM"', dry='flags = "!WET"'
    ),
    "dry where a flag is not set": changed(dry='flags = "!WET"'),
    "names": changed(off='state = ["OFF", 9]', sweep='state = "SWEEP"', running='state = ["RUN"]'),
}


class Bench:
    """A simulated unit, and what the drivers make of its answers."""

    def __init__(self, text: str, path: Path) -> None:
        path.write_text(text, "utf-8")
        profile = load_profile(text, "made.toml")
        assert isinstance(profile, Profile), profile
        self.profile = profile
        self.station = Station(profile, 40)
        self.now_ns = 0
        self.device = Nebulizer(
            device_map=read_map(path),
            unit=build_unit("mesh.solo", 1),
            serial="SIM-0004",
            sim_time=ScaledTime(0),
            real_ns=0,
            memory=Memory(boot=6),
        )
        self.device.pour(3_000_000)

    def values(self) -> dict[str, Measured]:
        """Return all values, by the drivers' own reading."""
        taken = {}
        for block in self.profile.blocks.values():
            self.now_ns += 10 * MS
            request = self.station.read(block)
            answer = self.device.feed(encode_rtu(request), self.now_ns)
            words = judge_answer(request, 40, answer[1:-2])
            assert isinstance(words, Words), words
            taken[block.name] = Taken(words.values, 0)
        return self.station.measure(taken, 0)

    def states(self) -> list[str]:
        """Return the states that the drivers' reading finds, "dry" among them."""
        roles, values = self.profile.roles, self.values()
        assert roles is not None
        assert holds(self.profile.identity, values, self.profile) is True
        conditions = {"off": roles.off, "sweep": roles.sweep, "running": roles.running, "dry": roles.dry}
        return [name for name, condition in conditions.items() if condition and holds(condition, values, self.profile)]

    def write(self, name: str, value: int) -> None:
        """Write a point as a driver does."""
        self.now_ns += 10 * MS
        self.device.feed(encode_rtu(self.station.write(name, Decimal(value))), self.now_ns)

    def run(self, seconds: float) -> None:
        """Let time pass with beats."""
        for _ in range(int(seconds * 2)):
            self.now_ns += 490 * MS
            self.write("beat", 1)

    def start(self) -> None:
        """Start."""
        for name, value in (("run_set", 0x0BADCAFE), ("max_on", 1200), ("level", 60), ("output", 1)):
            self.write(name, value)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_driver_sees_one_state_at_a_time(variant: str, tmp_path: Path) -> None:
    """Off, sweeping, running, stopped and dry: each is read as itself, and as nothing beside it."""
    text = VARIANTS[variant]
    bench = Bench(text, tmp_path / "made.toml")
    assert bench.states() == ["off"]
    bench.start()
    assert bench.states() == ["sweep" if "[nebulizer.sweep]" in text else "running"]
    bench.run(10)
    assert bench.states() == ["running"]
    bench.write("output", 0)
    assert bench.states() == ["off"]
    bench.device.empty_cup()
    bench.start()
    bench.run(8)
    assert bench.states() == ["off", "dry"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_fault_is_an_alarm_of_the_profile(variant: str, tmp_path: Path) -> None:
    """A fault of the device sets one alarm, whatever else the flags tell."""
    bench = Bench(VARIANTS[variant], tmp_path / "made.toml")
    alarms = set(bench.profile.points["flags"].alarms)
    for fault, name in ((None, set()), ("hardware", {"HARDWARE"})):
        if fault is not None:
            bench.start()
            bench.device.inject(fault, 1, None, bench.now_ns)
        flags = bench.values()["flags"].value
        assert isinstance(flags, tuple)
        assert set(flags) & alarms == name
    assert bench.states() == ["off"]


def test_a_fault_may_be_a_number(tmp_path: Path) -> None:
    """Where the fault is no flag, its point reads `none` without one, and another number with one."""
    text = PROFILE.replace('[nebulizer.fault]\npoint = "flags"', '[nebulizer.fault]\npoint = "code"\nnone = 255')
    text = text.replace('alarms = ["NO_CUP", "NO_RESONANCE", "HARDWARE"]\n', "")
    text = text.replace("count = 8\n", "count = 9\n", 1)
    point = '[point.code]\nblock = "state"\naddress = 108\nmanual = 30109\ntype = "uint16"\nunit = "1"\naccess = "r"\n'
    text = text.replace("[point.current]", f"{point}\n[point.current]", 1)
    text = text[: text.index("[[golden]]")]
    bench = Bench(text, tmp_path / "made.toml")
    assert bench.values()["code"].value == 255
    bench.start()
    bench.device.inject("hardware", 1, None, bench.now_ns)
    assert bench.values()["code"].value not in (255, 0)


def test_a_number_counted_by_the_host_may_be_the_last_write(tmp_path: Path) -> None:
    """A start whose last write is a command's number begins with it, and a device without it stays off."""
    text = PROFILE.replace(
        '    { point = "output", value = 1 },\n',
        '    { point = "output", value = 1 },\n    { point = "number", value = "number" },\n',
    ).replace("keeps_s14 = false", "keeps_s14 = true")
    point = (
        '[point.number]\nblock = "command"\naddress = 5\nmanual = 40006\ntype = "uint16"\nunit = "1"\naccess = "rw"\n'
    )
    point += "limits = { least = 0, most = 65535, safe = 0 }\n"
    text = text.replace("[point.beat]", f"{point}\n[point.beat]").replace("count = 5\n", "count = 6\n")
    beat = '[point.beat]\ntable = "holding"\naddress = 5\nmanual = 40006'
    assert beat in text
    text = text.replace(beat, beat.replace("= 5", "= 6").replace("40006", "40007"))
    bench = Bench(text[: text.index("[[golden]]")], tmp_path / "made.toml")
    bench.start()
    assert bench.states() == ["off"]
    bench.write("number", 1)
    assert bench.states() == ["sweep"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [('flags = "OFF"', "flags has no value OFF"), ("stat = 0", "no point stat"), ("state = []", "has no value at all")],
)
def test_a_condition_that_cannot_hold_is_refused(lines: str, said: str, tmp_path: Path) -> None:
    """A name that the point does not have, a point that is not there, and an empty list: no reader takes them."""
    text = changed(off=lines)
    path = tmp_path / "made.toml"
    path.write_text(text, "utf-8")
    assert isinstance(load_profile(text, "made.toml"), tuple)
    with pytest.raises(ValueError, match=said):
        read_map(path)


FLAGS = Point(name="f", table="input", address=0, type="bits16", names={}, bits={"A": 0, "B": 3, "C": 15})
NUMBER = Point(name="n", table="input", address=1, type="uint16", names={"ON": 2}, bits={})
TEXT = Point(name="t", table="input", address=2, type="ascii", length=4, names={}, bits={})
POINTS = {point.name: point for point in (FLAGS, NUMBER, TEXT)}
conditions = st.fixed_dictionaries(
    {},
    optional={
        "f": st.lists(st.sampled_from(["A", "!A", "B", "!B", "C", "!C"]), min_size=1, max_size=3).map(tuple),
        "n": st.lists(st.sampled_from([Fraction(0), Fraction(3), "ON"]), min_size=1, max_size=3).map(tuple),
        "t": st.lists(st.sampled_from(["MN-1", "MN-2"]), min_size=1, max_size=2).map(tuple),
    },
)


@given(conditions, conditions, st.integers(0, 0xFFFF))
def test_what_is_wanted_always_holds(wanted: Condition, unwanted: Condition, before: int) -> None:
    """Whatever is not wanted beside it, the wanted condition holds, and its values fit their registers."""
    values: dict[str, int | Fraction | str] = {"f": before}
    settle(values, POINTS, [wanted], [unwanted])
    assert shown(values, POINTS, wanted)
    for name, value in values.items():
        assert struct.pack(f">{POINTS[name].size}H", *POINTS[name].pack(value))


@given(conditions, st.integers(0, 0xFFFF))
def test_what_is_not_wanted_does_not_hold(unwanted: Condition, before: int) -> None:
    """With room to move, a condition that is not wanted is broken; a list with a flag and its opposite always holds."""
    values: dict[str, int | Fraction | str] = {"f": before}
    settle(values, POINTS, [], [unwanted])
    flags = set(unwanted.get("f", ()))
    always = any(f"!{flag}" in flags for flag in flags)
    if unwanted and not (always and len(unwanted) == 1):
        assert not shown(values, POINTS, unwanted) or always
