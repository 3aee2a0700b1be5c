"""The labmcp simulators of an Alicat (0.1.2) and of an MT-SICS balance (0.1.3), as processes, against our drivers."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.alicat_ascii import source as alicat
from nebctl_drivers.balance import device as balance
from nebctl_drivers.balance.profile import read_balance_profile
from nebctl_drivers.gas_controller.registers import GasReading
from nebctl_drivers.link import TcpLink

HERE = Path(__file__).resolve().parent


@pytest.fixture
def link_to(peers_python: Path, run_ready: Callable[..., str]) -> Callable[[str], TcpLink]:
    """Return a way to a simulator of this kind."""

    def start(kind: str) -> TcpLink:
        host, port = run_ready(peers_python, HERE / "labmcp_simulator.py", kind).split(":")
        return TcpLink(host, int(port))

    return start


async def test_our_driver_reads_and_sets_their_controller(link_to: Callable[[str], TcpLink]) -> None:
    """Identity, columns, flow, set-point and stop come right from a simulator that shares no line with ours."""
    bus = alicat.make_bus(link_to("alicat"), baud=None, now_ns=time.monotonic_ns)
    source = alicat.AlicatSource(bus, "A")
    assert await source.open() is None
    assert source.identity is not None
    assert (source.identity.model, source.identity.serial) == ("MC-500SCCM-D", "521641")
    assert await source.set_flow(200) is None
    await asyncio.sleep(1.5)  # its flow follows real time
    reading = await source.read()
    assert isinstance(reading, GasReading)
    assert reading.setpoint_sccm == 200
    assert reading.flow_sccm == pytest.approx(200, abs=3)
    assert reading.pressure_pa == pytest.approx(100_500, abs=1000)
    assert await source.set_flow(0) is None
    await source.close()


async def test_our_driver_takes_no_set_point_above_their_range(link_to: Callable[[str], TcpLink]) -> None:
    """Their controller clips a set-point at its 500 sccm; our read-back finds it and does not call it done."""
    bus = alicat.make_bus(link_to("alicat"), baud=None, now_ns=time.monotonic_ns)
    source = alicat.AlicatSource(bus, "A")
    assert await source.open() is None
    failure = await source.set_flow(600)
    assert isinstance(failure, CommandFailed)
    assert "500" in failure.seen
    await source.close()


async def test_our_driver_weighs_on_their_balance(link_to: Callable[[str], TcpLink]) -> None:
    """Identity, a dynamic weight, tare and zero come right.

    Where the peer and the manual differ: it calls every answer to SI dynamic, at rest too, so that a stable weight,
    for which our driver asks SI until two in a row are stable, never comes; the manual has `S S` there. It is right
    that the driver then says so instead of taking a dynamic weight for a stable one.
    """
    bus = balance.make_bus(link_to("balance"), baud=None, now_ns=time.monotonic_ns)
    scale = balance.Balance(bus, profile=replace(read_balance_profile(), stable_s=1.0))
    identity = await scale.open()
    assert isinstance(identity, balance.BalanceIdentity)
    assert identity.serial == "B123456789"
    now = await scale.weigh(stable=False)
    assert isinstance(now, balance.Weight)
    assert (now.ug, now.stable) == (pytest.approx(52_187_340, abs=400), False)
    stable = await scale.weigh()
    assert isinstance(stable, CommandFailed)
    assert "not at rest" in stable.seen
    await scale.close()
