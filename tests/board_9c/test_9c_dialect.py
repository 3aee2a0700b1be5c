"""What answers what on the 9C board's wire: numbers for commands, order for data."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from nebctl_drivers.board_9c.dialect import LAST_ID, Answer, Board9CDialect, LateAnswer, Request
from nebctl_drivers.board_9c.payloads import Command, Config, Status
from nebctl_drivers.exchange import Answered, Sent, Unasked

STATUS = bytes.fromhex("055702A401EA00D200020201010001000001010100")
CONFIG = bytes.fromhex("00A40158020202")
Pack = Callable[[int, int, bytes], bytes]


def ack(pack: Pack, sent: Sent[Request], error: int = 0) -> bytes:
    """Return the board's answer to a request."""
    assert isinstance(sent.key, int)
    return pack(sent.key, 3 if error else 2, bytes((sent.request.command, not error, error, 0)))


def test_an_answer_belongs_to_its_number_and_command(pack: Pack) -> None:
    """Of two beats the one answered is the one whose number comes back; another command's ACK answers nothing."""
    dialect = Board9CDialect()
    first, second = dialect.encode(Request(Command.HEARTBEAT)), dialect.encode(Request(Command.HEARTBEAT))
    assert isinstance(first.key, int)
    wrong = pack(first.key, 2, bytes((Command.START, 1, 0, 0)))
    heard = list(dialect.feed(wrong + ack(pack, second), (first, second)))
    assert heard == [Answered(second, Answer(0, 2))]
    assert "0x20" in dialect.heard()


def test_data_comes_before_its_acknowledgement(pack: Pack) -> None:
    """A query is answered by the ACK with the data frame heard since it went out; what is older does not count."""
    dialect = Board9CDialect()
    list(dialect.feed(pack(0x8000, 6, CONFIG), ()))
    sent = dialect.encode(Request(Command.GET_CONFIG))
    assert list(dialect.feed(ack(pack, sent), (sent,))) == [Answered(sent, Answer(0, 2))]
    again = dialect.encode(Request(Command.GET_CONFIG))
    (heard,) = dialect.feed(pack(0x8001, 6, CONFIG) + ack(pack, again), (again,))
    assert isinstance(heard, Answered)
    assert isinstance(heard.answer.data, Config)
    assert (heard.answer.data_order, heard.answer.order) == (3, 4)


def test_a_status_is_said_unasked(pack: Pack) -> None:
    """Each STATUS is handed up as it comes, also while one is asked for; its number, the board's own, says nothing."""
    dialect = Board9CDialect()
    sent = dialect.encode(Request(Command.GET_STATUS))
    assert isinstance(sent.key, int)
    heard = list(dialect.feed(pack(sent.key, 4, STATUS) + ack(pack, sent), (sent,)))
    assert [type(item) for item in heard] == [Unasked, Answered]
    assert isinstance(heard[0].answer, Status)


def test_a_late_answer_is_told_as_such_and_once(pack: Pack) -> None:
    """An answer for which nobody waits any more names its request; said again it is nothing."""
    dialect = Board9CDialect()
    sent = dialect.encode(Request(Command.START, token=7))
    late = Unasked(LateAnswer(Request(Command.START, token=7), Answer(0x42, 1)))
    assert list(dialect.feed(ack(pack, sent, 0x42), ())) == [late]
    assert list(dialect.feed(ack(pack, sent, 0x42), (sent,))) == []


def test_the_numbers_stay_below_the_board_s(pack: Pack) -> None:
    """Host numbers run from 1 to 0x7FFF and begin again at 1; an opening does not set them back."""
    dialect = Board9CDialect()
    keys = [dialect.encode(Request(Command.HEARTBEAT)).key for _ in range(LAST_ID + 2)]
    assert (keys[0], keys[LAST_ID - 1], keys[LAST_ID]) == (1, 0x7FFF, 1)
    dialect.reset()
    assert dialect.encode(Request(Command.HEARTBEAT)).key == 3


def test_an_old_number_is_forgotten_at_the_opening(pack: Pack) -> None:
    """What was asked on the wire before answers nothing on the new one."""
    dialect = Board9CDialect()
    sent = dialect.encode(Request(Command.START))
    dialect.reset()
    assert list(dialect.feed(ack(pack, sent), ())) == []


def test_what_was_heard_is_told_for_a_person(pack: Pack) -> None:
    """Silence is empty, noise is shown in hexadecimal, an unreadable payload in words."""
    dialect = Board9CDialect()
    assert dialect.heard() == ""
    list(dialect.feed(b"\x00\x01", ()))
    assert "00 01" in dialect.heard()
    list(dialect.feed(pack(0x8000, 4, b"\x63" + STATUS[1:]), ()))
    assert dialect.heard() == "STATUS with state 99"
    dialect.encode(Request(Command.HEARTBEAT))
    assert dialect.heard() == ""


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_no_noise_answers_anything(pieces: list[bytes]) -> None:
    """Bytes that hold no good frame answer no request, however they fall."""
    dialect = Board9CDialect()
    waiting = tuple(dialect.encode(Request(command)) for command in (Command.START, Command.STOP, Command.GET_STATUS))
    assert [heard for piece in pieces for heard in dialect.feed(piece, waiting)] == []
