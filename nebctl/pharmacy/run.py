"""The pharmacy's process: what is read at the start, and how it ends."""

import asyncio
import contextlib
import logging
import secrets
import signal
from collections.abc import Callable

from nebctl import keys
from nebctl.clock import FileClock, SystemClock
from nebctl.core.ledger.note import COSIGNATURE, Vkey
from nebctl.pharmacy.config import PharmacyConfig
from nebctl.pharmacy.orders import Desk
from nebctl.pharmacy.service import PharmacyService
from nebctl.pharmacy.setup import orders_name, witness_name
from nebctl.pharmacy.store import PharmacyStore
from nebctl.ports import Clock


def clock_of(config: PharmacyConfig) -> Clock:
    """Return the clock that the configuration names.

    Raises: `ClockFileFault` where a shared clock cannot be read.
    """
    return FileClock(config.clock.file) if config.clock.file else SystemClock()


async def serve(config: PharmacyConfig, ready: Callable[[], None]) -> None:
    """Run the pharmacy until SIGTERM or SIGINT; `ready` is called once records can be kept.

    Raises: `KeyFault` for a key, `StoreFault` for the database, `ClockFileFault` for the clock.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    clock = clock_of(config)
    store = _store(config)
    await store.open(simulated=config.pharmacy.sim, verify=keys.verify)
    try:
        ready()
        await _until(stop, _service(config, store, clock))
    finally:
        await store.close()


def _store(config: PharmacyConfig) -> PharmacyStore:
    site, signer = config.pharmacy.site, keys.load_signer(config.pharmacy.witness_key)
    desk = Desk(
        site=site,
        study=config.pharmacy.study,
        operators=config.staff(),
        key_name=orders_name(site),
        signer=keys.load_signer(config.pharmacy.orders_key),
    )
    return PharmacyStore(config.database, Vkey(witness_name(site), COSIGNATURE, signer.public), signer, desk)


def _service(config: PharmacyConfig, store: PharmacyStore, clock: Clock) -> PharmacyService:
    log = logging.getLogger("nebctl.pharmacy")
    random = secrets.SystemRandom().random
    return PharmacyService(store, config.settings(), config.pharmacy.site, clock, random=random, log=log)


async def _until(stop: asyncio.Event, service: PharmacyService) -> None:
    serving, stopping = asyncio.create_task(service.run()), asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
