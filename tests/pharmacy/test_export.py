"""The export: recomputed from signed records up to a head, with the same bytes for the same head."""

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nebctl.cli.pharmacy import pharmacy as command
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.pharmacy import events, judging
from nebctl.pharmacy.cut import Cut, entries_of, newest_cut, parse_cut
from nebctl.pharmacy.dictionary import COLUMNS
from nebctl.pharmacy.events import Settlement
from nebctl.pharmacy.export import TYPES, csv_text, table
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.log import entries
from nebctl.pharmacy.setup import Plan, set_up
from nebctl.pharmacy.show import course_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "export.md"
DOUBT = {"low_nl": 900_000, "best_nl": 1_500_000, "high_nl": 3_000_000, "verdict": "UNCERTAIN"}
SETTLED = Settlement(
    session="2026-02-14-0000aa", low_nl=1_000_000, high_nl=1_600_000, reason="weighed", by="PH-01", second="PI-01"
)


def database(pharmacy: Any) -> Path:
    """Return where the records lie."""
    return Path(pharmacy.books.log.path).with_name("pharmacy.db")


def rows_at(pharmacy: Any, cut: Cut) -> list[dict[str, str]]:
    """Return the table of a cut as somebody reads it who has the CSV alone."""
    return list(csv.DictReader(io.StringIO(text_at(pharmacy, cut))))


def text_at(pharmacy: Any, cut: Cut) -> str:
    """Return the CSV of a cut."""
    return csv_text(table(cut, entries_of(database(pharmacy), cut, TYPES)))


def now(pharmacy: Any) -> Cut:
    """Countersign all that is kept and return the cut."""
    pharmacy.receipt()
    return newest_cut(database(pharmacy))


def place(day: int) -> SessionDay:
    """Return a session of a study day."""
    return SessionDay(session=f"2026-02-{13 + day}-0000ab", day=day, tz="UTC", date_local=f"2026-02-{13 + day}")


@pytest.mark.req("S38")
def test_every_ordered_dose_is_a_row_with_what_came_of_it(pharmacy: Any, unit: Any) -> None:
    """Given, in doubt, aborted and then not done, missed, and still open: one row each, none of them a zero volume."""
    pharmacy.take(unit.dose(1))
    pharmacy.take(unit.dose(2, end="uncertain", **DOUBT))
    abort = Draft(
        typ="abort",
        facts={"auth": "0" * 8, "dose": 1, "kit": "KIT-0403", "lot": "EXO2020A", "reason": "x"},
        private={"subject": "MEX-001", "operator": "RT-07"},
        session=place(3),
    )
    pharmacy.take(unit.write(abort))
    judging.note_not_done(pharmacy.books, "MEX-001", 3, 1, "subject-unwell", "", "RT-07")
    late = pharmacy.at(24 * 4)
    judging.raise_overdue(late, judging.overdue(late))
    rows = rows_at(pharmacy, now(pharmacy))
    ends = [(row["day"], row["end"], row["high_nl"]) for row in rows]
    assert sorted(ends) == [
        ("1", "complete", "3000000"),
        ("2", "uncertain", "3000000"),
        ("3", "aborted", ""),
        ("3", "notdone", ""),
        ("4", "missed", ""),
        ("5", "open", ""),
    ]
    assert {row["kit"] for row in rows if row["day"] == "5"} == {"KIT-0405"}
    assert {row["unit"] for row in rows} == {"neb-0001"}


@pytest.mark.req("S38")
def test_the_same_head_gives_the_same_bytes_and_a_correction_appears_in_a_later_cut_alone(
    pharmacy: Any, unit: Any
) -> None:
    """What came after a head changes nothing of its table; the table of the new head has the correction beside it."""
    pharmacy.take(unit.dose(1, end="uncertain", **DOUBT))
    before = now(pharmacy)
    first = text_at(pharmacy, before)
    events.settle(pharmacy.books, SETTLED)
    pharmacy.take(unit.dose(2))
    assert text_at(pharmacy, parse_cut(before.text())) == first
    [old, *_], [new, *_] = rows_at(pharmacy, before), rows_at(pharmacy, now(pharmacy))
    assert (old["end"], old["settled_end"], old["settled_high_nl"]) == ("uncertain", "", "")
    assert (new["end"], new["low_nl"], new["high_nl"]) == ("uncertain", "900000", "3000000")
    assert (new["settled_end"], new["settled_low_nl"], new["settled_high_nl"]) == ("partial", "1000000", "1600000")
    assert new["settled_verdict"] == "UNDER"


def test_what_was_added_in_mid_dose_stands_beside_the_charge(pharmacy: Any, unit: Any) -> None:
    """A dose record that names a top-up has its volume in the table; one that names none has an empty cell."""
    pharmacy.take(unit.dose(1, end="uncertain", **DOUBT, added_nl=1_000_000))
    pharmacy.take(unit.dose(2))
    assert [row["added_nl"] for row in rows_at(pharmacy, now(pharmacy)) if row["high_nl"]] == ["1000000", ""]


dose_facts = st.fixed_dictionaries(
    {
        "end": st.sampled_from(("complete", "partial", "stopped", "uncertain", "finished")),
        "doubts": st.sampled_from(([], ["the unit restarted in mid-dose"])),
        "volume": st.tuples(*[st.integers(0, 3_000_000)] * 3).map(sorted),
    }
)


@pytest.mark.req("S38")
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(course=st.lists(dose_facts, max_size=5))
def test_exported_totals_equal_the_log_and_doubt_is_never_certain(
    course: list[dict[str, Any]], make_pharmacy: Any, tmp_path_factory: Any, unit: Any
) -> None:
    """Whatever was recorded: sums equal those of the signed texts, read by other means, and of the course as shown."""
    pharmacy, unit = make_pharmacy(tmp_path_factory.mktemp("any")), type(unit)()
    for day, facts in enumerate(course, start=1):
        low, best, high = facts["volume"]
        said = {"low_nl": low, "best_nl": best, "high_nl": high, "doubts": facts["doubts"]}
        pharmacy.take(unit.dose(day, end=facts["end"], **said))
    rows = [row for row in rows_at(pharmacy, now(pharmacy)) if row["high_nl"]]
    texts = [jws.split(".")[1] for (jws,) in pharmacy.rows("SELECT jws FROM rec")]
    signed = [json.loads(base64.urlsafe_b64decode(text + "==")) for text in texts]
    sheet = course_of(pharmacy.db, "MEX-001", entries(pharmacy.books.log.path))
    for name in ("low_nl", "best_nl", "high_nl"):
        total = sum(int(row[name]) for row in rows)
        assert total == sum(payload[name] for payload in signed) == getattr(sheet.emitted, name)
    for row, payload in zip(rows, signed, strict=True):
        certain = payload["end"] in {"complete", "partial", "stopped"} and not payload["doubts"]
        assert row["end"] == (payload["end"] if certain else "uncertain")


def test_a_changed_record_gives_no_table(pharmacy: Any, unit: Any) -> None:
    """A stored record that is not the one under the head is found before a row is made of it."""
    pharmacy.take(unit.dose(1))
    cut = now(pharmacy)
    pharmacy.db.execute("DROP TRIGGER rec_no_update")
    (text,) = pharmacy.rows("SELECT jws FROM rec")[0]
    pharmacy.db.execute("UPDATE rec SET jws = ?", (text[:-1] + ("A" if text[-1] != "A" else "B"),))
    with pytest.raises(PharmacyFault, match="neb-0001/1 at 1: 1 records with root"):
        text_at(pharmacy, cut)


def test_a_head_of_another_history_gives_no_table(pharmacy: Any, unit: Any, make_pharmacy: Any, tmp_path: Path) -> None:
    """A head that names a log, a size or a root that this pharmacy does not have is refused."""
    pharmacy.take(unit.dose(1))
    cut = now(pharmacy)
    (tmp_path / "other").mkdir()
    other = make_pharmacy(tmp_path / "other")
    with pytest.raises(PharmacyFault, match=r"nebctl/neb-0001/1 1"):
        text_at(other, cut)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:-1], "another spelling"),
        (lambda text: text.replace("v1", "v2", 1), "line 1"),
        (lambda text: text.replace(" 1 ", " 01 "), "line 2"),
        (lambda text: "\n".join([*text.splitlines()[:1], *reversed(text.splitlines()[1:]), ""]), "out of order"),
        (lambda text: text + text.splitlines()[-1] + "\n", "out of order or twice"),
        (lambda text: text.replace("=", "", 1), "base64"),
    ],
)
def test_a_head_has_one_spelling(change: Any, said: str, pharmacy: Any, unit: Any) -> None:
    """A file of heads that was changed in any way is not taken for another one."""
    pharmacy.take(unit.dose(1))
    text = now(pharmacy).text()
    assert parse_cut(text).text() == text
    with pytest.raises(ValueError, match=said):
        parse_cut(change(text))


def run(*arguments: object) -> Result:
    """Call `nebctl pharmacy`."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def config(pharmacy: Any, unit: Any, tmp_path: Path) -> Path:
    """Return the configuration of a pharmacy with one dose."""
    home = tmp_path / "home"
    plan = Plan(
        site="sim.mexcovid.example", sim=True, study="NCT04276987", mqtt="mqtt://127.0.0.1:1", clock=None, operators=()
    )
    set_up(home, home / "trust", plan)
    text = (home / "pharmacy.toml").read_text("utf-8")
    (home / "pharmacy.toml").write_text(text.replace('data = "', f'data = "{tmp_path}" # "'), "utf-8")
    pharmacy.take(unit.dose(1))
    pharmacy.receipt()
    return home / "pharmacy.toml"


def test_the_command_writes_the_table_of_a_head(config: Path, tmp_path: Path) -> None:
    """Heads to a file, the table at that file and at `now`: the same bytes; the cut is named beside it."""
    heads = tmp_path / "heads.txt"
    heads.write_text(run("show", "--config", config, "--heads").stdout, "utf-8")
    told = json.loads(run("show", "--config", config, "--heads", "--json").stdout)
    assert told["cut"] == parse_cut(heads.read_text("utf-8")).digest()
    done = run("export", "--config", config, "--csv", "--at", heads, "-o", tmp_path / "doses.csv")
    assert done.exit_code == 0, done.output
    assert done.stderr == f"5 rows at cut {told['cut']}\n"
    printed = run("export", "--config", config, "--csv", "--at", "now")
    assert printed.stdout.encode() == (tmp_path / "doses.csv").read_bytes()
    assert {row["cut"] for row in csv.DictReader(io.StringIO(printed.stdout))} == {told["cut"]}


def test_wrong_calls_say_what_would_be_right(config: Path, tmp_path: Path) -> None:
    """A missing option, and a file that is no head, are wrong calls with a sentence."""
    assert run("export", "--config", config, "--csv").exit_code == 2
    assert run("show", "--config", config, "--heads", "--subject", "MEX-001").exit_code == 2
    done = run("export", "--config", config, "--csv", "--at", config)
    assert (done.exit_code, "show --heads" in done.output) == (2, True)


def test_the_dictionary_is_the_page() -> None:
    """Every column stands on the page of the export, in its order, word for word, and in both printed forms."""
    lines = [line.strip("|").split("|") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    told = [tuple(cell.strip() for cell in line) for line in lines]
    assert told == [(f"`{c.name}`", c.unit, c.meaning, c.empty) for c in COLUMNS]
    printed = list(csv.DictReader(io.StringIO(run("export", "--dictionary").stdout)))
    assert [row["column"] for row in printed] == [column.name for column in COLUMNS]
    objects = [json.loads(line) for line in run("export", "--dictionary", "--json").stdout.splitlines()]
    assert objects == printed
