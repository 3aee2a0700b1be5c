"""The study protocols that come with nebctl, and what the loader says of files that are wrong."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl.core.regimen import DISCHARGE, FIRST_TREATMENT
from nebctl_protocols import (
    Fault,
    Masking,
    Status,
    StudyProtocol,
    UnknownArmError,
    builtin,
    load_protocol,
    names,
    read_backs,
)

MEXCOVID = builtin("NCT04276987")


def good(name: str) -> StudyProtocol:
    """Return a study protocol that comes with nebctl."""
    loaded = load_protocol(builtin(name), f"{name}.toml")
    assert isinstance(loaded, StudyProtocol), loaded
    return loaded


def faults(text: str) -> tuple[Fault, ...]:
    """Return what the loader finds wrong with a text."""
    loaded = load_protocol(text, "study.toml")
    assert isinstance(loaded, tuple), "the text was taken as good"
    return loaded


def only_fault(old: str, new: str) -> Fault:
    """Return the one fault of the MEXCOVID file after one change in it."""
    assert MEXCOVID.count(old) >= 1
    found = faults(MEXCOVID.replace(old, new, 1))
    assert len(found) == 1, [str(fault) for fault in found]
    return found[0]


def line_of(text: str, piece: str) -> int:
    """Return the line, from 1, on which a piece of a text first stands."""
    return text[: text.index(piece)].count("\n") + 1


def test_the_three_studies_come_with_nebctl() -> None:
    """The names are those of the three studies, and every one of them loads."""
    assert names() == ("NCT04276987", "NCT04313647", "NCT04491240")
    assert [good(name).study for name in names()] == list(names())


def test_a_study_that_does_not_come_with_nebctl_is_named() -> None:
    """Asking for another study names the ones that there are."""
    with pytest.raises(KeyError, match="NCT04276987"):
        builtin("NCT00000000")


def test_mexcovid_is_what_the_registry_says() -> None:
    """2.0e8 vesicles in 3 mL, once on Day 1 to Day 5; 28 days of adverse events and six assessments."""
    protocol = good("NCT04276987")
    regimen = protocol.regimen()
    assert (regimen.volume_nl, regimen.content_low, regimen.content_high) == (3_000_000, 200_000_000, 200_000_000)
    assert (regimen.days, regimen.doses_per_day, regimen.blinded) == ((1, 2, 3, 4, 5), 1, False)
    assert protocol.follow_up.adverse_events_days == 28
    assert protocol.follow_up.counted_from == FIRST_TREATMENT
    assert protocol.follow_up.assessments == (0, 3, 7, 14, 21, 28)
    assert (protocol.first_posted, protocol.last_updated) == (date(2020, 2, 19), date(2020, 9, 7))
    assert (protocol.acronym, protocol.status, protocol.masking) == ("MEXCOVID", Status.READY, Masking.OPEN)


def test_mexcovid_warns_of_the_registrys_notation_and_the_papers_total() -> None:
    """The notes name the literal 2.0*10E8 and the total that the arithmetic does not give."""
    texts = " ".join(note.text for note in good("NCT04276987").notes)
    assert "2.0*10E8" in texts
    assert "2.0e9" in texts
    assert "1.0e9" in texts


def test_one_dose_at_five_levels() -> None:
    """NCT04313647 has five arms of one dose each, from 2.0e8 to 1.6e9 vesicles."""
    protocol = good("NCT04313647")
    assert [regimen.content_low for regimen in protocol.arms.values()] == [
        2 * 10**8,
        4 * 10**8,
        8 * 10**8,
        12 * 10**8,
        16 * 10**8,
    ]
    assert all(regimen.planned_doses() == ((1, 1),) for regimen in protocol.arms.values())


def test_twice_a_day_with_a_range_and_a_placebo() -> None:
    """NCT04491240 gives 20 doses of a range of contents or none, and follows adverse events from discharge."""
    protocol = good("NCT04491240")
    ranged, placebo = protocol.regimen("exo-1"), protocol.regimen("placebo")
    assert (ranged.content_low, ranged.content_high) == (5 * 10**9, 2 * 10**10)
    assert ranged.total_doses == 20
    assert placebo.placebo
    assert (protocol.follow_up.adverse_events_days, protocol.follow_up.counted_from) == (30, DISCHARGE)


def test_a_masking_that_no_source_states_counts_as_masked() -> None:
    """Where the masking is not stated the regimen is blinded: hiding can be undone, showing cannot."""
    protocol = good("NCT04491240")
    assert protocol.masking is Masking.NOT_STATED
    assert protocol.regimen("placebo").blinded


@pytest.mark.parametrize("name", names())
def test_every_value_has_a_source_that_is_described(name: str) -> None:
    """Each value of a study protocol names a source, and each named source is described with its address."""
    protocol = good(name)
    for path in ("dose.volume", "dose.days", "dose.per_day", "follow_up.adverse_events", "study.masking"):
        assert path in protocol.origins
    for arm in protocol.arms:
        assert f"arms.{arm}.content" in protocol.origins
    cited = {*protocol.origins.values(), *(source for note in protocol.notes for source in note.sources)}
    assert cited == set(protocol.sources)


def test_an_arm_must_be_named_where_there_are_several() -> None:
    """The only arm needs no name; of several one must be named, and an unknown one is refused with the known ones."""
    assert good("NCT04276987").regimen() == good("NCT04276987").regimen("treatment")
    with pytest.raises(UnknownArmError, match="no arm was named; name one of 1x, 2x"):
        good("NCT04313647").regimen()
    with pytest.raises(UnknownArmError, match="no arm '3x'"):
        good("NCT04313647").regimen("3x")


def test_what_a_person_reads_back_is_each_arms_content() -> None:
    """Each arm asks for its own content, a range with both ends and a placebo with none."""
    assert read_backs(good("NCT04276987")) == (("the content of one dose, arm treatment", "2.0e8 vesicles"),)
    assert [right for _, right in read_backs(good("NCT04491240"))] == [
        "5.0e9 to 2.0e10 vesicles",
        "5.0e9 to 2.0e10 vesicles",
        "0 vesicles",
    ]


@pytest.mark.req("S06")
@pytest.mark.parametrize(
    ("old", "new", "field", "value", "right"),
    [
        ('"2.0e8 vesicles"', '"2.0*10E8"', "arms.treatment.content", '"2.0*10E8"', 'write "2.0e8 vesicles"'),
        ('"2.0e8 vesicles"', '"2.0e8"', "arms.treatment.content", '"2.0e8"', "it has no unit"),
        ('"2.0e8 vesicles"', "2.0e8", "arms.treatment.content", "200000000.0", "write a number and its unit"),
        ('"3 mL"', '"3"', "dose.volume", '"3"', "it has no unit"),
        ('"3 mL"', "3", "dose.volume", "3", "write a number and its unit"),
        ('"3 mL"', '"3,0 mL"', "dose.volume", '"3,0 mL"', "decimal point"),
        ('"3 mL"', '"0 mL"', "dose.volume", '"0 mL"', "write how much"),
        ('"3 mL"', '"nan mL"', "dose.volume", '"nan mL"', "write a number and its unit"),
        ('"28 d"', '"36 h"', "follow_up.adverse_events", '"36 h"', 'write days, such as "28 d"'),
        ('"28 d"', "28", "follow_up.adverse_events", "28", "write a number and its unit"),
    ],
)
def test_a_quantity_without_a_right_unit_is_refused(old: str, new: str, field: str, value: str, right: str) -> None:
    """A quantity that could be misread is refused with its line, field and value and with what to write."""
    fault = only_fault(old, new)
    assert (fault.line, fault.field, fault.value) == (line_of(MEXCOVID, old), field, value)
    assert right in fault.right


@pytest.mark.parametrize(
    ("old", "new", "field", "problem", "right"),
    [
        ("[1, 2, 3, 4, 5]", "[1, 2, 3, 3, 5]", "dose.days", "Day 3 stands twice", "[1, 2, 3, 5]"),
        ("[1, 2, 3, 4, 5]", "[1, 3, 2]", "dose.days", "do not rise", "[1, 2, 3, 4, 5]"),
        ("[1, 2, 3, 4, 5]", "[0, 1]", "dose.days", "first dosing day is Day 0", "Day 1"),
        ("[1, 2, 3, 4, 5]", "[]", "dose.days", "list of whole study days", "[1, 2, 3, 4, 5]"),
        ("[1, 2, 3, 4, 5]", "[1, true]", "dose.days", "list of whole study days", "[1, 2, 3, 4, 5]"),
        ("[1, 2, 3, 4, 5]", "[1, 40000]", "dose.days", "more than ten years", "[1, 2, 3, 4, 5]"),
        ("[0, 3, 7,", "[0, 7, 7,", "follow_up.assessments", "Day 7 stands twice", "[0, 7, 14, 21, 28]"),
        ("= 2020-02-19", "= 2020-02-30", "study.first_posted", "does not exist", "2020-02-29"),
        ("= 2020-02-19", '= "2020-02-30"', "study.first_posted", "does not exist", "has 29 days"),
        ("= 2020-02-19", '= "2020-13-01"', "study.first_posted", "does not exist", "month from 01 to 12"),
        ("= 2020-02-19", '= "2020-02-19"', "study.first_posted", "without quotes", "write 2020-02-19"),
        ("= 2020-02-19", "= 2020-02-19T08:00:00", "study.first_posted", "no date", "year-month-day"),
        ("per_day = 1", "per_day = 0", "dose.per_day", "greater than or equal to 1", "per_day = 1"),
        ('= "open label"', '= "open"', "study.masking", "'open label', 'masked' or 'not stated'", "one of these"),
        ('status = "ready"', 'status = "draft"\nstatus = "ready"', "status", "twice (first on line", "keep one"),
        ('days = "registry", ', "", "dose.days", "has no source", 'source = { days = "registry" }'),
        ('days = "registry"', 'days = "registri"', "dose.source.days", "not described", "did you mean registry?"),
        (
            'days = "registry"',
            'days = "registry", week = "paper"',
            "dose.source.week",
            "not here",
            "leave its source out",
        ),
        ('sources = ["paper"]', 'sources = ["papper"]', "notes[2].sources", "not described", "did you mean paper?"),
        ('title = "Zhu', 'titel = "x"\ntitle = "Zhu', "sources.paper.titel", "not known here", "did you mean title?"),
        ("per_day = 1", 'per_day = 1\nmin_interval = "20 h"', "dose.min_interval", "not known here", "volume, days"),
        ('url = "https://clin', 'url = "ftp://clin', "sources.registry.url", "does not fit", "https"),
        ("[arms.treatment]", '[arms."A b"]', 'arms."A b"', "does not fit", "small letters"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(
    old: str, new: str, field: str, problem: str, right: str
) -> None:
    """Each wrong value is one fault with its field, the problem, and what would be right."""
    fault = only_fault(old, new)
    assert fault.field == field
    assert problem in fault.problem
    assert right in fault.right


def test_all_faults_come_at_once_in_the_order_of_their_lines() -> None:
    """A notation trap, a missing unit, an unknown key, a day twice and a date that does not exist: five faults."""
    changes = [
        ("= 2020-02-19", "= 2020-02-30"),
        ('"3 mL"', '"3"'),
        ("[1, 2, 3, 4, 5]", "[1, 2, 2, 4, 5]"),
        ("per_day = 1", "per_day = 1\ndose_mll = 3"),
        ('"2.0e8 vesicles"', '"2.0*10E8"'),
    ]
    text = MEXCOVID
    for old, new in changes:
        text = text.replace(old, new, 1)
    found = faults(text)
    fields = ["study.first_posted", "dose.volume", "dose.days", "dose.dose_mll", "arms.treatment.content"]
    assert [fault.field for fault in found] == fields
    assert [fault.line for fault in found] == [line_of(text, new.split("\n")[-1]) for _, new in changes]


def test_a_fault_prints_as_file_line_field_problem_value_and_advice() -> None:
    """The printed line begins with FILE:LINE: field and ends with what to write."""
    fault = only_fault('"3 mL"', '"3 ml"')
    line = line_of(MEXCOVID, '"3 mL"')
    assert str(fault).startswith(f"study.toml:{line}: dose.volume: expected a volume")
    assert str(fault).endswith(', got "3 ml"; write "3 mL"')


def test_a_range_needs_a_low_end_below_its_high_end() -> None:
    """A range with its ends the wrong way round, or with one of them, is refused."""
    wrong = only_fault('"2.0e8 vesicles"', '{ low = "2.0e10 vesicles", high = "5.0e9 vesicles" }')
    assert "not above zero and below" in wrong.problem
    half = only_fault('"2.0e8 vesicles"', '{ low = "2.0e10 vesicles" }')
    assert "a low and a high end" in half.problem


def test_a_value_that_is_no_toml_is_one_fault_with_its_line() -> None:
    """A text that cannot be read as TOML has one fault: the line, its field and what to write."""
    fault = only_fault('volume = "3 mL"', "volume = 3 mL")
    assert (fault.line, fault.field, fault.value) == (line_of(MEXCOVID, 'volume = "3 mL"'), "dose.volume", "3 mL")
    assert "quotes" in fault.right


def test_an_empty_file_is_told_what_belongs_into_it() -> None:
    """Every missing table and key is named."""
    fields = {fault.field for fault in faults("")}
    assert fields == {"format", "status", "study", "dose", "arms", "follow_up", "sources"}


def test_a_value_in_a_list_over_several_lines_has_the_line_of_its_key() -> None:
    """The line of a fault is the line of its key, also after tables and lists that span lines."""
    text = MEXCOVID.replace("[1, 2, 3, 4, 5]", "[\n  1,\n  2,\n  # [not a table]\n]").replace(
        '"2.0e8 ves', '"2.0E8 ves'
    )
    [fault] = faults(text)
    assert fault.line == line_of(text, "content = ")


@settings(max_examples=60)
@given(data=st.data())
def test_any_one_line_changed_gives_a_protocol_or_faults(data: st.DataObject) -> None:
    """Whatever one line of a file is replaced by, the loader answers with a protocol or with faults on its lines."""
    rows = MEXCOVID.split("\n")
    at = data.draw(st.integers(min_value=0, max_value=len(rows) - 1))
    rows[at] = data.draw(
        st.sampled_from([*rows, "", "[dose]", "[[arms]]", "dose = 1", "x = ", '"', "\x00"]) | st.text(max_size=20)
    )
    loaded = load_protocol("\n".join(rows), "study.toml")
    if isinstance(loaded, tuple):
        assert loaded
        assert all(1 <= fault.line <= len("\n".join(rows).split("\n")) for fault in loaded)
        assert all(str(fault).startswith(f"study.toml:{fault.line}: ") for fault in loaded)
