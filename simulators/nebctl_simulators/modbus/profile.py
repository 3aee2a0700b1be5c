"""A device profile (docs/reference/device-profile.md) read from its file, as far as a simulated nebulizer needs it.

The drivers read profiles with a reader of their own, and strictly; this one shares nothing with it, so that a mistake
in one of them shows.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from nebctl_simulators.modbus.conditions import Condition, Item
from nebctl_simulators.modbus.points import MANY, ONE, ORDERS, TYPES, Point

TABLES = ("holding", "input", "coil", "discrete")
QUANTITIES = ("current", "frequency", "power", "temperature")
Table = Mapping[str, Any]
T = TypeVar("T")
Wanted = Fraction | str
"""A number, or the word for what the host fills in at a start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What the points mean in a nebulizer; an empty text or mapping: the device has no such point.

    `states` maps off, sweep and running to the conditions by which they are read, and `dry` is that of the dry mesh.
    `no_fault` is what the point `fault` reads without one, where it is no point of flags. `ends` maps the words of the
    profile to the codes of the point `end`.
    """

    start: tuple[tuple[str, Wanted], ...]
    stop: tuple[tuple[str, Wanted], ...]
    states: Mapping[str, Condition]
    dry: Condition
    fault: str
    no_fault: Fraction
    end: str
    ends: Mapping[str, int]
    named: Mapping[str, str]
    quantities: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMap:
    """The register map of one kind of device; `ranges` are the addresses of each table that can be read, with gaps."""

    id: str
    points: Mapping[str, Point]
    ranges: Mapping[str, frozenset[int]]
    identity: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMap(RegisterMap):
    """The register map of one kind of nebulizer; `host_loss_ms` None: it does not look after its host."""

    roles: Roles
    host_loss_ms: int | None
    longest_on_ms: int | None


def read_map(path: Path) -> DeviceMap:
    """Return the register map of a profile.

    Raises: ValueError, with file and key, for a file that is no profile of a Modbus nebulizer.
    """
    return _read(path, _build, "nebulizer")


def read_registers(path: Path) -> RegisterMap:
    """Return the register map of a profile of any Modbus device.

    Raises: ValueError, with file and key, for a file that is no profile of one.
    """
    return _read(path, _build_registers, "device")


def _read(path: Path, build: Callable[[Table], T], what: str) -> T:
    try:
        return build(tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal))
    except OSError as error:
        raise ValueError(f"{path}: cannot read the profile ({error.strerror})") from error
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]} is missing; see docs/reference/device-profile.md") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a profile of a Modbus {what}: {error}") from error


def _build(table: Table) -> DeviceMap:
    registers, roles = _build_registers(table), _roles(table["nebulizer"])
    _check_names(registers.points, roles)
    promises = table.get("promises", {})
    return DeviceMap(
        id=registers.id,
        points=registers.points,
        ranges=registers.ranges,
        identity=registers.identity,
        roles=roles,
        host_loss_ms=promises.get("host_loss_off_ms"),
        longest_on_ms=table["nebulizer"].get("longest_on_ms"),
    )


def _build_registers(table: Table) -> RegisterMap:
    blocks: Table = table.get("block", {})
    function = table.get("bus", {}).get("write_function", MANY)
    points = {name: _point(name, given, blocks, function) for name, given in table["point"].items()}
    identity = _condition(table.get("identity", {}))
    _check_condition(points, identity, "identity")
    return RegisterMap(id=str(table["profile"]["id"]), points=points, ranges=_ranges(blocks, points), identity=identity)


def _point(name: str, given: Table, blocks: Table, function: int) -> Point:
    table = given["table"] if "table" in given else blocks[given["block"]]["table"]
    kind = given["type"]
    is_wide = str(kind).endswith("32")
    order = given["order"] if is_wide else given.get("order", "AB")
    function = given.get("write_function", function)
    known_orders = ORDERS[is_wide]
    checks = ((table, TABLES, "table"), (kind, TYPES, "type"), (order, known_orders, "order"))
    for value, known, what in checks:
        if value not in known:
            raise ValueError(f"point.{name}: {what} = {value!r}, expected one of {', '.join(known)}")
    if function not in (ONE, MANY):
        raise ValueError(f"point.{name}: write_function = {function!r}, expected {ONE} or {MANY}")
    limits = given.get("limits", {})
    access = given.get("access", "r")
    return Point(
        name=name,
        table=table,
        address=int(given["address"]),
        type=kind,
        order=order,
        length=int(given.get("length", 0)),
        scale=Fraction(given.get("scale", 1)),
        offset=Fraction(given.get("offset", 0)),
        unit=given.get("unit", "1"),
        readable="r" in access,
        writable="w" in access,
        least=_maybe(limits.get("least")),
        most=_maybe(limits.get("most")),
        reset=_maybe(given.get("reset_value")),
        names=given.get("names", {}),
        bits=given.get("bits", {}),
        alarms=tuple(given.get("alarms", ())),
        write_function=function,
    )


def _maybe(value: int | Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)


def _wanted(value: int | Decimal | str | bool) -> Wanted:
    return value if isinstance(value, str) else Fraction(value)


def _roles(table: Table) -> Roles:
    end, fault = table.get("end", {}), table.get("fault", {})
    return Roles(
        start=tuple((step["point"], _wanted(step["value"])) for step in table["start"]),
        stop=tuple((step["point"], _wanted(step["value"])) for step in table["stop"]),
        states={name: _condition(table.get(name, {})) for name in ("off", "sweep", "running")},
        dry=_condition(table.get("dry", {})),
        fault=fault.get("point", ""),
        no_fault=Fraction(fault.get("none", 0)),
        end=end.get("point", ""),
        ends={word: int(code) for word, code in end.items() if word != "point"},
        named={key: table[key] for key in ("beat", "run", "on_time", "boot", "serial", "firmware") if key in table},
        quantities={key: point for key, point in table.get("quantities", {}).items() if key in QUANTITIES},
    )


def _condition(table: Table) -> Condition:
    return {point: tuple(map(_item, value if isinstance(value, list) else [value])) for point, value in table.items()}


def _item(value: int | Decimal | str | bool) -> Item:
    return value if isinstance(value, str) else Fraction(value)


def _check_condition(points: Mapping[str, Point], condition: Condition, where: str) -> None:
    for name, items in condition.items():
        if name not in points:
            raise ValueError(f"{where}: there is no point {name}")
        point = points[name]
        words = {item.removeprefix("!") for item in items if isinstance(item, str)} if point.type != "ascii" else set()
        unknown = sorted(words - set(point.bits) - set(point.names))
        if unknown or not items:
            raise ValueError(f"{where}: {name} has no value {', '.join(unknown) or 'at all'}")


def _check_names(points: Mapping[str, Point], roles: Roles) -> None:
    if not roles.start or not roles.stop:
        raise ValueError("nebulizer: start and stop need at least one write each")
    steps = [point for point, _ in (*roles.start, *roles.stop)]
    states = [point for state in roles.states.values() for point in state]
    used = (*steps, *states, *roles.dry, roles.fault, roles.end, *roles.named.values(), *roles.quantities.values())
    unknown = sorted({name for name in used if name} - set(points))
    if unknown:
        raise ValueError(f"nebulizer: there is no point {', '.join(unknown)}")
    for name, condition in (*roles.states.items(), ("dry", roles.dry)):
        _check_condition(points, condition, f"nebulizer.{name}")


def _ranges(blocks: Table, points: Mapping[str, Point]) -> dict[str, frozenset[int]]:
    spans: dict[str, set[int]] = {table: set() for table in TABLES}
    for block in blocks.values():
        spans[block["table"]].update(range(block["address"], block["address"] + block["count"]))
    for point in points.values():
        if point.readable:
            spans[point.table].update(point.addresses)
    return {table: frozenset(addresses) for table, addresses in spans.items()}
