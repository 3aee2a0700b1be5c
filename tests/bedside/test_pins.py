"""PINs: what may be one, what it is checked by, the key beside no data, and waits that grow with misses."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.bedside.tries_file import TriesFile
from nebctl.core.instant import NS_PER_S, ClockState, Instant
from nebctl.core.tries import NONE, Tries, begun_anew, is_locked, missed_again, wait_ns
from nebctl.keys import KeyFault
from nebctl.pins import LEAST_COST, PLAY_COST, Checked, Cost, PinKey, create_pin_key, load_pin_key, why_bad

NOW = Instant(mono_ns=10**12, wall_ns=10**18, boot="one", clock=ClockState(sync=True, source="sim"))
KEY = PinKey(b"\x07" * 32)
FIRST_NS = 15 * NS_PER_S


def later(seconds: float, boot: str = "one") -> Instant:
    """Return a moment after the first one."""
    return replace(NOW, mono_ns=NOW.mono_ns + round(seconds * NS_PER_S), boot=boot)


def missed(times: int, at: Instant = NOW) -> Tries:
    """Return the count after so many misses in a row."""
    tries = NONE
    for _ in range(times):
        tries = missed_again(tries, at)
    return tries


@pytest.mark.req("S01")
def test_waits_double_after_two_free_misses() -> None:
    """Two slips cost nothing; the third miss makes the next try wait 15 s, and each further one twice as long."""
    assert [wait_ns(missed(n), NOW, FIRST_NS) // NS_PER_S for n in range(7)] == [0, 0, 0, 15, 30, 60, 120]
    assert wait_ns(missed(3), later(14.5), FIRST_NS) == NS_PER_S // 2
    assert wait_ns(missed(3), later(15), FIRST_NS) == 0
    assert [is_locked(missed(n), 10) for n in (9, 10)] == [False, True]


@given(times=st.integers(3, 9), passed=st.integers(0, 4000), boot=st.sampled_from(["one", "two"]))
def test_a_restart_shortens_no_wait(times: int, passed: int, boot: str) -> None:
    """After a restart the misses stand, and what is left to wait is never less than without one."""
    tries, now = missed(times), later(passed, boot)
    anew = begun_anew(tries, now)
    assert anew.missed == times
    without = wait_ns(tries, later(passed), FIRST_NS)
    assert wait_ns(anew, now, FIRST_NS) >= without


def test_the_count_is_on_the_disk_before_it_counts(tmp_path: Path) -> None:
    """A count is read back by the next boot as it was kept, readable by its owner alone; a right PIN takes it off."""
    path = tmp_path / "tries.json"
    TriesFile(path, NOW).keep("a", missed(4))
    assert path.stat().st_mode & 0o077 == 0
    again = TriesFile(path, later(0, "two"))
    assert (again.of("a").missed, again.of("b")) == (4, NONE)
    assert wait_ns(again.of("a"), later(0, "two"), FIRST_NS) == 30 * NS_PER_S
    again.keep("a", NONE)
    assert TriesFile(path, NOW).of("a") == NONE
    path.write_text("[1]", "ascii")
    assert TriesFile(path, NOW).of("a") == NONE


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567890123", "12a456", "٠١٢٣٤٥", "111111", "123456", "987654", " 730519"]
)
def test_a_guessable_pin_is_none(pin: str) -> None:
    """Short, long, lettered, foreign, repeated and running PINs are refused without being said back."""
    why = why_bad(pin)
    assert why is not None
    assert not pin.strip() or pin not in why
    with pytest.raises(ValueError, match="PIN"):
        KEY.make("RT-07", pin, PLAY_COST)


def test_part_of_the_badge_is_no_pin() -> None:
    """A PIN that stands on the badge is none."""
    assert why_bad("730519", "RT-07305191") is not None
    assert why_bad("730519", "RT-07") is None


def test_a_verifier_is_worth_nothing_without_key_code_and_pin() -> None:
    """Only the site's key, the person's code and her PIN together are good; the same PIN never looks the same."""
    verifier = KEY.make("RT-07", "730519", PLAY_COST)
    assert KEY.check("RT-07", "730519", verifier, simulated=True) is Checked.GOOD
    others = ((PinKey(b"\x08" * 32), "RT-07", "730519"), (KEY, "RT-08", "730519"), (KEY, "RT-07", "730518"))
    assert {key.check(code, pin, verifier, simulated=True) for key, code, pin in others} == {Checked.WRONG}
    assert KEY.make("RT-07", "730519", PLAY_COST) != verifier
    assert "07" * 8 not in repr(KEY)


@pytest.mark.parametrize(
    "verifier", ["", "x", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ", "$argon2i$v=19$m=8,t=1,p=1$c2Fs$aGFzaA"]
)
def test_a_damaged_verifier_lets_nobody_in(verifier: str) -> None:
    """What is no argon2id verifier is not usable, whatever is typed."""
    assert KEY.check("RT-07", "730519", verifier, simulated=True) is Checked.NOT_USABLE


def test_a_live_unit_takes_no_cheap_and_no_ruinous_verifier() -> None:
    """A live unit takes the least cost and more, nothing below it, and nothing that would take its memory."""
    assert KEY.check("RT-07", "730519", KEY.make("RT-07", "730519", LEAST_COST)) is Checked.GOOD
    cheap = (PLAY_COST, Cost(passes=1, memory_kib=19 * 1024, lanes=1), Cost(passes=2, memory_kib=1024, lanes=1))
    for cost in cheap:
        assert KEY.check("RT-07", "730519", KEY.make("RT-07", "730519", cost)) is Checked.NOT_USABLE
    dear = KEY.make("RT-07", "730519", PLAY_COST).replace("m=8,", f"m={1024 * 1024},")
    assert KEY.check("RT-07", "730519", dear) is Checked.NOT_USABLE


def test_the_key_is_read_only_where_it_is_safe(tmp_path: Path) -> None:
    """A key that others can read, that is no key, that is missing, or that lies beside live data is refused."""
    path = tmp_path / "pin.key"
    create_pin_key(path)
    assert load_pin_key(path).check("RT-07", "730519", "x") is Checked.NOT_USABLE
    with pytest.raises(KeyFault, match="never overwritten"):
        create_pin_key(path)
    with pytest.raises(KeyFault, match="the file system of the unit's data"):
        load_pin_key(path, apart_from=tmp_path)
    path.chmod(0o440)
    with pytest.raises(KeyFault, match="chmod 400"):
        load_pin_key(path)
    path.chmod(0o600)
    path.write_text("07" * 31, "ascii")
    with pytest.raises(KeyFault, match="64 hex digits"):
        load_pin_key(path)
    with pytest.raises(KeyFault, match="Copy the site's PIN key"):
        load_pin_key(tmp_path / "none.key")


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no second file system")  # noqa: PTH112
def test_a_key_on_another_file_system_serves_a_live_unit(tmp_path: Path) -> None:
    """A key in memory, beside data on a disk, is read; it is what a service manager's credential looks like."""
    other = Path("/dev/shm") / f"pin-{os.getpid()}.key"
    if other.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system for both")
    try:
        create_pin_key(other)
        load_pin_key(other, apart_from=tmp_path)
    finally:
        other.unlink(missing_ok=True)
