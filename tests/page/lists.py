"""Lists that the tests sign in the pharmacy's place: whose kit is whose, and what is against it."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from paho.mqtt.publish import single

from nebctl.core.instant import NS_PER_S
from nebctl.core.kits import KitState, KnownKit, LotState
from nebctl.core.ledger.note import sign_note
from nebctl.core.orders import DoseState, HistoryItem, Operator, Order, PlannedDose, Worklist, worklist_text
from nebctl.keys import load_signer
from nebctl.pharmacy.setup import PIN_KEY, orders_name
from nebctl_lab.codes import coded
from nebctl_lab.demo.site import FIRST_MORNING, LEASE_NS, LOT, MESH, SITE, STUDY, THERAPIST
from nebctl_lab.people import with_pin

NOW_NS = int(FIRST_MORNING.timestamp()) * NS_PER_S
LATEST = 1_000
"""A later lease than any that the site's own pharmacy has told the unit of."""
AT_0812_NS = NOW_NS - 48 * 60 * NS_PER_S


def kit(name: str, **changed: Any) -> KnownKit:
    """Return a kit that is dispensed to MEX-001 for Day 1, with what the test changes."""
    facts = {"lot": LOT, "lot_state": LotState.RELEASED, "expires": date(2026, 12, 31), "state": KitState.DISPENSED}
    return KnownKit(**{"kit": name, "since_ns": AT_0812_NS, "subject": "MEX-001", "day": 1, **facts, **changed})


def order(subject: str, doses: dict[int, str], *, given: DoseState | None = None, **changed: Any) -> Order:
    """Return a subject's order with one kit a day; `given` is what came of Day 1 on another unit."""
    ends_ns = changed.pop("not_after_ns", NOW_NS + LEASE_NS)
    lease = {"lot": LOT, "not_after_ns": ends_ns, "sequence": LATEST}
    leased = tuple(PlannedDose(day=day, dose=1, kit=name, **lease) for day, name in doses.items())
    past = (HistoryItem(day=1, dose=1, state=given, unit="neb-0017", session="2026-02-14-000000"),) if given else ()
    return Order(
        **{"order": f"{subject}@{MESH.unit}", "subject": subject, "day1": None, "doses": leased, "history": past}
        | changed
    )


def first_dose() -> Worklist:
    """Return a list by which the therapist may give MEX-001 the dose of Day 1, and nothing else."""
    return Worklist(
        version=0,
        issued_ns=NOW_NS,
        expires_ns=NOW_NS + LEASE_NS,
        study=STUDY,
        orders=(order("MEX-001", {1: "KIT-0401"}),),
        operators=(Operator(code=THERAPIST[0], name=THERAPIST[1], roles=("therapist",)),),
        kits=(kit("KIT-0401"),),
    )


class Pharmacy:
    """Sends the unit lists that the orders key signed, each newer than the one before."""

    def __init__(self, ward: Any) -> None:
        self._ward = ward
        self._signer = load_signer(ward.site.root / "keys" / "orders.key")
        config = (ward.site.unit(MESH.unit) / "unit.toml").read_text("utf-8")
        [(host, port)] = re.findall(r'url = "mqtt://(.+):(\d+)"', config)
        self._broker: Any = {"hostname": host, "port": int(port)}
        self._kept: Worklist | None = None
        self.version = 1000

    def note(self, worklist: Worklist, version: int) -> str:
        """Return the list as a signed note, everybody with the PIN."""
        staff = tuple(with_pin(person, self._ward.site.root / "keys" / PIN_KEY) for person in worklist.operators)
        whole = coded(worklist, self._ward.site.root / "keys" / PIN_KEY, "MEX-001", "MEX-008", "MEX-009")
        text = worklist_text(replace(whole, version=version, operators=staff), SITE, MESH.unit)
        return sign_note(text, orders_name(SITE), self._signer)

    def send(self, note: str) -> None:
        """Publish a list; the unit may take it or not."""
        single(f"nebctl/v1/{SITE}/{MESH.unit}/worklist", note, qos=1, retain=True, **self._broker)

    def holds(self, worklist: Worklist, until: Callable[[Callable[[], bool]], None]) -> None:
        """Let the unit work by this list; it is sent only where the unit has another."""
        if worklist == self._kept:
            return
        self.version += 1
        self.send(self.note(worklist, self.version))
        until(lambda: any(record["version"] == self.version for record in self._ward.records("order")))
        self._kept = worklist
