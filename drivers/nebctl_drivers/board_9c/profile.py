"""The settings of a 9C main board, from its profile."""

from collections.abc import Mapping
from dataclasses import dataclass

from nebctl_drivers.bus import Timing
from nebctl_drivers.profiles import Table, read_profile

PROFILE = "board-9c"
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Board9CProfile:
    """What nebctl does with the board, and when it gives up on it; times in ns or as named.

    `errors` are the NACK codes as words and advice, `faults` and `mist_faults` the fault codes as words. A STATUS older
    than `stale_ns` is none; the mist board is asked by the main board every `mist_poll_ns`, so that its word is so old.
    `liquid_byte` tells whether the liquid sensor of the main board counts as evidence of a dry cup.
    """

    timing: Timing
    start_answer_s: float
    stale_ns: int
    mist_poll_ns: int
    air_level: int
    mist_level: int
    liquid_byte: bool
    errors: Mapping[int, tuple[str, str]]
    faults: Mapping[int, str]
    mist_faults: Mapping[int, str]

    def explain_error(self, code: int) -> tuple[str, str]:
        """Return a NACK's code in words, and the advice."""
        words, advice = self.errors.get(code, ("not in its maker's list", "Check the board's firmware."))
        return f"{code:#04x} ({words})", advice

    def name_fault(self, fault: int, mist_fault: int) -> str | None:
        """Return the name of the fault that stands; None where there is none."""
        if fault:
            return self.faults.get(fault, f"FAULT-{fault}")
        return self.mist_faults.get(mist_fault, f"MIST-FAULT-{mist_fault}") if mist_fault else None


def read_board_profile(name: str = PROFILE) -> Board9CProfile:
    """Return the settings of the profile `name`."""
    table = read_profile(name)
    timing: Table = table["timing"]
    run: Table = table["run"]
    return Board9CProfile(
        timing=Timing(
            answer_s=timing["answer_ms"] / 1000,
            baud=table["serial"]["baudrate"],
            latency_s=timing["adapter_ms"] / 1000,
        ),
        start_answer_s=timing["start_answer_ms"] / 1000,
        stale_ns=timing["stale_ms"] * NS_PER_MS,
        mist_poll_ns=timing["mist_poll_ms"] * NS_PER_MS,
        air_level=run["air_level"],
        mist_level=run["mist_level"],
        liquid_byte=run["liquid_byte"],
        errors={int(row["code"]): (row["words"], row["advice"]) for row in table["error"]},
        faults={int(row["code"]): row["name"] for row in table["fault"]},
        mist_faults={int(row["code"]): row["name"] for row in table["mist_fault"]},
    )
