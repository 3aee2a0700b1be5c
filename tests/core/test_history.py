"""What the log adds up to, what may be given by it, and what a restart makes of it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.admission import Admitted, Request, admit
from nebctl.core.device import Output
from nebctl.core.effects import Record
from nebctl.core.guard import Refusal
from nebctl.core.history import UnitHistory, fold
from nebctl.core.ledger.envelope import Stamp, build
from nebctl.core.ledger.records import Draft, Entry
from nebctl.core.orders import DoseState, HistoryItem, Operator, Order, PlannedDose, Worklist
from nebctl.core.recovery import recover
from nebctl.core.regimen import Regimen, SiteRules
from nebctl.core.session import Kind, State, drafts, step
from nebctl.core.trace import line, lost_at, reading_of

STAMP = Stamp(unit="neb-0001", epoch=1, software="nebctl test", config_sha256="ab" * 32, simulated=True)
REGIMEN = Regimen(
    study="NCT04276987",
    product="MSC-Exos",
    arm="A",
    volume_nl=3_000_000,
    content_low=200_000_000,
    content_high=200_000_000,
    days=(1, 2, 3, 4, 5),
    doses_per_day=1,
    blinded=False,
)
HOUR_NS = 3_600_000_000_000


def entries(bench: Any, written: Sequence[Draft], wall_ns: int | None = None) -> list[Entry]:
    """Return drafts as the log would hold them, all of one moment."""
    now = bench.now() if wall_ns is None else replace(bench.now(), wall_ns=wall_ns)
    found = []
    for seq, draft in enumerate(written):
        salts = [bytes([seq]) * 15 + bytes([place]) for place, _ in enumerate(draft.private)]
        payload, disclosures = build(draft, seq, b"\0" * 32, now, STAMP, b"\1" * 16, salts)
        found.append(Entry(epoch=1, seq=seq, jws="", leaf=b"\2" * 32, payload=payload, disclosures=disclosures))
    return found


def written(bench: Any, *kinds: Kind) -> list[Draft]:
    """Return the records that a session writes from its authorisation on, through these events."""
    session, drafts_ = bench.session(State.IDLE), []
    for kind in (Kind.AUTHORISED, Kind.CHARGED, Kind.TEST_PASSED, *kinds):
        event, now = bench.event(kind)
        taken = step(session, event, now, bench.rules)
        session = taken.session
        drafts_ += [draft for effect in taken.effects if isinstance(effect, Record) for draft in effect.drafts]
    return drafts_


STARTED = (Kind.START, Kind.INTENT_RECORDED)
STOPPED = (*STARTED, Kind.RUNS, Kind.STOP, Kind.OFF, Kind.RESIDUAL_REFUSED)


def worklist(wall_ns: int, **changes: Any) -> Worklist:
    """Return a list that leases five doses for MEX-001 and one for MEX-002 to this unit."""
    lease = wall_ns + 30 * 24 * HOUR_NS
    doses = tuple(
        PlannedDose(day=d, dose=1, kit=f"KIT-040{d}", lot="EXO2020A", not_after_ns=lease) for d in range(1, 6)
    )
    other = PlannedDose(day=1, dose=1, kit="KIT-0500", lot="EXO2020A", not_after_ns=lease)
    order = Order(order="o1", subject="MEX-001", day1=None, doses=doses, history=())
    return Worklist(
        version=1,
        issued_ns=wall_ns - HOUR_NS,
        expires_ns=lease,
        study="NCT04276987",
        orders=(
            replace(order, **changes),
            Order(order="o2", subject="MEX-002", day1=None, doses=(other,), history=()),
        ),
        operators=(Operator(code="RT-07", name="R. T.", roles=("therapist",)),),
    )


def ask(bench: Any, history: UnitHistory, listed: Worklist, hours: float = 0, **changes: Any) -> str:
    """Ask for today's dose so many hours after the first moment; return "" where it is admitted, else the code."""
    now = replace(bench.now(), wall_ns=bench.now().wall_ns + int(hours * HOUR_NS))
    local = datetime.fromtimestamp(now.wall_ns // 1_000_000_000, ZoneInfo("America/Mexico_City"))
    day = (local.date() - date(2026, 2, 14)).days + 1
    asked: dict[str, Any] = {"operator": "RT-07", "subject": "MEX-001", "kit": f"KIT-040{max(1, min(5, day))}"}
    request = Request(today=local.date(), local_minute=local.hour * 60 + local.minute, **(asked | changes))
    found = admit(request, listed, history, REGIMEN, SiteRules(), now)
    return "" if isinstance(found, Admitted) else found.code


def test_a_commanded_dose_is_given_from_its_start_on(bench: Any) -> None:
    """From the start record on a dose counts with all that was loaded; its outcome replaces that by its upper bound; an
    abort takes it away and leaves the kit opened.
    """
    begun = fold(UnitHistory(), entries(bench, written(bench, *STARTED)))
    (dose,) = begun.doses_of("MEX-001")
    assert (dose.end, dose.high_nl) == ("open", 3_090_000)
    assert begun.open
    done = fold(UnitHistory(), entries(bench, written(bench, *STOPPED)))
    assert [given.end for given in done.doses_of("MEX-001")] == ["stopped"]
    assert done.open == {}
    assert [(part.place.session, part.operator) for part in done.unsigned] == [("2026-02-14-7f3a9c", "RT-07")]
    aborted = fold(UnitHistory(), entries(bench, written(bench, Kind.START, Kind.STOP, Kind.INTENT_RECORDED)))
    assert (aborted.doses, aborted.open) == ({}, {})
    assert "KIT-0401" in aborted.kits


@given(cut=st.integers(0, 9))
def test_a_fold_can_be_cut_anywhere(bench: Any, cut: int) -> None:
    """Folding the log in two parts gives the same history as folding it whole."""
    whole = entries(bench, written(bench, *STOPPED, Kind.SIGNED))
    assert fold(fold(UnitHistory(), whole[:cut]), whole[cut:]) == fold(UnitHistory(), whole)


@pytest.mark.req("S02")
def test_a_dose_given_here_is_not_given_again(bench: Any) -> None:
    """Neither a stopped, an open, nor an uncertain dose of today lets another kit be given today, here."""
    listed = worklist(bench.now().wall_ns)
    spare = replace(listed.orders[0].doses[0], kit="KIT-0409")
    spared = worklist(bench.now().wall_ns, doses=(*listed.orders[0].doses[1:], spare))
    assert ask(bench, UnitHistory(), spared, kit="KIT-0409") == ""
    for kinds in (STARTED, STOPPED):
        history = fold(UnitHistory(), entries(bench, written(bench, *kinds)))
        assert ask(bench, history, spared, 1, kit="KIT-0409") == "dose-given"
        assert ask(bench, history, listed, 1) == "kit-opened"


@pytest.mark.parametrize("state", DoseState)
@pytest.mark.req("S02")
def test_a_dose_given_elsewhere_is_not_given_again(bench: Any, state: DoseState) -> None:
    """A dose that the pharmacy knows of from another unit counts as given, UNCERTAIN included; one missed does not."""
    item = HistoryItem(day=1, dose=1, state=state, unit="neb-0002", session="2026-02-14-000009")
    found = ask(bench, UnitHistory(), worklist(bench.now().wall_ns, history=(item,)))
    assert found == ("" if state in (DoseState.MISSED, DoseState.NOT_DONE) else "dose-given")


@pytest.mark.req("S04")
def test_days_are_told_from_the_first_emission_and_the_interval_from_the_last_start(bench: Any) -> None:
    """The unit's own first dose makes Day 1 before the pharmacy knows of it; the next starts a site day and 20 h later,
    whichever is later; after Day 5 nothing is given.
    """
    first = bench.session(State.STARTING)
    first = replace(first, estimate=bench.ran(60))
    given = [*written(bench, *STARTED), drafts.dose(bench.authorisation(), first, None, bench.rules)]
    history = fold(UnitHistory(), entries(bench, given))
    listed = worklist(bench.now().wall_ns)
    assert ask(bench, history, listed, 16) == "too-soon"  # 01:00 of Day 2
    assert ask(bench, history, listed, 20) == ""
    assert ask(bench, history, listed, 20, kit="KIT-0403") == "kit-other-day"
    assert ask(bench, history, listed, 24 * 4) == ""
    assert ask(bench, history, listed, 24 * 5) == "wrong-day"


@pytest.mark.parametrize(
    ("day1", "today", "hours"), [("2026-03-28", "2026-03-29", 23), ("2026-10-24", "2026-10-25", 25)]
)
@pytest.mark.req("S04")
def test_a_day_of_23_or_25_hours_is_one_study_day(bench: Any, day1: str, today: str, hours: int) -> None:
    """Over a change to or from summer time, the same time on the next date is Day 2, a true 23 or 25 hours later."""
    zone = ZoneInfo("Europe/Madrid")
    noon = datetime.fromisoformat(f"{today}T12:00").replace(tzinfo=zone).timestamp()
    before = datetime.fromisoformat(f"{day1}T12:00").replace(tzinfo=zone).timestamp()
    assert (noon - before) / 3600 == hours
    now = replace(bench.now(), wall_ns=int(noon * 1e9))
    request = Request(
        operator="RT-07", subject="MEX-001", kit="KIT-0402", today=date.fromisoformat(today), local_minute=720
    )
    listed = worklist(now.wall_ns, day1=date.fromisoformat(day1))
    found = admit(request, listed, UnitHistory(), REGIMEN, SiteRules(), now)
    assert isinstance(found, Admitted)
    assert found.day == 2


def test_each_refusal_has_its_own_sentence(bench: Any) -> None:
    """Whatever keeps a dose back is said in its own words, with what to do."""
    listed = worklist(bench.now().wall_ns)
    found = {
        ask(bench, UnitHistory(), listed, operator="RT-99"),
        ask(bench, UnitHistory(), listed, subject="MEX-009"),
        ask(bench, UnitHistory(), listed, kit="KIT-0500"),
        ask(bench, UnitHistory(), listed, kit="KIT-9999"),
        ask(bench, UnitHistory(), replace(listed, expires_ns=0)),
        ask(bench, UnitHistory(), worklist(bench.now().wall_ns - 40 * 24 * HOUR_NS)),
    }
    assert found == {"operator-unknown", "no-lease", "kit-other-subject", "kit-unknown", "worklist-expired"}
    request = Request(operator="RT-07", subject="MEX-001", kit="K", today=date(2026, 2, 14), local_minute=0)
    none = admit(request, None, UnitHistory(), REGIMEN, SiteRules(), bench.now())
    assert isinstance(none, Refusal)
    assert none.code == "no-worklist"


def rows_of(bench: Any, *spans: tuple[int, int]) -> str:
    """Return trace rows, twice a second, of a device that ran from and to these seconds and was off between."""
    text = ""
    for begin, end in spans:
        for half in range(begin * 2, end * 2 + 1):
            report = bench.report(at_ns=half * 500_000_000, dry=False)
            text += line(reading_of(report, 0, paused=False))
        off = bench.report(Output.OFF, at_ns=end * 1_000_000_000 + 1)
        text += line(reading_of(off, 0, paused=True))
    return text


@pytest.mark.req("S16")
@pytest.mark.req("S36")
@pytest.mark.parametrize("length", range(1, 8))
def test_a_log_cut_anywhere_is_closed_without_a_phantom(bench: Any, length: int) -> None:
    """However far the log of a session came before the power cut, the restart closes it once: an abort before the
    start, an UNCERTAIN dose up to the whole charge after it, never COMPLETE.
    """
    log = entries(bench, written(bench, *STOPPED))[:length]
    history = fold(UnitHistory(), log)
    for session in history.open.values():
        closing = recover(session, rows_of(bench, (0, 60)), bench.rules, REGIMEN, bench.now())
        last = closing[-1]
        commanded = any(entry.payload["typ"] == "start" for entry in log)
        assert last.typ == ("dose" if commanded else "abort")
        if commanded:
            assert (last.facts["end"], last.facts["high_nl"], last.facts["device"]) == (
                "uncertain",
                3_090_000,
                "SIM-0001",
            )
        after = fold(history, entries(bench, closing))
        assert after.open == {}
        assert bool(after.doses) == commanded
    assert bool(history.open) == (length < 6)


@pytest.mark.req("S33")
def test_a_restart_counts_the_saved_rows_and_no_more(bench: Any) -> None:
    """After a pause and a resume, the recovered dose is what its saved rows say: two runs, a start each, nothing for
    the time between them; the pause stands in the record.
    """
    kinds = (*STARTED, Kind.RUNS, Kind.PAUSE, Kind.OFF, Kind.RESUME, Kind.INTENT_RECORDED)
    (session,) = fold(UnitHistory(), entries(bench, written(bench, *kinds))).open.values()
    rows = rows_of(bench, (0, 60), (100, 130)) + line(lost_at(131_000_000_000, 0))
    _, dose = recover(session, rows, bench.rules, REGIMEN, bench.now())
    one, both = bench.ran(90).emitted, dose.facts["low_nl"]
    assert (dose.facts["on_ms"], dose.facts["pauses"]) == (90_000, 1)
    assert one.low_nl - 20_000 <= both < one.low_nl
