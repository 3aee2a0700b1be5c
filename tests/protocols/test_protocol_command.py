"""`nebctl protocol` as a person and a script call it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nebctl.cli.protocol import protocol
from nebctl.core.ledger.approval import Approved, check_approval
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.keys import Ed25519Signer, create_key, verify
from nebctl_protocols import builtin, default_site_rules

READ_BACK = "2.0e8 vesicles in 3 mL = 6.67e7 per mL; 5 doses: 1.0e9 vesicles and 15 mL in all"


def call(*arguments: str | Path, typed: str | None = None) -> Result:
    """Call the command as a shell would."""
    return CliRunner().invoke(protocol, [str(argument) for argument in arguments], input=typed)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return a file with the MEXCOVID study protocol."""
    path = tmp_path / "NCT04276987.toml"
    path.write_text(builtin("NCT04276987"), "utf-8")
    return path


@pytest.fixture
def signer(tmp_path: Path) -> Ed25519Signer:
    """Return an approver's key, kept in approver.key."""
    return create_key(tmp_path / "approver.key")


def test_check_says_yes_with_0(study: Path) -> None:
    """A good file is said to be good, with exit code 0."""
    result = call("check", study)
    assert (result.exit_code, result.stdout) == (
        0,
        "NCT04276987.toml: a good study protocol of NCT04276987 with 1 arm\n",
    )


def test_check_accepts_a_draft_and_says_so(tmp_path: Path) -> None:
    """A draft is good for checking, and the line says that it is one."""
    path = tmp_path / "draft.toml"
    path.write_text(builtin("NCT04491240"), "utf-8")
    result = call("check", path)
    assert result.exit_code == 0
    assert "3 arms; a draft, which approve refuses" in result.stdout


def test_check_names_every_fault_with_1(study: Path) -> None:
    """A wrong file gives each fault on its own line of standard error, with exit code 1."""
    study.write_text(study.read_text().replace("2.0e8 vesicles", "2.0*10E8").replace('"3 mL"', '"3"'))
    result = call("check", study)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("NCT04276987.toml:27: dose.volume: ")
    assert 'got "2.0*10E8"; write "2.0e8 vesicles"' in lines[1]


def test_check_gives_json_to_scripts(study: Path) -> None:
    """With --json the faults come as one object with file, line, field, value, problem and what is right."""
    assert json.loads(call("check", "--json", study).stdout) == {
        "file": "NCT04276987.toml",
        "ok": True,
        "status": "ready",
        "faults": [],
    }
    study.write_text(study.read_text().replace('"3 mL"', '"3 ml"'))
    result = call("check", "--json", study)
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (found["ok"], found["status"]) == (False, None)
    assert [(f["line"], f["field"], f["value"], f["right"]) for f in found["faults"]] == [
        (27, "dose.volume", '"3 ml"', 'write "3 mL"')
    ]


def test_a_file_that_is_no_text_is_a_fault(study: Path) -> None:
    """Bytes that are no UTF-8 are named with their line, without a traceback."""
    study.write_bytes(b"status = 1\nx = \xff\n")
    result = call("check", study)
    assert result.exit_code == 1
    assert result.stderr == "NCT04276987.toml:2: TOML: this is no UTF-8 text, got byte 0xff; save the file as UTF-8\n"


def test_a_file_that_does_not_exist_is_a_wrong_call(tmp_path: Path) -> None:
    """A missing file ends with exit code 2 and names the file."""
    result = call("check", tmp_path / "none.toml")
    assert result.exit_code == 2
    assert "none.toml" in result.stderr


def test_show_reads_back_and_gives_the_calendar() -> None:
    """The read-back and the calendar of a Day 1 are shown, the SDTM day, which has no zero, beside the study day."""
    result = call("show", "NCT04276987", "--day1", "2026-02-14")
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert f"  {READ_BACK}" in result.stdout.splitlines()
    assert ["2026-02-13", "Day", "0", "-1", "baseline", "assessment"] in lines
    assert ["2026-02-14", "Day", "1", "1", "dose"] in lines
    assert ["2026-02-16", "Day", "3", "3", "dose,", "assessment"] in lines
    assert ["2026-02-18", "Day", "5", "5", "dose"] in lines
    assert ["2026-03-13", "Day", "28", "28", "assessment"] in lines


def test_show_keeps_to_one_arm() -> None:
    """With --arm the other arms are left out; an unknown arm is a wrong call that names the known ones."""
    result = call("show", "NCT04491240", "--arm", "placebo")
    assert "no vesicles in 3 mL (placebo); 20 doses: 60 mL in all" in result.stdout
    assert "per mL" not in result.stdout
    wrong = call("show", "NCT04491240", "--arm", "exo-3")
    assert wrong.exit_code == 2
    assert "exo-1, exo-2, placebo" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "NCT00000000"), "NCT04276987, NCT04313647, NCT04491240"),
        (("show", "NCT04276987", "--day1", "2026-02-30"), "2026-02-30"),
        (("show", "NCT04276987", "--day1", "9999-12-31"), "out of the calendar"),
    ],
)
def test_a_wrong_call_of_show_is_one_clear_line(arguments: tuple[str, ...], said: str) -> None:
    """A study that does not exist and a day that does not exist end with exit code 2 and no traceback."""
    result = call(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_approve_asks_and_signs(study: Path, signer: Ed25519Signer) -> None:
    """A person who types back what the file says gets FILE.sig, which holds for exactly this file."""
    key = study.with_name("approver.key")
    result = call("approve", study, "--key", key, "--name", "dr-lin", typed="2.0e8 vesicles\n")
    assert result.exit_code == 0, result.output
    assert READ_BACK in result.stdout
    note = study.with_name("NCT04276987.toml.sig").read_text("utf-8")
    approver = Vkey("dr-lin", ED25519, signer.public)
    checked = check_approval(note, study.name, study.read_bytes(), [approver], verify, now_ns=0)
    assert isinstance(checked, Approved)
    assert checked.by == "dr-lin"


@pytest.mark.req("S06")
def test_approve_signs_nothing_where_the_read_back_differs(study: Path, signer: Ed25519Signer) -> None:
    """A person who reads 2.0e9 from a file that says 2.0e8 signs nothing."""
    key = study.with_name("approver.key")
    asked = call("approve", study, "--key", key, "--name", "dr-lin", typed="2.0e9 vesicles\n")
    given = call("approve", study, "--key", key, "--name", "dr-lin", "--yes", "--read-back", "2.0e9 vesicles")
    for result in (asked, given):
        assert result.exit_code == 1
        assert "nothing was signed" in result.stderr
    assert not study.with_name("NCT04276987.toml.sig").exists()


def test_approve_without_asking_needs_the_read_back(study: Path, signer: Ed25519Signer) -> None:
    """--yes alone is a wrong call; with the right read-back it signs, with too many it does not."""
    rest = ("--key", study.with_name("approver.key"), "--name", "dr-lin", "--yes")
    assert call("approve", study, *rest).exit_code == 2
    two = call("approve", study, *rest, "--read-back", "2.0e8 vesicles", "--read-back", "2.0e8 vesicles")
    assert two.exit_code == 1
    assert "2 read-backs were given, 1 are asked for" in two.stderr
    assert call("approve", study, *rest, "--read-back", "2.0e8 vesicles").exit_code == 0


def test_approve_refuses_a_draft_and_a_wrong_file(study: Path, signer: Ed25519Signer) -> None:
    """Neither a draft nor a file with faults is signed."""
    rest = ("--key", study.with_name("approver.key"), "--name", "dr-lin", "--yes", "--read-back", "2.0e8 vesicles")
    study.write_text(builtin("NCT04276987").replace('status = "ready"', 'status = "draft"'))
    draft = call("approve", study, *rest)
    assert (draft.exit_code, "is a draft" in draft.stderr) == (1, True)
    study.write_text(builtin("NCT04276987").replace("3 mL", "3 ml"))
    assert call("approve", study, *rest).exit_code == 1
    assert not study.with_name("NCT04276987.toml.sig").exists()


def test_approve_signs_site_rules_too(tmp_path: Path, signer: Ed25519Signer) -> None:
    """Site rules are approved by reading back their completeness limits."""
    rules = tmp_path / "site-rules.toml"
    rules.write_text(default_site_rules(), "utf-8")
    rest = ("--key", tmp_path / "approver.key", "--name", "dr-lin", "--yes", "--read-back")
    assert call("approve", rules, *rest, "80 % to 105 %").exit_code == 1
    assert call("approve", rules, *rest, "90 % to 105 %").exit_code == 0
    assert (tmp_path / "site-rules.toml.sig").exists()


def test_approve_names_a_key_that_cannot_be_used(study: Path, signer: Ed25519Signer) -> None:
    """A key that others can read, and a key name with a space, are wrong calls with one clear line."""
    key = study.with_name("approver.key")
    answer = ("--yes", "--read-back", "2.0e8 vesicles")
    named = call("approve", study, "--key", key, "--name", "dr lin", *answer)
    assert named.exit_code == 2
    key.chmod(0o644)
    opened = call("approve", study, "--key", key, "--name", "dr-lin", *answer)
    assert opened.exit_code == 2
    assert "chmod 400" in opened.stderr


def test_approve_until_a_day_ends_with_it(study: Path, signer: Ed25519Signer) -> None:
    """--until signs an approval that ends when that day of UTC does; a day that is past signs nothing."""
    rest = ("--key", study.with_name("approver.key"), "--name", "dr-lin", "--yes", "--read-back", "2.0e8 vesicles")
    past = call("approve", study, *rest, "--until", "2020-01-01")
    assert past.exit_code == 2
    assert "2020-01-02T00:00:00.000Z" in past.stderr
    assert not study.with_name("NCT04276987.toml.sig").exists()
    assert call("approve", study, *rest, "--until", "2999-12-31").exit_code == 0
    assert "\nexpires 3000-01-01T00:00:00.000Z\n" in study.with_name("NCT04276987.toml.sig").read_text("utf-8")
