"""What the line faults do to answers on their way."""

import pytest

from nebctl_simulators.mesh.codec import LineReader, encode_line
from nebctl_simulators.shim import DEFAULT_MS, Injection, LineFault, Shim, Tag, Terms

MS = 1_000_000
ANSWERS = [fault for fault in LineFault if fault is not LineFault.ECHO]  # an echo takes requests
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


@pytest.mark.parametrize("fault", ANSWERS)
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


@pytest.mark.parametrize("fault", [LineFault.LATE, LineFault.DELAY])
def test_the_next_time_is_told(fault: LineFault) -> None:
    """A shim says when it has bytes to give, so that nobody has to look every millisecond."""
    shim = spoiled(fault, 150)
    assert shim.next_ns() == 150 * MS
    shim.due(150 * MS)
    assert shim.next_ns() is None


@pytest.mark.parametrize("seed", range(20))
def test_noise_comes_beside_a_whole_answer(seed: int) -> None:
    """One to three bytes come before the answer, after it, or on the line when it has been idle for a while."""
    for fault in (LineFault.NOISE_BEFORE, LineFault.NOISE_AFTER, LineFault.NOISE_IDLE):
        shim = Shim(seed)
        shim.arm(fault, 1, DEFAULT_MS.get(fault, 0))
        shim.answer(LINE, 0)
        at_once, later = shim.due(0), shim.due(5 * MS)
        noise = {
            LineFault.NOISE_BEFORE: at_once.removesuffix(LINE),
            LineFault.NOISE_AFTER: at_once.removeprefix(LINE),
            LineFault.NOISE_IDLE: later,
        }[fault]
        assert 1 <= len(noise) <= 3
        assert len(at_once + later) == len(LINE) + len(noise)


def test_noise_on_the_idle_line_holds_nothing_up() -> None:
    """An answer that is asked for before the noise comes is not made to wait for it."""
    shim = spoiled(LineFault.NOISE_IDLE, 50)
    assert shim.due(0) == LINE
    shim.answer(NEXT, 10 * MS)
    assert shim.due(10 * MS) == NEXT
    assert len(shim.due(50 * MS)) in (1, 2, 3)


@pytest.mark.parametrize("seed", range(20))
def test_one_bit_or_one_byte(seed: int) -> None:
    """A flipped bit is exactly one, a lost and a doubled byte are one, and a cut answer lacks its end."""
    said = {}
    for fault in (LineFault.FLIP_BIT, LineFault.DROP_BYTE, LineFault.DUP_BYTE, LineFault.TRUNCATE):
        shim = Shim(seed)
        shim.arm(fault, 1, 0)
        shim.answer(LINE, 0)
        said[fault] = shim.due(0)
    pairs = zip(said[LineFault.FLIP_BIT], LINE, strict=True)
    assert sum((one ^ other).bit_count() for one, other in pairs) == 1
    assert said[LineFault.DROP_BYTE] in [LINE[:at] + LINE[at + 1 :] for at in range(len(LINE))]
    assert said[LineFault.DUP_BYTE] in [LINE[: at + 1] + LINE[at:] for at in range(len(LINE))]
    assert LINE.startswith(said[LineFault.TRUNCATE])
    assert 0 < len(said[LineFault.TRUNCATE]) < len(LINE)


def test_an_echo_is_the_hosts_own_request() -> None:
    """Armed for one request, it comes back before the answer, and also where nobody answers."""
    shim = Shim(1)
    shim.arm(LineFault.ECHO, 2, 0)
    shim.heard(b"first", 0)
    shim.answer(LINE, 0)
    assert shim.due(0) == b"first" + LINE
    shim.heard(b"second", 1)
    assert shim.due(1) == b"second"
    shim.heard(b"third", 2)
    assert shim.due(2) == b""


@pytest.mark.parametrize("terms", [Terms(unit=41), Terms(function=3), Terms(address=9), Terms(among=frozenset({41}))])
def test_a_fault_takes_the_answers_that_it_is_meant_for(terms: Terms) -> None:
    """Armed for one unit, function or address, it leaves the others alone and waits."""
    shim = Shim(1)
    shim.arm(LineFault.DROP_REPLY, 1, 0, terms)
    shim.answer(LINE, 0, Tag(unit=40, function=4, address=8))
    assert shim.due(0) == LINE
    assert shim.armed() == {"drop_reply": 1}
    shim.answer(LINE, 0, Tag(unit=41, function=3, address=9))
    assert (shim.due(0), shim.armed()) == (b"", {})


def test_only_the_same_unit_keeps_its_order() -> None:
    """A late answer of one unit holds back that unit's next one, and no other unit's."""
    shim = Shim(1)
    shim.arm(LineFault.LATE, 1, 100)
    shim.answer(LINE, 0, Tag(unit=1))
    shim.answer(NEXT, 0, Tag(unit=1))
    shim.answer(b"other", 0, Tag(unit=2))
    assert shim.due(0) == b"other"
    assert shim.due(100 * MS) == LINE + NEXT


def test_each_injection_is_numbered_and_kept() -> None:
    """The list tells what was meant and what became of it; a fault of the device's own dialect stands in it too."""
    shim = Shim(1)
    shim.arm(LineFault.DUPLICATE_REPLY, 1, 0)
    shim.arm("refuse", 1, 0, Terms(code=6))
    shim.answer(LINE, 5, Tag(unit=40))
    taken = shim.take(("refuse",), 7)
    assert taken is not None
    assert taken.terms.code == 6
    assert shim.take(("refuse",), 8) is None
    assert shim.injections() == [
        Injection(number=1, fault="duplicate_reply", at_ns=5, tag=Tag(unit=40), before=LINE, after=LINE + LINE),
        Injection(number=2, fault="refuse", at_ns=7, tag=Tag(), before=b"", after=b""),
    ]


def test_the_same_seed_gives_the_same_noise() -> None:
    """Two runs of one seed are spoiled alike, those of another seed are not."""

    def noise(seed: int) -> bytes:
        shim = Shim(seed)
        shim.arm(LineFault.GARBAGE, 5, 0)
        for _ in range(5):
            shim.answer(LINE, 0)
        return shim.due(0)

    assert noise(7) == noise(7) != noise(8)


def test_what_one_unit_has_queued_can_be_lost() -> None:
    """Without its power one unit's late answer never comes; another's does."""
    shim = Shim(1)
    shim.arm(LineFault.LATE, 2, 100)
    shim.answer(LINE, 0, Tag(unit=1))
    shim.answer(NEXT, 0, Tag(unit=2))
    shim.discard({1})
    assert shim.due(100 * MS) == NEXT
