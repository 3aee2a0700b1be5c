"""Thirty-two simulated devices in one process, asked at 10 Hz, and what that process costs.

`python -m nebctl_lab.bench.sim_fleet` is the process: eight of each of four kinds, running with 3 mL in their cups.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from nebctl_lab.bench.sim_answers import Speaker, speakers
from nebctl_lab.processes import Child
from nebctl_simulators.balance import device as balance
from nebctl_simulators.jet import device as jet
from nebctl_simulators.jet import presets as jet_presets
from nebctl_simulators.mesh import device as mesh
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.modbus.framing import TcpFraming
from nebctl_simulators.modbus.line import ModbusLine
from nebctl_simulators.modbus.nebulizer import Nebulizer
from nebctl_simulators.modbus.profile import read_map
from nebctl_simulators.presets import build_unit
from nebctl_simulators.serve import TICK_S, Bench, OnWire, run_precisely
from nebctl_simulators.simtime import ScaledTime
from nebctl_simulators.wire import TcpWire

EACH = 8
KINDS = ("mesh", "modbus", "relay", "balance")
PERIOD_S = 0.1
PATIENCE_S = 2.0
FILL_NL = 3_000_000
WARM_UP_S = 0.5
NEVER_NS = 10**18


def measure_devices(folder: Path, seconds: float) -> dict[str, float]:
    """Return the simulators' share of one core while all are asked at 10 Hz for so long, and how many answers came."""
    child = Child("fleet", ("-m", "nebctl_lab.bench.sim_fleet"), folder / "fleet.log").start()
    try:
        ports = [int(port) for port in child.ready.split()]
        asyncio.run(_ask_all(ports, WARM_UP_S))
        cpu_s, began = _cpu_s(child.pid), time.perf_counter()
        answers = asyncio.run(_ask_all(ports, seconds))
        share = (_cpu_s(child.pid) - cpu_s) / (time.perf_counter() - began)
    finally:
        child.stop()
    asked = round(seconds / PERIOD_S) * len(ports)
    return {"devices": len(ports), "asked": asked, "lost": asked - answers, "core_share": round(share, 3)}


async def _ask_all(ports: list[int], seconds: float) -> int:
    asked = speakers(Path())
    kinds = [asked[KINDS[place // EACH]] for place in range(len(ports))]
    return sum(await asyncio.gather(*(_poll(port, kind, seconds) for port, kind in zip(ports, kinds, strict=True))))


async def _poll(port: int, speaker: Speaker, seconds: float) -> int:
    """Ask at 10 Hz and return how many good answers came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due, answered = asyncio.get_running_loop().time() + port % 32 / 32 * PERIOD_S, 0
    for number in range(round(seconds / PERIOD_S)):
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        writer.write(speaker.requests[number % len(speaker.requests)])
        answer = b""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not speaker.is_answer(answer):
                    answer += await reader.read(512)
            answered += 1
        except TimeoutError:
            pass
        due += PERIOD_S
    writer.close()
    return answered


def _cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken, by the kernel's account."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def build_devices(profile: Path, real_ns: int) -> Iterator[OnWire]:
    """Yield the devices, kind by kind; the meshes run, and wait for no host."""
    sim_time = ScaledTime(real_ns)
    for seed in range(1, EACH + 1):
        unit = build_unit("mesh.solo", seed)
        device = mesh.Device(
            unit=unit,
            serial=f"SIM-{seed}",
            sim_time=sim_time,
            memory=Memory(),
            real_ns=real_ns,
            watchdog_ns=NEVER_NS,
        )
        device.pour(FILL_NL)
        device.command("C,9,START,0000babe,600000", real_ns)
        yield device
    device_map = read_map(profile)
    for seed in range(1, EACH + 1):
        yield Nebulizer(
            device_map=device_map,
            unit=build_unit("mesh.solo", seed),
            serial=f"SIM-{seed}",
            sim_time=sim_time,
            real_ns=real_ns,
            line=ModbusLine(TcpFraming(), seed),
        )
    for seed in range(1, EACH + 1):
        unit_of_jet = jet_presets.build_unit("jet.lc", seed)
        gas = jet.Device(unit=unit_of_jet, serial=f"SIM-{seed}", sim_time=sim_time, real_ns=real_ns)
        gas.pour(FILL_NL)
        yield gas
    for seed in range(1, EACH + 1):
        weighed = balance.Unit(seed=seed)
        yield balance.Device(unit=weighed, serial=f"SIM-{seed}", sim_time=sim_time, real_ns=real_ns)


async def serve_devices(profile: Path) -> None:
    """Serve every device on a port of its own until SIGTERM; say the ports on stdout."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    wires, benches = [], []
    for device in build_devices(profile, time.monotonic_ns()):
        wires.append(TcpWire("127.0.0.1", 0))
        benches.append(Bench(device, wires[-1]))
        benches[-1].plug()
    print("ready", *(wire.address.rpartition(":")[2] for wire in wires), flush=True)  # noqa: T201 - the parent waits
    while not ended.is_set():
        for bench in benches:
            bench.tick()
        await asyncio.sleep(TICK_S)


if __name__ == "__main__":
    with resources.as_file(resources.files("nebctl_profiles") / "modbus-nebulizer.toml") as map_of_modbus:
        run_precisely(serve_devices(map_of_modbus))
