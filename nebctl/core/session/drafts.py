"""The records that a session leaves, built from what it remembers."""

from nebctl.core import dose as dosing
from nebctl.core import events as ev
from nebctl.core.annunciator import Change
from nebctl.core.authorisation import Authorisation
from nebctl.core.device import Declaration, Identity
from nebctl.core.dose import Residual, Settled
from nebctl.core.dose.conduct import conduct
from nebctl.core.dose.spread import spread_of
from nebctl.core.ledger import envelope
from nebctl.core.ledger.records import Draft, Json, SessionDay
from nebctl.core.session.state import Rules, Session
from nebctl.core.verify import Deviation, Verdict, deviations, judge


def authorisation(auth: Authorisation) -> Draft:
    """Return the record that a person was given leave to start one dose, or to go on with it."""
    facts: dict[str, Json] = {**auth.facts(), "device": auth.device, "not_after": envelope.utc_text(auth.not_after_ns)}
    if auth.use_by_ns is not None:
        facts["use_by"] = envelope.utc_text(auth.use_by_ns)
    if auth.resumes is not None:
        facts["resumes"] = auth.resumes
    return Draft(typ="authorisation", facts=facts, private=auth.private(), session=auth.place)


def charge(auth: Authorisation, event: ev.Charged) -> Draft:
    """Return the record of what was put in the cup; it makes the kit OPENED for ever (S10)."""
    facts: dict[str, Json] = {
        "kit": auth.kit,
        "lot": auth.lot,
        "cup": event.cup,
        "vial_emptied": event.charge.vial_emptied,
        "method": event.charge.method.value,
        **event.charge.volume.as_json(),
    }
    typed: dict[str, Json] = {} if event.typed_because is None else {"text": event.typed_because}
    return Draft(typ="charge", facts=facts, private={**auth.private(), **typed}, session=auth.place)


def selftest(auth: Authorisation, event: ev.SelfTested) -> Draft:
    """Return the record of a self-test, each line with its result."""
    checks: list[Json] = [{"name": c.name, "good": c.good, "note": c.note} for c in event.checks]
    return Draft(typ="selftest", facts={"checks": checks}, session=auth.place)


def start(auth: Authorisation, event: ev.StartPressed, max_on_ms: int, declaration: Declaration) -> Draft:
    """Return the intent to start; it is on disk before the device hears anything (S13)."""
    facts: dict[str, Json] = {
        **auth.facts(),
        "device": identity_json(event.device),
        "run": event.run,
        "max_on_ms": max_on_ms,
        "planned_nl": auth.volume_nl,
        "content": auth.content,
        "declaration": declaration_json(declaration),
    }
    return Draft(typ="start", facts=facts, private=auth.private(), session=auth.place)


def identity_json(device: Identity) -> dict[str, Json]:
    """Return the members that say which device it was."""
    return {
        "maker": device.maker,
        "model": device.model,
        "serial": device.serial,
        "firmware": device.firmware,
        "protocol": device.protocol,
        "boot": device.boot,
    }


def declaration_json(declaration: Declaration) -> dict[str, Json]:
    """Return what device and cut-off keep together; null: S22 is not kept, or there is no cut-off."""
    return {
        "s14": declaration.keeps_s14,
        "s22_ms": declaration.host_loss_off_ms,
        "s24": declaration.max_on_in_device,
        "cut_off": declaration.cut_off,
    }


def pause(auth: Authorisation, session: Session, reason: str) -> Draft:
    """Return the record that the output went off for a pause."""
    facts: dict[str, Json] = {"reason": reason, "on_ms": session.estimate.on_ms, **session.estimate.emitted.as_json()}
    return Draft(typ="pause", facts=facts, session=auth.place)


def resume(leave: Authorisation, session: Session) -> Draft:
    """Return the intent to go on with the same kit, cup, subject and day, under leave of its own (S03)."""
    facts: dict[str, Json] = {
        "auth": leave.auth,
        "run": session.run,
        "on_ms": session.estimate.on_ms,
        "kit": leave.kit,
    }
    return Draft(typ="resume", facts=facts, private={"operator": leave.operator}, session=leave.place)


def handover(auth: Authorisation, session: Session, operator: str) -> Draft:
    """Return the record that another person answers from here on, with what was emitted until then (S55)."""
    facts: dict[str, Json] = {"on_ms": session.estimate.on_ms, **session.estimate.emitted.as_json()}
    private: dict[str, Json] = {"operator": operator, "from_operator": session.observers[-1]}
    return Draft(typ="handover", facts=facts, private=private, session=auth.place)


def abort(auth: Authorisation, reason: str) -> Draft:
    """Return the record that a session ended without the device having been commanded."""
    return Draft(typ="abort", facts={**auth.facts(), "reason": reason}, private=auth.private(), session=auth.place)


def refusal(auth: Authorisation, event: ev.Gated) -> Draft:
    """Return the record that the guard let a command not pass."""
    return Draft(typ="refusal", facts={"code": event.code, "sentence": event.sentence}, session=auth.place)


def alarm(change: Change, auth: Authorisation | None) -> Draft:
    """Return the record of what became of an alarm: raised, acknowledged, paused, escalated or cleared."""
    facts: dict[str, Json] = {
        "condition": change.condition.value,
        "priority": change.priority.value,
        "state": change.state,
    }
    private: dict[str, Json] = {"operator": change.by} if change.by else {}
    return Draft(typ="alarm", facts=facts, private=private, session=auth.place if auth else None)


def residual(auth: Authorisation, event: ev.ResidualGiven | ev.ResidualRefused) -> Draft:
    """Return the record of the residual, or of the refusal to give it (S29)."""
    facts: dict[str, Json] = {"kit": auth.kit, "refused": isinstance(event, ev.ResidualRefused)}
    if isinstance(event, ev.ResidualGiven):
        facts |= {"method": event.residual.method.value, **event.residual.volume.as_json()}
    else:
        facts["reason"] = event.reason
    if event.added is not None:
        facts["topped_up"] = dict(event.added.as_json())
    return Draft(typ="residual", facts=facts, private={"operator": event.operator}, session=auth.place)


def signature(place: SessionDay, event: ev.Signed) -> Draft:
    """Return a person's signature, bound to the dose record by its place and its leaf hash (S35)."""
    facts: dict[str, Json] = {
        "ref_seq": event.ref_seq,
        "ref_leaf": event.ref_leaf,
        "meaning": event.meaning,
        "credential": event.credential,
    }
    private: dict[str, Json] = {"operator": event.operator, "printed": event.printed}
    return Draft(typ="signature", facts=facts, private=private, session=place)


def settle(session: Session, residual: Residual | None, rules: Rules) -> Settled:
    """Return the settled dose; what is in doubt keeps the charge's upper bound and no residual narrows it."""
    if session.charge is None:
        raise ValueError("a dose cannot be settled without its charge")
    doubted, added = bool(session.doubts), session.topped_up
    return dosing.settle(session.estimate, session.charge, residual, rules.model, doubted=doubted, topped_up=added)


def end_word(session: Session, settled: Settled) -> str:
    """Return how the dose ended; COMPLETE needs two witnesses and no doubt (S17)."""
    if session.doubts or settled.contradiction:
        return "uncertain"
    if settled.complete:
        return "complete"
    if session.stopped_by:
        return "stopped"
    return "partial" if settled.partial else "uncertain"


def dose(auth: Authorisation, session: Session, residual: Residual | None, rules: Rules) -> Draft:
    """Return the only outcome of a commanded session, with its verdict."""
    if session.charge is None:
        raise ValueError("a dose cannot be recorded without its charge")
    settled = settle(session, residual, rules)
    verdict = judge(settled.final, rules.limits)
    facts: dict[str, Json] = {
        **{name: value for name, value in auth.facts().items() if name != "auth"},
        **_times(session),
        "end": end_word(session, settled),
        **settled.final.as_json(),
        "tracked": dict(settled.tracked.as_json()),
        "charge": dict(session.charge.volume.as_json()),
        "residual": dict(residual.volume.as_json()) if residual else None,
        "witnesses": list(settled.witnesses),
        "verdict": verdict.value,
        "limits": {"lower_nl": rules.limits.lower_nl, "upper_nl": rules.limits.upper_nl},
        "deviations": [d.value for d in deviations(verdict, _findings(session, settled, residual, verdict, rules))],
        "doubts": list(session.doubts),
        "stopped_by": session.stopped_by,
        "pauses": session.pauses,
        "planned_nl": auth.volume_nl,
        "estimator": dosing.NAME,
        "model": rules.model.name,
        "prior": dict(rules.model.as_json()),
        "conduct": conduct(settled, session.estimate, session.charge, residual, rules.model).value,
        "spread": dict(spread_of(settled.final, session.estimate, session.charge, residual, rules.model).as_json()),
        "calibration": rules.model.calibration,
        "device": session.device.serial if session.device else auth.device,
        "device_on_ms": session.last_device_ms,
        "cut_off": rules.declaration.cut_off,
    }
    if settled.added_nl:
        facts["added_nl"] = settled.added_nl
    if session.topped_up is not None:
        facts["topped_up"] = dict(session.topped_up.as_json())
    if rules.model.dries:
        facts["site_deviation"] = rules.site.jet_under
    return Draft(typ="dose", facts=facts, private=_private(auth, session), session=auth.place)


def _private(auth: Authorisation, session: Session) -> dict[str, Json]:
    seen_by = session.estimate.end_seen_by
    return auth.private() | ({"end_seen_by": seen_by} if seen_by else {})


def _times(session: Session) -> dict[str, Json]:
    return {
        "start_seq": session.start_seq,
        "started": _utc(session.started_wall_ns),
        "ended": _utc(session.ended_wall_ns),
        "on_ms": session.estimate.on_ms,
    }


def _utc(wall_ns: int | None) -> str | None:
    return None if wall_ns is None else envelope.utc_text(wall_ns)


def _findings(
    session: Session, settled: Settled, residual: Residual | None, verdict: Verdict, rules: Rules
) -> list[Deviation]:
    found = list(session.findings)
    if settled.complete and rules.model.dries and verdict is Verdict.UNDER:
        found.append(Deviation.DEVICE_CLASS_UNDER)
    if session.doubts:
        found.append(Deviation.UNCERTAIN_END)
    if residual is None:
        found.append(Deviation.RESIDUAL_REFUSED)
    if session.estimate.outran:
        found.append(Deviation.CHARGE_CONTRADICTED)
    elif settled.contradiction:
        found.append(Deviation.RESIDUAL_CONTRADICTS)
    if session.charge and not session.charge.vial_emptied:
        found.append(Deviation.VIAL_NOT_EMPTIED)
    if session.stopped_by and not settled.complete:
        found.append(Deviation.STOPPED_EARLY)
    return found
