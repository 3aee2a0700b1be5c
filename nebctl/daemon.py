"""The composition root of a unit: opens every part, ties them together, and ends them in order."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nebctl import SOFTWARE
from nebctl.bedside.hardware import Beside
from nebctl.clock import ClockFileFault, FileClock, SystemClock
from nebctl.config import LoadedConfig
from nebctl.contact import PARTED, parting
from nebctl.core.alarms import Condition
from nebctl.core.calibrated import known_rules
from nebctl.core.device import CommandFailed
from nebctl.core.dose import DeviceModel
from nebctl.core.faults import Fault
from nebctl.core.history import UnitHistory, config_digest, fold
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Json
from nebctl.core.recovery import recover
from nebctl.core.session import Rules
from nebctl.core.session.accepted import with_acceptances
from nebctl.core.trace import HEADER, Trace
from nebctl.core.verify import Limits
from nebctl.keys import KeyFault, load_signer, load_trust, load_vkey, refuse_shared, verify
from nebctl.pins import PinKey, load_pin_key
from nebctl.ports import Clock, Link, Nebulizer, Panel
from nebctl.publish.asking import converse
from nebctl.publish.connection import BrokerFault
from nebctl.restoring import Found, Restored, Restorer
from nebctl.store.epochs import newest_epoch
from nebctl.store.faults import StoreFault
from nebctl.store.ledger import UnitLedger
from nebctl.store.outbox import ReceiptRefused, Refusal
from nebctl.study import Study, StudyFault, load_approvers, load_study
from nebctl.unit import LIVE_EDGE, Edge, Opened, StartFault, Unit, mqtt_settings
from nebctl.worklists import WorklistKeeper
from nebctl_drivers.panel import open_panel
from nebctl_drivers.priors import PRIORS
from nebctl_drivers.registry import open_driver
from nebctl_drivers.scanner import open_scanner
from nebctl_drivers.wiring import Wiring, check_wiring

log = logging.getLogger("nebctl")

REACH_S = 3.0
"""How long a unit that starts waits for its broker; a dose needs none."""
CONTACT_S = 60.0
"""How long a unit that starts may fetch lost records back; an absent pharmacy costs it far less."""


async def run_unit(loaded: LoadedConfig, *, wait_for_device: bool, ready: Callable[[str], None]) -> None:
    """Run one unit until SIGTERM or SIGINT; `ready` is called with the page's address once it serves.

    With `wait_for_device` a port that is missing or wrong is tried again for ever; without it, that is a fault.
    Raises: `StartFault` where a part cannot be opened.
    """
    opened = await open_parts(loaded)
    try:
        if not wait_for_device:
            await _prove_device(opened.nebulizer, simulated=loaded.config.unit.simulated)
        await Unit(opened).run(ready)
    finally:
        await opened.nebulizer.close()
        await opened.ledger.close()


async def open_parts(loaded: LoadedConfig, edge: Edge = LIVE_EDGE, *, reason: str = "start") -> Opened:
    """Read the study and open clock, driver and ledger; close what a restart left open in the log.

    `reason` is what the boot record says of why the ledger was opened.

    Raises: `StartFault` naming the first part that cannot be opened.
    """
    _check_edge(loaded, edge)
    config, path = loaded.config, loaded.path
    try:
        clock = edge.clock or (FileClock(path(config.clock.file)) if config.clock.file else SystemClock())
        zone = ZoneInfo(config.unit.zone)
        trust = path(config.unit.trust)
        approvers = load_approvers(trust / "approvers.vkey")
        files = path(config.study.protocol), config.study.arm, path(config.study.site_rules)
        study = load_study(*files, approvers, clock.instant().wall_ns)
        orders = load_vkey(trust / "pharmacy-orders.vkey")
        pin_key = _pin_key(loaded)
        nebulizer = _nebulizer(loaded, clock, edge)
        _check_device_class(loaded, study)
        _check_promises(loaded, study, nebulizer)
        ledger = await open_ledger(loaded, clock, edge, may_lack_key=True)
    except ZoneInfoNotFoundError:
        raise StartFault(f"[unit] zone {config.unit.zone!r} is no time zone; write one such as Asia/Shanghai") from None
    except (StudyFault, KeyFault, ClockFileFault, StoreFault) as fault:
        raise StartFault(str(fault)) from None
    rules = _rules(loaded, study, nebulizer)
    try:
        came = await _first_contact(loaded, ledger, orders, clock, edge)
        boot = (Draft(typ="boot", facts={"reason": reason}), *_told(came))
        history = await closed_history(ledger, clock, rules, study, boot)
    except StoreFault as fault:  # a restored ledger that may not be continued (yet), or a full disk
        await ledger.close()
        raise StartFault(str(fault)) from None
    worklists = WorklistKeeper(
        path(config.unit.data) / "worklist.note",
        orders=orders,
        site=config.unit.site,
        unit=config.unit.id,
        verify=verify,
        least_version=history.worklist_version,
    )
    return Opened(
        loaded=loaded,
        clock=clock,
        zone=zone,
        study=study,
        rules=rules,
        nebulizer=nebulizer,
        ledger=ledger,
        history=history,
        worklists=worklists,
        orders=orders,
        pin_key=pin_key,
        beside=Beside(scanner=_scanner(loaded, edge), panel=_panel(loaded)),
        edge=edge,
        found=_standing_alarms(came, history),
        unreceipted=(await ledger.backlog()).waiting,
    )


async def _first_contact(
    loaded: LoadedConfig, ledger: UnitLedger, orders: Vkey, clock: Clock, edge: Edge
) -> Found | None:
    """Ask the pharmacy how it knows this log before anything is recorded; None where it does not answer in time."""
    settings, unit = mqtt_settings(loaded), loaded.config.unit
    if settings is None:
        return None
    restorer = Restorer(ledger, orders, edge.random)
    try:
        async with asyncio.timeout(CONTACT_S), contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(REACH_S):
                reaching = converse(edge.connect, settings, unit.site, unit.id)
                conversation = await stack.enter_async_context(reaching)
            return await restorer.catch_up(conversation, clock.instant)
    except (BrokerFault, OSError, ValueError) as fault:  # a time-out is an OSError
        log.info("the pharmacy does not answer yet (%s); the unit works on", str(fault) or "no answer in time")
        return None


def _told(came: Found | None) -> tuple[Draft, ...]:
    """Return the record that the logs have parted, where the first contact showed it."""
    return (parting(came),) if isinstance(came, ReceiptRefused) and came.kind in PARTED else ()


def _standing_alarms(came: Found | None, history: UnitHistory) -> tuple[Condition, ...]:
    """Return the alarms that stand from the start: what an earlier boot found stays until a new epoch begins."""
    if isinstance(came, Restored):
        return (Condition.RECORDS_RESTORED,)
    return (PARTED[Refusal(history.parted)],) if history.parted else ()


def check_devices(loaded: LoadedConfig, file: Path) -> tuple[Fault, ...]:
    """Return what is wrong with the ports and lines of a configuration, as far as it shows without opening one."""
    device, gpio = loaded.config.device, loaded.config.gpio
    wiring = Wiring(
        driver=device.driver,
        port=_port(loaded),
        profile=_profile(loaded),
        cut_off=device.cut_off,
        balance=device.balance,
        simulated=loaded.config.unit.simulated,
        gpio=(gpio.chip, gpio.lines()) if gpio else None,
    )
    return check_wiring(wiring, file)


def _port(loaded: LoadedConfig) -> str:
    port = loaded.config.device.port
    return port if "://" in port else str(loaded.path(Path(port)))


def _nebulizer(loaded: LoadedConfig, clock: Clock, edge: Edge) -> Nebulizer:
    device = loaded.config.device
    nebulizer = open_driver(
        device.driver,
        _port(loaded),
        nonce=lambda: edge.random(4).hex(),
        now_ns=lambda: clock.instant().mono_ns,
        profile=_profile(loaded),
        trace=loaded.path(device.trace) if device.trace is not None else None,
        simulated=loaded.config.unit.simulated,
        cut_off=device.cut_off,
        balance=device.balance,
        own_link=edge.open_link,
    )
    if isinstance(nebulizer, CommandFailed):
        raise StartFault(f"[device] {nebulizer.sentence()}", wrong_call=True)
    if isinstance(nebulizer, tuple):
        raise StartFault("\n".join(map(str, nebulizer)), wrong_call=True)
    return nebulizer


def _scanner(loaded: LoadedConfig, edge: Edge) -> Link | None:
    """Return the link to the unit's own scanner; None where its configuration names none."""
    table = loaded.config.scanner
    if table is None:
        return None
    link = open_scanner(table.port, table.layout, edge.open_link)
    if isinstance(link, CommandFailed):
        raise StartFault(f"[scanner] {link.sentence()}", wrong_call=True)
    return link


def _panel(loaded: LoadedConfig) -> Panel | None:
    """Return the buttons and lamps of the unit; None where its configuration names none."""
    table = loaded.config.gpio
    if table is None:
        return None
    panel = open_panel(table.chip, table.lines(), active_low=table.active_low, pwm=table.pwm)
    if isinstance(panel, CommandFailed):
        raise StartFault(f"[gpio] {panel.sentence()}", wrong_call=True)
    return panel


def _profile(loaded: LoadedConfig) -> str | None:
    """Return the device's profile; a file is found from the configuration's own folder, and any other name is left."""
    profile = loaded.config.device.profile
    if profile is None or not ("/" in profile or profile.endswith(".toml")):
        return profile
    return str(loaded.path(Path(profile)))


async def open_ledger(
    loaded: LoadedConfig, clock: Clock, edge: Edge = LIVE_EDGE, *, may_lack_key: bool = False
) -> UnitLedger:
    """Open a unit's ledger, alone, with its key; `may_lack_key` as `UnitLedger.open`.

    Raises: `StartFault` where its folder is missing, `KeyFault` for a key, `StoreFault` for the ledger.
    """
    unit = loaded.config.unit
    data = loaded.path(unit.data)
    if not data.is_dir():
        raise StartFault(f"[unit] data {data}: no such folder; make it, writable for the unit", wrong_call=True)
    path = data / "unit.db"
    stamp = Stamp(
        unit=unit.id, epoch=newest_epoch(path), software=SOFTWARE, config_sha256=loaded.sha256, simulated=unit.simulated
    )
    tls = loaded.config.mqtt.key if loaded.config.mqtt else None
    refuse_shared(loaded.path(tls) if tls else None, {"signing": _key_path(loaded, loaded.config.unit.key)})
    return await UnitLedger.open(
        path,
        site=unit.site,
        unit=unit.id,
        signer=load_signer(_key_path(loaded, loaded.config.unit.key)),
        verify=verify,
        witness=load_trust(loaded.path(unit.trust), "pharmacy"),
        stamp=stamp,
        random=edge.random,
        at=clock.instant(),
        thread=edge.thread() if edge.thread else None,
        may_lack_key=may_lack_key,
    )


def _key_path(loaded: LoadedConfig, key: Path) -> Path:
    """Return a key's path; `credential:NAME` is one that the service manager hands over."""
    name = str(key)
    if name.startswith("credential:"):
        return Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials")) / name.removeprefix("credential:")
    return loaded.path(key)


def _pin_key(loaded: LoadedConfig) -> PinKey | None:
    """Return the site's PIN key; at a live unit it lies off the card that holds the data.

    Raises: `KeyFault` where it cannot be used.
    """
    unit = loaded.config.unit
    if unit.pin_key is None:
        return None
    return load_pin_key(_key_path(loaded, unit.pin_key), apart_from=None if unit.simulated else loaded.path(unit.data))


def _rules(loaded: LoadedConfig, study: Study, nebulizer: Nebulizer) -> Rules:
    limits = Limits(lower_nl=study.rules.lower_nl(study.regimen), upper_nl=study.rules.upper_nl(study.regimen))
    device = loaded.config.device
    return Rules(
        limits=limits,
        site=study.rules,
        model=_model(loaded),
        declaration=nebulizer.declaration,
        prior=PRIORS[device.driver],
        mesh=device.mesh,
    )


def _check_edge(loaded: LoadedConfig, edge: Edge) -> None:
    """Refuse chance, time or wires of somebody else's making for a unit that treats people.

    Raises: `StartFault`.
    """
    if edge != LIVE_EDGE and not loaded.config.unit.simulated:
        raise StartFault(
            "[unit] simulated = false: a live unit takes chance, time, wires and broker from this machine alone",
            wrong_call=True,
        )


def _check_device_class(loaded: LoadedConfig, study: Study) -> None:
    """Refuse a device that cannot emit a whole dose, unless the site's approved rules number that deviation.

    Raises: `StartFault` naming the line that is missing.
    """
    if PRIORS[loaded.config.device.driver].dries and study.rules.jet_under is None:
        raise StartFault(
            f"[device] driver {loaded.config.device.driver!r}: a jet emits about half of a dose, and "
            f"{loaded.config.study.site_rules} has no [deviations] jet_under; add a numbered one, such as "
            '"DEV-001 …", and approve the file, or use a mesh',
            wrong_call=True,
        )


def _check_promises(loaded: LoadedConfig, study: Study, nebulizer: Nebulizer) -> None:
    """Refuse a live unit whose device keeps S22 or S24 neither by itself nor by a cut-off, unless the site accepts it.

    Raises: `StartFault` naming the line that is missing.
    """
    if loaded.config.unit.simulated:
        return
    for promise in nebulizer.declaration.missing():
        if study.rules.acceptance(promise) is None:
            lack, key = _ACCEPTED[promise]
            raise StartFault(
                f"[device] driver {loaded.config.device.driver!r}: {lack} ({promise}), and "
                f"{loaded.config.study.site_rules} has no [deviations] {key}; use a device with an independent "
                'cut-off, or add a numbered deviation, such as "DEV-002 …", and approve the file',
                wrong_call=True,
            )


_ACCEPTED = {
    "S22": ("the device does not turn off by itself within 2 s of a lost host", "host_loss"),
    "S24": ("the device knows no maximum on-time of its own", "host_max_on"),
}


def _model(loaded: LoadedConfig) -> DeviceModel:
    """Return the rate that the configuration gives, for a device that nobody has calibrated, or its class's prior."""
    device = loaded.config.device
    prior = PRIORS[device.driver]
    if device.rate_nl_per_s is None or device.sigma_ppm is None:
        return prior
    return replace(prior, rate_nl_per_s=device.rate_nl_per_s, sigma_ppm=device.sigma_ppm, calibrated=True)


async def closed_history(
    ledger: UnitLedger, clock: Clock, rules: Rules, study: Study, first: tuple[Draft, ...]
) -> UnitHistory:
    """Record the boot, what is to be told with it, and an outcome for every session that a restart left without one."""
    history = fold(UnitHistory(), await ledger.all_entries())
    boot = await ledger.append(first, clock.instant())
    history = fold(history, boot)
    cfg = str(boot[0].payload["cfg"])
    if history.config != config_digest(cfg, study.protocol_text, study.rules_text):
        texts: dict[str, Json] = {"protocol": study.protocol_text, "site": study.rules_text}
        history = fold(history, await ledger.append((Draft(typ="config", facts=texts),), clock.instant()))
    for open_session in tuple(history.open.values()):
        session = open_session.place.session
        rows = await ledger.load_trace_rows(session)
        known = known_rules(rules, history, open_session.device or "", open_session.started_wall_ns or 0)
        drafts = recover(open_session, rows, known, study.regimen, clock.instant())
        trace = Trace(session=session, csv=f"{HEADER}\n{rows}")
        drafts = tuple(replace(d, facts={**d.facts, "trace": trace.sha256}) if d.typ == "dose" else d for d in drafts)
        traces = (trace,) if any(d.typ == "dose" for d in drafts) else ()
        accepted = with_acceptances(drafts, known)
        history = fold(history, await ledger.append(accepted, clock.instant(), traces=traces))
        log.warning("session %s was left open by a restart and is recorded as such", session)
    return history


async def _prove_device(nebulizer: Nebulizer, *, simulated: bool) -> None:
    identity = await nebulizer.open()
    if isinstance(identity, CommandFailed):
        raise StartFault(f"[device] {identity.sentence()}")
    await nebulizer.close()
    if identity.simulated != simulated:
        told = "a simulator" if identity.simulated else "a real device"
        wanted = "a simulator" if simulated else "a real device"
        raise StartFault(
            f"[device] {identity.serial} is {told}, but [unit] simulated = {str(simulated).lower()} wants {wanted}. "
            "Correct [device] port: a simulator never serves a live unit, nor a real device a simulated one."
        )
