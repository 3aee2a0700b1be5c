"""The pharmacy's configuration and commands, as a person and a script meet them."""

import fcntl
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl import keys
from nebctl.cli.ledger import ledger
from nebctl.cli.pharmacy import pharmacy as command
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.pharmacy import log
from nebctl.pharmacy.config import PharmacyConfig, read_config
from nebctl.pharmacy.setup import Plan, set_up

SITE = "sim.mexcovid.example"
DAYS = range(1, 6)
PLAN = Plan(
    site=SITE,
    sim=True,
    study="NCT04276987",
    mqtt="mqtt://127.0.0.1:1",
    clock=None,
    operators=[("RT-07", "Ana")],
    pharmacists=[("PH-01", "Bo"), ("PH-02", "Cy")],
)


def run(*arguments: object) -> Result:
    """Call `nebctl pharmacy`."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of a new pharmacy."""
    set_up(tmp_path, tmp_path / "trust", PLAN)
    return tmp_path


@pytest.fixture
def config(home: Path) -> Path:
    """Return the configuration of a pharmacy that has enrolled neb-0001."""
    signer = keys.Ed25519Signer.from_seed(b"\x01" * 32)
    keys.write_public(home, "neb-0001", Vkey(f"{SITE}/nebctl/neb-0001/1", ED25519, signer.public))
    path = home / "pharmacy.toml"
    done = run("enrol-unit", "--config", path, "--unit", "neb-0001", "--vkey", home / "neb-0001.vkey")
    assert done.exit_code == 0, done.output
    assert "sha256" in done.output
    return path


def enrol(config: Path, subject: str = "MEX-001", second: str = "PH-02") -> Result:
    """Enrol a subject for neb-0001."""
    who = ("--subject", subject, "--unit", "neb-0001", "--day1", "2030-02-14", "--by", "PH-01", "--second", second)
    return run("enrol", "--config", config, *who)


def good(*arguments: object) -> str:
    """Call a command that must succeed and return what it says."""
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.output


def refused(words: str, *arguments: object) -> None:
    """Call a command that must be refused as a finding, in one line with these words."""
    done = run(*arguments)
    assert done.exit_code == 1, done.output
    assert words in done.output
    assert "Traceback" not in done.output


def test_init_makes_a_pharmacy_whose_files_fit(tmp_path: Path) -> None:
    """After `init` the configuration reads well, keys are private, and the trust files hold the keys that sign."""
    made = run("init", tmp_path / "p", "--site", SITE, "--sim", "--operator", "RT-07", 'Ana "A" Núñez')
    assert made.exit_code == 0, made.output
    config = read_config(tmp_path / "p" / "pharmacy.toml")
    assert isinstance(config, PharmacyConfig)
    assert config.staff()[0].name == 'Ana "A" Núñez'
    table = config.pharmacy
    stems = {"pharmacy": table.witness_key, "pharmacy-orders": table.orders_key, "pharmacy-log": table.log_key}
    for stem, path in stems.items():
        assert keys.load_trust(tmp_path / "p" / "trust", stem).public == keys.load_signer(path).public
    assert config.database == tmp_path / "p" / "pharmacy.db"


@pytest.mark.parametrize(
    "arguments", [("--site", "mexcovid.example", "--sim"), ("--site", SITE), ("--site", "Bad Site")]
)
def test_init_keeps_the_worlds_apart(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A simulated pharmacy has a `sim.` site and a live one has not; nothing is written otherwise."""
    assert run("init", tmp_path / "p", *arguments).exit_code == 2
    assert not (tmp_path / "p").exists()


def test_init_never_overwrites_a_key(home: Path) -> None:
    """A second `init` in one folder is refused and leaves the keys."""
    before = (home / "keys" / "witness.key").read_bytes()
    again = run("init", home, "--site", SITE, "--sim")
    assert again.exit_code == 1
    assert "witness.key" in again.output
    assert (home / "keys" / "witness.key").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sim = true", "sim = true\nsmi = 1", "pharmacy.smi"),
        ("sim = true", "sim = false", "sim = true and no other"),
        ("sim = true", 'sim = "yes"', "pharmacy.sim"),
        (f'site = "{SITE}"', "", "pharmacy.site"),
        (f'site = "{SITE}"', 'site = "A b"', "domain name"),
        ("mqtt://127.0.0.1:1", "tcp://x", "mqtt.url"),
        ("lease_days = 30", "lease_days = 0", "pharmacy.lease_days"),
        ('["therapist"]', "[]", "operators[1].roles"),
        ('["therapist"]', '["wizard"]', "operators[1].roles"),
        ('zone = "UTC"', 'zone = "Mars/Base"', "time zone"),
        ("[mqtt]", "[mqtt", "TOML"),
    ],
)
def test_a_wrong_configuration_is_told_by_line_and_field(home: Path, old: str, new: str, said: str) -> None:
    """Each fault names file, line, field and what is wrong; the exit code is 2 and no traceback is seen."""
    path = home / "pharmacy.toml"
    path.write_text(path.read_text().replace(old, new))
    shown = run("show", "--config", path, "--subject", "MEX-001")
    assert shown.exit_code == 2
    assert said in shown.output
    assert f"{path}:" in shown.output
    assert "Traceback" not in shown.output


def test_enrolment_orders_the_course_and_is_shown(config: Path) -> None:
    """`enrol` orders five doses; `show` prints them as due; the same subject or person again is one clear refusal."""
    assert enrol(config).exit_code == 0
    shown = good("show", "--config", config, "--subject", "MEX-001")
    assert [line.split()[:4] for line in shown.splitlines()[3:8]] == [[str(n), "1", "neb-0001", "due"] for n in DAYS]
    again = enrol(config)
    assert (again.exit_code, "enrolled before" in again.output) == (1, True)
    alone = enrol(config, "MEX-002", "PH-01")
    assert (alone.exit_code, "two different persons" in alone.output) == (1, True)
    refused("neither enrolled", "show", "--config", config, "--subject", "MEX-404")


def test_a_kit_goes_from_delivery_to_subject(config: Path, tmp_path: Path) -> None:
    """Lot and kit take every step by command; each is signed, and the log verifies under its trust file."""
    c = ("--config", config)
    by = (*c, "--by", "PH-01")
    delivery = tmp_path / "kits.csv"
    delivery.write_text("kit,lot,expires\nKIT-0401,EXO2020A,2030-12-31\nKIT-0402,EXO2020A,2030-12-31\n")
    good("lot", "add", "EXO2020A", *by)
    good("kit", "import", delivery, *by)
    refused("Release the lot first", "kit", "release", "KIT-0401", *by)
    good("lot", "release", "EXO2020A", *by, "--reason", "certificate")
    good("kit", "release", "KIT-0401", "KIT-0402", *by)
    assert enrol(config).exit_code == 0
    good("kit", "dispense", "KIT-0401", "KIT-0402", *by, "--subject", "MEX-001", "--day", 1)
    good("kit", "thaw", "KIT-0401", *by)
    refused("A kit is thawed once", "kit", "thaw", "KIT-0401", *by)
    assert "MEX-001 day 1 dose 1 at neb-0001" in good("kit", "show", "KIT-0401", *c)
    assert json.loads(good("show", *c, "--kit", "KIT-0402", "--json"))["state"] == "DISPENSED"
    lot = json.loads(good("show", *c, "--lot", "EXO2020A", "--json"))
    assert (lot["received"], lot["kits"], lot["balanced"]) == (2, {"DISPENSED": 2}, True)
    log = config.parent / "pharmacy-log.db"
    verified = CliRunner().invoke(ledger, ["verify", str(log), "--trust", str(config.parent / "trust")])
    assert (verified.exit_code, "11 records" in verified.output) == (0, True), verified.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kit,lot\n", "kits.csv:1: columns: kit,lot: expected kit,lot,expires"),
        ("kit,lot,expires\n", "kits.csv:2: kit: nothing"),
        ("kit,lot,expires\nkit 1,L1,2030-01-01\n", "kits.csv:2: kit: kit 1: expected capitals"),
        ("kit,lot,expires\nK-1,L1,2030-01-01\nK-2,L1,soon\n", "kits.csv:3: expires: soon: expected a date"),
        ("kit,lot,expires\nK-1,L1\n", "kits.csv:2: columns: 2"),
        ("kit,lot,expires\nK-1,L1,2030-01-01\nK-1,L1,2030-01-01\n", "kit: K-1: expected each kit once"),
        ("kit,lot,expires\nK-1,L9,2030-01-01\n", "lot L9"),
    ],
)
def test_a_faulty_delivery_imports_nothing(config: Path, tmp_path: Path, text: str, said: str) -> None:
    """Each fault is told by file, line, field and value, and not one kit is kept."""
    good("lot", "add", "L1", "--config", config, "--by", "PH-01")
    (tmp_path / "kits.csv").write_text(text)
    refused(said, "kit", "import", tmp_path / "kits.csv", "--config", config, "--by", "PH-01")
    with closing(sqlite3.connect(config.parent / "pharmacy.db")) as db:
        assert db.execute("SELECT count(*) FROM kit").fetchone() == (0,)


def test_the_calendar_prints_days_and_assessments(config: Path) -> None:
    """`calendar` shows doses, assessments and the end of follow-up with the SDTM day beside, as text and as JSON."""
    assert enrol(config).exit_code == 0
    shown = good("calendar", "--config", config, "--subject", "MEX-001")
    assert "2030-02-13  Day 0   -1        baseline assessment" in shown
    lines = json.loads(good("calendar", "--config", config, "--subject", "MEX-001", "--json"))["lines"]
    assert [line["day"] for line in lines if line["what"] == "dose 1"] == [1, 2, 3, 4, 5]
    assert [line["day"] for line in lines if "assessment" in line["what"]] == [0, 3, 7, 14, 21, 28]
    assert [line["on"] for line in lines if line["what"] == "end of follow-up"] == ["2030-03-14"]
    refused("enrolled subject", "calendar", "--config", config, "--subject", "MEX-404")


def test_a_dose_not_done_is_entered_and_shown(config: Path) -> None:
    """`notdone` takes a coded reason only, and the dose then stands as not done and takes no second outcome."""
    assert enrol(config).exit_code == 0
    call = ("notdone", "--config", config, "--subject", "MEX-001", "--day", 2, "--by", "RT-07", "--reason")
    assert run(*call, "because").exit_code == 2
    good(*call, "subject-declined")
    refused("nothing came of yet", *call, "subject-declined")
    assert "notdone" in good("show", "--config", config, "--subject", "MEX-001")


def test_the_log_waits_its_turn_and_says_so(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process has the log, a command waits for it, and is refused in one line after a while."""
    monkeypatch.setattr(log, "WAIT_S", 0.05)
    with (config.parent / "pharmacy-log.db.turn").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused("in use for", "lot", "add", "L1", "--config", config, "--by", "PH-01")
    good("lot", "add", "L1", "--config", config, "--by", "PH-01")


def test_show_without_a_database_is_one_line(home: Path) -> None:
    """Before the first enrolment there is no database, and `show` says so without a traceback."""
    shown = run("show", "--config", home / "pharmacy.toml", "--subject", "MEX-001")
    assert shown.exit_code == 1
    assert len(shown.output.strip().splitlines()) == 1


def _serve(config: Path) -> "subprocess.Popen[str]":
    call = [str(Path(sys.executable).with_name("nebctl")), "pharmacy", "run", "--config", str(config)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_service_runs_without_a_broker_and_ends_on_sigterm(config: Path) -> None:
    """The process says that it is ready, refuses a second one, lets `enrol` write beside it, and ends cleanly."""
    with _serve(config) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == f"ready {SITE}\n"
        with _serve(config) as second:
            _, said = second.communicate(timeout=10)
            assert (second.returncode, "in use" in said, "Traceback" in said) == (1, True, False)
        assert enrol(config).exit_code == 0
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=5)
    assert process.returncode == 0
    assert "Connection refused" in log
    with closing(sqlite3.connect(config.parent / "pharmacy.db")) as db:
        assert db.execute("SELECT count(*) FROM ordered").fetchone() == (5,)


def test_a_private_key_readable_by_all_is_refused(home: Path, capfd: Any) -> None:
    """A private key that others can read stops the service with one line."""
    (home / "keys" / "witness.key").chmod(0o644)
    done = run("run", "--config", home / "pharmacy.toml")
    assert done.exit_code == 1
    assert "chmod 400" in done.output
    assert "Traceback" not in capfd.readouterr().err
