"""Which driver goes by which name in a unit's configuration, and what it needs to be had."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from nebctl.core.device import Certainty, CommandFailed
from nebctl.core.faults import Fault
from nebctl.ports import Link, Nebulizer

from .address import Address, read_address
from .balance.device import Balance
from .balance.under_cup import UnderCup
from .board_9c.device import Board9C
from .board_9c.profile import PROFILE as BOARD_PROFILE
from .buses import Buses, Language
from .guarded import Guarded
from .jet.assembly import assemble_jet, open_balance
from .jet.profile import PROFILE as JET_PROFILE
from .jet.profile import Part, find_jet_profile
from .mesh_reference.device import MeshReference
from .modbus_nebulizer.assembly import modbus_nebulizer
from .profile_text import installed_line
from .profiles import find_profile, refuse_live
from .watchdog_relay.cutoff import CutOff
from .watchdog_relay.gpio_cutoff import GPIO_RELAY
from .watchdog_relay.modbus_relay import WATCHDOG_RELAY
from .watchdog_relay.opening import open_cutoff
from .weighed import Weighed

MESH_PROFILE = "mesh-reference"
GPIO_SCHEME = "gpio://"
_PLAIN = "/:@+,=~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A driver as a configuration asks for it.

    `profile` is the name or path of a profile, None for none. `nonce` gives eight fresh lower-case hexadecimal digits;
    `now_ns` is the monotonic time that stamps the reports. `simulated`: the unit drives simulated devices only.
    """

    name: str
    address: Address
    profile: str | None
    nonce: Callable[[], str]
    now_ns: Callable[[], int]
    simulated: bool
    buses: Buses


Had: TypeAlias = Nebulizer | CommandFailed | tuple[Fault, ...]
"""A driver; or why it cannot be had: what is wrong with its port, or everything that is wrong with its profile."""


def open_driver(
    name: str,
    url: str,
    *,
    nonce: Callable[[], str],
    now_ns: Callable[[], int],
    profile: str | None = None,
    trace: Path | None = None,
    simulated: bool = False,
    balance: str | None = None,
    cut_off: str | None = None,
    own_link: Callable[[str], Link | CommandFailed] | None = None,
) -> Had:
    """Return the driver `name` on the port `url`; its own `open` then begins the conversation.

    `profile` and `simulated` are as in `Wanted`; `trace` is the file that every byte goes to, None for none. `balance`
    is the port of a balance under the cup, None for none; a jet's profile may name one too. `cut_off` is where an
    independent cut-off is, None for none: a jet's stands in its profile. `own_link`: as in `Buses`.
    """
    make = DRIVERS.get(name)
    if make is None:
        return _refuse(f"the driver {name!r}", " or ".join(map(repr, sorted(DRIVERS))), "Correct [device] driver.")
    address = read_address(url)
    if isinstance(address, CommandFailed):
        return address
    buses = Buses(now_ns=now_ns, trace=trace, own_link=own_link)
    wanted = Wanted(
        name=name, address=address, profile=profile, nonce=nonce, now_ns=now_ns, simulated=simulated, buses=buses
    )
    had = make(wanted) if cut_off is None else _guard(make(wanted), cut_off, wanted)
    return had if balance is None else _weigh(had, Part(driver="mt-sics", url=balance), wanted)


def _guard(had: Had, url: str, wanted: Wanted) -> Had:
    """Return the driver behind a cut-off."""
    if isinstance(had, CommandFailed | tuple):
        return had
    if had.declaration.cut_off is not None:
        return _refuse("[device] cut_off with a jet", "none: its profile names its cut-off", "Remove [device] cut_off.")
    cutoff = _open_cut_off(url, wanted)
    return cutoff if isinstance(cutoff, CommandFailed) else Guarded(had, cutoff)


def _open_cut_off(url: str, wanted: Wanted) -> CutOff | CommandFailed:
    if url.startswith(GPIO_SCHEME):
        return open_cutoff(wanted.buses, GPIO_RELAY, url, None)
    address = read_address(url)
    unit = need_unit(address) if isinstance(address, Address) else address
    return unit if isinstance(unit, CommandFailed) else open_cutoff(wanted.buses, WATCHDOG_RELAY, url, unit)


def _weigh(had: Had, part: Part, wanted: Wanted) -> Had:
    """Return the driver with the weight of its cup in its reports."""
    if isinstance(had, CommandFailed | tuple):
        return had
    if isinstance(had, Weighed):
        return _refuse("[device] balance, and another one in the jet's profile", "one of them", "Remove one.")
    bus = open_balance(wanted.buses, part)
    if isinstance(bus, CommandFailed):
        return bus
    cup = UnderCup(
        Balance(bus, serial=part.serial), port=part.url or "", now_ns=wanted.now_ns, simulated=wanted.simulated
    )
    return Weighed(had, cup)


def _make_mesh_reference(wanted: Wanted) -> Had:
    refusal = _refuse_profile(wanted)
    if refusal is not None:
        return refusal
    link = wanted.buses.link(wanted.address, Language.MESH, defaults=installed_line(MESH_PROFILE))
    if isinstance(link, CommandFailed):
        return link
    return MeshReference(link, port=wanted.address.url, nonce=wanted.nonce, now_ns=wanted.now_ns)


def _make_board_9c(wanted: Wanted) -> Had:
    refusal = _refuse_profile(wanted)
    if refusal is not None:
        return refusal
    link = wanted.buses.link(wanted.address, Language.BOARD_9C, defaults=installed_line(BOARD_PROFILE))
    if isinstance(link, CommandFailed):
        return link

    # The board cannot say that it is simulated; a wire that leads to a program says it for it (S48).
    def simulated() -> bool:
        return wanted.simulated or wanted.address.is_bench_wire()

    return Board9C(link, port=wanted.address.url, now_ns=wanted.now_ns, simulated=simulated)


def _make_modbus_nebulizer(wanted: Wanted) -> Had:
    if wanted.profile is None:
        return _need_profile("the register map of your nebulizer: docs/how-to/add-a-modbus-nebulizer.md")
    profile = find_profile(wanted.profile)
    if isinstance(profile, tuple):
        return profile
    if profile.roles is None:
        seen = f"the profile {profile.id}, of a device that is no nebulizer by itself"
        return _refuse(seen, "one with a table [nebulizer]", "Correct [device] profile.")
    unproven = refuse_live(profile, simulated=wanted.simulated)
    if unproven is not None:
        return unproven
    unit = need_unit(wanted.address)
    if isinstance(unit, CommandFailed):
        return unit
    bus = wanted.buses.for_profile(wanted.address, profile)
    if isinstance(bus, CommandFailed):
        return bus
    return modbus_nebulizer(bus, profile, unit=unit, port=wanted.address.url, now_ns=wanted.now_ns)


def _make_jet(wanted: Wanted) -> Had:
    if wanted.profile is None:
        return _need_profile("the parts of your jet: docs/devices/jet.md")
    return _make_jet_of(wanted, wanted.profile)


def _make_modbus_jet(wanted: Wanted) -> Had:
    return _refuse_profile(wanted) or _make_jet_of(wanted, JET_PROFILE)


def _make_jet_of(wanted: Wanted, where: str) -> Had:
    profile = find_jet_profile(where)
    if isinstance(profile, tuple):
        return profile
    if profile.verified == "example" and not wanted.simulated:
        seen = f"the profile {profile.id}, an example"
        right = "a verified profile on a unit that is not simulated"
        return _refuse(seen, right, "Copy it, and write your own parts and numbers.")
    jet = assemble_jet(wanted.buses, profile, port=wanted.address.url, now_ns=wanted.now_ns)
    return jet if profile.balance is None else _weigh(jet, profile.balance, wanted)


DRIVERS: Mapping[str, Callable[[Wanted], Had]] = {
    "board-9c": _make_board_9c,
    "jet": _make_jet,
    "jet-modbus": _make_modbus_jet,
    "mesh-reference": _make_mesh_reference,
    "modbus-nebulizer": _make_modbus_nebulizer,
}


def need_unit(address: Address) -> int | CommandFailed:
    """Return the Modbus unit that a URL names; none is guessed, because several may share the port."""
    if address.unit is not None:
        return address.unit
    url = with_scheme(address.url)
    right = f"{url}{'&' if '?' in url else '?'}unit=40, with the unit id of the device, 1 to 247"
    return _refuse(f"the port {address.url!r}: no unit", right, "Add the unit to the URL.")


def with_scheme(url: str) -> str:
    """Return a URL in a form that takes settings: a path alone has none."""
    return f"serial://{quote(url, safe=_PLAIN)}" if url.startswith("/") else url


def _need_profile(which: str) -> CommandFailed:
    return _refuse("no [device] profile", which, "Write profile = with its name or file.")


def _refuse_profile(wanted: Wanted) -> CommandFailed | None:
    if wanted.profile is None:
        return None
    seen = f"[device] profile {wanted.profile!r} with the driver {wanted.name}"
    return _refuse(seen, "none: it has one of its own", "Remove [device] profile.")


def _refuse(seen: str, expected: str, advice: str) -> CommandFailed:
    return CommandFailed(command="open", certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice=advice)
