"""The tables [identity], [nebulizer] and [promises]: what the points of a map mean, and whether that can be kept."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from nebctl.core.device import EndCause
from nebctl.core.faults import FieldError

from .codec import encode
from .form import FLAG, NUMBER, Form, Kind, name_among, read_number, whole
from .points import Map
from .profile import Condition, Expected, FaultPoint, Fill, Point, Roles, Setting
from .quantities import UNITS, Quantity

QUANTITIES: Mapping[str, Quantity] = {
    "current": Quantity.CURRENT,
    "frequency": Quantity.FREQUENCY,
    "power": Quantity.POWER,
    "temperature": Quantity.TEMPERATURE,
    "volume": Quantity.VOLUME,
    "gas_flow": Quantity.FLOW,
    "pressure": Quantity.PRESSURE,
}
"""The quantities of a device's report that a point may fill, and what its unit must measure."""
MOST_HOST_LOSS_MS = 60_000
_ENDS = tuple(cause.value for cause in EndCause)
_FILLS = tuple(fill.value for fill in Fill)
_RUN_MOST = Decimal(0xFFFFFFFF)


def read_condition(form: Form, found: Map, *, needed: bool = True) -> Condition:
    """Read a table of points with the values that they must have; every point named must have one of its own."""
    condition: dict[str, Expected] = {}
    for name in form:
        point = _point(form, found, name)
        value = form.need(name, _expected(point)) if point is not None else form.need(name, _ANYTHING)
        condition[name] = value
    if needed and not tuple(form) and not form.spoilt:
        form.blame("", "no point is named here", "write such as state = 0")
    return condition


def read_roles(form: Form, promises: Form, found: Map) -> Roles | None:
    """Read what the points mean for a nebulizer; None where something is wrong, which the forms then say."""
    ends = _ends(form, found)
    roles = Roles(
        start=_settings(form, found, "start"),
        stop=_settings(form, found, "stop"),
        start_within_ms=form.need("start_within_ms", whole(1, 10_000, 500)),
        longest_on_ms=form.need("longest_on_ms", whole(1000, 86_400_000, 1_800_000)),
        beat=_role(form, found, "beat"),
        run=_role(form, found, "run"),
        on_time=_role(form, found, "on_time"),
        boot=_role(form, found, "boot"),
        serial=_role(form, found, "serial"),
        firmware=_role(form, found, "firmware"),
        off=read_condition(form.sub("off", needed=True), found),
        running=read_condition(form.sub("running", needed=True), found),
        sweep=read_condition(form.sub("sweep"), found, needed=False),
        dry=read_condition(form.sub("dry"), found, needed=False),
        fault=_fault(form, found),
        ends=ends,
        quantities=_quantities(form, found),
        keeps_s14=promises.need("keeps_s14", FLAG),
        host_loss_off_ms=_host_loss(promises),
        max_on_in_device=promises.need("max_on_in_device", FLAG),
    )
    form.finish()
    promises.finish()
    if not form.spoilt and not promises.spoilt:
        _check_settings(form, found, roles)
        _check_roles(form, found, roles)
        _check_promises(promises, found, roles)
    return None if form.spoilt or promises.spoilt else roles


def _anything(value: Any) -> Expected:
    return tuple(value) if isinstance(value, list) else (value,)


_ANYTHING: Kind[Expected] = Kind(_anything, "0", ())


def _point(form: Form, found: Map, name: str) -> Point | None:
    """Return a point that is named as a key; None where it is wrong, or has its own fault already."""
    if name not in found.names():
        form.blame(name, "there is no such point in this profile", f"write one of {', '.join(found.names())}")
    point = found.points.get(name)
    if point is not None and not point.readable:
        form.blame(name, "this point is never read", 'give it access = "rw"')
        return None
    return point


def _expected(point: Point) -> Kind[Expected]:
    example = f'"{next(iter(point.bits))}"' if point.bits else "0"

    def read(value: Any) -> Expected:
        items = value if isinstance(value, list) else [value]
        if not items or point.layout.type == "float32":
            right = "name a point that counts" if items else f"write such as {example}"
            raise FieldError("expected values that a reading can be equal to", right)
        return tuple(_item(point, item) for item in items)

    return Kind(read, example, ())


def _item(point: Point, item: Any) -> Decimal | str:
    if point.layout.is_flags:
        if not isinstance(item, str) or item.removeprefix("!") not in point.bits:
            right = (
                f'write one of {", ".join(point.bits)}, or such as "!{next(iter(point.bits))}" for one that is not set'
            )
            raise FieldError("expected a flag", right)
        return item
    if point.layout.type == "ascii":
        if not isinstance(item, str):
            raise FieldError("expected a text", 'write it in quotes, such as "MN-1"')
        return item
    if isinstance(item, str) and item in point.names:
        return Decimal(point.names[item])
    number = read_number(item)
    encode(point.layout, number)
    return number


def _role(form: Form, found: Map, key: str) -> str | None:
    """Return the point of a role; None where the device has none."""
    return form.may(key, name_among(found.names(), "point"), "") or None


def _settings(form: Form, found: Map, key: str) -> tuple[Setting, ...]:
    def read(value: Any) -> tuple[Setting, ...]:
        if not isinstance(value, list) or not value:
            raise FieldError("expected a list of writes", _SETTINGS)
        return tuple(_setting(item, found) for item in value)

    return form.need(key, Kind(read, '[{ point = "output", value = 0 }]', ()))


_SETTINGS = 'write such as [{ point = "output", value = 0 }]'


def _setting(item: Any, found: Map) -> Setting:
    if not isinstance(item, dict) or set(item) != {"point", "value"}:
        raise FieldError("each write has a point and a value, and nothing else", _SETTINGS)
    name, value = item["point"], item["value"]
    if name not in found.names():
        raise FieldError(f"there is no point {name!r} in this profile", f"write one of {', '.join(found.names())}")
    if isinstance(value, str):
        if value not in _FILLS:
            raise FieldError(f"{value!r} is not filled in by the driver", f"write a number, or {', '.join(_FILLS)}")
        return Setting(name, Fill(value))
    return Setting(name, read_number(value))


def _fault(form: Form, found: Map) -> FaultPoint | None:
    inner = form.sub("fault")
    if not tuple(inner):
        return None
    name = inner.need("point", name_among(found.names(), "point"))
    point = found.points.get(name)
    counts = point is not None and not point.layout.is_flags
    fault = FaultPoint(name, inner.need("none", NUMBER) if counts else Decimal(0))
    if point is not None and point.layout.is_flags and not point.alarms:
        inner.blame("point", "its flags are no alarms", "give the point alarms")
    inner.finish()
    form.spoilt |= inner.spoilt
    return fault


def _ends(form: Form, found: Map) -> tuple[str, Mapping[Decimal, EndCause]] | None:
    inner = form.sub("end")
    if not tuple(inner):
        return None
    point = inner.need("point", name_among(found.names(), "point"))
    causes = {inner.need(key, NUMBER): EndCause(key) for key in _ENDS if key in inner}
    if len(causes) < len([key for key in _ENDS if key in inner]):
        inner.blame("", "two causes have one number", "give each its own")
    if EndCause.NONE not in causes.values():
        inner.blame("", "what it reads as while it runs is missing", "write none = 0")
    for key in set(_ENDS) - set(inner):
        inner.may(key, NUMBER, Decimal(0))
    inner.finish()
    form.spoilt |= inner.spoilt
    return point, causes


def _quantities(form: Form, found: Map) -> Mapping[str, str]:
    inner = form.sub("quantities")
    chosen: dict[str, str] = {}
    for key, quantity in QUANTITIES.items():
        name = inner.may(key, name_among(found.names(), "point"), "")
        if not name:
            continue
        chosen[key] = name
        point = found.points.get(name)
        if point is not None and UNITS[point.unit].quantity is not quantity:
            right = f"name a point in {', '.join(unit for unit, known in UNITS.items() if known.quantity is quantity)}"
            inner.blame(key, f"this point is in {point.unit}, which is no {key.replace('_', ' ')}", right)
    inner.finish()
    form.spoilt |= inner.spoilt
    return chosen


def _host_loss(promises: Form) -> int | None:
    key = "host_loss_off_ms"
    return promises.may(key, whole(1, MOST_HOST_LOSS_MS, 2000), 0) or None


def _check_settings(form: Form, found: Map, roles: Roles) -> None:
    for key, settings in (("start", roles.start), ("stop", roles.stop)):
        for setting in settings:
            point = found.points.get(setting.point)
            problem = _why_not(point, setting, stops=key == "stop") if point is not None else None
            if problem is not None:
                form.blame(key, f"{setting.point}: {problem.problem}", problem.right)


def _why_not(point: Point, setting: Setting, *, stops: bool) -> FieldError | None:
    """Return why a point cannot be set so; None where it can."""
    if not point.writable:
        return FieldError("this point is never written", 'give it access = "rw" or "w"')
    if isinstance(setting.value, Fill):
        return _why_no_fill(point, setting.value, stops=stops)
    limits = point.limits
    if limits is not None and not limits.least <= setting.value <= limits.most:
        return FieldError(f"{setting.value} is outside its limits", f"write {limits.least} to {limits.most}")
    if stops and limits is not None and setting.value != limits.safe:
        return FieldError(f"a stop writes {setting.value}, and the safe value is {limits.safe}", "let them be one")
    try:
        encode(point.layout, setting.value)
    except FieldError as error:
        return error
    return None


def _why_no_fill(point: Point, fill: Fill, *, stops: bool) -> FieldError | None:
    if stops:
        return FieldError("a stop writes numbers only", "write a number")
    if fill is Fill.RUN and not _is_run(point):
        return FieldError("a run is a uint32 without scale, from 0 to 4294967295", "correct the point")
    if fill is Fill.MAX_ON and UNITS[point.unit].quantity is not Quantity.TIME:
        return FieldError("the maximum on-time is a time", "give the point the unit ms, s or min")
    if fill is Fill.NUMBER and (point.access != "rw" or not _counts(point)):
        return FieldError("a command's number is a whole number that can be read back", "correct the point")
    return None


def _is_run(point: Point) -> bool:
    limits = point.limits
    wide = limits is None or (limits.least <= 1 and limits.most == _RUN_MOST)
    return point.layout.type == "uint32" and _counts(point) and wide


def _counts(point: Point) -> bool:
    """Return whether a point holds whole numbers from 0 on, as they are."""
    layout = point.layout
    return layout.type in {"uint16", "uint32"} and layout.scale == 1 and not layout.offset


def _check_roles(form: Form, found: Map, roles: Roles) -> None:
    points = found.points
    for key, good, right in (
        ("run", _is_run, "name a uint32 without scale"),
        ("boot", _counts, "name a uint16 or uint32 without scale"),
        ("on_time", lambda point: UNITS[point.unit].quantity is Quantity.TIME, "name a point in ms, s or min"),
    ):
        point = points.get(getattr(roles, key) or "")
        if point is not None and not (point.readable and good(point)):
            form.blame(key, "this point does not suit", right)
    for key in ("serial", "firmware"):
        point = points.get(getattr(roles, key) or "")
        if point is not None and not point.readable:
            form.blame(key, "this point is never read", 'give it access = "r"')
    ends = points.get(roles.ends[0]) if roles.ends else None
    if ends is not None and (not ends.readable or ends.layout.type in {"float32", "ascii"} or ends.layout.is_flags):
        form.sub("end").blame("point", "this point does not suit", "name a readable whole number")
    if roles.on_time is not None and roles.run is None:
        form.blame(
            "on_time", "without a run point nobody knows whose on-time it is", "name a run point, or leave it out"
        )
    _check_beat(form, found, roles)
    _check_brown_out(form, found, roles)


def _check_beat(form: Form, found: Map, roles: Roles) -> None:
    beat = found.points.get(roles.beat or "")
    if beat is None:
        return
    moved = {setting.point for setting in (*roles.start, *roles.stop)}
    if not beat.writable or not _counts(beat) or beat.name in moved:
        form.blame("beat", "this point does not suit", "name a writable whole number that start and stop leave alone")


def _check_brown_out(form: Form, found: Map, roles: Roles) -> None:
    if roles.boot is None and not reset_points(found.points, roles):
        said = "a loss of power would not show: no boot counter, and no start write that power-up takes back"
        form.blame("start", said, "name a boot point, or give a point that start writes a reset_value")


def reset_points(points: Mapping[str, Point], roles: Roles) -> dict[str, Decimal]:
    """Return the points whose start value power-up takes back, with that value."""
    last = {setting.point: setting.value for setting in roles.start}
    return {
        name: value
        for name, value in last.items()
        if isinstance(value, Decimal)
        and (point := points.get(name)) is not None
        and point.reset_value is not None
        and abs(point.reset_value - value) > point.tolerance
    }


def _check_promises(promises: Form, found: Map, roles: Roles) -> None:
    fills = {setting.value: setting.point for setting in roles.start if isinstance(setting.value, Fill)}
    if roles.keeps_s14 and Fill.NUMBER not in fills:
        said = "no start write carries a number, so that a duplicate could be told (S14)"
        promises.blame("keeps_s14", said, 'write false, or a start write with value = "number"')
    if roles.host_loss_off_ms is not None and roles.beat is None:
        promises.blame("host_loss_off_ms", "there is no beat whose end it could notice (S22)", "name a beat point")
    if roles.host_loss_off_ms is None and roles.beat is not None:
        promises.blame("", "how long it runs after the last beat is missing", "write host_loss_off_ms = 2000")
    if roles.max_on_in_device is not (Fill.MAX_ON in fills):
        said = "this and the start writes disagree: a maximum on-time in the device is one that it is given (S24)"
        promises.blame("max_on_in_device", said, 'write true with a start write of value = "max_on", else false')
    most = found.points.get(fills.get(Fill.MAX_ON, ""))
    if most is not None and most.limits is not None:
        most_ms = most.limits.most * UNITS[most.unit].factor
        if roles.longest_on_ms > most_ms:
            said = f"longest_on_ms = {roles.longest_on_ms} is more than {most.name} takes"
            promises.blame("max_on_in_device", said, f"write longest_on_ms = {most_ms} at most")
