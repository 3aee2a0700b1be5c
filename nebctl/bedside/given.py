"""By what a press says who and which kit: codes from a script's scanner, a typed subject, or the unit's own scanner."""

from nebctl.bedside import bodies
from nebctl.bedside.credentials import Credentials
from nebctl.bedside.scanning import Identifiers, Vouched, Who
from nebctl.core.guard import Refusal
from nebctl.runner import Refused

PAGE_CODE = Refusal(code="page-code", sentence="A page gives no codes. Scan with the unit's scanner.")


async def given(body: bodies.Codes, credentials: Credentials, *, machine: bool) -> tuple[Who | None, str | None]:
    """Return by what subject and kit are known; None: by what the unit's own scanner read.

    Raises: `Refused` for codes that are not from a `machine`'s own scanner, and where the second person is not proven.
    """
    if not machine and (body.band, body.kit) != (None, None):
        raise Refused(PAGE_CODE)
    if body.typed is not None:
        second = await credentials.prove(body.typed.second, body.typed.pin.get_secret_value())
        return Vouched(subject=body.typed.subject, reason=body.typed.reason, second=second.code), body.kit
    if body.band is None or body.card is None:
        return None, body.kit
    return Identifiers(band=body.band, card=body.card), body.kit


def given_cup(body: bodies.ChargeBody, *, machine: bool) -> str | None:
    """Return the cup's code or its typed number; None: what the unit's own scanner read.

    Raises: `Refused` for a code that is not from a `machine`'s own scanner.
    """
    if not machine and body.cup is not None and body.cup_typed is None:
        raise Refused(PAGE_CODE)
    return body.cup
