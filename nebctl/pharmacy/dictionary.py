"""The data dictionary of the export: every column, its unit, and what an empty cell means."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the export; `unit` "" is a text, a code or a count, `empty` "" means that no cell is empty."""

    name: str
    unit: str
    meaning: str
    empty: str = ""


_NOT_GIVEN = "the row is not of a given dose"
_NL = "nL"
_UNTOLD = f"not recorded, or {_NOT_GIVEN}"
_UNSETTLED = "nobody settled it in this cut"

COLUMNS = (
    Column("cut", "", "SHA-256 of the heads that the table was made from"),
    Column("site", "", "the site's domain; `sim.` begins a simulated one"),
    Column("subject", "", "pseudonym", "withheld or erased"),
    Column("day", "study day", "Day 1 is the first"),
    Column("dose", "", "which dose of that day, from 1"),
    Column("date", "", "the site's date of the start", "nothing came of the dose yet"),
    Column("zone", "", "the site's time zone", "nothing came of the dose yet"),
    Column(
        "end",
        "",
        "complete, partial, stopped or uncertain, as the unit signed it; aborted: the device was never commanded; "
        "missed or notdone, by the pharmacy; open: nothing came of it yet",
    ),
    Column("verdict", "", "recomputed: WITHIN, UNDER, OVER or UNCERTAIN against the limits", _NOT_GIVEN),
    Column("verdict_recorded", "", "as the unit signed it", _NOT_GIVEN),
    Column("lower_nl", _NL, "lower limit by study protocol and site rules", _NOT_GIVEN),
    Column("upper_nl", _NL, "upper limit by study protocol and site rules", _NOT_GIVEN),
    Column("planned_nl", _NL, "volume that the study protocol prescribes", _NOT_GIVEN),
    Column("content", "vesicles", "content of the prescribed volume", _UNTOLD),
    Column("charge_method", "", "declared, weighed or drawn", _UNTOLD),
    Column("charge_low_nl", _NL, "put in the cup, lower bound", _NOT_GIVEN),
    Column("charge_best_nl", _NL, "put in the cup, best estimate", _NOT_GIVEN),
    Column("charge_high_nl", _NL, "put in the cup, upper bound", _NOT_GIVEN),
    Column(
        "added_nl",
        _NL,
        "the most that was added in mid-dose, by balance, time or a person's word",
        f"nothing, or {_NOT_GIVEN}",
    ),
    Column("vial_emptied", "", "yes or no, by the operator", _UNTOLD),
    Column("low_nl", _NL, "emitted, lower bound", _NOT_GIVEN),
    Column("best_nl", _NL, "emitted, best estimate", _NOT_GIVEN),
    Column("high_nl", _NL, "emitted, upper bound", _NOT_GIVEN),
    Column("residual_method", "", "weighed, drawn or declared; refused: nobody gave it", _UNTOLD),
    Column("residual_low_nl", _NL, "left in the cup, lower bound", "refused or not given"),
    Column("residual_best_nl", _NL, "left in the cup, best estimate", "refused or not given"),
    Column("residual_high_nl", _NL, "left in the cup, upper bound", "refused or not given"),
    Column("settled_end", "", "what two persons settled a dose in doubt as", _UNSETTLED),
    Column("settled_low_nl", _NL, "emitted, lower bound, as settled", _UNSETTLED),
    Column("settled_high_nl", _NL, "emitted, upper bound, as settled", _UNSETTLED),
    Column("settled_verdict", "", "verdict on the settled interval", _UNSETTLED),
    Column("settled_seq", "", "the correction's place in the pharmacy's log", _UNSETTLED),
    Column("witnesses", "list", "independent evidence of how the dose went", f"there was none, or {_NOT_GIVEN}"),
    Column("doubts", "list", "why the end is uncertain", "it is not"),
    Column("deviations", "list", "findings against the study protocol, by code", "there are none"),
    Column("stopped_by", "", "who or what stopped it", "nobody did"),
    Column("pauses", "", "number of pauses", _NOT_GIVEN),
    Column("on_ms", "ms", "time with output on", _NOT_GIVEN),
    Column("started", "UTC", "start, by the unit's clock", _NOT_GIVEN),
    Column("ended", "UTC", "end, by the unit's clock", _NOT_GIVEN),
    Column("device_maker", "", "as the device says", _UNTOLD),
    Column("device_model", "", "as the device says", _UNTOLD),
    Column("device_serial", "", "as the device says", _NOT_GIVEN),
    Column("device_firmware", "", "as the device says", _UNTOLD),
    Column("device_protocol", "", "wire protocol", _UNTOLD),
    Column("mesh", "", "the cup as it was scanned, which carries the mesh of a mesh nebulizer", _UNTOLD),
    Column("interface", "", "mouthpiece, mask or in-line", _UNTOLD),
    Column("model", "", "model of the device's output", _NOT_GIVEN),
    Column("calibration", "", "place of the calibration's record in the unit's log, or its name", "not calibrated"),
    Column("estimator", "", "name and version", _NOT_GIVEN),
    Column("site_deviation", "", "the site's numbered deviation for this class of device", "none applies"),
    Column("kit", "", "kit's number", "none was dispensed yet"),
    Column("lot", "", "lot's label", "not known from the record"),
    Column("unit", "", "unit that gave the dose, or holds its lease"),
    Column("session", "", "id of the attempt", "nothing came of the dose yet"),
    Column("signatures", "", "number of signatures on the dose record", _NOT_GIVEN),
    Column("software", "", "software that wrote the record", "nothing came of the dose yet"),
    Column("config", "", "SHA-256 of the configuration file", "nothing came of the dose yet"),
    Column("simulated", "", "yes or no", "nothing came of the dose yet"),
    Column("recorded", "UTC", "when the outcome was recorded, by its own clock", "nothing came of the dose yet"),
    Column("clock_sync", "", "whether that clock was synchronised: yes or no", "nothing came of the dose yet"),
    Column("time_low", "UTC", "corrected time of the record, lower bound", "no bound is known"),
    Column("time_high", "UTC", "corrected time of the record, upper bound", "no bound is known"),
    Column("trace", "", "SHA-256 of the session's stored trace", _NOT_GIVEN),
    Column("epoch", "", "epoch of the log that holds the outcome", "nothing came of the dose yet"),
    Column("seq", "", "place of the outcome in that log", "nothing came of the dose yet"),
    Column("leaf", "", "leaf hash of the outcome's record, hex", "nothing came of the dose yet"),
)
"""In the order of the table. A list is joined by `; `."""


def as_rows() -> list[tuple[str, str, str, str]]:
    """Return the dictionary as a table with a heading."""
    return [("column", "unit", "meaning", "empty"), *((c.name, c.unit, c.meaning, c.empty) for c in COLUMNS)]
