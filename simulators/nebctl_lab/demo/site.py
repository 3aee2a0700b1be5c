"""A whole site in one folder: keys, trust, an approved study, a pharmacy, and its units with simulated devices."""

import contextlib
import fcntl
import hashlib
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from nebctl.clock import write_clock_file
from nebctl.core.instant import NS_PER_S
from nebctl.core.kits import KitState, LotState
from nebctl.core.ledger.approval import approval_text
from nebctl.core.ledger.envelope import utc_text
from nebctl.core.ledger.head import origin
from nebctl.core.ledger.note import ED25519, Vkey, sign_note
from nebctl.keys import create_key, write_public
from nebctl.pharmacy.books import Books
from nebctl.pharmacy.config import PharmacyConfig, read_config
from nebctl.pharmacy.enrolment import Enrolment, enrol_subject, enrol_unit_by
from nebctl.pharmacy.leases import Dispensing, dispense
from nebctl.pharmacy.run import open_books
from nebctl.pharmacy.setup import PIN_KEY, Plan, set_up
from nebctl.pharmacy.stock import NewKit, add_lot, change_kits, change_lot, import_kits
from nebctl.pins import load_pin_key
from nebctl_lab import people
from nebctl_lab.codes import link_of
from nebctl_protocols import builtin, default_site_rules

MARK = "nebctl-demo"
SITE = "sim.mexcovid.example"
ZONE = "Asia/Shanghai"
STUDY = "NCT04276987"
FIRST_MORNING = datetime(2026, 2, 14, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai
LOT = "EXO2020A"
EXPIRY = date(2026, 12, 31)
THERAPIST = people.THERAPIST
PHARMACISTS = (("PH-01", "Demo pharmacist"), ("PH-02", "Second demo pharmacist"))
LEASE_NS = 30 * 24 * 3600 * NS_PER_S


class SiteFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """A folder that a demonstration may not use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bedside:
    """One subject at one unit, with a kit for each day.

    `port` is where the unit finds its simulated device; `begins` is the demonstration's day that is Day 1 here.
    """

    unit: str
    subject: str
    kits: tuple[str, ...]
    device: str = "mesh"
    port: str = "nebulizer"
    begins: int = 1


def _kits(first: int) -> tuple[str, ...]:
    return tuple(f"KIT-{number:04d}" for number in range(first, first + 5))


MESH = Bedside(unit="neb-0001", subject="MEX-001", kits=_kits(401))
JET = Bedside(unit="neb-0002", subject="MEX-002", kits=_kits(501), device="jet")
GUEST = Bedside(unit="neb-0001", subject="MEX-003", kits=_kits(601), begins=6)
"""A subject whose doses nobody gave yet, for a person to play with."""
DRIVERS = {"mesh": "mesh-reference", "jet": "jet-modbus"}
DEVIATIONS = """
[deviations]
jet_under = "DEV-001 jet nebulizers emit about half of the prescribed volume"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything of a demonstration lies."""

    root: Path

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the folder to one demonstration while the body runs.

        Raises: `SiteFault` where another one runs in it.
        """
        with (self.root / MARK).open("rb") as mark:
            _hold(mark.fileno(), self.root)
            yield

    @property
    def trust(self) -> Path:
        """Return the folder of public keys."""
        return self.root / "trust"

    @property
    def clock(self) -> Path:
        """Return the shared clock of simulated time."""
        return self.root / "clock"

    @property
    def pharmacy(self) -> Path:
        """Return the pharmacy's configuration."""
        return self.root / "pharmacy.toml"

    @property
    def pharmacy_db(self) -> Path:
        """Return the pharmacy's database."""
        return self.root / "pharmacy.db"

    def unit(self, name: str) -> Path:
        """Return a unit's folder."""
        return self.root / "units" / name

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.root / "logs" / f"{name}.log"


def _hold(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SiteFault(f"another demonstration runs in {root}; end it first, or choose another --data") from None


def prepare(root: Path) -> Site:
    """Return an empty site at `root`; an earlier demonstration there is replaced, nothing else ever is.

    Raises: `SiteFault` where the folder holds anything but an earlier demonstration.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        if not (root / MARK).is_file():
            raise SiteFault(f"{root} holds something else than an earlier demonstration; choose another --data")
        with (root / MARK).open("rb") as mark:
            _hold(mark.fileno(), root)
        shutil.rmtree(root)
    site = Site(root)
    for folder in (site.trust, root / "logs", root / "study", root / "proofs"):
        folder.mkdir(parents=True, exist_ok=True)
    (root / MARK).write_text("made by `nebctl demo`, replaced by the next one\n", "utf-8")
    wall_ns = int(FIRST_MORNING.timestamp()) * NS_PER_S
    write_clock_file(site.clock, mono_ns=NS_PER_S, wall_ns=wall_ns, scale_milli=1000)
    return site


def furnish(site: Site, broker: str, bedsides: tuple[Bedside, ...]) -> None:
    """Make keys, approvals and configurations, and enrol units and subjects; the first at a unit brings its device."""
    plan = Plan(
        site=SITE,
        sim=True,
        study=STUDY,
        mqtt=broker,
        clock=site.clock,
        operators=(THERAPIST,),
        zone=ZONE,
        pharmacists=PHARMACISTS,
    )
    set_up(site.root, site.trust, plan)
    with site.pharmacy.open("a", encoding="utf-8") as file:
        file.write('\n[page]\nbind = "127.0.0.1:0"\n')
    _approve(site, DEVIATIONS if any(bedside.device == "jet" for bedside in bedsides) else "")
    config = read_config(site.pharmacy)
    assert isinstance(config, PharmacyConfig)
    with open_books(config) as books:
        people.give_pins(books, site.root / "keys" / PIN_KEY, PHARMACISTS[0][0], secrets.token_bytes)
        _stock(books, tuple(kit for bedside in bedsides for kit in bedside.kits))
        for bedside in bedsides:
            if not site.unit(bedside.unit).exists():
                vkey = _furnish_unit(site, broker, bedside)
                enrol_unit_by(books, bedside.unit, vkey, PHARMACISTS[0][0])
            _enrol(books, bedside, site.root / "keys" / PIN_KEY)


def _stock(books: Books, kits: tuple[str, ...]) -> None:
    """Receive and release the kits of one lot, as a pharmacist does."""
    by = PHARMACISTS[0][0]
    add_lot(books, LOT, by)
    change_lot(books, LOT, LotState.RELEASED, by, "demonstration")
    import_kits(books, [NewKit(kit=kit, lot=LOT, expires=EXPIRY) for kit in kits], by)
    change_kits(books, kits, KitState.RELEASED, by, "demonstration")


def _enrol(books: Books, bedside: Bedside, pin_key: Path) -> None:
    """Enrol the subject by two pharmacists and dispense a kit to each dose."""
    (by, _), (second, _) = PHARMACISTS
    day1 = FIRST_MORNING.astimezone(ZoneInfo(ZONE)).date() + timedelta(days=bedside.begins - 1)
    link = link_of(bedside.subject, load_pin_key(pin_key))
    enrol_subject(
        books, Enrolment(subject=bedside.subject, day1=day1, unit=bedside.unit, by=by, second=second, link=link)
    )
    dispense(books, Dispensing(subject=bedside.subject, day=1, dose=1, kits=bedside.kits, by=by))


def _approve(site: Site, deviations: str) -> None:
    name, signer = f"{SITE}/approver", create_key(site.root / "keys" / "approver.key")
    (site.trust / "approvers.vkey").write_text(Vkey(name, ED25519, signer.public).text() + "\n", "utf-8")
    at = utc_text(int(FIRST_MORNING.timestamp()) * NS_PER_S)
    for file, text in ((f"{STUDY}.toml", builtin(STUDY)), ("site-rules.toml", default_site_rules() + deviations)):
        path = site.root / "study" / file
        path.write_text(text, "utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        path.with_name(f"{file}.sig").write_text(sign_note(approval_text(file, digest, at), name, signer), "utf-8")


def _furnish_unit(site: Site, broker: str, bedside: Bedside) -> Vkey:
    unit, folder = bedside.unit, site.unit(bedside.unit)
    folder.mkdir(parents=True)
    vkey = Vkey(origin(SITE, unit, 1), ED25519, create_key(folder / f"{unit}.key").public)
    write_public(site.trust, unit, vkey)
    (folder / "unit.toml").write_text(_unit_toml(site, broker, bedside), "utf-8")
    return vkey


def _unit_toml(site: Site, broker: str, bedside: Bedside) -> str:
    return f"""# A simulated unit of the demonstration.
[unit]
id = "{bedside.unit}"
site = "{SITE}"
zone = "{ZONE}"
data = "."
key = "{bedside.unit}.key"
trust = "../../trust"
simulated = true
pin_key = "../../keys/{PIN_KEY}"

[study]
protocol = "../../study/{STUDY}.toml"
site_rules = "../../study/site-rules.toml"

[device]
driver = "{DRIVERS[bedside.device]}"
port = "{bedside.port}"
poll = "50 ms"

[mqtt]
url = "{broker}"

[page]
bind = "127.0.0.1:0"

[clock]
source = "file"
file = "{site.clock.absolute()}"
"""
