"""The pharmacy's process: what is read at the start, and how it ends."""

import asyncio
import contextlib
import logging
import secrets
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from nebctl import keys
from nebctl.clock import FileClock, SystemClock
from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.ledger.note import COSIGNATURE, Vkey
from nebctl.core.verify import Limits
from nebctl.pharmacy import database, log
from nebctl.pharmacy.books import Books, Rulebook
from nebctl.pharmacy.config import PharmacyConfig, read_config
from nebctl.pharmacy.examine import Examiner
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.orders import Desk
from nebctl.pharmacy.service import PharmacyService
from nebctl.pharmacy.setup import orders_name, witness_name
from nebctl.pharmacy.store import PharmacyStore
from nebctl.ports import Clock, Signer
from nebctl.publish.connection import Connect, connect
from nebctl_protocols import UnknownArmError, builtin, default_site_rules, load_protocol, load_site_rules, names


def clock_of(config: PharmacyConfig) -> Clock:
    """Return the clock that the configuration names.

    Raises: `ClockFileFault` where a shared clock cannot be read.
    """
    return FileClock(config.clock.file) if config.clock.file else SystemClock()


def ask_to_end() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What a pharmacy takes from the world beside its configuration; only a simulated one may be given anything else.

    `random` gives fresh bytes. `clock` None is the clock that the configuration names, `thread` None a thread of the
    database's own. `ended` returns what asks the service to end.
    """

    random: Callable[[int], bytes] = secrets.token_bytes
    clock: Clock | None = None
    thread: Callable[[], Executor] | None = None
    connect: Connect = connect
    ended: Callable[[], asyncio.Event] = ask_to_end


LIVE_EDGE = Edge()


async def serve(config: PharmacyConfig, ready: Callable[[str], None], edge: Edge = LIVE_EDGE) -> None:
    """Run the pharmacy until SIGTERM or SIGINT.

    `ready` is called once records can be kept, with the page's address, or "" where the configuration has no page.
    Raises: `KeyFault` for a key, `StoreFault` for the database, `ClockFileFault` for the clock, `PharmacyFault` for the
    study protocol or the page, and for a pharmacy that is not simulated on a simulation's edge.
    """
    _check_edge(config, edge)
    stop = edge.ended()
    clock = edge.clock or clock_of(config)
    store = _store(config, edge)
    await store.open(simulated=config.pharmacy.sim, verify=keys.verify)
    try:
        async with _page(config, clock) as address:
            ready(address)
            await _until(stop, _service(config, store, clock, edge))
    finally:
        await store.close()


def _check_edge(config: PharmacyConfig, edge: Edge) -> None:
    """Refuse chance or time of somebody else's making for a pharmacy that serves people."""
    if edge != LIVE_EDGE and not config.pharmacy.sim:
        seen = "a simulation's chance, time or broker with sim = false"
        raise PharmacyFault(seen, "those of this machine alone", "Simulate with a site whose name begins with sim.")


@contextlib.contextmanager
def open_books(config: PharmacyConfig) -> Iterator[Books]:
    """Open the books for one command, whether the service runs or not.

    Raises: `KeyFault` for the log's key, `StoreFault` for the database, `ClockFileFault` for the clock, `PharmacyFault`
    for the study protocol.
    """
    with database.beside(config.database) as db:
        yield bookkeeping(config)(db, clock_of(config).instant())


def bookkeeping(config: PharmacyConfig, edge: Edge = LIVE_EDGE) -> Callable[[sqlite3.Connection, Instant], Books]:
    """Return what makes the books of a moment; keys and study are read once.

    Raises: `KeyFault` for the log's key, `PharmacyFault` for the study protocol, and as `serve` for the edge.
    """
    _check_edge(config, edge)
    place = log.Log(
        path=log.beside(config.database),
        site=config.pharmacy.site,
        signer=keys.load_signer(config.pharmacy.log_key),
        config_sha256=config.sha256,
        simulated=config.pharmacy.sim,
        random=edge.random,
    )
    book, zone, founders = rulebook(config), ZoneInfo(config.pharmacy.zone), config.staff()

    def books(db: sqlite3.Connection, at: Instant) -> Books:
        lease_ns = config.pharmacy.lease_days * 24 * 3600 * NS_PER_S
        return Books(db=db, log=place, at=at, zone=zone, founders=founders, book=book, lease_ns=lease_ns)

    return books


def orders_signer(config_file: Path) -> tuple[str, Signer]:
    """Return name and key by which the pharmacy signs worklists, answers and permits.

    Raises: `KeyFault` for the key; `PharmacyFault` where the configuration cannot be used.
    """
    config = read_config(config_file)
    if isinstance(config, tuple):
        raise PharmacyFault("; ".join(map(str, config)), "a configuration", "Correct the file.")
    return orders_name(config.pharmacy.site), keys.load_signer(config.pharmacy.orders_key)


def rulebook(config: PharmacyConfig) -> Rulebook:
    """Return what the study protocol and the site's rules prescribe.

    Raises: `PharmacyFault` where one of them cannot be used.
    """
    table = config.pharmacy
    protocol = load_protocol(_protocol_text(config), str(table.protocol or table.study))
    rules_text = table.site_rules.read_text("utf-8") if table.site_rules else default_site_rules()
    rules = load_site_rules(rules_text, str(table.site_rules or "site rules"))
    if isinstance(protocol, tuple) or isinstance(rules, tuple):
        faults = [*(protocol if isinstance(protocol, tuple) else ()), *(rules if isinstance(rules, tuple) else ())]
        raise PharmacyFault("; ".join(map(str, faults)), "a study protocol and site rules", "Correct the file.")
    try:
        regimen = protocol.regimen(table.arm)
    except UnknownArmError as error:
        raise PharmacyFault(str(error), "one arm", "Name it: arm = ... in [pharmacy].") from None
    return Rulebook(regimen=regimen, follow_up=protocol.follow_up, rules=rules)


def _protocol_text(config: PharmacyConfig) -> str:
    table = config.pharmacy
    if table.protocol:
        return table.protocol.read_text("utf-8")
    if table.study not in names():
        advice = "Name its file: protocol = ... in [pharmacy]."
        raise PharmacyFault(f"study {table.study}", f"one of {', '.join(names())}", advice)
    return builtin(table.study)


def _store(config: PharmacyConfig, edge: Edge) -> PharmacyStore:
    table = config.pharmacy
    uses = {"countersigning": table.witness_key, "orders": table.orders_key, "the log": table.log_key}
    keys.refuse_shared(config.mqtt.key, uses)
    site, signer = table.site, keys.load_signer(table.witness_key)
    desk = Desk(
        site=site,
        study=config.pharmacy.study,
        operators=config.staff(),
        key_name=orders_name(site),
        signer=keys.load_signer(config.pharmacy.orders_key),
    )
    witness = Vkey(witness_name(site), COSIGNATURE, signer.public)
    thread = edge.thread() if edge.thread else None
    return PharmacyStore(config.database, witness, signer, desk, bookkeeping(config, edge), thread)


def _service(config: PharmacyConfig, store: PharmacyStore, clock: Clock, edge: Edge) -> PharmacyService:
    logger = logging.getLogger("nebctl.pharmacy")
    return PharmacyService(
        store,
        config.settings(),
        config.pharmacy.site,
        clock,
        random=lambda: int.from_bytes(edge.random(6)) / 2**48,
        log=logger,
        connect=edge.connect,
    )


@contextlib.asynccontextmanager
async def _page(config: PharmacyConfig, clock: Clock) -> AsyncIterator[str]:
    """Serve the page, where the configuration has one, and yield its address."""
    if config.page is None:
        yield ""
        return
    from nebctl.pharmacy.web import Page, serve_page  # noqa: PLC0415 - commands that serve nothing load no web server

    site, book = config.pharmacy.site, rulebook(config)
    signer = keys.load_signer(config.pharmacy.witness_key)
    examiner = Examiner(
        pharmacy=Vkey(witness_name(site), COSIGNATURE, signer.public),
        limits=Limits(lower_nl=book.rules.lower_nl(book.regimen), upper_nl=book.rules.upper_nl(book.regimen)),
        verify=keys.verify,
    )

    def page(token: str, hosts: frozenset[str]) -> Page:
        return Page(database=config.database, site=site, clock=clock, examiner=examiner, token=token, hosts=hosts)

    async with serve_page(page, config.page.bind, config.database) as address:
        yield address


async def _until(stop: asyncio.Event, service: PharmacyService) -> None:
    serving, stopping = asyncio.create_task(service.run()), asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
