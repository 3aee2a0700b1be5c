"""How a profile says by which function its registers are written, and its discrete inputs."""

from decimal import Decimal

import pytest

from nebctl_drivers.modbus import Bits, ReadDiscrete, Write, WriteOne
from nebctl_drivers.modbus_nebulizer.station import Station, Status, Taken, words_of
from nebctl_drivers.profiles import load_profile

from .conftest import example, loaded, sign

TEXT = example()
BY_16 = 'request = "28 10 0003 0001 02 003C 55E3"\nanswer = "28 10 0003 0001 F630"'
LEVEL = "reset_value = 0                # what it is after power-up\n\n[point.output]"
DISCRETE = """
[block.lamps]
table = "discrete"
address = 4
manual = 10005
count = 10
period_ms = 250
stale_ms = 1000

[point.door]
block = "lamps"
address = 13
manual = 10014
type = "bit"
unit = "1"
access = "r"

[nebulizer]"""
READ_LAMPS = """
[[golden]]
what = "read the lamps"
request = "0009 0000 0006 28 02 0004 000A"
answer = "0009 0000 0005 28 02 02 0002"
values = { door = 1 }
"""


def frame(text: str) -> str:
    """Return a frame of unit 40 with its CRC, in hexadecimal digits."""
    return sign(bytes.fromhex("28" + text)).hex(" ").upper()


def by_6(text: str = TEXT, where: str = "point") -> str:
    """Return the example with the level written by function 6, or everything, with the level's golden frame."""
    assert BY_16 in text
    assert LEVEL in text
    single = frame("06 0003 003C")
    text = text.replace(BY_16, f'request = "{single}"\nanswer = "{single}"')
    if where == "point":
        return text.replace(LEVEL, LEVEL.replace("\n\n", "\nwrite_function = 6\n\n"))
    wide = text.replace("read_attempts = 3\n", "read_attempts = 3\nwrite_function = 6\n")
    return wide.replace("[point.max_on]", "write_function = 16\n\n[point.max_on]")


def test_function_16_is_the_default() -> None:
    """A profile that says nothing writes every register by function 16."""
    station = Station(loaded(TEXT), 40)
    assert station.write("level", Decimal(60)) == Write(40, 3, (60,))


def test_a_point_may_be_written_by_function_6() -> None:
    """The point that says so is written by function 6, the others as before, and its golden frame is of function 6."""
    profile = loaded(by_6())
    assert profile.unproven == ()
    station = Station(profile, 40)
    assert station.write("level", Decimal(60)) == WriteOne(40, 3, 60)
    assert station.write("output", Decimal(1)) == Write(40, 4, (1,))


def test_a_whole_device_may_be_written_by_function_6() -> None:
    """[bus] says it for all; a point of two registers says 16 itself, and the others then lack their golden frames."""
    profile = loaded(by_6(where="bus"))
    station = Station(profile, 40)
    assert station.write("output", Decimal(1)) == WriteOne(40, 4, 1)
    assert station.write("run_set", Decimal(1)) == Write(40, 0, (0, 1))
    wanting = {f"the write of {name} by function 6" for name in ("max_on", "output", "beat")}
    assert set(profile.unproven) == wanting


@pytest.mark.parametrize("function", [6, 16])
def test_a_frame_of_the_other_function_proves_nothing(function: int) -> None:
    """A golden frame is the proof of the function that will be used, not of the point's place alone."""
    text = by_6()
    if function == 6:
        text = text.replace("write_function = 6\n", "")
        assert loaded(text).unproven == ("the write of level",)
    else:
        single = frame("06 0003 003C")
        text = text.replace(f'request = "{single}"\nanswer = "{single}"', BY_16)
        assert loaded(text).unproven == ("the write of level by function 6",)


def test_a_golden_answer_of_function_6_repeats_its_request() -> None:
    """An answer with another value acknowledges nothing."""
    single, other = frame("06 0003 003C"), frame("06 0003 003D")
    faults = load_profile(by_6().replace(f'answer = "{single}"', f'answer = "{other}"'), "made.toml")
    assert isinstance(faults, tuple)
    assert [fault.problem for fault in faults] == ["this does not acknowledge the request"]


def test_discrete_inputs_are_a_table() -> None:
    """A block of them is read by function 2, needs its golden frame, and gives bits that are values."""
    text = TEXT.replace("\n[nebulizer]", DISCRETE, 1)
    assert loaded(text).unproven == ("the read of block lamps",)
    profile = loaded(text + READ_LAMPS)
    assert profile.unproven == ()
    station = Station(profile, 40)
    block = profile.blocks["lamps"]
    assert station.read(block) == ReadDiscrete(40, 4, 10)
    assert block.bytes_on_wire() == 8 + 5 + 2
    words = words_of(Bits((False,) * 9 + (True,)))
    assert isinstance(words, tuple)
    door = station.measure({"lamps": Taken(words, 0)}, 0)["door"]
    assert (door.value, door.status) == (Decimal(1), Status.OK)


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ('access = "r"\n', 'access = "rw"\n', "point.door.access", "a discrete input cannot"),
        ('type = "bit"', 'type = "uint16"', "point.door.type", "the table discrete holds no uint16"),
        ("count = 10", "count = 2001", "block.lamps.count", "from 1 to 2000"),
        ("count = 10", "count = 9", "point.door.address", "outside its block lamps, 4 to 12"),
    ],
)
def test_a_wrong_discrete_input_is_named(old: str, new: str, field: str, said: str) -> None:
    """Discrete inputs are read only, hold bits alone, and lie in their block."""
    assert old in DISCRETE
    faults = load_profile(TEXT.replace("\n[nebulizer]", DISCRETE.replace(old, new), 1) + READ_LAMPS, "made.toml")
    assert isinstance(faults, tuple)
    fault = next(fault for fault in faults if fault.field == field)
    assert said in str(fault)


def test_a_discrete_input_that_is_only_written_is_refused() -> None:
    """A point without a block is in a table that can be written."""
    text = TEXT.replace('[point.beat]\ntable = "holding"', '[point.beat]\ntable = "discrete"')
    faults = load_profile(text, "made.toml")
    assert isinstance(faults, tuple)
    assert any(fault.field == "point.beat.table" and "holding, coil" in fault.problem for fault in faults)
