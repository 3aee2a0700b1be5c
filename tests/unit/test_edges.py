"""The small edges beside the loop: the clocks, the kept worklist, the words to the service manager."""

import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nebctl.clock import TRUSTED_US, ClockFileFault, FileClock, SystemClock, trusted, write_clock_file
from nebctl.core.instant import ClockState
from nebctl.core.ledger.note import ED25519, Vkey, sign_note
from nebctl.core.orders import Order, PlannedDose, Worklist, worklist_text
from nebctl.keys import Ed25519Signer, verify
from nebctl.systemd import ServiceNotice, Watchdog
from nebctl.worklists import WorklistKeeper

SITE, UNIT = "sim.mexcovid.example", "neb-0001"
WALL_NS = 1_771_081_200_000_000_000
KEY = Ed25519Signer.from_seed(b"o" * 32)
VKEY = Vkey(f"{SITE}/nebctl-pharmacy/orders", ED25519, KEY.public)
LISTED = Worklist(
    version=3,
    issued_ns=WALL_NS,
    expires_ns=WALL_NS + 86_400_000_000_000,
    study="NCT04276987",
    orders=(
        Order(
            order="o1",
            subject="MEX-001",
            day1=None,
            doses=(PlannedDose(day=1, dose=1, kit="KIT-0401", lot="EXO2020A", not_after_ns=WALL_NS + 10**12),),
            history=(),
        ),
    ),
    operators=(),
)


@pytest.mark.req("S32")
def test_trust_ends_at_the_bound() -> None:
    """A clock is trusted while it is synchronised and its error is bounded below 60 s, and not one microsecond more."""
    state = ClockState(sync=True, source=1, max_error_us=TRUSTED_US - 1)
    assert trusted(state)
    assert not trusted(replace(state, max_error_us=TRUSTED_US))
    assert not trusted(replace(state, sync=False))


def test_the_system_clock_never_runs_backwards() -> None:
    """The system's clock gives boot time for durations, and says how far its wall time may be trusted."""
    clock = SystemClock()
    first, second = clock.instant(), clock.instant()
    assert second.mono_ns >= first.mono_ns
    assert first.boot == second.boot
    assert first.clock.max_error_us is None or first.clock.max_error_us >= 0


@pytest.mark.req("S31")
def test_simulated_time_never_steps_back(tmp_path: Path) -> None:
    """A clock file that is set back holds monotonic time where it was, until the new time has caught up."""
    path = tmp_path / "clock"
    write_clock_file(path, mono_ns=10**12, wall_ns=WALL_NS, scale_milli=60_000)
    clock = FileClock(path)
    before = clock.instant()
    assert before.clock == ClockState(sync=True, source="sim", scale=60)
    write_clock_file(path, mono_ns=10**9, wall_ns=WALL_NS, scale_milli=60_000)
    os.utime(path, ns=(1, 1))
    assert clock.instant().mono_ns >= before.mono_ns
    write_clock_file(path, mono_ns=2 * 10**12, wall_ns=WALL_NS + 10**12, scale_milli=0)
    os.utime(path, ns=(2, 2))
    assert clock.instant().mono_ns == clock.instant().mono_ns == 2 * 10**12
    assert clock.instant().wall_ns == WALL_NS + 10**12


@pytest.mark.parametrize("content", [None, b"", b"NEBCLK1\n", b"NEBCLK2\n" + bytes(32)])
def test_a_clock_file_that_is_none_is_said(tmp_path: Path, content: bytes | None) -> None:
    """A missing or foreign clock file is one sentence that names the file."""
    path = tmp_path / "clock"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClockFileFault, match=str(path)):
        FileClock(path)


def note_of(worklist: Worklist, unit: str = UNIT) -> str:
    """Return a worklist as the pharmacy sends it."""
    text = worklist_text(worklist, SITE, unit)
    return sign_note(text, VKEY.name, KEY)


def keeper(path: Path, least: int = 0) -> WorklistKeeper:
    """Return the unit's keeper of worklists."""
    return WorklistKeeper(path, orders=VKEY, site=SITE, unit=UNIT, verify=verify, least_version=least)


@pytest.mark.req("S50")
def test_only_a_newer_list_for_this_unit_is_taken(tmp_path: Path) -> None:
    """A list is taken once; the same, an older, another unit's or an altered one is not; a restart keeps it."""
    path = tmp_path / "worklist.note"
    kept = keeper(path)
    assert kept.current() is None
    draft = kept.take(note_of(LISTED))
    assert draft is not None
    assert draft.facts["version"] == 3
    newer = replace(LISTED, version=4)
    for refused in (
        note_of(LISTED),
        note_of(replace(LISTED, version=2)),
        note_of(newer, "neb-0002"),
        note_of(newer).replace("KIT-0401", "KIT-0402"),
        "",
    ):
        assert kept.take(refused) is None
    assert kept.current() == keeper(path).current() == LISTED
    assert kept.take(note_of(newer)) is not None


@pytest.mark.req("S50")
def test_a_list_older_than_the_log_is_as_good_as_none(tmp_path: Path) -> None:
    """A restored or damaged file gives no worklist where the log has seen a newer one."""
    path = tmp_path / "worklist.note"
    keeper(path).take(note_of(LISTED))
    assert keeper(path, 3).current() == LISTED
    assert keeper(path, 4).current() is None
    assert keeper(path, 4).take(note_of(LISTED)) is None
    path.write_bytes(path.read_bytes()[:-20])
    assert keeper(path).current() is None
    path.write_bytes(b"\xff\xfe")
    assert keeper(path).current() is None


def test_the_watchdog_is_fed_by_a_third_of_its_time(tmp_path: Path) -> None:
    """The service manager hears of a cycle at most every third of the watchdog's time, of nothing without a socket."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(1)
        watchdog = Watchdog(ServiceNotice({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}))
        for now_s in (0.0, 0.5, 0.999, 1.0, 1.5):
            watchdog.feed(now_s)
        assert [listener.recv(64), listener.recv(64)] == [b"WATCHDOG=1"] * 2
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.recv(64)
    began = time.monotonic()
    ServiceNotice({}).tell("READY=1")
    ServiceNotice({"NOTIFY_SOCKET": address + "-gone"}).tell("READY=1")
    assert time.monotonic() - began < 1
