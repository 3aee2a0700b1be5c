"""A nebulizer and the balance under its cup, each a simulator in a process of its own, on real wires."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nebctl.core.device import CommandFailed, DeviceReport, Identity
from nebctl.ports import Nebulizer
from nebctl_drivers.balance.device import Weight
from nebctl_drivers.balance.under_cup import has_same_zero
from nebctl_drivers.registry import open_driver

from .conftest import simulator

RUN = "0badcafe"
ON_PAN_UG = 60_000_000
PATIENCE_S = 15


@contextlib.asynccontextmanager
async def weighed(url: str, balance: str, *, simulated: bool = True) -> AsyncIterator[Nebulizer]:
    """Open a mesh with a balance under its cup."""
    had = open_driver(
        "mesh-reference",
        url,
        nonce=lambda: "a1b2c3d4",
        now_ns=time.monotonic_ns,
        simulated=simulated,
        balance=balance,
    )
    assert not isinstance(had, CommandFailed | tuple), had
    try:
        assert isinstance(await had.open(), Identity)
        yield had
    finally:
        await had.close()


@contextlib.contextmanager
def both(folder: Path, line: str) -> Any:
    """Run a mesh on a pty, and a balance with a cup of 60 g on a pty or on TCP; yield their ports and the balance."""
    place = ("--pty", str(folder / "balance")) if line == "pty" else ("--tcp", "127.0.0.1:0")
    with (
        simulator(folder, "mesh", "--pty", str(folder / "mesh"), "--fill", "3 mL"),
        simulator(folder, "balance", *place, "--on-pan", "60000") as child,
    ):
        port = f"serial://{folder / 'balance'}" if line == "pty" else f"tcp://{child.ready.split()[0]}"
        yield str(folder / "mesh"), port, child


async def next_weight(device: Nebulizer, *, there: bool = True) -> int | None:
    """Read until a report has a weight, or for a second and a half until none has; return it."""
    until, last = time.monotonic() + PATIENCE_S, time.monotonic()
    while time.monotonic() < until:
        report = await device.status()
        assert isinstance(report, DeviceReport), report
        if there and report.weight_ug is not None:
            return report.weight_ug
        last = time.monotonic() if report.weight_ug is not None else last
        if not there and time.monotonic() - last > 1.5:
            return None
        await asyncio.sleep(0.05)
    raise AssertionError(f"a weight {'did not come' if there else 'still comes'} after {PATIENCE_S} s")


@pytest.mark.parametrize("line", ["pty", "tcp"])
async def test_a_report_has_the_weight_of_the_cup(tmp_path: Path, line: str) -> None:
    """On a pty and on TCP the reports carry what the balance says, the declaration names it, each weight comes once."""
    with both(tmp_path, line) as (mesh, balance, _):
        async with weighed(mesh, balance) as device:
            assert device.declaration.senses[-1] == "weight_mg"
            while await next_weight(device) != pytest.approx(ON_PAN_UG, abs=2_000):
                continue  # the pan comes to rest
            reports = [await device.status() for _ in range(20)]
            told = [report.weight_ug for report in reports if isinstance(report, DeviceReport)]
            assert None in told  # asked faster than the balance is: no weight stands there twice


@pytest.mark.req("S20")
async def test_nothing_waits_for_a_balance_that_hangs(tmp_path: Path) -> None:
    """With the balance's process frozen in mid-run the weights end, and beats, readings and STOP still come back."""
    with both(tmp_path, "pty") as (mesh, balance, child):
        async with weighed(mesh, balance) as device:
            await next_weight(device)
            assert isinstance(await device.start(RUN, 120_000), DeviceReport)
            child.send(signal.SIGSTOP)
            try:
                while await next_weight(device, there=False) is not None:
                    await device.beat()
                assert await device.beat() is None
                stopped = await device.stop()
            finally:
                child.send(signal.SIGCONT)
            assert isinstance(stopped, DeviceReport)
            assert device.loss is None


@pytest.mark.req("S48")
async def test_a_simulated_balance_is_not_believed_at_a_bedside(tmp_path: Path) -> None:
    """On a unit that is not simulated the weights of a simulated balance go nowhere."""
    with both(tmp_path, "tcp") as (mesh, balance, _):
        async with weighed(mesh, balance, simulated=False) as device:
            assert await next_weight(device, there=False) is None


@pytest.mark.parametrize(
    ("before_ug", "after_ug", "away_s", "same"),
    [
        (60_000_000, 59_990_000, 2, True),
        (60_000_000, 60_000_000, 2, True),
        (60_000_000, 0, 2, False),
        (60_000_000, 59_000_000, 2, False),
        (60_000_000, 59_000_000, 60, True),
        (100_000, 100_000, 2, False),
        (-50_000_000, -50_010_000, 2, True),
        (0, 0, 1, False),
    ],
)
def test_the_same_zero_shows(before_ug: int, after_ug: int, away_s: int, *, same: bool) -> None:
    """A weight that is as it was, less what can have left meanwhile, proves the zero; one near nothing proves none."""
    before = Weight(ug=before_ug, stable=True, at_ns=10**9)
    after = Weight(ug=after_ug, stable=True, at_ns=(1 + away_s) * 10**9)
    assert has_same_zero(before, after) is same
