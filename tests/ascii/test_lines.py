"""Bytes to lines, and each line to the request that it answers, whatever the wire does to them."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl_drivers.exchange import Answered, Sent, Unasked
from nebctl_drivers.lines import CR, CR_LF, LONGEST_LINE, LineDialect


@dataclass(frozen=True)
class Letters:
    """A grammar for tests: the request `a` is answered by `a` and digits, and `!` is said unasked."""

    ending: bytes = CR_LF

    def encode(self, request: str) -> bytes:
        """Return the letter."""
        return request.encode() + self.ending

    def longest(self, request: str) -> int:
        """Return a length."""
        return 10 * len(request)

    def fit(self, request: str, line: str) -> str | None:
        """Return the digits."""
        return line[1:] if line[:1] == request and line[1:].isdigit() else None

    def unasked(self, line: str) -> str | None:
        """Return an exclamation."""
        return line if line == "!" else None

    def probes(self, known: str) -> Iterable[str]:
        """Return another letter."""
        return [known, "p"]

    def alike(self, one: str, other: str) -> bool:
        """Return whether the letters are the same."""
        return one == other


def dialect(ending: bytes = CR_LF) -> LineDialect[str, str]:
    """Return a dialect over letters."""
    return LineDialect(Letters(ending))


def waiting(*requests: str) -> list[Sent[str]]:
    """Return requests as they went out."""
    return [dialect().encode(request) for request in requests]


def answers(talk: LineDialect[str, str], data: bytes, sent: list[Sent[str]]) -> list[tuple[str, str]]:
    """Return request and answer of what was answered."""
    heard = talk.feed(data, sent)
    return [(item.sent.request, item.answer) for item in heard if isinstance(item, Answered)]


def test_an_answer_goes_to_the_oldest_request_that_it_fits() -> None:
    """Two requests of one form get their answers in the order of sending, within one piece of bytes too."""
    sent = waiting("a", "b", "a")
    heard = list(dialect().feed(b"a1\r\nb2\r\na3\r\n", sent))
    assert [item.sent for item in heard if isinstance(item, Answered)] == sent
    assert [item.answer for item in heard if isinstance(item, Answered)] == ["1", "2", "3"]


def test_a_third_answer_to_two_requests_is_nobodys() -> None:
    """A doubled answer is dropped and can be shown to a person."""
    talk = dialect()
    assert answers(talk, b"a1\r\na1\r\n", waiting("a")) == [("a", "1")]
    assert talk.heard() == r"bytes that are no answer, beginning b'a1\r\n'"


@pytest.mark.parametrize("ending", [CR, CR_LF])
@given(st.lists(st.integers(0, 30), max_size=6))
def test_cutting_the_bytes_changes_nothing(ending: bytes, cuts: list[int]) -> None:
    """However the bytes are cut, at every one of them too, the same answers come out."""
    stream = ending.join([b"a1", b"noise", b"b22", b"!", b""])
    for edges in (sorted(cuts), range(len(stream))):
        talk, sent, got = dialect(ending), waiting("a", "b"), []
        for start, end in zip([0, *edges], [*edges, len(stream)], strict=True):
            for item in talk.feed(stream[start:end], sent):
                got.append(item.answer if isinstance(item, Answered | Unasked) else "")
                sent = [each for each in sent if not isinstance(item, Answered) or each is not item.sent]
        assert got == ["1", "22", "!"]


@pytest.mark.parametrize("data", [b"a1\n", b"a1\r", b"a1\r\r\n", b"\x00a1\r\n", b"a1\xb1\r\n", b"a\t1\r\n"])
def test_a_line_counts_as_a_whole_or_not_at_all(data: bytes) -> None:
    """Another end, a lost one, or one byte of noise, and nothing is read; nothing is mended."""
    assert answers(dialect(), data, waiting("a")) == []


def test_a_device_server_may_add_line_feeds() -> None:
    """Where CR alone ends a line, a LF behind it is skipped."""
    assert answers(dialect(CR), b"a1\r\nb2\r\n", waiting("a", "b")) == [("a", "1"), ("b", "2")]


def test_an_endless_line_is_dropped() -> None:
    """A line longer than any good one is nothing, needs no memory, and hides nothing after its end."""
    talk = dialect()
    assert answers(talk, b"a" + b"1" * 100_000, waiting("a")) == []
    assert len(talk._cutter.rest) <= LONGEST_LINE
    assert answers(talk, b"1\r\na2\r\n", waiting("a")) == [("a", "2")]


@pytest.mark.parametrize("length", [LONGEST_LINE - 2, LONGEST_LINE - 1])
def test_the_longest_line_is_still_read(length: int) -> None:
    """The limit is where it is said to be."""
    read = answers(dialect(), b"a" + b"1" * (length - 1) + CR_LF, waiting("a"))
    assert bool(read) == (length == LONGEST_LINE - 2)


def test_what_never_came_to_its_end_spoils_no_later_answer() -> None:
    """The beginning of an answer without its end, and then the next request: that one's answer is read."""
    talk = dialect()
    assert answers(talk, b"a1", waiting("a")) == []
    sent = [talk.encode("b")]
    assert answers(talk, b"b2\r\n", sent) == [("b", "2")]


def test_a_request_sent_into_an_answer_does_not_cut_it() -> None:
    """A STOP may go out while an answer comes in: the answer's two halves are still one line."""
    talk = dialect()
    first = [talk.encode("a")]
    assert answers(talk, b"a1", first) == []
    assert answers(talk, b"23\r\n", [*first, talk.encode("b")]) == [("a", "123")]


def test_silence_is_told_from_noise() -> None:
    """Nothing but line ends is silence; the rest of a line counts as heard; a new request forgets it."""
    talk = dialect()
    assert list(talk.feed(b"\r\n", [])) == []
    assert talk.heard() == ""
    assert list(talk.feed(b"x\xffy", [])) == []
    assert r"b'\r\nx\xffy'" in talk.heard()
    talk.reset()
    assert talk.heard() == ""


def test_the_grammar_speaks_through_the_dialect() -> None:
    """Bytes, lengths, probes and likeness are the grammar's own, and answers carry no number."""
    talk = dialect()
    assert (talk.encode("a").frame, talk.longest("a"), list(talk.probes("a"))) == (b"a\r\n", 10, ["a", "p"])
    assert (talk.alike("a", "a"), talk.alike("a", "b"), talk.numbered) == (True, False, False)
