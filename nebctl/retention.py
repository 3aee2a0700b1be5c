"""A subject's private facts erased from a unit's own ledger, by two persons, after the retention date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from nebctl.config import LoadedConfig
from nebctl.core.erasure import Erasure, erasure_record, not_yet, records_of
from nebctl.core.instant import NS_PER_S
from nebctl.core.ledger.records import Entry
from nebctl.core.operators import Operator
from nebctl.daemon import open_ledger
from nebctl.keys import load_vkey, verify
from nebctl.ports import Clock
from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile
from nebctl.study import load_approvers, load_study
from nebctl.worklists import WorklistKeeper

ROLES = frozenset(("pharmacist", "investigator"))


class NotErased(Exception):  # noqa: N818 - an answer, not a failure of the program
    """Why nothing was erased: what was seen, what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an erasure at a unit is held to: the date of the site's rules, today's, and the persons on the list."""

    keep_until: date | None
    today: date
    staff: Sequence[Operator]


def terms_of(loaded: LoadedConfig, clock: Clock) -> Terms:
    """Return what an erasure at this unit is held to: its approved site rules, its clock, the pharmacy's newest list.

    Raises: `StudyFault` for the study's files, `KeyFault` for a key, `ValueError` for the zone.
    """
    config, path, now = loaded.config, loaded.path, clock.instant()
    trust = path(config.unit.trust)
    files = path(config.study.protocol), config.study.arm, path(config.study.site_rules)
    study = load_study(*files, load_approvers(trust / "approvers.vkey"), now.wall_ns)
    worklist = WorklistKeeper(
        path(config.unit.data) / "worklist.note",
        orders=load_vkey(trust / "pharmacy-orders.vkey"),
        site=config.unit.site,
        unit=config.unit.id,
        verify=verify,
        least_version=0,
    ).current()
    return Terms(
        keep_until=study.rules.keep_private_until,
        today=datetime.fromtimestamp(now.wall_ns // NS_PER_S, ZoneInfo(config.unit.zone)).date(),
        staff=worklist.operators if worklist else (),
    )


async def erase_at_unit(loaded: LoadedConfig, wish: Erasure, terms: Terms, clock: Clock) -> int:
    """Erase what stands beside a subject's records in a unit's database and return how many records that are.

    The record that says so is durable first. A crash between the two leaves the facts: call again.
    Raises: `NotErased`; `StartFault`, `KeyFault` and `StoreFault` where the ledger cannot be opened, such as while the
    unit runs.
    """
    if (why := not_yet(terms.keep_until, terms.today)) is not None or terms.keep_until is None:
        raise NotErased(f"{why}; nothing was erased")
    _two_persons(wish, terms.staff, terms.today)
    chosen = _chosen(loaded.path(loaded.config.unit.data) / "unit.db", wish.subject)
    ledger = await open_ledger(loaded, clock)
    try:
        (told,) = await ledger.append((erasure_record(wish, chosen, terms.keep_until),), clock.instant())
        await ledger.erase([(entry.epoch, entry.seq) for entry in chosen], (told.epoch, told.seq))
    finally:
        await ledger.close()
    return len(chosen)


def _two_persons(wish: Erasure, staff: Sequence[Operator], today: date) -> None:
    for code in (wish.by, wish.second):
        if not any(person.code == code and ROLES & person.roles_on(today) for person in staff):
            raise NotErased(f"{code} is no pharmacist or investigator on the unit's list; nothing was erased")
    if wish.by == wish.second:
        raise NotErased(f"{wish.by} twice, expected two different persons; nothing was erased")


def _chosen(path: Path, subject: str) -> tuple[Entry, ...]:
    """Return the subject's records, which the pharmacy must have: it takes none in without its private facts."""
    with LedgerFile.open(path) as file:
        receipted = {log.epoch: max((r.size for r in file.receipts(log)), default=0) for log in file.logs()}
        chosen = records_of(subject, (entry for _, entry in read(file)))
    if not chosen:
        raise NotErased(f"nothing private of {subject} stands in {path}; check the pseudonym")
    waiting = [entry.seq for entry in chosen if entry.seq >= receipted[entry.epoch]]
    if waiting:
        raise NotErased(
            f"record {waiting[0]} of {subject} waits for the pharmacy's receipt; let the unit connect first"
        )
    return chosen
