"""What scripts may rely on: the demonstration's last line, its files, and the commands that check them."""

import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(60)
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify-dose.sh"
DOSE_KEYS = {
    "unit",
    "subject",
    "day",
    "device",
    "started",
    "ended",
    "emitted_ml",
    "low_ml",
    "high_ml",
    "verdict",
    "kit",
    "lot",
}


def verify_by_shell(proof: Path, trust: Path) -> int:
    """Return the exit code of the project's shell script."""
    done = subprocess.run(["bash", SCRIPT, proof, trust], capture_output=True, check=False, timeout=30)
    return done.returncode


def of_unit(demo: Any, unit: str) -> list[dict[str, Any]]:
    """Return the doses that a unit gave, in order."""
    return [dose for dose in demo.report["doses"] if dose["unit"] == unit]


def test_the_last_line_tells_ten_doses(demo: Any) -> None:
    """The one line of standard output has every promised key, five days in order for each unit, and all verified."""
    report = demo.report
    assert (demo.code, len(demo.lines)) == (0, 1)
    assert {"doses", "records", "receipted", "verified", "data"} <= report.keys()
    assert report["verified"] is True
    assert report["receipted"] == report["records"] > 60
    assert len(report["doses"]) == 10
    assert all(dose.keys() >= DOSE_KEYS for dose in report["doses"])
    assert all(dose["low_ml"] <= dose["emitted_ml"] <= dose["high_ml"] for dose in report["doses"])
    for unit, subject, device in (("neb-0001", "MEX-001", "mesh"), ("neb-0002", "MEX-002", "jet")):
        doses = of_unit(demo, unit)
        assert [dose["day"] for dose in doses] == [1, 2, 3, 4, 5]
        assert {(dose["subject"], dose["device"]) for dose in doses} == {(subject, device)}
        assert all(one["started"] < one["ended"] < two["started"] for one, two in pairwise(doses))


def test_a_jet_is_judged_by_the_same_rule(demo: Any, nebctl: Callable[..., Any]) -> None:
    """No dose of the jet is WITHIN: about half of 3 mL is UNDER, under the signed and numbered site deviation."""
    assert {dose["verdict"] for dose in of_unit(demo, "neb-0002")} == {"UNDER"}
    done = nebctl("ledger", "show", demo.data / "units" / "neb-0002" / "unit.db", "--type", "dose", "--json")
    records = [json.loads(line)["record"] for line in done.stdout.splitlines()]
    assert len(records) == 5
    for record in records:
        assert record["high_nl"] < record["limits"]["lower_nl"] == 2_700_000
        assert record["site_deviation"].startswith("DEV-001 ")
        assert "device-class-under" in record["deviations"]


def test_the_files_are_where_they_belong(demo: Any) -> None:
    """Databases, trust and the proof of each dose lie where the contract says."""
    files = ["pharmacy.db", "trust/pharmacy.pem", "trust/pharmacy.vkey"]
    for unit in ("neb-0001", "neb-0002"):
        files += [f"units/{unit}/unit.db", f"trust/{unit}.pem", f"trust/{unit}.vkey"]
        proofs = sorted((demo.data / "proofs" / unit).iterdir())
        assert [proof.name for proof in proofs] == sorted(dose["session"] for dose in of_unit(demo, unit))
        assert all({"dose.jws", "dose.tlog-proof"} <= {file.name for file in proof.iterdir()} for proof in proofs)
    assert [file for file in files if not (demo.data / file).is_file()] == []


def test_the_ledger_verifies_in_one_line(demo: Any, nebctl: Callable[..., Any]) -> None:
    """`ledger verify` exits 0 in one line, for each unit's database and for the pharmacy's, which holds them all."""
    counted = {}
    for database in ("units/neb-0001/unit.db", "units/neb-0002/unit.db", "pharmacy.db"):
        done = nebctl("ledger", "verify", demo.data / database, "--trust", demo.data / "trust")
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
        counted[database] = int(re.findall(r"(\d+) records", done.stdout)[0])
    at_the_pharmacy = counted.pop("pharmacy.db")
    assert demo.report["records"] == at_the_pharmacy == sum(counted.values())


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_demonstration_that_is_ended_leaves_no_process(tmp_path: Path) -> None:
    """SIGTERM in mid-course ends every process that the demonstration started."""
    data = tmp_path / "data"
    command = [sys.executable, "-m", "nebctl", "demo", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "running" in line:
                break
        assert processes_of(data)
        demo.terminate()
    assert processes_of(data) == []


def processes_of(data: Path) -> list[str]:
    """Return the command lines of the processes that work in a folder, but for the demonstration itself."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(data) in line and " demo " not in line:
                found.append(line)
    return found


@pytest.mark.req("S34")
def test_an_altered_ledger_is_named_by_its_place(demo: Any, nebctl: Callable[..., Any], tmp_path: Path) -> None:
    """`ledger verify` exits 1 and names unit, epoch and sequence after one byte of a record has changed."""
    for file in (demo.data / "units" / "neb-0001").glob("unit.db*"):
        shutil.copy(file, tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "unit.db")) as db, db:
        guards = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            db.execute(f"DROP TRIGGER {name}")
        (text,) = db.execute("SELECT jws FROM log WHERE seq = 7").fetchone()
        other = "B" if text[200] == "A" else "A"
        db.execute("UPDATE log SET jws = ? WHERE seq = 7", (text[:200] + other + text[201:],))
        for _, guard in guards:
            db.execute(guard)
    done = nebctl("ledger", "verify", tmp_path / "unit.db", "--trust", demo.data / "trust")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "neb-0001 epoch 1 seq 7" in done.stdout


def test_a_proof_holds_until_a_byte_changes(demo: Any, nebctl: Callable[..., Any], tmp_path: Path) -> None:
    """`nebctl verify` and the shell script accept each proof, and refuse a copy in which one byte is another."""
    trust = demo.data / "trust"
    for number, dose in enumerate(of_unit(demo, "neb-0001")[:2]):
        proof = demo.data / "proofs" / "neb-0001" / dose["session"]
        assert nebctl("verify", proof, "--trust", trust).returncode == 0
        assert verify_by_shell(proof, trust) == 0
        copy = Path(shutil.copytree(proof, tmp_path / dose["session"]))
        file = copy / ("dose.jws", "dose.tlog-proof")[number % 2]
        data = bytearray(file.read_bytes())
        data[len(data) * (number + 1) // 3] ^= 1
        file.write_bytes(data)
        assert nebctl("verify", copy, "--trust", trust).returncode == 1
        assert verify_by_shell(copy, trust) == 1


def test_a_proof_is_written_with_chosen_facts(demo: Any, nebctl: Callable[..., Any], tmp_path: Path) -> None:
    """`ledger proof` writes a bundle that verifies and shows the subject if asked to, and no operator."""
    session, database = demo.report["doses"][0]["session"], demo.data / "units" / "neb-0001" / "unit.db"
    arguments = ("--dose", session, "--db", database, "-o", tmp_path / "proof", "--disclose", "subject")
    assert nebctl("ledger", "proof", *arguments).returncode == 0
    done = nebctl("verify", tmp_path / "proof", "--trust", demo.data / "trust")
    assert done.returncode == 0
    assert "MEX-001" in done.stdout
    assert "RT-07" not in done.stdout


def test_the_pharmacy_shows_the_course(demo: Any, nebctl: Callable[..., Any]) -> None:
    """`pharmacy show` prints the five doses, each receipted."""
    done = nebctl("pharmacy", "show", "--db", demo.data / "pharmacy.db", "--subject", "MEX-001")
    assert done.returncode == 0
    rows = [line for line in done.stdout.splitlines() if "KIT-04" in line]
    assert len(rows) == 5
    assert all(row.endswith("yes") for row in rows)


def test_nothing_but_an_earlier_demonstration_is_replaced(nebctl: Callable[..., Any], tmp_path: Path) -> None:
    """A folder with something else in it is left alone, in one clear line."""
    (tmp_path / "thesis.txt").write_text("years of work", "utf-8")
    done = nebctl("demo", "--json", "--data", tmp_path)
    assert done.returncode == 1
    assert "choose another --data" in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
