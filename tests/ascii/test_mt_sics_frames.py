"""MT-SICS commands and answers: golden lines, exact weights, and whose answer a line is."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_drivers.balance.frames import (
    WEIGHT_WIDTH,
    Command,
    Done,
    Fault,
    Hindered,
    MtSicsGrammar,
    State,
    Told,
    Weighed,
    answer_id,
    read_line,
)
from nebctl_drivers.profiles import read_profile

FRAMES: list[dict[str, Any]] = read_profile("mt-sics")["frame"]
GRAMMAR = MtSicsGrammar()
UG_PER = {"g": 10**6, "mg": 10**3, "kg": 10**9}


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame["what"])
def test_golden_lines_are_spoken_and_read(frame: dict[str, Any]) -> None:
    """Each golden command comes out byte for byte, and its answer is read as the profile says, as an answer to it."""
    command = Command(frame["request"])
    assert GRAMMAR.encode(command) == frame["request"].encode() + b"\r\n"
    answer = GRAMMAR.fit(command, frame["answer"])
    match answer:
        case Weighed():
            assert (answer.stable, answer.ug, answer.step_ug) == (frame["stable"], frame["ug"], frame["step_ug"])
        case Hindered():
            assert answer.state.name == frame["state"]
        case Done():
            assert answer.stable == frame["stable"]
        case Told():
            assert list(answer.texts) == frame["texts"]
        case Fault():
            assert answer.name == frame["fault"]
        case _:
            pytest.fail(f"{frame['answer']!r} was not read")


@given(
    st.integers(-99_999_999, 99_999_999), st.integers(0, 6), st.sampled_from("SD"), st.sampled_from(["g", "mg", "kg"])
)
def test_a_weight_is_exact_or_refused(digits: int, decimals: int, status: str, unit: str) -> None:
    """Whatever fits into the field comes out as its exact micrograms, and as nothing where it is finer than that."""
    value = Decimal(digits).scaleb(-decimals)
    text = f"{value:f}"
    line = f"S {status} {text:>{WEIGHT_WIDTH}} {unit}"
    exact = value * UG_PER[unit]
    answer = read_line(line)
    if len(text) > WEIGHT_WIDTH or exact != int(exact):
        assert answer is None
        return
    assert isinstance(answer, Weighed)
    assert (answer.ug, answer.stable) == (int(exact), status == "S")


@pytest.mark.parametrize(
    "line",
    [
        "S S     100,00 g",
        "S S        NaN g",
        "S S   1.000E+2 g",
        "S S   +100.000 g",
        "S S    0100.00 g",
        "S S       .500 g",
        "S S       100. g",
        "S S   --100.00 g",
        "S S     100.00 oz",
        "S S     100.00 G",
        "S S     100.00 lb",
        "S S     100.00",
        "S S     100.00 ",
        "S S  Error 10b",
        "S S            g",
        "S S    ¹00.00 g",
        "S S  0.0000001 g",
        "SI S     100.00 g",
        "s s     100.00 g",
        "S S 100.00 g",
        "S S      100.00 g",
        "S S     10.00 g",
        "S S    1000.00 g g",
        "T D     12.3456 g",
        "S L ",
        "Z S",
        "I4 A B123456789",
        'I5 A "1"',
        "E S",
        "@",
        "SI",
        "",
    ],
)
def test_other_lines_are_no_answer(line: str) -> None:
    """Commas, exponents, signs, other units and widths, a foreign `SI` answer, and an echo are nothing."""
    assert read_line(line) is None


@given(st.integers(0, 15))
def test_a_weight_that_lost_or_doubled_a_character_is_nothing(place: int) -> None:
    """The field's width gives away each character that the line has dropped or doubled."""
    line = "S S     100.00 g"
    for odd in (line[:place] + line[place + 1 :], line[:place] + line[place] + line[place:]):
        assert read_line(odd) is None, odd


@pytest.mark.parametrize("one", Command)
@pytest.mark.parametrize("other", Command)
def test_alike_is_what_could_be_mistaken(one: Command, other: Command) -> None:
    """An answer to one command fits another exactly where the grammar says that they are alike."""
    golden = next(frame["answer"] for frame in FRAMES if frame["request"] == other.value and frame["answer"][0] != "E")
    assert (GRAMMAR.fit(one, golden) is not None) == GRAMMAR.alike(one, other)


def test_the_answer_to_si_begins_with_s() -> None:
    """`SI` and `SIR` are answered under S, the reset under I4, as the manuals have it."""
    assert {answer_id(command) for command in (Command.STABLE, Command.NOW, Command.REPEAT)} == {"S"}
    assert answer_id(Command.RESET) == answer_id(Command.SERIAL) == "I4"


def test_probes_have_no_effect_and_differ() -> None:
    """What gets a conversation back in step asks for names alone; the reset, which may drop a tare, is none of it."""
    probes = list(GRAMMAR.probes(Command.SERIAL))
    assert len({answer_id(probe) for probe in probes}) == len(probes)
    assert all(answer_id(probe).startswith("I") for probe in probes)
    assert Command.RESET not in probes


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("command", Command)
def test_a_fault_fits_each_command(fault: Fault, command: Command) -> None:
    """ES, ET and EL name no command, so the one that has waited longest gets them."""
    assert GRAMMAR.fit(command, fault.value) is fault


def test_what_is_said_unasked() -> None:
    """Weights of a stream, their states, and the serial number of a balance that starts; nothing else."""
    assert GRAMMAR.unasked("S D     100.00 g") == Weighed("S", False, 100_000_000, 10_000)
    assert GRAMMAR.unasked("S +") == Hindered("S", State.OVER)
    assert GRAMMAR.unasked('I4 A "B1"') == Told("I4", ("B1",))
    for line in ("T S     12.3456 g", "Z A", 'I2 A "x"', "ES", "T I"):
        assert GRAMMAR.unasked(line) is None, line
