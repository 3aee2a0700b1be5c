"""A unit's signing key replaced by the command, cut off at every step, and the unit that goes on with the new one."""

import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nebctl import rekeying
from nebctl.clock import FileClock
from nebctl.config import LoadedConfig, load_config
from nebctl.keys import KeyFault, load_signer
from nebctl.store.faults import StoreFault
from nebctl_lab.bench_site import Bench

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def stopped(make_bench: Callable[..., Bench]) -> Bench:
    """A unit that has run, and stands still."""
    bench = make_bench().start()
    bench.unit.kill()
    return bench


def key_of(bench: Bench) -> Path:
    """Return the unit's key file."""
    return bench.folder / "neb-0001.key"


def rotate(bench: Bench) -> rekeying.Rotated:
    """Hand the unit's log over to a new key."""
    loaded = load_config(bench.config)
    assert isinstance(loaded, LoadedConfig)
    return rekeying.rotate(loaded, key_of(bench), FileClock(bench.site.clock).instant(), secrets.token_bytes)


def test_the_command_replaces_the_key_and_the_unit_goes_on(stopped: Bench, nebctl: Callable[..., Any]) -> None:
    """The old key signs the record that names the new one, its file holds the new one, and a dose is signed by it."""
    old = load_signer(key_of(stopped)).public
    done = nebctl("keys", "rotate", "--config", stopped.config)
    assert done.returncode == 0, done.stderr
    new = load_signer(key_of(stopped))
    assert new.public != old
    assert key_of(stopped).stat().st_mode & 0o777 == 0o400
    assert [path.name for path in stopped.folder.glob("*.next")] == []
    kid = re.findall(r"key ([0-9a-f]{8}) signs from record (\d+)", done.stdout)[0]
    (record,) = stopped.records("key")
    assert record["not_before_seq"] == record["seq"] + 1 == int(kid[1])
    assert f"+{kid[0]}+" in record["new_vkey"]
    shown = nebctl("keys", "show", key_of(stopped))
    assert shown.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
    stopped.start_unit()
    assert stopped.make_ready()
    assert stopped.records("boot")[-1]["seq"] > record["seq"]


def test_the_old_keys_bytes_are_written_over(stopped: Bench) -> None:
    """What another name of the old file still leads to holds no key any more."""
    other_name = stopped.folder / "hard-link"
    other_name.hardlink_to(key_of(stopped))
    rotate(stopped)
    assert set(other_name.read_bytes()) == {0}


def test_a_call_that_was_cut_off_is_finished_by_the_next(
    stopped: Bench, monkeypatch: pytest.MonkeyPatch, nebctl: Callable[..., Any]
) -> None:
    """After the log names the new key, but before the file does, the unit starts with neither and says what to call."""

    def cut(key: Path, fresh: Path) -> None:
        raise KeyFault(key, "a cut", "no cut", "")

    monkeypatch.setattr(rekeying, "_replace", cut)
    with pytest.raises(KeyFault):
        rotate(stopped)
    monkeypatch.undo()
    refused = nebctl("run", "--config", stopped.config)
    assert refused.returncode == 1
    assert "nebctl keys rotate" in refused.stderr
    done = rotate(stopped)
    assert load_signer(key_of(stopped)).public == done.vkey.public
    assert len(stopped.records("key")) == 1
    stopped.start_unit()


def test_a_key_that_the_log_never_named_is_dropped(stopped: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was cut off before its record leaves a file that the next call replaces."""
    leftover = stopped.folder / "neb-0001.key.next"

    def fail(*_: object) -> None:
        raise StoreFault(seen="a cut", expected="none", advice="")

    monkeypatch.setattr("nebctl.store.writer.Writer.rotate", fail)
    with pytest.raises(StoreFault):
        rotate(stopped)
    monkeypatch.undo()
    never = load_signer(leftover).public
    assert rotate(stopped).vkey.public != never
    assert not leftover.exists()


def test_a_running_unit_is_not_touched(make_bench: Callable[..., Bench], nebctl: Callable[..., Any]) -> None:
    """While the unit runs the command is refused, names the process, and changes no key; so is one without a ledger."""
    bench = make_bench()
    none = nebctl("keys", "rotate", "--config", bench.config)
    assert (none.returncode, "no ledger" in none.stderr) == (1, True)
    bench.start()
    before = key_of(bench).read_bytes()
    refused = nebctl("keys", "rotate", "--config", bench.config)
    assert refused.returncode == 1
    assert f"in use by process {bench.unit.pid}" in refused.stderr
    assert key_of(bench).read_bytes() == before
