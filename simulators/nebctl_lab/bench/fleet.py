"""Sixteen nebulizers read at 10 Hz: eight on one RS-485 bus, eight on TCP; how late a reading is, and what it costs."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nebctl.core.device import CommandFailed
from nebctl.ports import Nebulizer
from nebctl_drivers.bus import Bus
from nebctl_drivers.link import SerialLink, TcpLink
from nebctl_drivers.mesh_reference.device import MeshReference
from nebctl_drivers.modbus import Outcome, Read, Request
from nebctl_drivers.modbus_nebulizer.device import ModbusNebulizer
from nebctl_drivers.modbus_rtu import ModbusRtu, rtu_timing
from nebctl_drivers.profiles import find_profile
from nebctl_drivers.profiles.profile import Profile
from nebctl_lab.processes import Child

BAUD = 115_200
ON_BUS, ON_TCP = 8, 8
PERIOD_S = 0.1
BEAT_EVERY = 5
PROFILE = "modbus-nebulizer"
LATE_SHARE = 0.99


async def measure_fleet(folder: Path, profile: Path, seconds: float) -> dict[str, float]:
    """Return the lateness of the readings in ms and the host's share of one core.

    A reading is due every 100 ms, the phases of one bus's devices evenly spread; it is late until it is here.
    `profile` is the TOML file of the nebulizers on the bus.
    """
    with ExitStack() as stack:
        fleet = [*_open_bus(stack, folder, profile), *_open_tcp(stack, folder)]
        for device in fleet:
            identity = await device.open()
            if isinstance(identity, CommandFailed):
                raise RuntimeError(identity.sentence())  # noqa: TRY004 - a failure, not a wrong type
        await asyncio.gather(*(_poll(device, place, 1.0) for place, device in enumerate(fleet)))
        cpu_s, began = time.process_time(), time.perf_counter()
        polls = await asyncio.gather(*(_poll(device, place, seconds) for place, device in enumerate(fleet)))
        share = (time.process_time() - cpu_s) / (time.perf_counter() - began)
        for device in fleet:
            await device.close()
    return _sum_up(polls, share)


def _sum_up(polls: Sequence[list[float | None]], share: float) -> dict[str, float]:
    late = sorted(taken for each in polls for taken in each if taken is not None)
    return {
        "devices": len(polls),
        "polls": sum(map(len, polls)),
        "lost": sum(taken is None for each in polls for taken in each),
        "p50_ms": round(late[len(late) // 2] * 1000, 2),
        "p99_ms": round(late[int(len(late) * LATE_SHARE)] * 1000, 2),
        "most_ms": round(late[-1] * 1000, 2),
        "core_share": round(share, 3),
    }


async def _poll(device: Nebulizer, place: int, seconds: float) -> list[float | None]:
    """Return the seconds from each due time to the reading; None for one that failed."""
    loop = asyncio.get_running_loop()
    due = loop.time() + PERIOD_S * (1 + place % ON_BUS / ON_BUS)
    taken: list[float | None] = []
    for number in range(int(seconds / PERIOD_S)):
        await asyncio.sleep(due - loop.time())
        report = await device.status()
        taken.append(None if isinstance(report, CommandFailed) else loop.time() - due)
        if number % BEAT_EVERY == place % BEAT_EVERY:
            await device.beat()
        due += PERIOD_S
    return taken


def _open_bus(stack: ExitStack, folder: Path, file: Path) -> list[Nebulizer]:
    profile = find_profile(str(file))
    if not isinstance(profile, Profile):
        raise RuntimeError("; ".join(map(str, profile)))  # noqa: TRY004 - a fault of the file, not of a type
    port = folder / "fleet"
    stations: list[Any] = [("--station", f"modbus:{file}:unit={unit},seed={unit}") for unit in range(1, ON_BUS + 1)]
    command = ("-m", "nebctl_simulators", "bus", "--pty", str(port), "--baud", str(BAUD))
    child = Child("bus", (*command, *(word for pair in stations for word in pair)), folder / "bus.log").start()
    stack.callback(child.stop)
    timing = rtu_timing(baud=BAUD, answer_s=profile.bus.answer_ms / 1000)
    bus: Bus[Request, Outcome] = Bus(SerialLink(str(port), BAUD), ModbusRtu(), timing, now_ns=time.monotonic_ns)
    probe = next(block for block in profile.blocks.values() if block.name == "command")
    return [
        ModbusNebulizer(
            bus.seat(probe=Read(unit, probe.address, probe.count)),
            profile,
            unit=unit,
            port=str(port),
            now_ns=time.monotonic_ns,
        )
        for unit in range(1, ON_BUS + 1)
    ]


def _open_tcp(stack: ExitStack, folder: Path) -> list[Nebulizer]:
    fleet: list[Nebulizer] = []
    for number in range(1, ON_TCP + 1):
        command = ("-m", "nebctl_simulators", "mesh", "--tcp", "127.0.0.1:0", "--seed", str(number))
        child = Child(f"mesh-{number}", command, folder / f"mesh-{number}.log").start()
        stack.callback(child.stop)
        host, _, port = child.ready.split()[0].rpartition(":")
        link = TcpLink(host, int(port))
        fleet.append(MeshReference(link, port=child.ready, nonce=lambda: "0badcafe", now_ns=time.monotonic_ns))
    return fleet
