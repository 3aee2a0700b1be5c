"""Making a pharmacy: its keys, the trust files that others check it by, and its configuration."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nebctl.core.ledger.head import origin
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey
from nebctl.keys import create_key, write_public
from nebctl.pharmacy.log import UNIT
from nebctl.pins import create_pin_key
from nebctl.ports import Signer

PIN_KEY = "pin.key"
"""The file, in the pharmacy's folder of keys, by which PINs are peppered at every unit of the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the new pharmacy is; `clock` None means the system's clock, `zone` is where its days begin and end.

    `operators` are the therapists, and like `pharmacists` and `investigators` pairs of code and name. `make_key` writes
    a new private key, `make_pin_key` a new PIN key; only a simulated site may be given another way than the system's
    chance.
    """

    site: str
    sim: bool
    study: str
    mqtt: str
    clock: Path | None
    operators: Sequence[tuple[str, str]]
    zone: str = "UTC"
    pharmacists: Sequence[tuple[str, str]] = ()
    investigators: Sequence[tuple[str, str]] = ()
    make_key: Callable[[Path], Signer] = create_key
    make_pin_key: Callable[[Path], None] = create_pin_key


def witness_name(site: str) -> str:
    """Return the name of the key that countersigns heads."""
    return f"{site}/nebctl-pharmacy"


def orders_name(site: str) -> str:
    """Return the name of the key that signs worklists."""
    return f"{site}/nebctl-pharmacy/orders"


def set_up(folder: Path, trust: Path, plan: Plan) -> tuple[Vkey, Vkey, Vkey]:
    """Write keys, trust files and pharmacy.toml; return the countersigning key, that of the orders and of the log.

    Raises: `KeyFault` where a key exists already or a file cannot be written; `OSError` for the configuration;
    `ValueError` where a site that is not simulated would get keys that are not new.
    """
    if (plan.make_key is not create_key or plan.make_pin_key is not create_pin_key) and not plan.sim:
        raise ValueError(f"{plan.site} is not simulated: its keys come from the system's chance alone")
    keys = folder / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    witness = Vkey(witness_name(plan.site), COSIGNATURE, plan.make_key(keys / "witness.key").public)
    orders = Vkey(orders_name(plan.site), ED25519, plan.make_key(keys / "orders.key").public)
    log = Vkey(origin(plan.site, UNIT, 1), ED25519, plan.make_key(keys / "log.key").public)
    plan.make_pin_key(keys / PIN_KEY)
    write_public(trust, "pharmacy", witness)
    write_public(trust, UNIT, log)
    write_public(trust, "pharmacy-orders", orders)
    with (folder / "pharmacy.toml").open("x", encoding="utf-8") as file:
        file.write(_configuration(plan))
    return witness, orders, log


def _configuration(plan: Plan) -> str:
    lines = [
        "[pharmacy]",
        f"site = {_quoted(plan.site)}",
        f"study = {_quoted(plan.study)}",
        'data = "."',
        'witness_key = "keys/witness.key"',
        'orders_key = "keys/orders.key"',
        'log_key = "keys/log.key"',
        f'pin_key = "keys/{PIN_KEY}"',
        f"zone = {_quoted(plan.zone)}",
        f"sim = {'true' if plan.sim else 'false'}",
        "lease_days = 30",
        "",
        "[mqtt]",
        f"url = {_quoted(plan.mqtt)}",
    ]
    if plan.clock:
        lines += ["", "[clock]", f"file = {_quoted(str(plan.clock.absolute()))}"]
    staff = {"therapist": plan.operators, "pharmacist": plan.pharmacists, "investigator": plan.investigators}
    for role, persons in staff.items():
        for code, name in persons:
            lines += ["", "[[operators]]", f"code = {_quoted(code)}", f"name = {_quoted(name)}", f'roles = ["{role}"]']
    return "\n".join((*lines, ""))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
