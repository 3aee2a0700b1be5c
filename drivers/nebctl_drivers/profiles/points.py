"""The tables [block.NAME] and [point.NAME] of a profile, and whether they fit together."""

import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations

from nebctl.core.faults import FieldError

from .codec import ORDERS_16, ORDERS_32, TYPES, Layout, encode
from .form import NAMES, NUMBER, NUMBERING, RAWS, Form, Kind, choice, name_among, whole
from .profile import WRITE_COIL, WRITE_MANY, WRITE_ONE, Block, Limits, Point, Serial, Space
from .quantities import UNITS

MOST_WIRE_MS = 40
"""No read occupies the wire for longer, because a STOP may have to wait for its end (S20)."""
_SPACES = tuple(space.value for space in Space)
_MOST_COUNT = {Space.HOLDING: 125, Space.INPUT: 125, Space.COIL: 2000, Space.DISCRETE: 2000}
"""Source: Modbus Application Protocol V1.1b3, 6.1 to 6.4."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")
ADDRESSES = 0x10000
_ADDRESS = whole(0, 0xFFFF, 1009)
_MILLISECONDS = whole(1, 3_600_000, 250)


def _read_function(value: object) -> int:
    if type(value) is not int or value not in (WRITE_ONE, WRITE_MANY):
        raise FieldError(f"expected {WRITE_ONE} or {WRITE_MANY}", "write the function by which the device is written")
    return value


WRITE_FUNCTION: Kind[int] = Kind(_read_function, str(WRITE_MANY), WRITE_MANY)


@dataclass(slots=True)
class Map:
    """The register map as far as it could be read: what is wrong is named in `forms` only."""

    blocks: dict[str, Block] = field(default_factory=dict)
    points: dict[str, Point] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    write_function: int = WRITE_MANY

    def names(self) -> tuple[str, ...]:
        """Return the names of all points, also of those that are wrong."""
        return tuple(name.removeprefix("point.") for name in self.forms if name.startswith("point."))


def read_map(form: Form, serial: Serial, write_function: int = WRITE_MANY) -> Map:
    """Read all blocks and points; `write_function` writes the registers of a point that names no function itself."""
    found = Map(write_function=write_function)
    blocks, points = dict(form.subs("block")), dict(form.subs("point"))
    found.forms |= {f"block.{name}": block for name, block in blocks.items()}
    found.forms |= {f"point.{name}": point for name, point in points.items()}
    for name, block in blocks.items():
        _read_block(found, name, block, serial)
    for name, point in points.items():
        _read_point(found, name, point)
    _refuse_overlaps(found)
    _compare_manual(found)
    return found


def wire_ms(block: Block, baudrate: int, char_bits: int) -> float:
    """Return for how long request and answer of a block occupy the wire."""
    return block.bytes_on_wire() * char_bits * 1000 / baudrate


def _read_manual(value: object) -> int | str:
    if (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value):
        return value
    raise FieldError("expected the manual's own number", 'write it as the manual does, such as 40001 or "0x3E9"')


_MANUAL: Kind[int | str] = Kind(_read_manual, "40001", "")


def _check_name(form: Form, name: str) -> None:
    if not _NAME.fullmatch(name):
        form.blame("", "this name has other signs than a-z, 0-9 and _", "write such as mass_flow", name)


def _read_block(found: Map, name: str, form: Form, serial: Serial) -> None:
    _check_name(form, name)
    space = Space(form.need("table", choice(*_SPACES)))
    form.need("manual", _MANUAL)
    block = Block(
        name=name,
        space=space,
        address=form.need("address", _ADDRESS),
        count=form.need("count", whole(1, _MOST_COUNT[space], 8)),
        period_ms=form.need("period_ms", _MILLISECONDS),
        stale_ms=form.need("stale_ms", _MILLISECONDS),
    )
    form.finish()
    if form.spoilt:
        return
    if block.address + block.count > ADDRESSES:
        form.blame(
            "count", "the block ends after the last address, 65535", f"write at most {ADDRESSES - block.address}"
        )
    if block.stale_ms < block.period_ms:
        form.blame("stale_ms", f"it would be stale before it is read again ({block.period_ms} ms)", "write more")
    took = wire_ms(block, serial.baudrate, serial.char_bits)
    if took > MOST_WIRE_MS:
        said = f"reading it occupies the wire for {took:.1f} ms at {serial.baudrate} baud, and a STOP would wait"
        form.blame("count", said, f"write smaller blocks, of at most {MOST_WIRE_MS} ms each")
    found.blocks[name] = block


def _read_point(found: Map, name: str, form: Form) -> None:
    _check_name(form, name)
    access = form.need("access", choice("r", "rw", "w"))
    block, space = _place(found, form, access)
    layout = _layout(form, space)
    flags = layout.is_flags
    plain = not flags and layout.type not in {"ascii", "bit", "float32"}
    form.need("manual", _MANUAL)
    bits = form.need("bits", NUMBERING) if flags else {}
    both = access == "rw"
    point = Point(
        name=name,
        block=block,
        space=space or Space.HOLDING,
        address=form.need("address", _ADDRESS),
        layout=layout,
        unit=form.need("unit", choice(*UNITS)),
        access=access,
        limits=_limits(form, layout, access),
        tolerance=_tolerance(form) if both else Decimal(0),
        reset_value=form.may("reset_value", NUMBER, Decimal(0)) if both and "reset_value" in form else None,
        nan=form.may("nan", RAWS, ()) if layout.type not in {"ascii", "bit"} else (),
        bits=bits,
        alarms=form.may("alarms", NAMES, ()) if flags else (),
        names=form.may("names", NUMBERING, {}) if plain else {},
        overlaps=form.may("overlaps", NAMES, ()),
        write_function=_write_function(found, form, access, layout),
    )
    form.finish()
    if not form.spoilt:
        found.points[name] = point
        _check_point(found, form, point)


def _place(found: Map, form: Form, access: str) -> tuple[str | None, Space | None]:
    """Return the block of a point and its table; a point that is only written names its table itself."""
    if access == "w":
        return None, Space(form.need("table", choice(Space.HOLDING.value, Space.COIL.value)))
    blocks = [name.removeprefix("block.") for name in found.forms if name.startswith("block.")]
    name = form.need("block", name_among(blocks, "block"))
    if name not in found.blocks:
        return name, None
    space = found.blocks[name].space
    if space.is_read_only and "w" in access:
        what = "a discrete input" if space.holds_bits else "an input register"
        form.blame("access", f"{what} cannot be written", 'write access = "r", or another block')
    return name, space


def _layout(form: Form, space: Space | None) -> Layout:
    kind = form.need("type", choice(*TYPES))
    if space is not None and (kind == "bit") != space.holds_bits:
        right = 'write type = "bit" for coils and discrete inputs, and for them alone'
        form.blame("type", f"the table {space.value} holds no {kind}", right)
    length = form.need("length", whole(1, 250, 16)) if kind == "ascii" else 0
    bare = Layout(type=kind, order="")
    if bare.is_wide:
        order = form.need("order", choice(*ORDERS_32))
    else:
        order = form.may("order", choice(*ORDERS_16), "AB") if kind != "bit" else "AB"
    if kind in {"ascii", "bit"} or bare.is_flags:
        return Layout(type=kind, order=order, length=length)
    scale = form.may("scale", NUMBER, Decimal(1))
    if not scale:
        form.blame("scale", "with a scale of 0 every value would be the same", "write what one step is worth")
        scale = Decimal(1)
    return Layout(type=kind, order=order, scale=scale, offset=form.may("offset", NUMBER, Decimal(0)))


def _limits(form: Form, layout: Layout, access: str) -> Limits | None:
    if layout.type in {"ascii", "bit"} or layout.is_flags:
        return None
    writable = "w" in access
    if not writable and "limits" not in form:
        return None
    inner = form.sub("limits", needed=True)
    if "limits" not in form:
        form.spoilt = True
        return None
    limits = Limits(
        least=inner.need("least", NUMBER),
        most=inner.need("most", NUMBER),
        safe=inner.need("safe", NUMBER) if writable else None,
    )
    inner.finish()
    if not inner.spoilt:
        _check_limits(inner, layout, limits)
    form.spoilt |= inner.spoilt
    return limits


def _check_limits(form: Form, layout: Layout, limits: Limits) -> None:
    if limits.least > limits.most:
        form.blame("least", f"the least is more than the most, {limits.most}", "exchange the two")
    elif limits.safe is not None and not limits.least <= limits.safe <= limits.most:
        form.blame("safe", "the safe value is outside the limits", f"write {limits.least} to {limits.most}")
    if limits.safe is not None:
        for key, value in (("least", limits.least), ("most", limits.most), ("safe", limits.safe)):
            _try(form, key, layout, value)


def _try(form: Form, key: str, layout: Layout, value: Decimal) -> None:
    try:
        encode(layout, value)
    except FieldError as error:
        form.blame(key, error.problem, error.right)


def _write_function(found: Map, form: Form, access: str, layout: Layout) -> int:
    """Return the function that writes a point; a coil has one alone."""
    if layout.type == "bit":
        return WRITE_COIL
    function = found.write_function
    if "w" in access:
        function = form.may("write_function", WRITE_FUNCTION, function)
    if "w" in access and function == WRITE_ONE and layout.registers > 1:
        said = f"function {WRITE_ONE} writes one register, and this value takes {layout.registers}"
        form.blame("write_function", said, f"write write_function = {WRITE_MANY}", function)
    return function


def _tolerance(form: Form) -> Decimal:
    inner = form.sub("readback")
    tolerance = inner.need("tol", NUMBER) if "readback" in form else Decimal(0)
    inner.finish()
    if tolerance < 0:
        inner.blame("tol", "a tolerance is not negative", "write 0 or more")
    form.spoilt |= inner.spoilt
    return tolerance


def _check_point(found: Map, form: Form, point: Point) -> None:
    layout = point.layout
    if point.reset_value is not None:
        _try(form, "reset_value", layout, point.reset_value)
    if layout.type == "ascii" and point.writable:
        form.blame("access", "a text is never written", 'write access = "r"')
    for name in set(point.overlaps) - set(found.names()):
        form.blame("overlaps", f"there is no point {name}", "write the names of points of this profile")
    _check_flags(form, point)
    _check_place(found, form, point)


def _check_flags(form: Form, point: Point) -> None:
    bits = 16 * point.layout.registers
    for name, place in point.bits.items():
        if place >= bits:
            form.blame("bits", f"{name} is no bit of a {point.layout.type}", f"write 0 to {bits - 1}")
    for name in point.alarms:
        if name not in point.bits:
            form.blame("alarms", f"{name} is none of its bits", f"write some of {', '.join(point.bits)}")


def _check_place(found: Map, form: Form, point: Point) -> None:
    if point.end > ADDRESSES:
        most = ADDRESSES - point.layout.registers
        form.blame("address", "the value ends after the last address, 65535", f"write at most {most}")
    block = found.blocks.get(point.block or "")
    if block is not None and not block.address <= point.address <= point.end <= block.address + block.count:
        said = f"it is outside its block {block.name}, {block.address} to {block.address + block.count - 1}"
        form.blame("address", said, "correct the address, or make the block larger")


def _refuse_overlaps(found: Map) -> None:
    for one, other in combinations(found.points.values(), 2):
        apart = one.space is not other.space or one.end <= other.address or other.end <= one.address
        if apart or other.name in one.overlaps or one.name in other.overlaps:
            continue
        said = f"it shares registers with the point {one.name}"
        right = f'correct one of them, or say so: overlaps = ["{one.name}"]'
        found.forms[f"point.{other.name}"].blame("address", said, right)


def _compare_manual(found: Map) -> None:
    """Refuse a manual number that is not as far from its address as the others of its table: a slip by one shows."""
    places = {f"block.{name}": (block.space, block.address) for name, block in found.blocks.items()}
    places |= {f"point.{name}": (point.space, point.address) for name, point in found.points.items()}
    numbers = {name: found.forms[name].need("manual", _MANUAL) for name in places}
    apart = {name: number - places[name][1] for name, number in numbers.items() if isinstance(number, int)}
    for space in Space:
        there = {name: apart[name] for name in apart if places[name][0] is space}
        usual, times = next(iter(Counter(there.values()).most_common(1)), (0, 0))
        for name, difference in there.items():
            if difference != usual and times > 1:
                said = f"elsewhere in this table the manual's number is the address + {usual}, here + {difference}"
                right = "correct one of the two, or write a number of another kind as a text"
                found.forms[name].blame("manual", said, right)
