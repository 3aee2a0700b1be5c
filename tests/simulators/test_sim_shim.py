"""What the line faults do to answers on their way."""

import pytest

from nebctl_simulators.mesh.codec import LineReader, encode_line
from nebctl_simulators.shim import LineFault, Shim

MS = 1_000_000
LINE = encode_line("A,1,BEAT")
NEXT = encode_line("A,2,BEAT")


def spoiled(fault: LineFault, ms: int = 0) -> Shim:
    """Return a shim whose first answer meets the fault, and whose second goes through."""
    shim = Shim(1)
    shim.arm(fault, 1, ms)
    shim.answer(LINE, 0)
    return shim


def test_without_a_fault_bytes_pass_at_once() -> None:
    """An answer is due the moment it is given, once."""
    shim = Shim(1)
    shim.answer(LINE, 5)
    assert (shim.due(5), shim.due(5)) == (LINE, b"")


@pytest.mark.parametrize("fault", list(LineFault))
def test_a_counted_fault_wears_off(fault: LineFault) -> None:
    """Armed for one answer, each fault leaves the next one alone."""
    shim = spoiled(fault)
    assert shim.armed() == {}
    shim.due(1000 * MS)
    shim.answer(NEXT, 1000 * MS)
    assert shim.due(1000 * MS) == NEXT


def test_a_dropped_reply_never_comes() -> None:
    """The answer is gone for good."""
    assert spoiled(LineFault.DROP_REPLY).due(10_000 * MS) == b""


def test_a_late_reply_holds_up_what_is_behind_it() -> None:
    """The late answer comes after its delay, and the answer after it does not overtake it."""
    shim = spoiled(LineFault.LATE, 150)
    shim.answer(NEXT, 10 * MS)
    assert shim.due(149 * MS) == b""
    assert shim.due(150 * MS) == LINE + NEXT


@pytest.mark.parametrize("fault", [LineFault.BAD_CRC, LineFault.GARBAGE])
def test_a_spoiled_reply_is_no_line(fault: LineFault) -> None:
    """As many bytes as before arrive, and no reader takes them for a line."""
    data = spoiled(fault).due(0)
    assert len(data) == len(LINE)
    assert LineReader().feed(data) == []


def test_a_duplicated_reply_comes_twice() -> None:
    """The very same line arrives two times."""
    assert spoiled(LineFault.DUPLICATE_REPLY).due(0) == LINE + LINE


def test_a_split_reply_comes_in_two_parts() -> None:
    """The first half comes at once and the rest after the gap."""
    shim = spoiled(LineFault.SPLIT, 5)
    first = shim.due(0)
    assert 0 < len(first) < len(LINE)
    assert first + shim.due(5 * MS) == LINE


def test_faults_take_answers_in_the_order_they_were_armed() -> None:
    """Two drops and a duplicate: the third answer is doubled, and clear() forgets the rest."""
    shim = Shim(1)
    shim.arm(LineFault.DROP_REPLY, 2, 0)
    shim.arm(LineFault.DUPLICATE_REPLY, 5, 0)
    assert shim.armed() == {"drop_reply": 2, "duplicate_reply": 5}
    for _ in range(3):
        shim.answer(LINE, 0)
    assert shim.due(0) == LINE + LINE
    shim.clear()
    shim.answer(LINE, 0)
    assert shim.due(0) == LINE


def test_an_event_meets_no_fault() -> None:
    """Faults are for answers; what the controller says unasked passes."""
    shim = Shim(1)
    shim.arm(LineFault.DROP_REPLY, 1, 0)
    shim.send(LINE, 0)
    assert shim.due(0) == LINE
    assert shim.armed() == {"drop_reply": 1}
