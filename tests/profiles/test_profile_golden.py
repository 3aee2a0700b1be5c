"""Golden frames: what they prove, what a profile without them may not do, and the profiles that come with nebctl."""

import contextlib
import re
import tomllib
from decimal import Decimal
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.faults import Fault, FieldError
from nebctl_drivers.modbus import (
    Bits,
    Read,
    ReadCoils,
    ReadDiscrete,
    ReadInput,
    Request,
    SetCoil,
    SetCoils,
    Write,
    WriteOne,
    encode_rtu,
    encode_tcp,
)
from nebctl_drivers.modbus_nebulizer.station import Station, Taken, words_of
from nebctl_drivers.profiles import (
    Profile,
    find_profile,
    gap_s,
    installed_profiles,
    load_profile,
    refuse_live,
    refuse_slow,
)
from nebctl_drivers.profiles.codec import ORDERS_32, TYPES
from nebctl_drivers.profiles.golden import read_frame, read_request
from nebctl_drivers.profiles.quantities import UNITS

from .conftest import example, loaded

MODBUS = ("alicat-mc-modbus", "modbus-nebulizer", "watchdog-relay")
GOLDEN = re.compile(r"(?m)^\[\[golden\]\]\n(?:.+\n)+")
TEXT = example()
WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=100).map(tuple)


def without(*words: str, verified: str = "manual") -> Profile:
    """Return the example as a maker's profile, without the golden frames that speak of some words."""
    text = GOLDEN.sub(lambda found: "" if any(word in found[0] for word in words) else found[0], TEXT)
    return loaded(text.replace('verified = "example" ', f'verified = "{verified}" '))


@pytest.mark.parametrize("name", MODBUS)
def test_the_profiles_that_come_with_nebctl_are_good(name: str) -> None:
    """Each Modbus profile is read without a fault, and has a golden frame for each read and each write."""
    profile = find_profile(name)
    assert isinstance(profile, Profile), profile
    assert (profile.id, profile.unproven) == (name, ())


def test_every_modbus_profile_is_tested_here() -> None:
    """No installed file that says protocol = "modbus" is left out."""
    texts = {name: load_profile(_text(name), name) for name in installed_profiles() if _is_modbus(name)}
    assert set(texts) == set(MODBUS)


def _text(name: str) -> str:
    return resources.files("nebctl_profiles").joinpath(f"{name}.toml").read_text("utf-8")


def _is_modbus(name: str) -> bool:
    return bool(tomllib.loads(_text(name))["profile"].get("protocol") == "modbus")


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("who it is",), "the read of block identity"),
        (("read the state",), "the read of block state"),
        (("read the drive",), "the read of block drive"),
        (("read the commands",), "the read of block command"),
        (("name the run",), "the write of run_set"),
        (("20 minutes",), "the write of max_on"),
        (("level to 60",), "the write of level"),
        (("turn on", "turn off"), "the write of output"),
        (('"beat"',), "the write of beat"),
    ],
)
def test_a_profile_without_a_golden_frame_is_not_used_live(words: tuple[str, ...], missing: str) -> None:
    """One read or one write without its frame makes the profile unverified; a simulated unit may use it."""
    profile = without(*words)
    assert profile.unproven == (missing,)
    refusal = refuse_live(profile, simulated=False)
    assert refusal is not None
    assert missing in refusal.sentence()
    assert refuse_live(profile, simulated=True) is None


def test_a_whole_profile_may_be_used_live_and_an_example_never() -> None:
    """With all its frames a maker's profile is used live; the same frames do not make an invented device real."""
    assert refuse_live(without("nothing of this"), simulated=False) is None
    refusal = refuse_live(loaded(TEXT), simulated=False)
    assert refusal is not None
    assert "does not exist" in refusal.sentence()


def test_an_acknowledgement_of_another_write_is_refused() -> None:
    """A golden write whose answer is good in itself and acknowledges another register proves nothing."""
    tables = GOLDEN.findall(TEXT)
    answers = {key: re.search(r'answer = "(.+)"', table)[1] for table in tables for key in _keys(table)}  # type: ignore[index]
    faults = load_profile(TEXT.replace(answers["turn on"], answers["beat"]), "made.toml")
    assert isinstance(faults, tuple)
    assert {fault.problem for fault in faults} == {"this does not acknowledge the request"}


def _keys(table: str) -> list[str]:
    return re.findall(r'what = "(.+)"', table)


def test_a_golden_write_names_all_that_it_writes() -> None:
    """Four registers of which two belong to no point named are refused: they might turn something on."""
    text = _text("watchdog-relay").replace(
        "values = { run = 0x0badcafe, max_on = 1200000 }", "values = { run = 0x0badcafe }"
    )
    faults = load_profile(text, "made.toml")
    assert isinstance(faults, tuple)
    assert [fault.field for fault in faults] == ["golden[3].values"]


def test_one_frame_may_prove_two_points() -> None:
    """The relay's run and maximum on-time go out in one write, and its one golden frame proves both."""
    profile = find_profile("watchdog-relay")
    assert isinstance(profile, Profile)
    assert not profile.unproven


REQUESTS = st.one_of(
    st.builds(Read, st.integers(1, 247), st.integers(0, 60_000), st.integers(1, 125)),
    st.builds(ReadInput, st.integers(1, 247), st.integers(0, 60_000), st.integers(1, 125)),
    st.builds(ReadCoils, st.integers(1, 247), st.integers(0, 60_000), st.integers(1, 2000)),
    st.builds(ReadDiscrete, st.integers(1, 247), st.integers(0, 60_000), st.integers(1, 2000)),
    st.builds(Write, st.integers(1, 247), st.integers(0, 60_000), WORDS),
    st.builds(WriteOne, st.integers(1, 247), st.integers(0, 60_000), st.integers(0, 0xFFFF)),
    st.builds(SetCoil, st.integers(1, 247), st.integers(0, 60_000), st.booleans()),
)


@given(REQUESTS, st.booleans())
def test_the_check_and_the_codec_agree(request_: Request, rtu: bool) -> None:
    """The frames that the drivers send, made by another codec, say the same to the golden frames' own reader."""
    frame = encode_rtu(request_) if rtu else encode_tcp(request_, 0x1234)
    head, pdu = read_frame(frame.hex(" "))
    asked = read_request(pdu)
    assert head[-1] == request_.unit
    assert asked.address == request_.address
    match request_:
        case Write(values=values):
            assert asked.words == values
        case SetCoil(on=on):
            assert asked.words == (int(on),)
        case WriteOne(value=value):
            assert (asked.reads, asked.words) == (False, (value,))
        case _:
            assert not isinstance(request_, SetCoils)  # no point of a profile is written so
            assert (asked.reads, len(asked.words)) == (True, request_.count)


@given(st.binary(max_size=40))
def test_no_bytes_break_the_check(data: bytes) -> None:
    """Whatever a frame holds, it is read or refused."""
    with contextlib.suppress(FieldError):
        _, pdu = read_frame(data.hex())
        assert read_request(pdu).words


@pytest.mark.parametrize("where", ["no/such/file.toml", "nothing", "mesh-reference"])
def test_a_profile_that_is_none_is_named(where: str) -> None:
    """A path that leads nowhere, a name that is none, and a profile of another protocol each come back as faults."""
    faults = find_profile(where)
    assert isinstance(faults, tuple)
    assert all(isinstance(fault, Fault) and where in fault.file for fault in faults)


def test_a_slower_port_is_refused() -> None:
    """At the port's own baud rate no read may keep a STOP waiting for more than 40 ms either."""
    profile = loaded(TEXT)
    assert refuse_slow(profile, 19_200) is None
    refusal = refuse_slow(profile, 4800)
    assert refusal is not None
    assert "identity, state" in refusal.seen


def test_the_silence_between_frames() -> None:
    """It is 3.5 characters of 11 bits, above 19200 baud 1.75 ms, and what the profile asks for where it does."""
    profile = loaded(TEXT)
    assert gap_s(profile, 19_200) == pytest.approx(3.5 * 11 / 19_200)
    assert gap_s(profile, 115_200) == pytest.approx(0.00175)
    assert gap_s(loaded(TEXT.replace("read_attempts = 3", "gap_ms = 5")), 19_200) == pytest.approx(0.005)


def test_the_bits_of_a_character() -> None:
    """Start, eight of data, parity and stop: 10 bits for 8N1, 11 for 8E1 and 8N2."""
    profile = loaded(TEXT)
    assert profile.serial.char_bits == 10
    assert loaded(TEXT.replace('parity = "N"', 'parity = "E"')).serial.char_bits == 11
    assert loaded(TEXT.replace("stop_bits = 1", "stop_bits = 2")).serial.char_bits == 11


def test_the_pages_show_what_is_in_the_example() -> None:
    """The golden table of the how-to is one of the example profile, frame for frame."""
    page = Path(__file__).resolve().parents[2].joinpath("docs/how-to/add-a-modbus-nebulizer.md").read_text("utf-8")
    frames = re.findall(r'(?m)^ +(?:request|answer) = "(.+)"$', page)
    assert len(frames) == 2
    assert all(f'"{frame}"' in TEXT for frame in frames)


def test_the_reference_names_every_key() -> None:
    """Each key and unit that a profile may have stands in docs/reference/device-profile.md."""
    page = Path(__file__).resolve().parents[2].joinpath("docs/reference/device-profile.md").read_text("utf-8")
    keys = set(re.findall(r"(?m)^([a-z_0-9-]+) = ", TEXT)) - {"signature", "map_version", "state", "flags"}
    missing = [
        key
        for key in (*sorted(keys), *UNITS, *TYPES, *ORDERS_32)
        if not re.search(rf"(?<!\w){re.escape(key)}(?!\w)", page)
    ]
    assert missing == []


def test_a_coil_is_read_and_written_as_one() -> None:
    """A coil that can be read back has its block: function 1 reads it, function 5 writes it, both need frames."""
    text = _text("watchdog-relay").replace('table = "coil"\naddress = 0', 'block = "coils"\naddress = 0')
    text = text.replace('type = "bit"\nunit = "1"\naccess = "w"', 'type = "bit"\nunit = "1"\naccess = "rw"')
    block = '[block.coils]\ntable = "coil"\naddress = 0\nmanual = 0\ncount = 3\nperiod_ms = 250\nstale_ms = 1000\n\n'
    text = text.replace("[point.word]", f"{block}[point.word]")
    assert loaded(text).unproven == ("the read of block coils",)
    text += '\n[[golden]]\nwhat = "read"\nrequest = "0006 0000 0006 29 01 0000 0003"\n'
    profile = loaded(f'{text}answer = "0006 0000 0004 29 01 01 05"\nvalues = {{ coil = 1 }}\n')
    assert profile.unproven == ()
    station = Station(profile, 41)
    assert station.read(profile.blocks["coils"]) == ReadCoils(41, 0, 3)
    assert station.write("coil", Decimal(1)) == SetCoil(41, 0, on=True)
    words = words_of(Bits((True, False, True)))
    assert isinstance(words, tuple)
    assert station.measure({"coils": Taken(words, 0)}, 0)["coil"].value == Decimal(1)
