"""What a unit cannot start with: one clear line each, the right exit code, and never a traceback."""

import atexit
import hashlib
import os
import pty
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.cli import main
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.approval import approval_text
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.note import sign_note
from nebctl.keys import load_signer
from nebctl.pins import LEAST_COST
from nebctl_lab.bedside import Answer
from nebctl_lab.bench_site import Bench, until
from nebctl_lab.demo.site import FIRST_MORNING, SITE
from nebctl_lab.relay import tapped

pytestmark = pytest.mark.timeout(60)
FINDING, WRONG_CALL = 1, 2
START_NS = int(FIRST_MORNING.timestamp()) * NS_PER_S


@pytest.fixture
def told(make_bench: Callable[..., Bench], nebctl: Callable[..., Any]) -> Callable[..., str]:
    """Spoil a fresh bench, run its unit, and return the one line that it ends with."""

    def tell(spoil: Callable[[Bench], object], code: int, bench: Bench | None = None) -> str:
        table = bench or make_bench()
        spoil(table)
        done = nebctl("run", "--config", table.config)
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        assert done.returncode == code, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        return str(done.stderr.removesuffix("\n"))

    return tell


@contextmanager
def wrong_device(bench: Bench, answer: bytes) -> Iterator[None]:
    """Stand behind the unit's port with something that is no nebulizer; an empty answer is silence."""
    near, far = pty.openpty()
    tty.setraw(far)
    bench.plug.symlink_to(os.ttyname(far))

    def babble() -> None:
        while True:
            try:
                if not os.read(near, 100):
                    return
                os.write(near, answer)
            except OSError:
                return

    threading.Thread(target=babble, daemon=True).start()
    yield
    os.close(far)
    os.close(near)


def test_a_port_that_does_not_exist(told: Callable[..., str]) -> None:
    """The port is named, with the ports that there are and what to do."""
    line = told(lambda bench: bench.amend('port = "nebulizer"', 'port = "/dev/ttyUSB77"'), FINDING)
    assert "/dev/ttyUSB77 does not exist; present ports: " in line
    assert "correct [device] port" in line


@pytest.mark.parametrize("answer", [b"", b"\x00\xfe", b"Alicat A +014.70\r", b"$A,1,HELLO*0000\r\n"])
def test_a_wrong_device(make_bench: Callable[..., Bench], told: Callable[..., str], answer: bytes) -> None:
    """Something else on the port, silent or not, is told from a nebulizer."""
    bench = make_bench()
    with wrong_device(bench, answer):
        line = told(lambda _: None, FINDING, bench)
    assert "expected a reference mesh controller" in line
    assert "Check [device] driver and port." in line


def test_a_page_port_in_use(make_bench: Callable[..., Bench], told: Callable[..., str]) -> None:
    """A port of the page that another program holds is named, with what to do."""
    bench = make_bench()
    bench.simulator.start()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f'"127.0.0.1:{holder.getsockname()[1]}"'
        line = told(lambda table: table.amend('"127.0.0.1:0"', taken), WRONG_CALL, bench)
    assert f"[page] bind {taken[1:-1]}" in line
    assert "choose another port" in line


def test_an_unknown_driver(told: Callable[..., str]) -> None:
    """A driver that does not exist is named with those that do."""
    line = told(lambda bench: bench.amend('"mesh-reference"', '"mesh-9000"'), WRONG_CALL)
    assert "'mesh-9000'" in line
    assert "'mesh-reference'" in line


def _folder_for_a_file(name: str) -> Callable[[Bench], object]:
    return lambda bench: (bench.folder / name).mkdir()


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (_folder_for_a_file("unit.db"), FINDING, ("unit.db", "Give the nebctl user ownership")),
        (
            lambda b: (b.folder / "unit.db").write_bytes(b"no database at all, " * 50),
            FINDING,
            ("unit.db", "whole SQLite"),
        ),
        (lambda b: (b.folder / "neb-0001.key").chmod(0o644), FINDING, ("neb-0001.key", "chmod 400")),
        (lambda b: (b.folder / "neb-0001.key").unlink(), FINDING, ("neb-0001.key", "No such file")),
        (lambda b: b.amend('data = "."', 'data = "nowhere"'), WRONG_CALL, ("[unit] data", "no such folder")),
        (lambda b: b.amend("Asia/Shanghai", "Asia/Shanghigh"), FINDING, ("[unit] zone", "Asia/Shanghai")),
        (lambda b: b.site.clock.write_bytes(b"12:00"), FINDING, ("no shared clock", "40 bytes")),
        (lambda b: b.site.clock.unlink(), FINDING, ("shared clock", "No such file")),
        (lambda b: (b.site.trust / "pharmacy.pem").unlink(), FINDING, ("pharmacy.pem", "No such file")),
        (lambda b: (b.site.trust / "approvers.vkey").unlink(), FINDING, ("approvers.vkey", "approver's verifier key")),
        (_folder_for_a_file("api.token"), FINDING, ("api.token", "a file")),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_files_that_cannot_be_used(
    make_bench: Callable[..., Bench], spoil: Any, code: int, words: tuple[str, ...]
) -> None:
    """Each file is named, with what is wrong with it and what would be right."""
    bench = make_bench()
    if "api.token" in words:
        bench.simulator.start()
    spoil(bench)
    done = CliRunner().invoke(main, ["run", "--config", str(bench.config)])
    assert isinstance(done.exception, SystemExit), "no traceback"
    assert (done.exit_code, done.stderr.count("\n")) == (code, 1)
    assert [word for word in words if word not in done.stderr] == []


@pytest.mark.req("S07")
@pytest.mark.parametrize("file", ["NCT04276987.toml", "site-rules.toml"])
def test_an_altered_or_unapproved_study(make_bench: Callable[..., Bench], told: Callable[..., str], file: str) -> None:
    """An altered study protocol or site rules file refuses the start by name, and so does one without its approval."""
    bench = make_bench()
    path = bench.site.root / "study" / file
    whole = path.read_bytes()
    line = told(lambda _: path.write_bytes(whole.replace(b"3 mL", b"6 mL").replace(b"90 %", b"10 %")), FINDING, bench)
    assert f"study/{file}: {file} was changed after its approval" in line
    path.write_bytes(whole)
    line = told(lambda _: path.with_name(f"{file}.sig").unlink(), FINDING, bench)
    assert f"{file}.sig" in line
    assert "nebctl protocol approve" in line


def approve_until(bench: Bench, expires_ns: int) -> None:
    """Approve the site's rules anew, up to a time."""
    path = bench.site.root / "study" / "site-rules.toml"
    at, digest = utc_text(START_NS), hashlib.sha256(path.read_bytes()).hexdigest()
    text = approval_text(path.name, digest, at, utc_text(expires_ns))
    signer = load_signer(bench.site.root / "keys" / "approver.key")
    path.with_name(f"{path.name}.sig").write_text(sign_note(text, f"{SITE}/approver", signer), "utf-8")


@pytest.mark.req("S07")
def test_an_approval_that_has_expired(make_bench: Callable[..., Bench], told: Callable[..., str]) -> None:
    """A unit does not start by an approval that has ended, and one that runs begins no dose once it ends."""
    bench = make_bench()
    line = told(lambda _: approve_until(bench, START_NS + 1_000_000), FINDING, bench)
    assert "approval of site-rules.toml" in line
    assert "expired" in line
    approve_until(bench, START_NS + 3600 * NS_PER_S)
    bench.start()
    auth = bench.make_ready()
    bench.skip(3600)
    with pytest.raises(Answer, match="approval-expired: The approval of the study's files ended"):
        bench.api.post("/api/start", auth=auth)
    bench.api.post("/api/stop")
    with pytest.raises(Answer, match="approval-expired"):
        bench.scan()
    assert [record["code"] for record in bench.records("refusal")] == ["approval-expired"]
    assert bench.records("start") == []


def test_a_ledger_in_use(bench: Bench, told: Callable[..., str]) -> None:
    """A second unit on the same ledger is refused with the first one's process; the first goes on."""
    line = told(lambda _: None, FINDING, bench)
    assert f"in use by process {bench.unit.pid}" in line
    assert bench.view()["state"] == "idle"


def test_an_unknown_key(told: Callable[..., str], make_bench: Callable[..., Bench], nebctl: Callable[..., Any]) -> None:
    """An unknown key in the configuration is told by file, line and field, by `run` and by `config check`."""
    bench = make_bench()
    line = told(lambda table: table.amend('poll = "50 ms"', 'poll = "50 ms"\npole = 3'), WRONG_CALL, bench)
    number = bench.config.read_text("utf-8").splitlines().index("pole = 3") + 1
    assert line.startswith(f"{bench.config}:{number}: device.pole")
    done = nebctl("config", "check", bench.config)
    assert (done.returncode, done.stderr.strip()) == (FINDING, line)


def test_config_check(make_bench: Callable[..., Bench], nebctl: Callable[..., Any], tmp_path: Path) -> None:
    """`config check` says yes to a right file and names every fault of a wrong one at once; no file is a wrong call."""
    bench = make_bench()
    done = nebctl("config", "check", bench.config)
    assert (done.returncode, done.stderr) == (0, "")
    assert "neb-0001" in done.stdout
    bench.amend('id = "neb-0001"', 'id = "NEB 1"')
    bench.amend('poll = "50 ms"', "poll = 50")
    bench.amend("simulated = true", "simulated = 1")
    bench.amend('"127.0.0.1:0"', '"0.0.0.0:80"')
    done = nebctl("config", "check", bench.config)
    assert done.returncode == FINDING
    fields = ["unit.id", "unit.simulated", "device.poll", "page.bind"]
    assert [field for line, field in zip(done.stderr.splitlines(), fields, strict=True) if field not in line] == []
    (tmp_path / "broken.toml").write_text("[unit\n", "utf-8")
    done = nebctl("config", "check", tmp_path / "broken.toml")
    assert (done.returncode, len(done.stderr.splitlines())) == (FINDING, 1)
    assert nebctl("config", "check", tmp_path / "none.toml").returncode == WRONG_CALL


def test_no_worklist(make_bench: Callable[..., Bench]) -> None:
    """A unit without a usable worklist starts, and refuses every scan with its sentence."""
    bench = make_bench()
    note = bench.folder / "worklist.note"
    note.unlink()
    note.mkdir()
    bench.start()
    with pytest.raises(Answer, match=r"no-worklist: .* Call the pharmacy\."):
        bench.scan()
    assert "Traceback" not in bench.site.log("unit").read_text("utf-8")


@pytest.mark.req("S48")
def test_a_simulator_under_a_live_unit(make_bench: Callable[..., Bench], told: Callable[..., str]) -> None:
    """A live unit refuses a device that says that it is a simulator."""
    bench = make_bench()
    bench.simulator.start()
    (bench.folder / "worklist.note").unlink()
    line = told(_make_live, FINDING, bench)
    assert "simulat" in line


@pytest.mark.req("S48")
def test_a_device_under_a_simulated_unit(make_bench: Callable[..., Bench], told: Callable[..., str]) -> None:
    """A simulated unit refuses a device that does not say that it is a simulator."""
    bench = make_bench(tcp=True)
    bench.simulator.start()
    with tapped(bench.simulator.ready.split(" ")[0], _as_real) as url:
        line = told(lambda table: table.amend('port = "nebulizer"', f'port = "{url}"'), FINDING, bench)
    assert "simulat" in line


@pytest.mark.req("S32")
def test_a_clock_that_is_not_trusted(make_bench: Callable[..., Bench]) -> None:
    """A live unit on a clock that nothing synchronises warns in one line, and refuses START with the reason."""
    bench = make_bench(tcp=True)
    bench.simulator.start()
    _make_live(bench)
    with tapped(bench.simulator.ready.split(" ")[0], _as_real) as url:
        bench.amend('port = "nebulizer"', f'port = "{url}"')
        bench.put_worklist(site="mexcovid.example", now_ns=time.time_ns(), cost=LEAST_COST)
        bench.start_unit()
        if bench.view()["clock_trusted"]:
            pytest.skip("this machine's clock is synchronised")
        assert "the clock is not trusted" in bench.site.log("unit").read_text("utf-8")
        bench.scan()
        view = bench.charge()
        assert view["state"] == "charged"
        with pytest.raises(Answer, match=r"self-test: .* clock: not synchronised: let a person check the clock"):
            bench.api.post("/api/start", auth=view["review"]["auth"])
        until(lambda: bench.truth()["output"] == "OFF", "nothing was started")
        assert bench.records("start") == []
        bench.unit.stop()


def _as_real(payload: str) -> str:
    """Take the simulator's admission out of its answer to HELLO."""
    return payload.removesuffix(",S") + ",-" if ",HELLO," in payload and payload.endswith(",S") else payload


def _make_live(bench: Bench) -> None:
    bench.amend('site = "sim.', 'site = "')
    bench.amend("simulated = true", "simulated = false")
    key = Path("/dev/shm") / f"pin-{os.getpid()}-{id(bench)}.key"  # another file system than that of the data
    atexit.register(key.unlink, missing_ok=True)
    key.write_bytes(bench.pin_key.read_bytes())
    key.chmod(0o400)
    bench.amend('pin_key = "../../keys/pin.key"', f'pin_key = "{key}"')
    text = bench.config.read_text("utf-8")
    bench.config.write_text(text[: text.index("[clock]")], "utf-8")
