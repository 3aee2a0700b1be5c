"""The lists by which an Alicat describes itself: its maker, its data frame's columns, its gases.

Source: replies captured on hardware that two client libraries quote (see `alicat.tables`).
"""

from nebctl_simulators.alicat.tables import CELSIUS, CODES, GASES, PSIA, FlowUnit

Row = tuple[str, str, str, str, str]
"""The statistic's number, its name, its type, its width and decimals, and its unit with the unit's number."""


def describe_maker(letter: str, model: str, serial: str, firmware: str) -> list[str]:
    """Return the lines of `??M*`."""
    lines = (
        "ALICAT SCIENTIFIC",
        "www.alicat.com",
        "Simulated, no hardware",
        "no aerosol, not a device",
        f"Model Number {model}",
        f"Serial Number {serial}",
        "Date Manufactured 01/01/2026",
        "Date Calibrated   01/01/2026",
        "Calibrated By     SIM",
        f"Software Revision {firmware}",
    )
    return [f"{letter}  M{place:02d} {text}" for place, text in enumerate(lines)]


def describe_columns(letter: str, unit: FlowUnit, set_point: Row | None, *, totalizer: bool) -> list[str]:
    """Return the lines of `??D*`: a head, each column, each code that may follow, and an empty line at the end."""
    digits = f"{unit.width}/{unit.decimals}"
    rows: list[Row] = [
        ("700", "Unit ID", "string", "1", ""),
        ("002", "Abs Press", "s decimal", "7/2", PSIA),
        ("003", "Flow Temp", "s decimal", "7/2", CELSIUS),
        ("004", "Volu Flow", "s decimal", digits, f"{unit.number:03d} 02 {unit.volumetric}"),
        ("005", "Mass Flow", "s decimal", digits, f"{unit.number:03d} 02 {unit.name}"),
    ]
    if set_point is not None:
        rows.append(set_point)
    if totalizer:
        rows.append(("009", "Total Mass", "s decimal", "10/1", f"{unit.total_number:03d} 02 {unit.total}"))
    rows += [("703", "Gas", "string", "6", ""), ("701", "*Error", "string", "3", "ADC")]
    rows += [("702", "*Status", "string", "3", code) for code in CODES]
    head = f"{letter} D00 ID_ NAME______________________ TYPE_______ WIDTH NOTES___________________"
    lines = [
        f"{letter} D{place:02d} {number} {name:<26} {kind:<11} {width:>5} {notes}".rstrip()
        for place, (number, name, kind, width, notes) in enumerate(rows, start=1)
    ]
    return [head, *lines, ""]


def list_gases(letter: str) -> list[str]:
    """Return the lines of `??G*`."""
    return [f"{letter} G{number:02d} {short:>8}" for number, (short, _) in GASES.items()]
