"""Both readers of a device profile, the drivers' and the simulators', against each other, over every function."""

import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.faults import FieldError
from nebctl_drivers.modbus import Bits, Done, ReadDiscrete, SetCoils, Words, Write, WriteOne, encode_tcp, judge_answer
from nebctl_drivers.modbus import Request as Asked
from nebctl_drivers.modbus_nebulizer.station import Station, Taken, words_of
from nebctl_drivers.profiles import Profile, installed_profiles, load_profile
from nebctl_drivers.profiles.codec import decode, encode
from nebctl_drivers.profiles.profile import Point
from nebctl_simulators.modbus.codec import ModbusFault, Request
from nebctl_simulators.modbus.profile import RegisterMap, read_registers
from nebctl_simulators.modbus.registers import Registers

UNIT = 40
MODBUS = ("alicat-mc-modbus", "modbus-nebulizer", "watchdog-relay")
ANY = """
[profile]
id = "any"
protocol = "modbus"
maker = "x"
model = "y"
source = "z"
verified = "manual"
[serial]
baudrate = 115200
parity = "N"
stop_bits = 1
[bus]
answer_ms = 100
[block.words]
table = "holding"
address = 0
manual = 0
count = 60
period_ms = 100
stale_ms = 1000
[block.lamps]
table = "discrete"
address = 8
manual = 8
count = 20
period_ms = 100
stale_ms = 1000
[block.valves]
table = "coil"
address = 3
manual = 3
count = 12
period_ms = 100
stale_ms = 1000
"""


def any_map() -> str:
    """Return a profile with every type in every order, scaled and not, by functions 6 and 16, and bits."""
    text, address = ANY, 0
    for kind in ("uint16", "int16", "uint32", "int32", "float32"):
        wide = kind.endswith("32")
        for order in ("ABCD", "CDAB", "BADC", "DCBA") if wide else ("AB", "BA", ""):
            function = "write_function = 6\n" if order == "BA" else ""
            said = f'order = "{order}"\n' if order else ""
            text += (
                f'[point.{kind}_{order.lower() or "none"}]\nblock = "words"\naddress = {address}\nmanual = {address}\n'
                f'type = "{kind}"\n{said}{function}unit = "1"\naccess = "rw"\nscale = 0.5\noffset = -3\n'
                "limits = { least = -3, most = 1000, safe = 0 }\n"
            )
            address += 2 if wide else 1
    for at, table, access in ((9, "lamps", "r"), (27, "lamps", "r"), (3, "valves", "rw"), (14, "valves", "rw")):
        text += f'[point.{table}{at}]\nblock = "{table}"\naddress = {at}\nmanual = {at}\n'
        text += f'type = "bit"\nunit = "1"\naccess = "{access}"\n'
    return text


def both(text: str, folder: Path) -> tuple[Profile, RegisterMap]:
    """Return a profile as both readers read it."""
    path = folder / "made.toml"
    path.write_text(text, "utf-8")
    profile = load_profile(text, "made.toml")
    assert isinstance(profile, Profile), profile
    return profile, read_registers(path)


def text_of(name: str) -> str:
    """Return an installed profile."""
    return resources.files("nebctl_profiles").joinpath(f"{name}.toml").read_text("utf-8")


def texts() -> dict[str, str]:
    """Return every profile that both readers read here."""
    return {name: text_of(name) for name in MODBUS} | {"any": any_map()}


def ask(unit: Registers, request: Asked) -> Any:
    """Give a simulated unit a request as bytes, and return what the drivers make of the bytes of its answer."""
    frame = encode_tcp(request, 1)
    asked = Request(unit=frame[6], function=frame[7], data=frame[8:], raw=frame)
    try:
        data = unit.read(asked) if frame[7] <= 4 else unit.write(asked)[1]
    except ModbusFault as refused:
        return judge_answer(request, UNIT, bytes([frame[7] | 0x80, refused.fault]))
    return judge_answer(request, UNIT, frame[7:8] + data)


@pytest.fixture(scope="module", params=[*MODBUS, "any"])
def pair(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Profile, RegisterMap]:
    """A profile by both readers."""
    return both(texts()[request.param], tmp_path_factory.mktemp("profile"))


def test_no_profile_is_left_out() -> None:
    """Every installed file that says protocol = "modbus" is compared here."""
    found = {name for name in installed_profiles() if 'protocol = "modbus"' in text_of(name)}
    assert found == set(MODBUS)


def test_both_readers_see_the_same_map(pair: tuple[Profile, RegisterMap]) -> None:
    """Each point has the same table, addresses, access, limits, reset value and writing function for both."""
    profile, device = pair
    assert device.points.keys() == profile.points.keys()
    for name, ours in profile.points.items():
        theirs = device.points[name]
        assert (theirs.table, theirs.address, theirs.size) == (ours.space.value, ours.address, ours.layout.registers)
        assert (theirs.readable, theirs.writable) == (ours.readable, ours.writable)
        limits = ours.limits
        assert (theirs.least, theirs.most) == ((limits.least, limits.most) if limits else (None, None))
        assert theirs.reset == ours.reset_value
        assert ours.layout.type == "bit" or theirs.write_function == ours.write_function
        assert (dict(theirs.bits), dict(theirs.names), theirs.alarms) == (ours.bits, ours.names, ours.alarms)
    for block in profile.blocks.values():
        assert device.ranges[block.space.value].issuperset(range(block.address, block.address + block.count))


def test_both_readers_see_the_same_values(pair: tuple[Profile, RegisterMap]) -> None:
    """What the simulated unit holds comes out of its answers, through the drivers' codec, as the same number."""
    profile, device = pair
    unit, station = Registers(device), Station(profile, UNIT)
    for number in (0, 1, 7, -2, 100):
        for point in device.points.values():
            unit.put(point, f"S{number}" if point.type == "ascii" else number)
        taken = {block.name: Taken(words(ask(unit, station.read(block))), 0) for block in profile.blocks.values()}
        for name, ours in profile.points.items():
            if ours.readable:
                start = ours.address - profile.blocks[ours.block or ""].address
                seen = decode(ours.layout, taken[ours.block or ""].words[start : start + ours.layout.registers])
                wanted = f"S{number}" if ours.layout.type == "ascii" else unit.value(device.points[name])
                assert (seen if isinstance(seen, str) else Fraction(seen or 0)) == wanted, (name, number)


def words(answer: Words | Bits) -> tuple[int, ...]:
    """Return what was read, a bit as 0 or 1."""
    found = words_of(answer)
    assert isinstance(found, tuple), found
    return found


def worth_writing(point: Point) -> Iterable[Decimal]:
    """Return some values of a point that its limits and its registers allow."""
    limits = point.limits
    for value in (Decimal(0), Decimal(1), Decimal(60), Decimal(-3), limits.most if limits else Decimal(0)):
        if limits is None or limits.least <= value <= limits.most:
            try:
                encode(point.layout, value)
            except FieldError:
                continue
            yield value


def test_what_the_driver_writes_is_what_the_unit_takes(pair: tuple[Profile, RegisterMap]) -> None:
    """Each writable point is written by its own function, and the simulated unit then holds the same number."""
    profile, device = pair
    unit, station = Registers(device), Station(profile, UNIT)
    for name, ours in profile.points.items():
        if ours.writable:
            for value in worth_writing(ours):
                assert ask(unit, station.write(name, value)) == Done()
                assert unit.value(device.points[name]) == Fraction(value), name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Registers:
    """A unit with every type, every order, and bits."""
    return Registers(both(any_map(), tmp_path_factory.mktemp("any"))[1])


def test_function_2_reads_discrete_inputs(made: Registers) -> None:
    """Bits come lowest first; another table's addresses, and those outside of the blocks, are refused."""
    made.put(made._map.points["lamps9"], 1)
    answer = ask(made, ReadDiscrete(UNIT, 8, 20))
    assert answer == Bits((False, True) + (False,) * 18)
    assert ask(made, ReadDiscrete(UNIT, 3, 2)).code == 2
    assert ask(made, ReadDiscrete(UNIT, 8, 21)).code == 2


def test_function_6_alone_writes_a_register_that_says_so(made: Registers) -> None:
    """A point with write_function = 6 refuses function 16 as unknown; one without takes both."""
    points = made._map.points
    place = points["uint16_ba"].address
    assert ask(made, Write(UNIT, place, (0x0A00,))).code == 1
    assert ask(made, WriteOne(UNIT, place, 0x0A00)) == Done()
    assert made.value(points["uint16_ba"]) == 2
    plain = points["uint16_ab"].address
    for request in (Write(UNIT, plain, (10,)), WriteOne(UNIT, plain, 12)):
        assert ask(made, request) == Done()
    assert made.value(points["uint16_ab"]) == 3
    assert ask(made, WriteOne(UNIT, points["uint32_abcd"].address, 1)).code == 2, "half of a value"
    assert ask(made, WriteOne(UNIT, plain, 0xFFFF)).code == 3, "outside the limits"


def test_function_15_writes_coils(made: Registers) -> None:
    """Coils are written together where each is a point; a gap among them, and discrete inputs, are refused."""
    assert ask(made, SetCoils(UNIT, 14, (True,))) == Done()
    assert made.value(made._map.points["valves14"]) == 1
    assert ask(made, SetCoils(UNIT, 3, (True,) * 12)).code == 2
    assert ask(made, SetCoils(UNIT, 9, (True,))).code == 2


@pytest.mark.parametrize(
    ("function", "data", "code"),
    [
        (6, "0000", 3),
        (6, "0000 0001 00", 3),
        (15, "000E 0000 00", 3),
        (15, "000E 0001 02 0100", 3),
        (15, "000E 0009 01 FF", 3),
        (15, "0000 07B1 F7" + "00" * 247, 3),
        (16, "0000 007C F8" + "00" * 248, 3),
        (2, "0008 0000", 3),
        (2, "0008 07D1", 3),
        (2, "FFFF 0002", 2),
    ],
)
def test_a_malformed_request_is_refused(made: Registers, function: int, data: str, code: int) -> None:
    """Counts and lengths that do not fit, and more than the specification allows, change nothing."""
    request = Request(unit=UNIT, function=function, data=bytes.fromhex(data), raw=b"")
    with pytest.raises(ModbusFault) as refused:
        made.read(request) if function == 2 else made.write(request)
    assert refused.value.fault == code


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_any_single_write_is_taken_or_refused(address: int, value: int) -> None:
    """Function 6 with any address and value is acknowledged with both, or refused; the value is then held."""
    unit = Registers(SHARED)
    answer = ask(unit, WriteOne(UNIT, address, value))
    if answer == Done():
        [point] = [p for p in SHARED.points.values() if p.table == "holding" and address in p.addresses]
        assert point.size == 1
        assert unit._words["holding", address] == value
        assert point.allows(unit.value(point))
    else:
        assert answer.code in (2, 3)


def _shared() -> RegisterMap:
    path = Path(str(resources.files("nebctl_profiles").joinpath("modbus-nebulizer.toml")))
    return read_registers(path)


SHARED = _shared()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('order = "CDAB"', 'order = "AB"', "order = 'AB', expected one of ABCD"),
        ('order = "BA"', 'order = "ABCD"', "order = 'ABCD', expected one of AB, BA"),
        ('order = "CDAB"\n', "", "order is missing"),
        ("write_function = 6", "write_function = 5", "write_function = 5, expected 6 or 16"),
    ],
)
def test_both_readers_refuse_the_same(tmp_path: Path, old: str, new: str, said: str) -> None:
    """An order that does not fit the size, a missing one, and a function that writes nothing: no reader takes them."""
    text, count = re.subn(re.escape(old), new, any_map(), count=1)
    assert count == 1
    assert isinstance(load_profile(text, "made.toml"), tuple)
    path = tmp_path / "made.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=re.escape(said)):
        read_registers(path)
