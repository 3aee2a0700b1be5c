"""Every value of a profile, with how far it can be believed; nothing is ever written."""

import asyncio
from decimal import Decimal

import pytest

from nebctl.core.device import CommandFailed
from nebctl_drivers.modbus_nebulizer.station import Measured, Status

from .conftest import STATE, Bench, join

pytestmark = pytest.mark.virtual


async def read(bench: Bench) -> dict[str, Measured]:
    """Read every value, which must succeed."""
    values = await bench.reader.read()
    assert not isinstance(values, CommandFailed), values
    return values


async def test_every_value_comes_with_unit_and_status() -> None:
    """All readable points of all blocks are there, scaled, and the point that is only written is not."""
    async with join(opened=False) as bench:
        assert await bench.reader.open() is None
        values = await read(bench)
        assert (values["current"].value, values["current"].unit) == (Decimal("83.4"), "mA")
        assert (values["serial"].value, values["flags"].value) == ("SIM-0004", ())
        assert {measured.status for measured in values.values()} == {Status.OK}
        assert len(values) == 18
        assert "beat" not in values
        assert bench.unit.writes == []


async def test_each_doubt_has_its_own_status() -> None:
    """No number, a set alarm, and a value outside its limits are told apart."""
    async with join(opened=False) as bench:
        assert await bench.reader.open() is None
        bench.unit.words |= {123: 0x8000, 120: 6000}
        bench.unit.flags = 0b10_0010
        values = await read(bench)
        assert (values["temperature"].value, values["temperature"].status) == (None, Status.NAN)
        assert (values["current"].value, values["current"].status) == (Decimal(600), Status.OUT_OF_RANGE)
        assert (values["flags"].value, values["flags"].status) == (("NO_CUP", "bit5"), Status.ALARM)


async def test_a_block_that_falls_silent_goes_stale() -> None:
    """Its values stay for their time, and are then called stale; the other blocks go on."""
    async with join(opened=False) as bench:
        assert await bench.reader.open() is None
        await read(bench)
        bench.unit.always[4, 120] = "vanish"
        assert (await read(bench))["current"].status is Status.OK
        await asyncio.sleep(1.5)
        values = await read(bench)
        assert (values["current"].status, values["current"].value) == (Status.STALE, Decimal("83.4"))
        assert values["state"].status is Status.OK


async def test_a_block_never_read_has_no_value() -> None:
    """A block that never answered is stale from the start, without a value."""
    async with join(opened=False) as bench:
        bench.unit.always[4, STATE] = "deny"
        assert await bench.reader.open() is None
        values = await read(bench)
        assert (values["state"].value, values["state"].status, values["state"].at_ns) == (None, Status.STALE, None)


async def test_silence_everywhere_is_a_failure() -> None:
    """Where no block answers there are no values."""
    async with join(opened=False) as bench:
        assert await bench.reader.open() is None
        bench.unit.always |= {(4, 0): "vanish", (4, STATE): "vanish", (4, 120): "vanish", (3, 0): "vanish"}
        assert isinstance(await bench.reader.read(), CommandFailed)


async def test_another_device_is_not_read() -> None:
    """Another identity is refused: its registers would mean something else."""
    async with join(opened=False) as bench:
        bench.unit.words[0] = 5
        failed = await bench.reader.open()
        assert isinstance(failed, CommandFailed)
        assert "signature 5" in failed.seen


async def test_reader_and_driver_share_a_bus() -> None:
    """A reader beside the driver on one bus disturbs neither."""
    async with join() as bench:
        assert await bench.reader.open() is None
        results = await asyncio.gather(bench.device.start("0badcafe", 60_000), bench.reader.read())
        assert not any(isinstance(result, CommandFailed) for result in results)
