"""Drivers as the registry wires them, against simulated devices on real pseudo-terminals and TCP."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.device import CommandFailed, DeviceReport, Identity, Output
from nebctl.ports import Nebulizer
from nebctl_drivers.registry import open_driver
from nebctl_drivers.trace_file import open_trace

from .conftest import EXAMPLE, simulator

RUN = "0badcafe"
JET_TEXT = resources.files("nebctl_profiles").joinpath("jet-modbus.toml").read_text("utf-8")


@contextlib.asynccontextmanager
async def opened(name: str, url: str, **options: Any) -> AsyncIterator[tuple[Nebulizer, Identity]]:
    """Open a driver of a simulated unit."""
    device = open_driver(name, url, nonce=lambda: "a1b2c3d4", now_ns=time.monotonic_ns, simulated=True, **options)
    assert not isinstance(device, CommandFailed | tuple), device
    identity = await device.open()
    try:
        assert isinstance(identity, Identity), identity
        yield device, identity
    finally:
        await device.close()


async def run_shortly(device: Nebulizer) -> tuple[DeviceReport, DeviceReport]:
    """Start a run, beat and read for half a second, stop, and return what was read in it and at its end."""
    started = await device.start(RUN, 120_000)
    assert isinstance(started, DeviceReport), started
    report = started
    for _ in range(5):
        await asyncio.sleep(0.1)
        assert await device.beat() is None
        last = await device.status()
        assert isinstance(last, DeviceReport), last
        report = last
    stopped = await device.stop()
    assert isinstance(stopped, DeviceReport), stopped
    return report, stopped


@pytest.mark.parametrize(("framing", "protocol"), [("rtu", "modbus-rtu"), ("tcp", "modbus-tcp")])
async def test_a_jet_runs_over_rtu_and_over_modbus_tcp(tmp_path: Path, framing: str, protocol: str) -> None:
    """`jet-modbus` drives gas controller and relay on one RS-485 port behind a pty as it does on Modbus TCP."""
    port = tmp_path / "bus"
    place = ("--pty", str(port)) if framing == "rtu" else ("--tcp", "127.0.0.1:0")
    with simulator(tmp_path, "jet", *place, "--fill", "3 mL") as child:
        url = str(port) if framing == "rtu" else f"tcp://{child.ready.split()[0]}"
        async with opened("jet-modbus", url) as (device, identity):
            assert (identity.serial, identity.simulated, identity.protocol) == ("SIM-0002", True, protocol)
            assert device.declaration.missing() == ()
            running, stopped = await run_shortly(device)
    assert (running.output, stopped.output) == (Output.RUNNING, Output.OFF)
    assert running.gas_sccm is not None
    assert running.gas_sccm > 5000


async def test_a_jet_of_two_ports_and_two_languages_runs(tmp_path: Path) -> None:
    """Gas by Alicat ASCII on the unit's port and a relay by Modbus TCP on another make one nebulizer."""
    port, file = tmp_path / "gas", tmp_path / "jet.toml"
    relay_call = ("jet", "--tcp", "127.0.0.1:0", "--fill", "3 mL")
    with (
        simulator(tmp_path, "alicat", "--pty", str(port), "--letter", "B") as _,
        simulator(tmp_path, *relay_call) as tcp,
    ):
        url = f"tcp://{tcp.ready.split()[0]}"
        text = JET_TEXT.replace('"alicat-modbus", unit = 40', '"alicat-ascii", id = "B"')
        file.write_text(text.replace("unit = 41", f'unit = 41, url = "{url}"'), "utf-8")
        async with opened("jet", str(port), profile=str(file)) as (device, identity):
            assert identity.protocol == "alicat-ascii and modbus-tcp"
            assert identity.model == "MC-20SLPM-D with watchdog relay"
            running, stopped = await run_shortly(device)
    assert (running.output, stopped.output) == (Output.RUNNING, Output.OFF)
    assert running.gas_sccm is not None
    assert running.gas_sccm > 500


async def test_a_modbus_nebulizer_runs_by_its_profile(tmp_path: Path) -> None:
    """A unit of an RS-485 bus is a nebulizer by its profile alone; at a unit id where nobody is, opening fails."""
    port = tmp_path / "bus"
    with simulator(tmp_path, "modbus", "--profile", EXAMPLE, "--pty", str(port), "--unit", "7", "--fill", "3 mL"):
        async with opened("modbus-nebulizer", f"serial://{port}?unit=7", profile=EXAMPLE) as (device, identity):
            assert (identity.serial, identity.simulated) == ("SIM-0004", True)
            running, stopped = await run_shortly(device)
        assert (running.output is Output.OFF, stopped.output, running.run) == (False, Output.OFF, RUN)
        wrong = open_driver(
            "modbus-nebulizer",
            f"serial://{port}?unit=8",
            nonce=str,
            now_ns=time.monotonic_ns,
            profile=EXAMPLE,
            simulated=True,
        )
        assert not isinstance(wrong, CommandFailed | tuple)
        assert isinstance(await wrong.open(), CommandFailed)


async def test_a_9c_board_is_wired_and_says_what_it_lacks(tmp_path: Path) -> None:
    """The 9C board opens over a pty and is proven OFF; its declaration lacks S22, for it stops after 3 s."""
    port = tmp_path / "board"
    with simulator(tmp_path, "board-9c", "--pty", str(port), "--fill", "3 mL"):
        async with opened("board-9c", str(port)) as (device, identity):
            assert identity.simulated
            assert device.declaration.missing() == ("S22",)
            report = await device.status()
    assert isinstance(report, DeviceReport)
    assert report.output is Output.OFF


async def test_the_units_trace_has_every_byte(tmp_path: Path) -> None:
    """With a trace the driver's whole conversation is in the file, HELLO first."""
    port, trace = tmp_path / "mesh", tmp_path / "trace.txt"
    with simulator(tmp_path, "mesh", "--pty", str(port)):
        async with opened("mesh-reference", str(port), trace=trace):
            pass
    assert open_trace(trace).flush(5)
    text = trace.read_text("utf-8")
    assert "|$C,1,HELLO,a1b2c|" in text
    assert "STAT" in text
