"""Who issues the worklists of these tests, and by which key a unit reads them."""

from nebctl import keys
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.operators import Operator
from nebctl.pharmacy.orders import Desk

SITE = "sim.mexcovid.example"
SIGNER = keys.Ed25519Signer.from_seed(b"\x03" * 32)
ORDERS = Vkey(f"{SITE}/nebctl-pharmacy/orders", ED25519, SIGNER.public)
DESK = Desk(
    site=SITE,
    study="NCT04276987",
    operators=(Operator(code="RT-07", name="Demo", roles=("therapist",)),),
    key_name=ORDERS.name,
    signer=SIGNER,
)
