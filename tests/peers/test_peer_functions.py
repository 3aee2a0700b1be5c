"""Functions 2, 6 and 15 of our Modbus RTU master against a slave on libmodbus."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nebctl_drivers.modbus import Bits, Denied, Done, Read, ReadCoils, ReadDiscrete, SetCoils, Words, WriteOne

from .test_peer_libmodbus import answer, seat_at


@pytest.mark.parametrize("unit", [1, 40])
async def test_the_slave_understands_the_single_functions(
    libmodbus_slave: Path, run_ready: Callable[..., str], unit: int
) -> None:
    """A single register, several coils and discrete inputs are written and read as libmodbus has them."""
    async with seat_at(libmodbus_slave, run_ready, unit) as seat:
        assert await answer(seat, WriteOne(unit, 10, 0xFFFE)) == Done()
        assert await answer(seat, Read(unit, 9, 3)) == Words((1009, 0xFFFE, 1011))
        coils = (True, False, True, True, False, False, False, True, True)
        assert await answer(seat, SetCoils(unit, 3, coils)) == Done()
        assert await answer(seat, ReadCoils(unit, 2, 11)) == Bits((False, *coils, False))
        assert await answer(seat, ReadDiscrete(unit, 0, 9)) == Bits((False,) * 9)
        assert await answer(seat, WriteOne(unit, 64, 1)) == Denied(2)
        assert await answer(seat, ReadDiscrete(unit, 60, 5)) == Denied(2)
