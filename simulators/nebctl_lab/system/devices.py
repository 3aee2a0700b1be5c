"""The simulated devices that a unit of a virtual site may have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import as_file, files

from nebctl_lab.system.cable import Cable
from nebctl_lab.system.time import SiteTime
from nebctl_simulators.balance.device import Device as Balance
from nebctl_simulators.balance.device import Unit as BalanceUnit
from nebctl_simulators.board_9c.device import Device as Board
from nebctl_simulators.board_9c.settings import Firmware
from nebctl_simulators.control import Device
from nebctl_simulators.cutoff import RELAY_UNIT
from nebctl_simulators.cutoff import Device as Relay
from nebctl_simulators.cutoff import Unit as RelayUnit
from nebctl_simulators.jet import presets as jet_presets
from nebctl_simulators.jet.device import Device as Jet
from nebctl_simulators.mesh.device import Device as Mesh
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.modbus.framing import build_framing
from nebctl_simulators.modbus.line import ModbusLine
from nebctl_simulators.modbus.nebulizer import Nebulizer
from nebctl_simulators.modbus.profile import read_map
from nebctl_simulators.presets import Unit, build_unit
from nebctl_simulators.serve import Bench, Truth

TICK_S = 0.2
"""How often a device is looked at for what it says unasked, beside each request; physics do not depend on it."""
OFF = "OFF"
MODBUS_PROFILE, MODBUS_UNIT = "modbus-nebulizer", 40
BALANCE_PORT = "tcp://127.0.0.1:4003"
CUT_OFF_PORT = f"tcp://127.0.0.1:4004?unit={RELAY_UNIT}"
CUP_UG = 58_000_000
"""What an empty cup weighs here; the balance was switched on without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a device is made of: `preset` and `seed` name the plant, `serial` it says of itself.

    `fillings` is the seed of what chance gives each filling; None means that it follows from `seed` too.
    """

    preset: str
    seed: int
    serial: str
    time: SiteTime
    fillings: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of device: the driver and port of the unit that has it, its usual preset, and how it is built.

    `profile` is the installed device profile that driver and simulator both read, None where the driver needs none.
    """

    driver: str
    port: str
    preset: str
    is_jet: bool
    build: Callable[[Built], Device]
    profile: str | None = None


def _mesh_unit(wish: Built) -> Unit:
    unit = build_unit(wish.preset, wish.seed)
    return unit if wish.fillings is None else replace(unit, seed=wish.fillings)


def _build_mesh(wish: Built) -> Device:
    return Mesh(
        unit=_mesh_unit(wish),
        serial=wish.serial,
        sim_time=wish.time,
        memory=Memory(),
        real_ns=wish.time.live_ns(),
    )


def _build_jet(wish: Built) -> Device:
    return Jet(
        unit=jet_presets.build_unit(wish.preset, wish.seed),
        serial=wish.serial,
        sim_time=wish.time,
        real_ns=wish.time.live_ns(),
        line=ModbusLine(build_framing("tcp"), wish.seed),
    )


def _build_modbus(wish: Built) -> Device:
    with as_file(files("nebctl_profiles") / f"{MODBUS_PROFILE}.toml") as path:
        device_map = read_map(path)
    return Nebulizer(
        device_map=device_map,
        unit=_mesh_unit(wish),
        serial=wish.serial,
        sim_time=wish.time,
        real_ns=wish.time.live_ns(),
        line=ModbusLine(build_framing("tcp"), wish.seed),
        unit_id=MODBUS_UNIT,
    )


def _build_board_9c(wish: Built) -> Device:
    return Board(
        unit=_mesh_unit(wish),
        serial=wish.serial,
        sim_time=wish.time,
        real_ns=wish.time.live_ns(),
        firmware=Firmware(),
    )


DEVICES: Mapping[str, Kind] = {
    "mesh": Kind(
        driver="mesh-reference",
        port="tcp://127.0.0.1:4001",
        preset="mesh.solo",
        is_jet=False,
        build=_build_mesh,
    ),
    "jet": Kind(
        driver="jet-modbus",
        port="tcp://127.0.0.1:502",
        preset="jet.lc",
        is_jet=True,
        build=_build_jet,
    ),
    "modbus": Kind(
        driver="modbus-nebulizer",
        port=f"tcp://127.0.0.1:502?unit={MODBUS_UNIT}",
        preset="mesh.solo",
        is_jet=False,
        build=_build_modbus,
        profile=MODBUS_PROFILE,
    ),
    "board-9c": Kind(
        driver="board-9c",
        port="tcp://127.0.0.1:4002",
        preset="mesh.solo",
        is_jet=False,
        build=_build_board_9c,
    ),
}


class Standing:
    """One simulated device on its cable, kept running on the loop's time."""

    def __init__(self, device: Device, cable: Cable, time: SiteTime) -> None:
        self.device = device
        self.cable = cable
        self._time = time
        self.bench = Bench(device, cable, None, None, time.live_ns)

    def tick(self) -> None:
        """Bring device and cable to the present."""
        self.bench.tick()

    def truth(self) -> Truth:
        """Return what is really so now."""
        self.device.pass_time(self._time.live_ns())
        return self.device.truth()


def stand_on_balance(standing: Standing, cable: Cable, time: SiteTime, *, seed: int, serial: str) -> Standing:
    """Return a balance under the cup of a device, on a cable of its own; it weighs what is really in the cup."""
    balance = Balance(
        unit=BalanceUnit(seed=seed),
        serial=serial,
        sim_time=time,
        real_ns=time.live_ns(),
        load=lambda: standing.truth().cup_nl,
    )
    balance.put(CUP_UG)
    return Standing(balance, cable, time)


def cut_off(standing: Standing, cable: Cable, time: SiteTime, *, seed: int, serial: str) -> Standing:
    """Return a relay on a cable of its own, whose contact stands between a nebulizer's controller and its mesh.

    Raises: `TypeError` for a device without such a place.
    """
    device = standing.device
    if not isinstance(device, Mesh | Board | Nebulizer):
        raise TypeError(f"{device.serial}: its cut-off is a part of it")
    unit = RelayUnit(seed=seed)
    relay = Relay(unit=unit, serial=serial, sim_time=time, real_ns=time.live_ns(), moved=device.supply)
    return Standing(relay, cable, time)
