"""What a simulator stands on and beside: no live unit's records, no real port by itself; and whose fault it is."""

import base64
import json
import os
import pty
import select
import sqlite3
import subprocess
import sys
import tty
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger.envelope import Stamp
from nebctl.keys import Ed25519Signer, verify
from nebctl.store.ledger import UnitLedger
from nebctl_simulators.cli import sim
from nebctl_simulators.live_store import refuse_live_stores
from nebctl_simulators.mesh.codec import encode_line
from nebctl_simulators.wire import PtyWire

PATIENCE_S = 5.0


def write_store(folder: Path, *payloads: object) -> Path:
    """Write a unit's database with these records."""
    path = folder / "unit.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE log(ep INTEGER, seq INTEGER, jws TEXT)")
        for seq, payload in enumerate(payloads):
            middle = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
            db.execute("INSERT INTO log VALUES (1, ?, ?)", (seq, f"eyJhbGciOiJFZERTQSJ9.{middle}.c2ln"))
        db.commit()
    return path


async def open_ledger(path: Path, *, simulated: bool) -> UnitLedger:
    """Open a unit's own ledger, which begins with one record."""
    site = "sim.mexcovid.example" if simulated else "mexcovid.example"
    return await UnitLedger.open(
        path,
        site=site,
        unit="neb-0001",
        signer=Ed25519Signer.from_seed(b"u" * 32),
        verify=verify,
        witness=None,
        stamp=Stamp(unit="neb-0001", epoch=1, software="nebctl test", config_sha256="0" * 64, simulated=simulated),
        random=bytes,
        at=Instant(
            mono_ns=0, wall_ns=10**18, boot="b007", clock=ClockState(sync=True, source="sim" if simulated else 1)
        ),
    )


def start(*arguments: str) -> str:
    """Try to start a mesh, which must fail, and return what it says on one line."""
    result = CliRunner().invoke(sim, ["mesh", "--tcp", "127.0.0.1:0", *arguments])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    return " ".join(result.output.split())


@pytest.mark.req("S48")
@pytest.mark.parametrize("option", ["--state", "--truth", "--injections"])
def test_it_does_not_write_beside_a_live_unit(tmp_path: Path, option: str) -> None:
    """A folder with the records of a live unit takes none of a simulator's files, and the file is not made."""
    write_store(tmp_path, {"sim": False, "unit": "neb-0001"})
    said = start(option, str(tmp_path / "file"))
    assert "the records of a live unit" in said
    assert "choose another folder" in said
    assert not (tmp_path / "file").exists()


@pytest.mark.req("S48")
def test_it_does_not_work_in_a_live_units_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it start with such a folder as the one that it works in."""
    write_store(tmp_path, {"sim": False})
    monkeypatch.chdir(tmp_path)
    assert "the records of a live unit" in start()


@pytest.mark.req("S48")
@pytest.mark.parametrize(
    "payloads", [(), ({},), ({"sim": "true"},), ({"sim": True}, {"sim": False}), ({"sim": False}, {"sim": True})]
)
def test_a_store_must_say_that_it_is_simulated(tmp_path: Path, payloads: tuple[object, ...]) -> None:
    """One without a record, without the flag, with another word in it, or with any record of a live unit is refused."""
    write_store(tmp_path, *payloads)
    with pytest.raises(ValueError, match="does not say that it is simulated"):
        refuse_live_stores([tmp_path])


@pytest.mark.req("S48")
@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0"])
def test_a_store_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is called like a unit's database and is none counts as a live one."""
    (tmp_path / "unit.db").write_bytes(content)
    with pytest.raises(ValueError, match=r"unit\.db: the records of a live unit"):
        refuse_live_stores([tmp_path])


def test_what_is_not_yet_in_the_database_counts_too(tmp_path: Path) -> None:
    """Records that SQLite still holds in its log beside the file are found there."""
    path = tmp_path / "unit.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("CREATE TABLE log(ep INTEGER, seq INTEGER, jws TEXT)")
        db.execute("INSERT INTO log VALUES (1, 0, 'eyJhbGciOiJFZERTQSJ9.eyJzaW0iOiB0cnVlfQ.c2ln')")
        db.commit()
        assert b"eyJzaW0i" not in path.read_bytes()
        refuse_live_stores([tmp_path])


async def test_a_units_own_ledger_is_understood(tmp_path: Path) -> None:
    """A database that a unit's ledger has made is told apart by what its records say, live or simulated."""
    for simulated in (True, False):
        folder = tmp_path / str(simulated)
        folder.mkdir()
        ledger = await open_ledger(folder / "unit.db", simulated=simulated)
        await ledger.close()
        if simulated:
            refuse_live_stores([folder])
        else:
            with pytest.raises(ValueError, match="the records of a live unit"):
                refuse_live_stores([folder])


def test_a_simulated_unit_is_no_hindrance(tmp_path: Path) -> None:
    """Beside the records of a simulated unit, and where there are none, a simulator may stand; nothing is changed."""
    refuse_live_stores([tmp_path, tmp_path / "nowhere"])
    path = write_store(tmp_path, {"unit": "neb-0001", "sim": True}, {"sim": True})
    before = path.read_bytes()
    refuse_live_stores([tmp_path])
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["unit.db"]


@contextmanager
def simulator(*arguments: str) -> Iterator[list[str]]:
    """Run `nebctl sim` and yield the words of its ready line."""
    command = [sys.executable, "-m", "nebctl_simulators", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words[:1] == ["ready"]
            yield words
        finally:
            process.kill()


def read(line: int, expected: bytes) -> bytes:
    """Return what comes, up to and with what is expected."""
    said = b""
    while expected not in said:
        assert select.select([line], [], [], PATIENCE_S)[0], f"saw only {said!r}"
        said += os.read(line, 4096)
    return said


def test_a_bench_may_give_it_a_real_port() -> None:
    """With both options it opens the port, alone, and answers there; the far end of a pseudo-terminal is the port."""
    near, far = pty.openpty()
    tty.setraw(far)
    try:
        with simulator("mesh", "--real-port", os.ttyname(far), "--i-am-a-bench", "--baud", "57600") as words:
            assert words == ["ready", os.ttyname(far)]
            os.write(near, encode_line("C,1,HELLO,a1b2c3d4"))
            assert b",SIM-0001," in read(near, b"A,1,HELLO")
            assert tty.tcgetattr(far)[4] == tty.B57600  # type: ignore[attr-defined]
            second = subprocess.run(
                [sys.executable, "-m", "nebctl_simulators", "mesh", "--real-port", os.ttyname(far), "--i-am-a-bench"],
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_S,
            )
            assert second.returncode == 1
            assert "temporarily unavailable" in second.stderr
    finally:
        os.close(near)
        os.close(far)


async def test_a_pseudo_terminal_comes_back_under_another_name(tmp_path: Path) -> None:
    """Pulled and put back, the symlink stays and what is behind it has another name, each time."""
    path = tmp_path / "mesh"
    wire = PtyWire(path)
    names = []
    for _ in range(4):
        wire.plug(lambda _data: None)
        names.append(path.readlink())
        wire.unplug()
        assert not path.is_symlink()
    assert all(one != other for one, other in pairwise(names))


def call(base: str, path: str, **body: object) -> object:
    """Send a request to the control interface and return its answer; without a body it is a GET."""
    request = urllib.request.Request(base + path, json.dumps(body).encode() if body else None)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


def test_a_fault_on_a_bus_names_its_device() -> None:
    """Armed for one device of a bus it is that one's alone; without a name, or with a wrong one, the choice is told."""
    stations = ("--station", "gas:unit=40", "--station", "relay:unit=41", "--station", "gas:unit=50")
    bus = ("bus", "--tcp", "127.0.0.1:0", *stations, "--station", "relay:unit=51", "--control", "0")
    with simulator(*bus, "--fault", "kinked_tube:device=50") as words:
        assert call(words[3], "/") == ["40", "50"]
        assert (call(words[3], "/50/state"), call(words[3], "/40/state")) != ({}, {})
        assert [call(words[3], f"/{unit}/state")["faults"] for unit in (40, 50)] == [{}, {"kinked_tube": 1}]  # type: ignore[index,call-overload]
        assert call(words[3], "/40/openapi.json")["openapi"] == "3.1.0"  # type: ignore[index,call-overload]
    for text, message in (("late", "several are on this line"), ("late:device=60", "device: got '60'")):
        result = CliRunner().invoke(sim, [*bus, "--fault", text])
        assert result.exit_code == 2
        assert message in result.output
        assert "choose one of: 40, 50" in " ".join(result.output.split())


def test_faults_are_told_with_their_groups() -> None:
    """GET /faults has what the device can have, and the interface refuses the rest with a reason."""
    with simulator("alicat", "--tcp", "127.0.0.1:0", "--control", "0") as words:
        told = call(words[3], "/faults")
        assert isinstance(told, list)
        assert {"fault": "no_gas", "group": "device", "text": "there is no gas"} in told
        with pytest.raises(urllib.error.HTTPError) as caught:
            call(words[3], "/inject", fault="nan")
        with caught.value as answer:
            assert (answer.code, "decimal digits" in json.load(answer)["error"]) == (400, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tcp", "foo"], "--tcp: got 'foo', write such as 127.0.0.1:4001"),
        (["--tcp", "0.0.0.0:4001"], "got host '0.0.0.0'"),
        (["--tcp", "127.0.0.1:0", "--fault", "nope"], "there is no fault 'nope'"),
        (["--tcp", "127.0.0.1:0", "--fill", "900 mL"], "the cup cannot take"),
        (["--tcp", "127.0.0.1:0", "--preset", "nope"], "there is no preset 'nope'"),
    ],
)
def test_an_option_that_cannot_be_is_a_wrong_call(words: list[str], told: str) -> None:
    """An option's impossible value ends with 2, as every wrong call does; 1 is for what the system refuses."""
    result = CliRunner().invoke(sim, ["mesh", *words])
    assert result.exit_code == 2, result.output
    assert told in " ".join(result.output.split())
