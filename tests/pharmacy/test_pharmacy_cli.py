"""The pharmacy's configuration and commands, as a person and a script meet them."""

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
from nebctl.cli.pharmacy import pharmacy as command
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.pharmacy.config import PharmacyConfig, read_config
from nebctl.pharmacy.setup import Plan, set_up

SITE = "sim.mexcovid.example"
PLAN = Plan(
    site=SITE, sim=True, study="NCT04276987", mqtt="mqtt://127.0.0.1:1", clock=None, operators=[("RT-07", "Ana")]
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


def enrol(config: Path, subject: str = "MEX-001", kits: str = "KIT-0401,KIT-0402") -> Result:
    """Enrol a subject for neb-0001."""
    who = ("--subject", subject, "--unit", "neb-0001", "--day1", "2026-02-14")
    return run("enrol", "--config", config, *who, "--kits", kits, "--lot", "EXO2020A")


def test_init_makes_a_pharmacy_whose_files_fit(tmp_path: Path) -> None:
    """After `init` the configuration reads well, keys are private, and the trust files hold the keys that sign."""
    made = run("init", tmp_path / "p", "--site", SITE, "--sim", "--operator", "RT-07", 'Ana "A" Núñez')
    assert made.exit_code == 0, made.output
    config = read_config(tmp_path / "p" / "pharmacy.toml")
    assert isinstance(config, PharmacyConfig)
    assert config.staff()[0].name == 'Ana "A" Núñez'
    for stem, path in (("pharmacy", config.pharmacy.witness_key), ("pharmacy-orders", config.pharmacy.orders_key)):
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


def test_enrolment_leases_and_is_shown(config: Path) -> None:
    """`enrol` leases the kits in order; `show` prints them as due; the same subject again is one clear refusal."""
    assert enrol(config).exit_code == 0
    shown = run("show", "--config", config, "--subject", "MEX-001")
    assert shown.exit_code == 0
    assert [line.split()[2] for line in shown.output.splitlines()[3:5]] == ["KIT-0401", "KIT-0402"]
    again = enrol(config)
    assert (again.exit_code, "enrolled before" in again.output) == (1, True)
    unknown = run("show", "--config", config, "--subject", "MEX-404")
    assert (unknown.exit_code, "neither enrolled" in unknown.output) == (1, True)


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
        assert db.execute("SELECT count(*) FROM kit").fetchone() == (2,)


def test_a_private_key_readable_by_all_is_refused(home: Path, capfd: Any) -> None:
    """A private key that others can read stops the service with one line."""
    (home / "keys" / "witness.key").chmod(0o644)
    done = run("run", "--config", home / "pharmacy.toml")
    assert done.exit_code == 1
    assert "chmod 400" in done.output
    assert "Traceback" not in capfd.readouterr().err
