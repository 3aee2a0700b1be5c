"""The columns of a data frame, as the controller's own table tells them, and a frame read by them.

Status codes stand behind the columns, any number of them; where they begin is known only by the table. There is no
checksum: each number must have the width and the decimals of its column, so that a lost or doubled character shows.

Source: the table as it came from an MC-500SCCM-D with firmware 10v20 (docs/devices/alicat-gas-controller.md).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from nebctl_drivers.gas_controller.registers import GasReading

from .frames import Frame, Row, SetPoints

PRESSURE, TEMPERATURE, FLOW, SET_POINT, GAS = 2, 3, 5, 37, 703
"""Statistic numbers. Source: Alicat Serial Primer rev. 2, appendix A."""
_UNIT_ID = 700
_NEEDED = {
    PRESSURE: "absolute pressure",
    TEMPERATURE: "temperature",
    FLOW: "mass flow",
    SET_POINT: "mass flow set-point",
}
_HEADER = ("ID_", "NAME", "TYPE", "WIDTH", "NOTES")
_NOTES = re.compile(r"([0-9]{1,3}) +[0-9]{1,2} +([!-~]+)")
_WIDTH = re.compile(r"([0-9]{1,2})/([0-9])")
_HELD = "HLD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The units that are known, by the label in the table: each with its code there and what one of it is.

    `flow` in sccm, `pressure` in Pa, `temperature` in millidegrees Celsius.
    """

    flow: Mapping[str, tuple[int, Decimal]]
    pressure: Mapping[str, tuple[int, Decimal]]
    temperature: Mapping[str, tuple[int, Decimal]]

    def of(self, statistic: int) -> Mapping[str, tuple[int, Decimal]]:
        """Return the units that a needed column may have."""
        return {PRESSURE: self.pressure, TEMPERATURE: self.temperature}.get(statistic, self.flow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; `decimals` None means text. `factor` makes our unit of it, None where we need none of it."""

    statistic: int
    name: str
    width: int
    decimals: int | None
    code: int = 0
    label: str = ""
    factor: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns in their order, without the unit id, and the status codes that the table announces."""

    columns: tuple[Column, ...]
    codes: frozenset[str]

    def find(self, statistic: int) -> Column:
        """Return the column of a needed statistic, which `read_table` has made sure of."""
        return next(column for column in self.columns if column.statistic == statistic)

    def in_device_unit(self, sccm: int) -> Decimal | str:
        """Return a flow as a set-point of the controller's own unit and decimals; a text where it has no such step."""
        column = self.find(SET_POINT)
        assert column.factor is not None
        assert column.decimals is not None
        value, step = sccm / column.factor, Decimal(1).scaleb(-column.decimals)
        if value % step:
            return f"{sccm} sccm, between two steps of {step} {column.label}"
        return value.quantize(min(step, Decimal("0.1")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How status codes and small flows are taken.

    `severities` are the known status codes; True makes a code an alarm, and so is one that the controller's own table
    announces and we do not know. At or below `off_sccm` no gas flows.
    """

    severities: Mapping[str, bool]
    off_sccm: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A frame in our units; `codes` are all status codes, `gas` the gas that the controller measures by.

    `set_point` is the set-point as it stands there, in the controller's own unit.
    """

    values: GasReading
    set_point: Decimal
    codes: tuple[str, ...]
    gas: str

    @property
    def held(self) -> bool:
        """Return whether the valve is held past its control loop."""
        return _HELD in self.codes


def read_table(rows: Sequence[Row], units: Units) -> Layout | str:
    """Return the columns that the rows of `??D*` tell, or what is wrong with them."""
    if not rows or [row.number for row in rows] != list(range(len(rows))):
        return f"a table of columns with the rows {', '.join(f'D{row.number:02}' for row in rows)}"
    header = rows[0].line
    if any(name not in header for name in _HEADER):
        return f"the table header {header!r}, which is of firmware older than 6v00"
    places = [header.index(name) for name in _HEADER]
    columns: list[Column] = []
    codes: set[str] = set()
    for row in rows[1:]:
        cells = [row.line[start:end].strip() for start, end in zip(places, [*places[1:], None], strict=True)]
        column = _column(cells, units)
        if isinstance(column, str):
            return f"the row {row.line!r}: {column}"
        if column.name.startswith("*"):
            codes.add(cells[4])
        else:
            columns.append(column)
    return _checked(columns, codes)


def _column(cells: Sequence[str], units: Units) -> Column | str:
    statistic, name, kind, width, notes = cells
    if not statistic.isdigit() or not name:
        return "no statistic number and name"
    number = int(statistic)
    if kind == "string" and width.isdigit():
        return Column(statistic=number, name=name, width=int(width), decimals=None)
    size, unit = _WIDTH.fullmatch(width), _NOTES.fullmatch(notes)
    if kind != "s decimal" or size is None or unit is None:
        return f"the type {kind!r} with width {width!r} and notes {notes!r}"
    code, label, factor = int(unit[1]), unit[2], None
    if number in _NEEDED:
        known = units.of(number)
        if known.get(label, (None,))[0] != code:
            listed = ", ".join(f"{right} ({its:03})" for right, (its, _) in known.items())
            return f"{name} in the unit {label} ({code:03}); expected {listed}"
        factor = known[label][1]
    return Column(
        statistic=number, name=name, width=int(size[1]), decimals=int(size[2]), code=code, label=label, factor=factor
    )


def _checked(columns: Sequence[Column], codes: Collection[str]) -> Layout | str:
    told = [column.statistic for column in columns]
    missing = [name for statistic, name in _NEEDED.items() if told.count(statistic) != 1]
    if missing:
        return f"a data frame without one column for {', '.join(missing)}"
    if told[0] != _UNIT_ID or _UNIT_ID in told[1:] or told.count(GAS) > 1:
        return "a data frame that does not begin with the unit id"
    return Layout(tuple(columns[1:]), frozenset(codes))


def read_frame(frame: Frame, layout: Layout, rules: Rules, at_ns: int) -> Reading | str:
    """Return the frame in our units, or what is wrong with it; `at_ns` is the host's time of its arrival.

    A held valve is no alarm while neither set-point nor gas asks for more: it is how a STOP leaves the controller.
    """
    count = len(layout.columns)
    if len(frame.fields) < count:
        return f"a data frame of {len(frame.fields)} fields where {count} belong"
    for column, text in zip(layout.columns, frame.fields[:count], strict=True):
        if not _is_of(column, text):
            return f"{column.name} {text!r}, which is not of the table's form"
    codes = frame.fields[count:]
    strange = [code for code in codes if code not in rules.severities and code not in layout.codes]
    if strange or len(set(codes)) != len(codes):
        return f"{' '.join(codes)!r} where status codes belong"
    values = dict(zip((column.statistic for column in layout.columns), frame.fields, strict=False))
    setpoint, flow = _in_our_unit(layout, values, SET_POINT), _in_our_unit(layout, values, FLOW)
    idle = setpoint == 0 and abs(flow) <= rules.off_sccm
    reading = GasReading(
        at_ns=at_ns,
        setpoint_sccm=setpoint,
        flow_sccm=flow,
        pressure_pa=_in_our_unit(layout, values, PRESSURE),
        temp_mc=_in_our_unit(layout, values, TEMPERATURE),
        alarms=tuple(code for code in codes if rules.severities.get(code, True) and not (code == _HELD and idle)),
    )
    return Reading(values=reading, set_point=Decimal(values[SET_POINT]), codes=codes, gas=values.get(GAS, ""))


def compare(told: SetPoints, reading: Reading) -> str:
    """Return what speaks against a frame and a set-point query of the same moment; empty for nothing.

    While a ramp runs the set-point in force moves between the two, and only a frame outside the ramp is wrong.
    """
    low, high = sorted((told.current, told.requested))
    if low <= reading.set_point <= high:
        return ""
    return f"a set-point of {reading.set_point} in the data frame and {told.requested} when asked for it"


def check_unit(told: SetPoints, layout: Layout) -> str:
    """Return what is wrong with the unit of a set-point; empty while it is that of the table."""
    column = layout.find(SET_POINT)
    if (told.code, told.label) == (column.code, column.label):
        return ""
    return f"a set-point in {told.label} ({told.code}) where the table of columns had {column.label} ({column.code})"


def _is_of(column: Column, text: str) -> bool:
    if column.decimals is None:
        return len(text) <= column.width and not text.startswith(("+", "-"))
    whole, _, decimals = text.partition(".")
    right = text[0] in "+-" and whole[1:].isdigit() and len(decimals) == column.decimals
    return right and len(text) == column.width and (decimals.isdigit() or not column.decimals)


def _in_our_unit(layout: Layout, values: Mapping[int, str], statistic: int) -> int:
    factor = layout.find(statistic).factor
    assert factor is not None
    return round(Decimal(values[statistic]) * factor)
