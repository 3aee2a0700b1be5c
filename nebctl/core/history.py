"""What a unit's own records say happened: kits used, doses given, sessions left open. A pure fold over the log."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from nebctl.core import calibrations, clock_trust, device_memory, lockout
from nebctl.core.calibrations import CalibrationRecord
from nebctl.core.clock_trust import Fix
from nebctl.core.configured import config_digest
from nebctl.core.device_memory import NO_RUNS, RunsKnown
from nebctl.core.dose import Charge, Interval, Method
from nebctl.core.dose.control import Point
from nebctl.core.given import GivenDose, OpenSession
from nebctl.core.ledger import disclosure, envelope
from nebctl.core.ledger.records import Entry, Json, SessionDay
from nebctl.core.limits import TWO_PERSONS
from nebctl.core.observed import UnsignedPart, parts_of, without
from nebctl.core.rates import followed
from nebctl.core.returned import returned_after

__all__ = ["GivenDose", "OpenSession", "UnitHistory", "config_digest", "fold"]

_PARTED = {"rollback": "rollback", "fork": "fork", "restored": ""}
"""Kinds of `incident` after which the unit's log and the pharmacy's are not one, or are one again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitHistory:
    """What the log of one unit adds up to.

    `kits` maps each opened kit to the session that opened it. `observers` are, by session, the persons who answered for
    it, in their order; `unsigned` what each of them has yet to sign. `overridden` are the sessions that two persons let
    pass the number of doses in a day. `clock_checked` is the newest check of the clock by a person, `synchronised` the
    newest record that was made while it was synchronised. `cycles` are what counts towards a lock-out. `returned` is,
    by subject, the newest lease that was given back. `config` is the `config_digest` of the newest `config` record, ""
    before it. `calibrations` are those that were finished, accepted or not, oldest first. `rates` are, by the device's
    serial number, what each of them measured and each weighed dose implies, oldest first. `parted` is how this log and
    what the pharmacy keeps of it have parted, rollback or fork; "" where they have not. `runs` are those that it names.
    """

    kits: Mapping[str, str] = field(default_factory=dict)
    doses: Mapping[str, GivenDose] = field(default_factory=dict)
    open: Mapping[str, OpenSession] = field(default_factory=dict)
    used_authorisations: frozenset[str] = frozenset()
    observers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unsigned: tuple[UnsignedPart, ...] = ()
    overridden: frozenset[str] = frozenset()
    clock_checked: Fix | None = None
    synchronised: Fix | None = None
    cycles: lockout.Recorded = lockout.NOTHING
    worklist_version: int = 0
    returned: Mapping[str, int] = field(default_factory=dict)
    config: str = ""
    calibrations: tuple[CalibrationRecord, ...] = ()
    rates: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    parted: str = ""
    runs: RunsKnown = NO_RUNS

    def doses_of(self, subject: str) -> tuple[GivenDose, ...]:
        """Return the subject's commanded doses on this unit."""
        return tuple(dose for dose in self.doses.values() if dose.subject == subject)


def fold(history: UnitHistory, entries: Iterable[Entry]) -> UnitHistory:
    """Return the history after more entries, which must follow in the log's order."""
    cycles, synchronised, entries = history.cycles, None, tuple(entries)
    for entry in entries:
        handler = _FOLDS.get(str(entry.payload["typ"]))
        if handler is not None:
            history = handler(history, entry)
        cycles = lockout.followed(cycles, entry)
        synchronised = entry if clock_trust.is_synchronised(entry) else synchronised
    fix = clock_trust.synchronised_at(synchronised) if synchronised else history.synchronised
    return replace(history, synchronised=fix, cycles=cycles, runs=device_memory.followed(history.runs, entries))


def _private(entry: Entry) -> dict[str, str]:
    revealed = disclosure.check(entry.payload, entry.disclosures)
    return {name: value if isinstance(value, str) else "" for name, value in revealed.items()}


def _place(entry: Entry) -> SessionDay:
    p = entry.payload
    return SessionDay(session=str(p["session"]), day=_int(p["day"]), tz=str(p["tz"]), date_local=str(p["date_local"]))


def _int(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _authorisation(history: UnitHistory, entry: Entry) -> UnitHistory:
    if "resumes" in entry.payload:
        return history  # leave to go on with a session that is open already
    private, place = _private(entry), _place(entry)
    opened = OpenSession(
        place=place,
        subject=private.get("subject", ""),
        operator=private.get("operator", ""),
        facts={name: entry.payload[name] for name in ("auth", "dose", "kit", "lot", "use_by") if name in entry.payload},
        device=str(entry.payload["device"]),
    )
    observers = {**history.observers, place.session: (opened.operator,)}
    return replace(history, open={**history.open, place.session: opened}, observers=observers)


def _handover(history: UnitHistory, entry: Entry) -> UnitHistory:
    session, operator = str(entry.payload["session"]), _private(entry).get("operator", "")
    seen = (*history.observers.get(session, ()), operator)
    return replace(history, observers={**history.observers, session: seen})


def _charge(history: UnitHistory, entry: Entry) -> UnitHistory:
    payload, session = entry.payload, str(entry.payload["session"])
    volume = Interval(
        low_nl=_int(payload["low_nl"]), best_nl=_int(payload["best_nl"]), high_nl=_int(payload["high_nl"])
    )
    charge = Charge(volume=volume, method=Method(payload["method"]), vial_emptied=payload["vial_emptied"] is True)
    kits = {**history.kits, str(payload["kit"]): session}
    if session not in history.open:
        return replace(history, kits=kits)
    return replace(history, kits=kits, open={**history.open, session: replace(history.open[session], charge=charge)})


def _start(history: UnitHistory, entry: Entry) -> UnitHistory:
    payload, place, private = entry.payload, _place(entry), _private(entry)
    wall = envelope.parse_utc(str(payload["utc"]))
    known = history.open.get(place.session)
    given = GivenDose(
        subject=private.get("subject", ""),
        day=place.day,
        dose=_int(payload["dose"]),
        date_local=place.date_local,
        session=place.session,
        started_wall_ns=wall,
        ended_wall_ns=None,
        high_nl=known.charge.volume.high_nl if known and known.charge else _int(payload["planned_nl"]),
        end="open",
    )
    opened = history.open
    if known:
        opened = {**opened, place.session: replace(known, start_seq=entry.seq, started_wall_ns=wall)}
    return replace(
        history,
        open=opened,
        doses={**history.doses, place.session: given},
        kits={**history.kits, str(payload["kit"]): place.session},
        used_authorisations=history.used_authorisations | {str(payload["auth"])},
    )


def _counted(history: UnitHistory, entry: Entry, *, pauses: int = 0, resumes: int = 0) -> UnitHistory:
    session = str(entry.payload["session"])
    known = history.open.get(session)
    if known is None:
        return history
    counted = replace(known, pauses=known.pauses + pauses, resumes=known.resumes + resumes)
    return replace(history, open={**history.open, session: counted})


def _dose(history: UnitHistory, entry: Entry) -> UnitHistory:
    payload, session = entry.payload, str(entry.payload["session"])
    doses = dict(history.doses)
    if session in doses:
        ended = payload["ended"]
        doses[session] = replace(
            doses[session],
            end=str(payload["end"]),
            low_nl=_int(payload["low_nl"]),
            best_nl=_int(payload["best_nl"]),
            high_nl=_int(payload["high_nl"]),
            ended_wall_ns=envelope.parse_utc(ended) if isinstance(ended, str) else None,
        )
    observers = history.observers.get(session, (_private(entry).get("operator", ""),))
    parts = parts_of(entry, _place(entry), _private(entry).get("subject", ""), observers)
    unsigned = (*history.unsigned, *parts)
    known = (*history.calibrations, *calibrations.withdrawn(entry))
    history = replace(_closed(history, session), calibrations=known, rates=followed(history.rates, entry))
    return replace(history, doses=doses, unsigned=unsigned)


def _abort(history: UnitHistory, entry: Entry) -> UnitHistory:
    session = str(entry.payload["session"])
    doses = {name: dose for name, dose in history.doses.items() if name != session}
    return replace(_closed(history, session), doses=doses)


def _closed(history: UnitHistory, session: str) -> UnitHistory:
    return replace(history, open={name: value for name, value in history.open.items() if name != session})


def _signature(history: UnitHistory, entry: Entry) -> UnitHistory:
    return replace(history, unsigned=without(history.unsigned, entry.payload, _private(entry).get("operator", "")))


def _clock(history: UnitHistory, entry: Entry) -> UnitHistory:
    return replace(history, clock_checked=clock_trust.checked_at(entry) or history.clock_checked)


def _override(history: UnitHistory, entry: Entry) -> UnitHistory:
    if entry.payload.get("kind") != TWO_PERSONS:
        return history
    return replace(history, overridden=history.overridden | {str(entry.payload["session"])})


def _order(history: UnitHistory, entry: Entry) -> UnitHistory:
    version = max(history.worklist_version, _int(entry.payload.get("version")))
    returned = returned_after(history.returned, entry.payload, _private(entry).get("subject", ""))
    return replace(history, worklist_version=version, returned=returned)


def _config(history: UnitHistory, entry: Entry) -> UnitHistory:
    p = entry.payload
    return replace(history, config=config_digest(str(p["cfg"]), str(p["protocol"]), str(p["site"])))


def _calibration(history: UnitHistory, entry: Entry) -> UnitHistory:
    record = calibrations.read(entry)
    if record is None:
        return history
    return replace(history, calibrations=(*history.calibrations, record), rates=followed(history.rates, entry))


def _incident(history: UnitHistory, entry: Entry) -> UnitHistory:
    return replace(history, parted=_PARTED.get(str(entry.payload.get("kind")), history.parted))


_FOLDS: Mapping[str, Callable[[UnitHistory, Entry], UnitHistory]] = {
    "authorisation": _authorisation,
    "charge": _charge,
    "start": _start,
    "pause": partial(_counted, pauses=1),
    "resume": partial(_counted, resumes=1),
    "dose": _dose,
    "abort": _abort,
    "signature": _signature,
    "handover": _handover,
    "override": _override,
    "clock": _clock,
    "order": _order,
    "config": _config,
    "calibration": _calibration,
    "incident": _incident,
    "genesis": lambda history, _: replace(history, parted=""),  # an epoch begins where both sides agree
}
