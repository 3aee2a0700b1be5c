"""A device profile (docs/reference/device-profile.md) read from its file, as far as a simulated nebulizer needs it.

The drivers read profiles with a reader of their own, and strictly; this one shares nothing with it, so that a mistake
in one of them shows.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from nebctl_simulators.modbus.points import ORDERS, TYPES, Point

TABLES = ("holding", "input", "coil", "discrete")
QUANTITIES = ("current", "frequency", "power", "temperature")
Table = Mapping[str, Any]
Wanted = Fraction | str
"""A number, or a word: the name of a value or bit, or in a start what the host fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """What the points mean in a nebulizer; an empty text or mapping: the device has no such point.

    `states` maps off, sweep and running, `dry` the dry mesh, to the values by which they are read. `ends` maps the
    words of the profile to the codes of the point `end`.
    """

    start: tuple[tuple[str, Wanted], ...]
    stop: tuple[tuple[str, Wanted], ...]
    states: Mapping[str, Mapping[str, Wanted]]
    dry: Mapping[str, Wanted]
    fault: str
    end: str
    ends: Mapping[str, int]
    named: Mapping[str, str]
    quantities: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMap:
    """The register map of one kind of nebulizer.

    `ranges` are the addresses of each table that can be read, gaps included. `host_loss_ms` is None where the device
    does not look after its host.
    """

    id: str
    points: Mapping[str, Point]
    ranges: Mapping[str, frozenset[int]]
    identity: Mapping[str, Wanted]
    roles: Roles
    host_loss_ms: int | None
    longest_on_ms: int | None


def read_map(path: Path) -> DeviceMap:
    """Return the register map of a profile.

    Raises: ValueError, with file and key, for a file that is no profile of a Modbus nebulizer.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return _build(tomllib.loads(text, parse_float=Decimal))
    except OSError as error:
        raise ValueError(f"{path}: cannot read the profile ({error.strerror})") from error
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]} is missing; see docs/reference/device-profile.md") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a profile of a Modbus nebulizer: {error}") from error


def _build(table: Table) -> DeviceMap:
    blocks: Table = table.get("block", {})
    points = {name: _point(name, given, blocks) for name, given in table["point"].items()}
    roles = _roles(table["nebulizer"])
    _check_names(points, roles)
    promises = table.get("promises", {})
    return DeviceMap(
        id=str(table["profile"]["id"]),
        points=points,
        ranges=_ranges(blocks, points),
        identity={name: _wanted(value) for name, value in table.get("identity", {}).items()},
        roles=roles,
        host_loss_ms=promises.get("host_loss_off_ms"),
        longest_on_ms=table["nebulizer"].get("longest_on_ms"),
    )


def _point(name: str, given: Table, blocks: Table) -> Point:
    table = given["table"] if "table" in given else blocks[given["block"]]["table"]
    kind = given["type"]
    order = given.get("order", "ABCD")
    for value, known, what in ((table, TABLES, "table"), (kind, TYPES, "type"), (order, ORDERS, "order")):
        if value not in known:
            raise ValueError(f"point.{name}: {what} = {value!r}, expected one of {', '.join(known)}")
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
    )


def _maybe(value: int | Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)


def _wanted(value: int | Decimal | str | bool) -> Wanted:
    return value if isinstance(value, str) else Fraction(value)


def _roles(table: Table) -> Roles:
    end = table.get("end", {})
    return Roles(
        start=tuple((step["point"], _wanted(step["value"])) for step in table["start"]),
        stop=tuple((step["point"], _wanted(step["value"])) for step in table["stop"]),
        states={name: _mapping(table.get(name, {})) for name in ("off", "sweep", "running")},
        dry=_mapping(table.get("dry", {})),
        fault=table.get("fault", {}).get("point", ""),
        end=end.get("point", ""),
        ends={word: int(code) for word, code in end.items() if word != "point"},
        named={key: table[key] for key in ("beat", "run", "on_time", "boot", "serial", "firmware") if key in table},
        quantities={key: point for key, point in table.get("quantities", {}).items() if key in QUANTITIES},
    )


def _mapping(table: Table) -> dict[str, Wanted]:
    return {point: _wanted(value) for point, value in table.items()}


def _check_names(points: Mapping[str, Point], roles: Roles) -> None:
    if not roles.start or not roles.stop:
        raise ValueError("nebulizer: start and stop need at least one write each")
    steps = [point for point, _ in (*roles.start, *roles.stop)]
    states = [point for state in roles.states.values() for point in state]
    used = (*steps, *states, *roles.dry, roles.fault, roles.end, *roles.named.values(), *roles.quantities.values())
    unknown = sorted({name for name in used if name} - set(points))
    if unknown:
        raise ValueError(f"nebulizer: there is no point {', '.join(unknown)}")


def _ranges(blocks: Table, points: Mapping[str, Point]) -> dict[str, frozenset[int]]:
    spans: dict[str, set[int]] = {table: set() for table in TABLES}
    for block in blocks.values():
        spans[block["table"]].update(range(block["address"], block["address"] + block["count"]))
    for point in points.values():
        if point.readable:
            spans[point.table].update(point.addresses)
    return {table: frozenset(addresses) for table, addresses in spans.items()}
