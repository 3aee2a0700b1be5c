"""Each thing that can be wrong with a profile is refused with file, line, key, value and the right form."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl.core.faults import Fault
from nebctl_drivers.profiles import Profile, load_profile

from .conftest import example as example_text
from .conftest import loaded

TEXT = example_text()


def change(text: str, place: str, old: str, new: str) -> tuple[str, int]:
    """Return the text with one change after `place`, and the number of the changed line."""
    at = text.index(old, text.index(place))
    return text[:at] + new + text[at + len(old) :], text[:at].count("\n") + 1


def faults_of(text: str) -> tuple[Fault, ...]:
    """Return what is wrong with a profile that must be wrong."""
    faults = load_profile(text, "made.toml")
    assert isinstance(faults, tuple), "nothing was found"
    return faults


CHANGES = [
    # place, old, new, field, what is said
    ("[profile]", 'protocol = "modbus"', 'protocol = "can"', "profile.protocol", "expected one of modbus"),
    ("[profile]", 'verified = "example"', 'verified = "yes"', "profile.verified", "manual, peer, hardware, example"),
    ("[profile]", 'model = "MN-1"', 'modell = "MN-1"', "profile.modell", "did you mean model?"),
    ("[serial]", 'parity = "N"', 'parity = "none"', "serial.parity", "one of N, E, O"),
    ("[serial]", "baudrate = 19200", 'baudrate = "19200"', "serial.baudrate", "whole number from 300"),
    ("[bus]", "answer_ms = 100", "answer_ms = 0", "bus.answer_ms", "from 1 to 5000"),
    ("[bus]", "read_attempts = 3", "retries = 3", "bus.retries", "not known here"),
    ("[identity]", "signature = 0x4E42", "signatur = 0x4E42", "identity.signatur", "no such point"),
    ("[identity]", "signature = 0x4E42", "signature = 70000", "identity.signature", "does not fit the type uint16"),
    ("[block.state]", 'table = "input"', 'table = "inputs"', "block.state.table", "holding, input, coil, discrete"),
    ("[block.state]", "count = 8", "count = 126", "block.state.count", "from 1 to 125"),
    ("[block.state]", "count = 8", "count = 40", "block.state.count", "48.4 ms at 19200 baud"),
    ("[block.state]", "count = 8", "count = 7", "point.boot.address", "outside its block state, 100 to 106"),
    ("[block.state]", "address = 100", "address = 65530", "block.state.count", "after the last address"),
    ("[block.state]", "stale_ms = 1500", "stale_ms = 99", "block.state.stale_ms", "stale before it is read again"),
    ("[block.state]", "manual = 30101", "manual = 30100", "block.state.manual", "address + 30001, here + 30000"),
    ("[block.state]", "manual = 30101", "manual = true", "block.state.manual", "the manual's own number"),
    ("[point.state]", 'type = "uint16"', 'type = "u16"', "point.state.type", "expected one of"),
    ("[point.state]", 'type = "uint16"', 'type = "bit"', "point.state.type", "the table input holds no bit"),
    ("[point.state]", 'block = "state"', 'block = "stat"', "point.state.block", "did you mean state?"),
    ("[point.state]", 'access = "r"', 'access = "rw"', "point.state.access", "cannot be written"),
    ("[point.state]", "address = 100", "address = 108", "point.state.address", "outside its block"),
    ("[point.state]", 'unit = "1"', 'unit = "furlong"', "point.state.unit", "expected one of"),
    ("[point.state]", "names = { OFF = 0,", "names = { OFF = 2,", "point.state.names", "a number of its own"),
    ("[point.on_time]", 'order = "ABCD"', 'order = "big"', "point.on_time.order", "ABCD, CDAB, BADC, DCBA"),
    ("[point.on_time]", 'order = "ABCD"\n', "", "point.on_time.order", "missing"),
    ("[point.run]", "address = 105", "address = 104", "point.run.address", "shares registers with the point on_time"),
    ("[point.flags]", "HARDWARE = 3 }", "HARDWARE = 16 }", "point.flags.bits", "no bit of a bits16"),
    ("[point.flags]", '"HARDWARE"]', '"SOFTWARE"]', "point.flags.alarms", "SOFTWARE is none of its bits"),
    ("[point.temperature]", "nan = [0x8000]", "nan = 0x8000", "point.temperature.nan", "list of raw values"),
    ("[point.current]", "scale = 0.1", "scale = 0", "point.current.scale", "every value would be the same"),
    ("[point.current]", "scale = 0.1", 'scale = "0,1"', "point.current.scale", "expected a number"),
    ("[point.current]", "scale = 0.1", "scale = 0.12345678901234567", "point.current.scale", "too long to be exact"),
    ("[point.current]", "scale = 0.1", "scale = nan", "point.current.scale", "finite"),
    ("[point.current]", "most = 500", "most = -1", "point.current.limits.least", "more than the most"),
    ("[point.level]", "safe = 0", "safe = 101", "point.level.limits.safe", "outside the limits"),
    ("[point.level]", "limits = { least = 0, most = 100, safe = 0 }\n", "", "point.level.limits", "missing"),
    ("[point.level]", "most = 100, safe = 0", "most = 70000, safe = 0", "point.level.limits.most", "does not fit"),
    ("[point.level]", "reset_value = 0", "reset_value = 0.5", "point.level.reset_value", "between two steps"),
    ("[point.level]", "reset_value = 0", "readback = { tol = -1 }", "point.level.readback.tol", "not negative"),
    ("[point.level]", "[point.level]", "[point.Level]", "point.Level", "a-z, 0-9 and _"),
    (
        "[nebulizer]",
        'point = "output", value = 1',
        'point = "outlet", value = 1',
        "nebulizer.start",
        "no point 'outlet'",
    ),
    (
        "[nebulizer]",
        'point = "level", value = 60',
        'point = "level", value = 101',
        "nebulizer.start",
        "outside its limits",
    ),
    ("[nebulizer]", 'point = "level", value = 60', 'point = "state", value = 2', "nebulizer.start", "never written"),
    ("[nebulizer]", 'value = "run"', 'value = "runs"', "nebulizer.start", "not filled in by the driver"),
    ("[nebulizer]", 'point = "run_set"', 'point = "level"', "nebulizer.start", "a run is a uint32"),
    ("[nebulizer]", 'point = "max_on", value', 'point = "level", value', "nebulizer.start", "is a time"),
    ("[nebulizer]", 'stop = [{ point = "output", value = 0 }]', "stop = []", "nebulizer.stop", "list of writes"),
    ("[nebulizer]", "value = 0 }]", "value = 1 }]", "nebulizer.stop", "the safe value is 0"),
    ("[nebulizer]", 'beat = "beat"', 'beat = "level"', "nebulizer.beat", "start and stop leave alone"),
    ("[nebulizer]", '\nrun = "run"', '\nrun = "boot"', "nebulizer.run", "does not suit"),
    ("[nebulizer]", '\nrun = "run"', "", "nebulizer.on_time", "whose on-time it is"),
    ("[nebulizer]", 'boot = "boot"', 'boot = "serial"', "nebulizer.boot", "does not suit"),
    ("[nebulizer]", 'on_time = "on_time"', 'on_time = "power"', "nebulizer.on_time", "does not suit"),
    ("[nebulizer.off]", "state = 0", "", "nebulizer.off", "no point is named"),
    ("[nebulizer.off]", "state = 0", "beat = 0", "nebulizer.off.beat", "never read"),
    ("[nebulizer.dry]", '"DRY"', '"WET"', "nebulizer.dry.flags", "expected a flag"),
    ("[nebulizer.end]", "dry = 4", "dryness = 4", "nebulizer.end.dryness", "did you mean dry?"),
    ("[nebulizer.end]", "dry = 4", "dry = 3", "nebulizer.end", "two causes have one number"),
    ("[nebulizer.quantities]", 'current = "current"', 'current = "power"', "nebulizer.quantities.current", "in mW"),
    ("[promises]", "keeps_s14 = false", "keeps_s14 = true", "promises.keeps_s14", "carries a number"),
    ("[promises]", "host_loss_off_ms = 2000", "", "promises", "write host_loss_off_ms"),
    ("[promises]", "max_on_in_device = true", "max_on_in_device = false", "promises.max_on_in_device", "disagree"),
    (
        "[nebulizer]",
        "longest_on_ms = 1800000",
        "longest_on_ms = 1800001",
        "promises.max_on_in_device",
        "1800000 at most",
    ),
    ("[nebulizer]", 'beat = "beat"', "", "promises.host_loss_off_ms", "no beat"),
    ("read the state: 12.5", "0BAD CAFE", "0BAD CAFF", "golden[2].answer", "no RTU frame"),
    ("read the state: 12.5", "on_time = 12500", "on_time = 12501", "golden[2].values.on_time", "the frame says 12500"),
    ("read the state: 12.5", "state = 2,", "output = 2,", "golden[2].values.output", "does not carry this point"),
    ("read the state: 12.5", "state = 2,", "stat = 2,", "golden[2].values.stat", "no such point"),
    ("name the run", "values = { run_set = 0x0badcafe }", "values = {}", "golden[7].values", "expected the values"),
    ("over Modbus TCP", '"0001 0000 000B', '"0002 0000 000B', "golden[5].answer", "unit or transaction"),
    ("over Modbus TCP", "28 04 08 0000", "28 04 06 0000", "golden[5].answer", "one begins 04 08"),
    ("over Modbus TCP", "28 04 0078", "28 07 0078", "golden[5].request", "no request of function 1, 2, 3, 4, 5, 6, 16"),
    ("[bus]", "read_attempts = 3", "write_function = 5", "bus.write_function", "expected 6 or 16"),
    ("[bus]", "read_attempts = 3", "write_function = 6", "point.run_set.write_function", "this value takes 2"),
    ("[point.level]", "reset_value = 0", "write_function = true", "point.level.write_function", "expected 6 or 16"),
    (
        "[point.power]",
        'access = "r"',
        'access = "r"\nwrite_function = 6',
        "point.power.write_function",
        "not known here",
    ),
    (
        "[block.state]",
        'table = "input"',
        'table = "discrete"',
        "point.state.type",
        "the table discrete holds no uint16",
    ),
    ("over Modbus TCP", "FFCE", "FFCE zz", "golden[5].answer", "hexadecimal"),
    ("[bus]", "[bus]", "[buss]", "buss", "did you mean bus?"),
]
"""What is changed, and what is then said; `place` is a text before the change."""


@pytest.mark.parametrize(
    ("place", "old", "new", "field", "said"), CHANGES, ids=[f"{c[3]}-{c[2][:24]}" for c in CHANGES]
)
def test_a_wrong_value_is_named(place: str, old: str, new: str, field: str, said: str) -> None:
    """One wrong value is one line that names file, line, field, what stands there and what would be right."""
    text, _ = change(TEXT, place, old, new)
    faults = faults_of(text)
    fault = next((fault for fault in faults if fault.field == field), None)
    assert fault is not None, [str(fault) for fault in faults]
    assert said in str(fault), str(fault)
    assert str(fault).startswith(f"made.toml:{fault.line}: {field}: ")
    assert fault.right


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        ("[point.level]", "reset_value = 0  ", 'reset_value = "0"'),
        ("[serial]", "baudrate = 19200", "baudrate = 1"),
        ("read the state: 12.5", '"28 04 10', '"28 04 1O'),
    ],
)
def test_the_line_is_the_changed_one(place: str, old: str, new: str) -> None:
    """The fault names the line on which the wrong value stands."""
    text, line = change(TEXT, place, old, new)
    assert [fault.line for fault in faults_of(text)] == [line]


def test_all_faults_are_told_at_once_in_order() -> None:
    """Three mistakes in three places come back together, in the order of their lines."""
    text, first = change(TEXT, "[serial]", "baudrate = 19200", "baudrate = 1")
    text, second = change(text, "[point.current]", "scale = 0.1", "scale = 0")
    text, third = change(text, "[promises]", "keeps_s14 = false", "keeps_s14 = 1")
    assert [fault.line for fault in faults_of(text)] == [first, second, third]


def test_a_point_given_twice_is_refused_with_its_line() -> None:
    """A duplicate table is no TOML; the fault says where it stands."""
    twice = TEXT.replace("[point.power]", "[point.current]")
    [fault] = faults_of(twice)
    assert fault.line == twice.split("\n").index("[point.current]", twice.split("\n").index("[point.current]") + 1) + 1


def test_points_that_say_so_may_share_registers() -> None:
    """With `overlaps` two readings of one register are wanted, and taken."""
    text, _ = change(TEXT, "[point.power]", "address = 122\nmanual = 30123", "address = 121\nmanual = 30122")
    text, _ = change(text, "[point.power]", 'type = "uint16"', 'type = "uint16"\noverlaps = ["frequency"]')
    faults = faults_of(text)
    assert not [fault for fault in faults if "shares registers" in fault.problem]


def test_a_device_without_a_sign_of_brown_out_is_refused() -> None:
    """Without a boot counter, a point that start writes must have a reset value, or a loss of power would not show."""
    text, _ = change(TEXT, "[nebulizer]", 'boot = "boot"', "")
    loaded(text)
    faults = faults_of(text.replace("reset_value = 0 ", "# "))
    assert [fault.field for fault in faults] == ["nebulizer.start"]
    assert "a loss of power would not show" in str(faults[0])


@pytest.mark.parametrize("section", ["profile", "serial", "bus", "identity", "nebulizer.off", "promises"])
def test_a_missing_table_is_named(section: str) -> None:
    """Each table that must be there is asked for by name."""
    cut = re.sub(rf"(?ms)^\[{re.escape(section)}\].*?(?=^\[|^#)", "", TEXT, count=1)
    said = [str(fault) for fault in faults_of(cut)]
    assert any(f"{section}: this table is missing" in line for line in said), said


LINES = [at for at, line in enumerate(TEXT.split("\n")) if " = " in line and not line.startswith(("#", " "))]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(LINES), st.sampled_from(["true", "-1", "[]", '""', "{}", "1e300", '"x"', "[[1]]", "2020-02-02"]))
def test_no_value_breaks_the_reader(at: int, value: str) -> None:
    """Whatever stands behind a key, there is a profile or a list of faults, and never an exception."""
    rows = TEXT.split("\n")
    if rows[at].endswith("["):
        return
    rows[at] = f"{rows[at].split(' = ')[0]} = {value}"
    result = load_profile("\n".join(rows), "made.toml")
    assert isinstance(result, Profile) or all(fault.problem and fault.right and str(fault) for fault in result)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(TEXT)), st.integers(0, 40))
def test_no_cut_breaks_the_reader(start: int, length: int) -> None:
    """A text with a piece cut out gives a profile or faults, and never an exception."""
    result = load_profile(TEXT[:start] + TEXT[start + length :], "made.toml")
    assert isinstance(result, Profile) or result
