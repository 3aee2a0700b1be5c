"""What an Alicat's ASCII dialect has in tables: gases, statistics, units, and since which firmware a command exists.

Source: Alicat Serial Communications Primer, revision 2 (appendices A to C), and replies captured on hardware that two
client libraries quote; DOC-MANUAL-MPL, January 2023, pages 29 to 33. No hardware was tried.
"""

from dataclasses import dataclass

GASES = {
    0: ("Air", "Air"),
    1: ("Ar", "Argon"),
    2: ("CH4", "Methane"),
    4: ("CO2", "Carbon Dioxide"),
    6: ("H2", "Hydrogen"),
    7: ("He", "Helium"),
    8: ("N2", "Nitrogen"),
    9: ("N2O", "Nitrous Oxide"),
    11: ("O2", "Oxygen"),
    17: ("Kr", "Krypton"),
    18: ("Xe", "Xenon"),
}
RAMP_TIMES = {3: ("ms", 0.001), 4: ("s", 1.0), 5: ("m", 60.0), 6: ("h", 3600.0), 7: ("d", 86_400.0)}
CODES = ("OPL", "POV", "P2O", "TOV", "VOV", "MOV", "TMF", "OVR", "COM", "HLD", "EXH", "GTA", "LCK")
SINCE = {
    "LS": (9, 0),
    "LSS": (10, 5),
    "GS": (10, 5),
    "HP": (5, 7),
    "HC": (5, 7),
    "C": (5, 7),
    "FPF": (6, 0),
    "SR": (7, 11),
    "LSRC": (10, 5),
    "NCS": (10, 5),
}
FOR_CONTROLLERS = {"S", "LS", "LSS", "HP", "HC", "C", "SR", "LSRC"}
"""What a meter, which has no valve, ignores without a word."""


@dataclass(frozen=True, slots=True)
class FlowUnit:
    """A unit of flow: number, name, the volumetric one beside it, how many make 1 L/min, digits, and its total."""

    number: int
    name: str
    volumetric: str
    per_litre: int
    width: int
    decimals: int
    total_number: int
    total: str


FLOW_UNITS = {
    "SLPM": FlowUnit(7, "SLPM", "LPM", 1, 7, 3, 4, "SL"),
    "SCCM": FlowUnit(12, "SCCM", "CCM", 1000, 8, 1, 6, "Scm3"),
}
PSIA, CELSIUS = "010 02 PSIA", "002 02 `C"
