"""Where plant time comes from."""

import struct
from pathlib import Path

import pytest

from nebctl_simulators.simtime import ClockFile, ScaledTime


def write_clock(path: Path, real_ref_ns: int, sim_ns: int, scale_milli: int) -> None:
    """Replace the clock file, as the demonstration does."""
    draft = path.with_suffix(".new")
    draft.write_bytes(struct.pack("<8sqqqq", b"NEBCLK1\n", real_ref_ns, sim_ns, 0, scale_milli))
    draft.replace(path)


def test_scaled_time_counts_from_the_start() -> None:
    """At scale 2.5 four real nanoseconds after the start are ten of plant time."""
    assert ScaledTime(100, 2500).at(104) == 10


def test_clock_file_gives_its_own_time(tmp_path: Path) -> None:
    """Plant time is the file's moment plus scaled real time since."""
    path = tmp_path / "clock"
    write_clock(path, 1000, 5_000_000, 60_000)
    assert ClockFile(path).at(1002) == 5_000_120


def test_clock_file_is_read_again_when_it_is_replaced(tmp_path: Path) -> None:
    """A new file holds from the next look on: here the night is skipped."""
    path = tmp_path / "clock"
    write_clock(path, 0, 0, 1000)
    clock = ClockFile(path)
    assert clock.at(10) == 10
    write_clock(path, 10, 80_000, 1000)
    assert clock.at(11) == 80_001


def test_clock_file_never_steps_back(tmp_path: Path) -> None:
    """A file that would turn time back leaves it standing until it has caught up."""
    path = tmp_path / "clock"
    write_clock(path, 0, 1000, 1000)
    clock = ClockFile(path)
    assert clock.at(0) == 1000
    write_clock(path, 0, 500, 1000)
    assert [clock.at(0), clock.at(499), clock.at(501)] == [1000, 1000, 1001]


def test_a_clock_file_that_vanishes_leaves_its_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last scale stays in force, and that is said once."""
    path = tmp_path / "clock"
    write_clock(path, 0, 0, 2000)
    clock = ClockFile(path)
    clock.at(1)
    path.unlink()
    assert [clock.at(10), clock.at(20)] == [20, 40]
    assert capsys.readouterr().err.count("clock file went bad") == 1
    write_clock(path, 0, 1_000_000, 2000)
    assert clock.at(20) == 1_000_040


@pytest.mark.parametrize("content", [None, b"", b"NEBCLK1\n", b"NEBCLK2\n" + bytes(32)])
def test_what_is_no_clock_file_is_refused_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    """A missing, short or foreign file is named with what was expected."""
    path = tmp_path / "clock"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"clock: (cannot read the|not a) clock file"):
        ClockFile(path)
