"""The files of a simulated site: keys from the seed, trust, an approved study, the pharmacy, and its units."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from nebctl.core.instant import NS_PER_S
from nebctl.core.kits import KitState, LotState
from nebctl.core.ledger.approval import approval_text
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.head import origin
from nebctl.core.ledger.note import ED25519, Vkey, sign_note
from nebctl.keys import load_signer, write_public
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.enrolment import Enrolment, enrol_subject, enrol_unit_by
from nebctl.pharmacy.leases import Dispensing, dispense
from nebctl.pharmacy.setup import PIN_KEY, Plan, set_up
from nebctl.pharmacy.stock import NewKit, add_lot, change_kits, change_lot, import_kits
from nebctl.pins import load_pin_key
from nebctl_lab.codes import link_of
from nebctl_lab.demo.site import DEVIATIONS, EXPIRY, LOT, PHARMACISTS, SITE, STUDY, THERAPIST
from nebctl_lab.people import give_pins
from nebctl_lab.system.chance import make_keys, make_pin_key, stream
from nebctl_lab.system.devices import BALANCE_PORT, CUT_OFF_PORT, DEVICES
from nebctl_lab.system.plan import SitePlan, SubjectPlan, UnitPlan
from nebctl_protocols import builtin, default_site_rules

NIGHT_THERAPIST = ("RT-08", "Second demo therapist")
INVESTIGATORS = (("PI-01", "Demo investigator"),)
BROKER = "mqtt://127.0.0.1:1883"
"""The address of a broker that is in memory: never connected to."""


def furnish(root: Path, plan: SitePlan) -> None:
    """Write everything that stands on the disks of a site before its machines are switched on."""
    for folder in ("trust", "study"):
        (root / folder).mkdir()
    make_key = make_keys(plan.seed)
    pharmacy = Plan(
        site=SITE,
        sim=True,
        study=STUDY,
        mqtt=BROKER,
        clock=None,
        operators=(THERAPIST, NIGHT_THERAPIST),
        zone=plan.zone,
        pharmacists=PHARMACISTS,
        investigators=INVESTIGATORS,
        make_key=make_key,
        make_pin_key=make_pin_key(plan.seed),
    )
    set_up(root, root / "trust", pharmacy)
    make_key(root / "keys" / "approver.key")
    _approve(root, plan)
    for unit in plan.units:
        _furnish_unit(root, plan, unit)


def enrol(root: Path, plan: SitePlan, books: Books) -> None:
    """Enter stock, units and subjects in the pharmacy's books, as its pharmacists do."""
    by = PHARMACISTS[0][0]
    give_pins(books, root / "keys" / PIN_KEY, by, stream(plan.seed, "salts of PINs").randbytes)
    kits = tuple(kit for subject in plan.subjects for kit in subject.all_kits())
    add_lot(books, LOT, by)
    change_lot(books, LOT, LotState.RELEASED, by, "simulation")
    import_kits(books, [NewKit(kit=kit, lot=LOT, expires=EXPIRY) for kit in kits], by)
    change_kits(books, kits, KitState.RELEASED, by, "simulation")
    for unit in plan.units:
        enrol_unit_by(books, unit.name, _vkey(root, unit.name), by)
    for subject in plan.subjects:
        _enrol_subject(root, plan, subject, books)


def _enrol_subject(root: Path, plan: SitePlan, subject: SubjectPlan, books: Books) -> None:
    (by, _), (second, _) = PHARMACISTS
    day1 = plan.begins.astimezone(ZoneInfo(plan.zone)).date() + timedelta(days=subject.begins - 1)
    wish = Enrolment(subject=subject.name, day1=day1, unit=subject.unit, by=by, second=second)
    enrol_subject(books, replace(wish, link=link_of(subject.name, load_pin_key(root / "keys" / PIN_KEY))))
    dispense(books, Dispensing(subject=subject.name, day=1, dose=1, kits=subject.all_kits(), by=by))


def _vkey(root: Path, unit: str) -> Vkey:
    return Vkey.parse((root / "trust" / f"{unit}.vkey").read_text("utf-8").strip())


def _approve(root: Path, plan: SitePlan) -> None:
    name, signer = f"{SITE}/approver", load_signer(root / "keys" / "approver.key")
    (root / "trust" / "approvers.vkey").write_text(Vkey(name, ED25519, signer.public).text() + "\n", "utf-8")
    at = utc_text(int(plan.begins.timestamp()) * NS_PER_S)
    deviations = DEVIATIONS if any(DEVICES[unit.device].is_jet for unit in plan.units) else ""
    for file, text in ((f"{STUDY}.toml", builtin(STUDY)), ("site-rules.toml", default_site_rules() + deviations)):
        path = root / "study" / file
        path.write_text(text, "utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        path.with_name(f"{file}.sig").write_text(sign_note(approval_text(file, digest, at), name, signer), "utf-8")


def _furnish_unit(root: Path, plan: SitePlan, unit: UnitPlan) -> None:
    folder = root / "units" / unit.name
    folder.mkdir(parents=True)
    signer = make_keys(plan.seed)(folder / f"{unit.name}.key")
    write_public(root / "trust", unit.name, Vkey(origin(SITE, unit.name, 1), ED25519, signer.public))
    (folder / "unit.toml").write_text(_unit_toml(plan, unit), "utf-8")


def _unit_toml(plan: SitePlan, unit: UnitPlan) -> str:
    kind = DEVICES[unit.device]
    profile = f'profile = "{kind.profile}"\n' if kind.profile else ""
    balance = f'balance = "{BALANCE_PORT}"\n' if unit.balance else ""
    cut_off = f'cut_off = "{CUT_OFF_PORT}"\n' if unit.cut_off else ""
    return f"""# A simulated unit in virtual time: clock, wires and broker are in memory.
[unit]
id = "{unit.name}"
site = "{SITE}"
zone = "{plan.zone}"
data = "."
key = "{unit.name}.key"
trust = "../../trust"
simulated = true
pin_key = "../../keys/{PIN_KEY}"

[study]
protocol = "../../study/{STUDY}.toml"
site_rules = "../../study/site-rules.toml"

[device]
driver = "{kind.driver}"
port = "{kind.port}"
{profile}{balance}{cut_off}poll = "{plan.poll_ms} ms"

[mqtt]
url = "{BROKER}"

[page]
bind = "127.0.0.1:0"
"""
