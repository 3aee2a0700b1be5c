"""Which driver goes by which name in a unit's configuration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nebctl.core.device import Certainty, CommandFailed
from nebctl.ports import Link, Nebulizer

from .jet.device import Jet
from .link import open_link
from .mesh_reference.device import MeshReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every driver needs from the edge.

    `nonce` gives eight fresh lower-case hexadecimal digits; `now_ns` is the monotonic time that stamps the reports.
    """

    nonce: Callable[[], str]
    now_ns: Callable[[], int]


Factory: TypeAlias = Callable[[Link, str, Surroundings], Nebulizer]


def _make_mesh_reference(link: Link, port: str, around: Surroundings) -> Nebulizer:
    return MeshReference(link, port=port, nonce=around.nonce, now_ns=around.now_ns)


def _make_jet(link: Link, port: str, around: Surroundings) -> Nebulizer:
    return Jet(link, port=port, now_ns=around.now_ns)


DRIVERS: Mapping[str, Factory] = {"jet-modbus": _make_jet, "mesh-reference": _make_mesh_reference}


def open_driver(
    name: str, url: str, *, nonce: Callable[[], str], now_ns: Callable[[], int]
) -> Nebulizer | CommandFailed:
    """Return the driver `name` on the link `url`; its own `open` then begins the conversation."""
    factory = DRIVERS.get(name)
    if factory is None:
        return CommandFailed(
            command="open",
            certainty=Certainty.NOT_DONE,
            seen=f"the driver {name!r}",
            expected=" or ".join(map(repr, sorted(DRIVERS))),
            advice="Correct [device] driver.",
        )
    link = open_link(url)
    if isinstance(link, CommandFailed):
        return link
    return factory(link, url, Surroundings(nonce=nonce, now_ns=now_ns))
