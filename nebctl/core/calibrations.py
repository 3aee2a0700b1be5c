"""Calibration records: what a saline run leaves in the ledger, and how it is read again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nebctl.core.device import Identity
from nebctl.core.dose.calibration import By
from nebctl.core.dose.saline import Finding, Measured, Run
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Draft, Entry, Json
from nebctl.core.verify import Deviation

ANOTHER_MESH = Deviation.MESH_CHANGED.value
"""The finding that stands for every calibration before a dose whose mesh turned into another one."""
FORMULA = "saline/1"
"""The formulae of `core.dose.saline`, as the record names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is calibrated: a device, the class of its driver, and its mesh by the name that the unit's file gives it."""

    device: Identity
    model: str
    mesh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A jet's aerosol share f of what leaves the cup, with its standard deviation and where both come from."""

    ppm: int
    sigma_ppm: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTaken:
    """One run as it went: its id, what was filled, the device's on-time, why it ended, and what it measured."""

    run: str
    begun_seq: int
    filled_nl: int
    on_ms: int
    end: str
    measured: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRecord:
    """A finished calibration as the ledger has it; only an accepted one is ever used.

    Rates and their standard uncertainty are in nL/s, 0 where nothing was measured. `finding` is the code of what was
    wrong, "" for an accepted one. Times are Unix time in nanoseconds.
    """

    seq: int
    serial: str
    mesh: str
    at_ns: int
    valid_until_ns: int
    method: By
    rate_nl_per_s: int
    sigma_nl_per_s: int
    accepted: bool
    finding: str = ""
    share_ppm: int | None = None
    share_sigma_ppm: int | None = None


def begun(subject: Subject, by: By, *, run: str, number: int, volume_nl: int, max_on_ms: int, operator: str) -> Draft:
    """Return the intent to run a device on saline; it is on disk before the device hears anything."""
    facts: dict[str, Json] = {
        **_place("begun", subject, by),
        "run": run,
        "number": number,
        "volume_nl": volume_nl,
        "max_on_ms": max_on_ms,
    }
    return Draft(typ="calibration", facts=facts, private={"operator": operator})


def ended(
    subject: Subject,
    by: By,
    runs: Sequence[RunTaken],
    outcome: Measured | None,
    finding: Finding | None,
    *,
    valid_until_ns: int,
    operator: str,
    residue_nl: int | None = None,
    share: Share | None = None,
) -> Draft:
    """Return the record of a calibration, accepted or not; what was not measured is null."""
    facts: dict[str, Json] = {
        **_place("ended", subject, by),
        "formula": FORMULA,
        "runs": [_run(run) for run in runs],
        "rate_nl_per_s": outcome.rate_nl_per_s if outcome else None,
        "sigma_nl_per_s": outcome.sigma_nl_per_s if outcome else None,
        "spread_ppm": outcome.spread_ppm if outcome else None,
        "parts_ppm": dict(outcome.parts_ppm) if outcome else {},
        "residue_nl": residue_nl,
        "f_ppm": share.ppm if share else None,
        "f_sigma_ppm": share.sigma_ppm if share else None,
        "accepted": outcome is not None and finding is None,
        "finding": finding.code if finding else "",
        "sentence": finding.sentence if finding else "",
        "valid_until": envelope.utc_text(valid_until_ns),
    }
    private: dict[str, Json] = {"operator": operator}
    if share:
        private["f_source"] = share.source
    return Draft(typ="calibration", facts=facts, private=private)


def _place(step: str, subject: Subject, by: By) -> dict[str, Json]:
    device = subject.device
    names = ("maker", "model", "serial", "firmware", "boot")
    told: dict[str, Json] = {name: getattr(device, name) for name in names}
    return {"step": step, "device": told, "model": subject.model, "mesh": subject.mesh, "method": by.value}


def _run(run: RunTaken) -> Json:
    return {
        "run": run.run,
        "begun_seq": run.begun_seq,
        "filled_nl": run.filled_nl,
        "on_ms": run.on_ms,
        "end": run.end,
        "volume_nl": run.measured.volume_nl,
        "aerosol_ms": run.measured.aerosol_ms,
        "sigma_ms": run.measured.sigma_ms,
        "temp_mc": run.measured.temp_mc,
    }


def read(entry: Entry) -> CalibrationRecord | None:
    """Return a finished calibration; None for the intent of a run, and for what another program wrote differently."""
    p = entry.payload
    device, until = p.get("device"), p.get("valid_until")
    methods = [by for by in By if by.value == p.get("method")]
    if p.get("step") != "ended" or not isinstance(device, dict) or not isinstance(until, str) or not methods:
        return None
    rate, sigma = _whole(p, "rate_nl_per_s"), _whole(p, "sigma_nl_per_s")
    return CalibrationRecord(
        seq=entry.seq,
        serial=str(device.get("serial")),
        mesh=str(p.get("mesh", "")),
        at_ns=envelope.parse_utc(str(p["utc"])),
        valid_until_ns=envelope.parse_utc(until),
        method=methods[0],
        rate_nl_per_s=rate or 0,
        sigma_nl_per_s=sigma or 0,
        accepted=p.get("accepted") is True and bool(rate) and bool(sigma),
        finding=str(p.get("finding", "")),
        share_ppm=_whole(p, "f_ppm"),
        share_sigma_ppm=_whole(p, "f_sigma_ppm"),
    )


def withdrawn(entry: Entry) -> tuple[CalibrationRecord, ...]:
    """Return what a dose record says of the calibrations before it: nothing, or that they are another mesh's (S54)."""
    p = entry.payload
    named = p.get("deviations")
    if not isinstance(named, list) or ANOTHER_MESH not in named:
        return ()
    at_ns = envelope.parse_utc(str(p["utc"]))
    return (
        CalibrationRecord(
            seq=entry.seq,
            serial=str(p.get("device")),
            mesh="",
            at_ns=at_ns,
            valid_until_ns=at_ns,
            method=By.TIME,
            rate_nl_per_s=0,
            sigma_nl_per_s=0,
            accepted=False,
            finding=ANOTHER_MESH,
        ),
    )


def _whole(payload: Mapping[str, Json], name: str) -> int | None:
    value = payload.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
