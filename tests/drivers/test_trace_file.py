"""The byte trace: what a person reads in it is what went over the wire, and its disk is nobody's trouble."""

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.device import CommandFailed
from nebctl_drivers import trace_file
from nebctl_drivers.link import memory_pair, open_link
from nebctl_drivers.trace_file import HEADER, TracedLink, TraceFile, open_trace

WALL_NS = 1_771_081_200_123_456_789  # 2026-02-14, 15:00 UTC
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z +(\d+\.\d{6}) \[(\d+)\] ([><=#!]) (.*)")
ROW = re.compile(r"((?:[0-9a-f]{2} )*[0-9a-f]{2}|) +\|(.*)\|")


@dataclass
class Entry:
    """One entry of a trace as a reader of the file sees it."""

    mono: str
    link: int
    sign: str
    text: str = ""
    data: bytes = b""


def read_trace(path: Path) -> list[Entry]:
    """Return the entries of a trace file, read by its layout alone."""
    entries: list[Entry] = []
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    assert header == HEADER.rstrip("\n")
    for line in lines:
        match = LINE.fullmatch(line)
        if match:
            entries.append(Entry(match[2], int(match[3]), match[4]))
        rest = match[5] if match else line.strip()
        if entries[-1].sign in "<>":
            row = ROW.fullmatch(rest)
            assert row, line
            data = bytes.fromhex(row[1])
            assert len(row[2]) == len(data)
            assert all(chr(byte) == shown or shown == "." for byte, shown in zip(data, row[2], strict=True))
            entries[-1].data += data
        else:
            assert match, line
            entries[-1].text = rest
    return entries


def ticking() -> Callable[[], tuple[int, int]]:
    """Return a clock that moves a millisecond each time it is asked."""
    ticks = count()
    return lambda: (WALL_NS, 5_000_000_000 + 1_000_000 * next(ticks))


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Return where the trace is to be; its thread has nothing left to do at the end."""
    yield tmp_path / "wire.trace"
    for file in list(trace_file._files):
        assert file.flush(5)


async def test_a_conversation_is_read_back_from_the_file(path: Path) -> None:
    """Opening, bytes both ways, the loss (once) and closing stand in the file in their order, with rising times."""
    near, far = memory_pair()
    file = TraceFile(path, stamp=ticking())
    link = TracedLink(near, file, "memory")
    await far.open()
    assert await link.open() is None
    assert link.write(bytes(range(40))) is None
    far.write(b"$A,1\r\n")
    assert await link.read() == b"$A,1\r\n"
    link.note("a note\nof two lines")
    far.cut()
    for _ in range(3):
        assert isinstance(await link.read(), CommandFailed)
    assert isinstance(link.write(b"late"), CommandFailed)
    link.close()
    link.close()
    assert file.flush(5)
    entries = read_trace(path)
    assert [entry.sign for entry in entries] == ["=", ">", "<", "#", "!", ">", "!", "="]
    assert entries[1].data == bytes(range(40))
    assert entries[2].data == b"$A,1\r\n"
    assert entries[3].text == r"a note\nof two lines"
    assert "the wire is gone (cut)" in entries[4].text
    assert (entries[0].text, entries[-1].text) == ("open memory", "close memory")
    assert [entry.mono for entry in entries] == [f"5.00{place}000" for place in range(8)]


def test_a_person_can_read_a_line(path: Path) -> None:
    """A line is UTC, monotonic seconds, link, direction, the bytes in hexadecimal and, beside them, as text."""
    file = TraceFile(path, stamp=lambda: (WALL_NS, 12_345_678_901_000))
    file.put_bytes(1, ">", b"$R,1,STAT*ABCD\r\n!")
    assert file.flush(5)
    assert path.read_text(encoding="utf-8").splitlines()[1:] == [
        "2026-02-14T15:00:00.123456Z     12345.678901 [1] > "
        "24 52 2c 31 2c 53 54 41 54 2a 41 42 43 44 0d 0a  |$R,1,STAT*ABCD..|",
        " " * 51 + "21                                               |!|",
    ]


@given(pieces=st.lists(st.tuples(st.sampled_from("<>"), st.binary(min_size=1, max_size=70)), min_size=1, max_size=20))
def test_any_bytes_come_back_from_the_file(tmp_path_factory: pytest.TempPathFactory, pieces: Any) -> None:
    """Whatever the bytes, and however they were cut, the file gives them back piece by piece."""
    path = tmp_path_factory.mktemp("trace") / "t"
    file = TraceFile(path, stamp=ticking())
    for sign, data in pieces:
        file.put_bytes(1, sign, data)
    assert file.flush(5)
    assert [(entry.sign, entry.data) for entry in read_trace(path)] == pieces


def test_the_file_is_bounded_and_one_old_one_is_kept(path: Path) -> None:
    """At its limit the file becomes NAME.1 in place of the older one; no entry is cut in two, the newest are there."""
    file = TraceFile(path, stamp=ticking(), limit_bytes=2_000)
    for number in range(200):
        file.put_text(1, "#", f"entry {number:04}")
        assert file.flush(5)
    assert sorted(found.name for found in path.parent.iterdir()) == ["wire.trace", "wire.trace.1"]
    kept = [*read_trace(path.with_name("wire.trace.1")), *read_trace(path)]
    assert all(found.stat().st_size <= 2_000 for found in path.parent.iterdir())
    assert [entry.text for entry in kept] == [f"entry {number:04}" for number in range(200 - len(kept), 200)]
    assert len(kept) > 25


@pytest.mark.parametrize("short", [False, True])
async def test_a_full_disk_disturbs_nobody_and_is_told_of(
    path: Path, monkeypatch: pytest.MonkeyPatch, short: bool
) -> None:
    """While the disk takes nothing, or half a line, the link works on; later the file says how much it misses."""

    def refuse(file: FileIO, data: bytes) -> None:
        file.write(data[: len(data) // 2] if short else b"")
        raise OSError(28, "No space left on device")

    near, far = memory_pair()
    file = TraceFile(path, stamp=ticking())
    link = TracedLink(near, file, "memory")
    await far.open()
    await link.open()
    assert file.flush(5)
    with monkeypatch.context() as patch:
        patch.setattr(trace_file, "_write_whole", refuse)
        for number in range(7):
            assert link.write(b"%d" % number) is None
            assert await far.read() == b"%d" % number
        assert file.flush(5)
        assert file.lost == 7
    assert link.write(b"after") is None
    assert file.flush(5)
    opened, missing, after = read_trace(path)
    assert (opened.sign, after.data, file.lost) == ("=", b"after", 0)
    assert (missing.sign, missing.text) == ("!", "7 entries could not be written (No space left on device)")


async def test_a_folder_that_is_missing_disturbs_nobody(path: Path) -> None:
    """A trace in a folder that is not there yet begins when the folder is."""
    file = TraceFile(path.parent / "later" / "t", stamp=ticking())
    file.put_text(1, "#", "lost")
    assert file.flush(5)
    (path.parent / "later").mkdir()
    file.put_text(1, "#", "kept")
    assert file.flush(5)
    missing, kept = read_trace(path.parent / "later" / "t")
    assert missing.text == "1 entries could not be written (No such file or directory)"
    assert kept.text == "kept"


def test_the_kernel_s_own_full_device_is_survived() -> None:
    """A device that refuses every byte is counted, entry by entry."""
    file = TraceFile(Path("/dev/full"), stamp=ticking())
    for _ in range(5):
        file.put_bytes(1, ">", b"x")
    assert file.flush(5)
    assert file.lost == 5


def test_a_disk_that_hangs_holds_nobody_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one write hangs, entries are taken without waiting up to the queue's limit, and the others are counted."""
    hangs, real = threading.Event(), trace_file._write_whole

    def hang(file: FileIO, data: bytes) -> None:
        hangs.wait(10)
        real(file, data)

    monkeypatch.setattr(trace_file, "_write_whole", hang)
    monkeypatch.setattr(trace_file, "QUEUE_LIMIT", 50)
    file = TraceFile(path, stamp=ticking())
    for number in range(200):
        file.put_text(1, "#", f"{number}")
    assert not file.flush(0.01)
    lost = file.lost
    assert 200 - 2 * 50 - 1 <= lost <= 200 - 50
    hangs.set()
    assert file.flush(5)
    file.put_text(1, "#", "on again")
    assert file.flush(5)
    entries = read_trace(path)
    told = [entry.text for entry in entries if entry.sign == "!"]
    # Told in two pieces where the writer took what waited after the first were lost.
    assert all(each.endswith(" entries could not be written (the disk is too slow)") for each in told)
    assert sum(int(each.split()[0]) for each in told) == lost
    assert len([entry for entry in entries if entry.sign == "#"]) == 200 - lost + 1


def test_two_links_share_a_file(path: Path) -> None:
    """Links that are given the same path write to one trace, each under its own number."""
    first, second = open_trace(path), open_trace(path)
    assert first is second
    assert [first.number_link(), second.number_link()] == [1, 2]


async def test_a_url_with_a_trace_is_traced(path: Path) -> None:
    """A link opened with a trace leaves its failed opening in the file too."""
    link = open_link(f"{path.parent}/ttyX", trace=path)
    assert isinstance(link, TracedLink)
    assert isinstance(await link.open(), CommandFailed)
    assert open_trace(path).flush(5)
    (entry,) = read_trace(path)
    assert (entry.sign, "does not exist" in entry.text) == ("!", True)


def test_what_waits_at_the_exit_of_the_program_is_written(path: Path) -> None:
    """A program that ends right after its last byte leaves that byte in the file."""
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from nebctl_drivers.trace_file import TraceFile\n"
        "TraceFile(Path(sys.argv[1])).put_bytes(1, '>', b'last')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=30, env=dict(os.environ))
    assert read_trace(path)[-1].data == b"last"
