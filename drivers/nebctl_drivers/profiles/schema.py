"""A device profile from its text: every fault at once, in the order of the lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nebctl.core.faults import Fault, FieldError
from nebctl.core.toml_text import read_toml

from .codec import decode, encode
from .form import Form, Kind, choice, read_number, text_of, whole
from .golden import Exchange, read_answer, read_frame, read_request, unproven
from .points import WRITE_FUNCTION, Map, read_map
from .profile import WRITE_MANY, BusTimes, Condition, Point, Profile, Roles, Serial
from .roles import read_condition, read_roles

_TEXT = text_of('"MN-1"')
_VERIFIED = ("manual", "peer", "hardware", "example")
_GAP: Kind[int | None] = Kind(whole(0, 1000, 2).read, "2", None)
_FASTEST = Serial(baudrate=4_000_000, parity="N", stop_bits=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The table [profile]."""

    id: str
    maker: str
    model: str
    source: str
    verified: str


def load_profile(text: str, file: str) -> Profile | tuple[Fault, ...]:
    """Return the profile of a TOML text, or everything that is wrong with it; `file` names the text for people."""
    toml = read_toml(text, file)
    faults = list(toml.faults)
    if toml.table is None:
        return toml.faults
    form = Form(toml, faults)
    bus = form.sub("bus", needed=True)
    write_function = bus.may("write_function", WRITE_FUNCTION, WRITE_MANY)
    header, times = _header(form.sub("profile", needed=True)), _bus(bus)
    serial = _serial(form.sub("serial", needed=True))
    found = read_map(form, serial, write_function)
    identity = _identity(form, found)
    roles = _roles(form, found)
    exchanges = tuple(e for item in form.items("golden") if (e := _golden(item, found)) is not None)
    form.finish()
    if faults:
        return tuple(sorted(faults, key=lambda fault: fault.line))
    return Profile(
        id=header.id,
        maker=header.maker,
        model=header.model,
        source=header.source,
        verified=header.verified,
        serial=serial,
        bus=times,
        identity=identity,
        blocks=found.blocks,
        points=found.points,
        roles=roles,
        unproven=unproven(found.blocks, _written(found, roles), exchanges),
    )


def _header(form: Form) -> _Header:
    header = _Header(
        id=form.need("id", _TEXT),
        maker=form.need("maker", _TEXT),
        model=form.need("model", _TEXT),
        source=form.need("source", _TEXT),
        verified=form.need("verified", choice(*_VERIFIED)),
    )
    form.need("protocol", choice("modbus"))
    form.finish()
    return header


def _serial(form: Form) -> Serial:
    serial = Serial(
        baudrate=form.need("baudrate", whole(300, 4_000_000, 19_200)),
        parity=form.need("parity", choice("N", "E", "O")),
        stop_bits=form.need("stop_bits", whole(1, 2, 1)),
    )
    form.finish()
    return _FASTEST if form.spoilt else serial  # a wrong baud rate is one fault, and not one more for each block


def _bus(form: Form) -> BusTimes:
    times = BusTimes(
        answer_ms=form.need("answer_ms", whole(1, 5000, 100)),
        latency_ms=form.may("latency_ms", whole(0, 1000, 16), 0),
        gap_ms=form.may("gap_ms", _GAP, None),
        read_attempts=form.may("read_attempts", whole(1, 5, 3), 3),
    )
    form.finish()
    return times


def _identity(form: Form, found: Map) -> Condition:
    inner = form.sub("identity", needed="nebulizer" in form)
    return read_condition(inner, found, needed="identity" in form)


def _roles(form: Form, found: Map) -> Roles | None:
    if "nebulizer" not in form:
        return None
    return read_roles(form.sub("nebulizer"), form.sub("promises", needed=True), found)


def _written(found: Map, roles: Roles | None) -> dict[str, Point]:
    """Return the points that are ever written."""
    if roles is None:
        return {name: point for name, point in found.points.items() if point.writable}
    names = {setting.point for setting in (*roles.start, *roles.stop)} | ({roles.beat} if roles.beat else set())
    return {name: point for name, point in found.points.items() if name in names}


def _golden(form: Form, found: Map) -> Exchange | None:
    """Return what a golden frame shows, once its bytes, the map and the values agree."""
    form.need("what", _TEXT)
    request, answer = form.need("request", _FRAME), form.need("answer", _FRAME)
    values = form.need("values", _VALUES)
    form.finish()
    if form.spoilt:
        return None
    exchange = _read_exchange(form, request, answer)
    if exchange is not None:
        _compare(form, found, exchange, values)
    return None if form.spoilt else exchange


def _read_exchange(form: Form, request: tuple[bytes, bytes], answer: tuple[bytes, bytes]) -> Exchange | None:
    if request[0] != answer[0]:
        said = f"its unit or transaction is {answer[0].hex().upper()}, the request's {request[0].hex().upper()}"
        form.blame("answer", said, "write the answer to this request")
        return None
    try:
        asked = read_request(request[1])
    except FieldError as error:
        form.blame("request", error.problem, error.right)
        return None
    try:
        return read_answer(request[1], asked, answer[1])
    except FieldError as error:
        form.blame("answer", error.problem, error.right)
        return None


def _compare(form: Form, found: Map, exchange: Exchange, values: Mapping[str, Any]) -> None:
    inner = form.sub("values")
    for name, value in values.items():
        point = found.points.get(name)
        if point is None:
            if name not in found.names():
                inner.blame(name, "there is no such point in this profile", f"write one of {', '.join(found.names())}")
        elif not exchange.holds(point):
            inner.blame(name, "the frame does not carry this point", "correct the frame, or the point's address")
        else:
            said = _differs(point, exchange.of(point), value)
            if said:
                inner.blame(name, said, "correct the value, or the point's type, order, scale or offset")
    named = [found.points[name] for name in values if name in found.points]
    written = {at for point in named for at in range(point.address, point.end)}
    whole_write = exchange.reads or written == {*range(exchange.address, exchange.end)}
    if not whole_write and len(named) == len(values) and not inner.spoilt:
        inner.blame("", "the frame writes registers that are no point named here", "name every point that it writes")
    form.spoilt |= inner.spoilt


def _differs(point: Point, words: tuple[int, ...], value: Any) -> str:
    """Return how a point's words differ from the value that they should mean; empty where they do not."""
    seen = decode(point.layout, words)
    try:
        if point.layout.type == "ascii":
            return "" if seen == value else f"the frame says {seen!r}"
        return "" if encode(point.layout, _number(point, value)) == words else f"the frame says {seen}"
    except FieldError as error:
        return error.problem


def _number(point: Point, value: Any) -> Decimal:
    if point.layout.is_flags and isinstance(value, list) and all(name in point.bits for name in value):
        return Decimal(sum(1 << point.bits[name] for name in set(value)))
    if isinstance(value, str) and value in point.names:
        return Decimal(point.names[value])
    return read_number(value)


def _read_frame(value: Any) -> tuple[bytes, bytes]:
    if not isinstance(value, str):
        raise FieldError("expected a frame", 'write hexadecimal digits in quotes, such as "28 03 0000 0002 C232"')
    return read_frame(value)


def _read_values(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not value:
        raise FieldError("expected the values that the frame carries", "write such as { output = 1 }")
    return value


_FRAME: Kind[tuple[bytes, bytes]] = Kind(_read_frame, '"28 03 0000 0002 C232"', (b"", b""))
_VALUES: Kind[Mapping[str, Any]] = Kind(_read_values, "{ output = 1 }", {})
