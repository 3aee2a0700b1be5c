"""Runs in the peers' environment: drives a gas controller through numat's `alicat`, and prints what it saw as JSON.

Usage: alicat_client.py HOST:PORT ID
"""

import asyncio
import json
import sys
from typing import Any

from alicat import FlowController

SETTLED_S = 1.5


async def main(address: str, letter: str) -> dict[str, Any]:
    """Return what every call of the peer gave, in the order of the calls."""
    seen: dict[str, Any] = {}
    async with FlowController(address, letter) as controller:
        seen["first"] = await controller.get()
        seen["firmware"] = await controller.get_firmware()
        await set_and_read(controller, seen)
        await hold_and_lock(controller, seen)
        await tune(controller, seen)
        await tare(controller, seen)
    return seen


async def set_and_read(controller: FlowController, seen: dict[str, Any]) -> None:
    """Set gas, flow and pressure."""
    await controller.set_gas("O2")
    await controller.set_flow_rate(5.0)
    await asyncio.sleep(SETTLED_S)
    seen["flowing"] = await controller.get()
    await controller.set_pressure(30.0)
    await asyncio.sleep(SETTLED_S)
    seen["pressing"] = await controller.get()
    await controller.set_flow_rate(2.0)
    await asyncio.sleep(SETTLED_S)


async def hold_and_lock(controller: FlowController, seen: dict[str, Any]) -> None:
    """Hold the valve and let it go, lock the buttons and unlock them."""
    await controller.hold()
    seen["held"] = await controller.get()
    await controller.cancel_hold()
    controller.keys = [key for key in controller.keys if key != "total flow"]  # what the held frame made it believe
    await controller.lock()
    seen["locked"] = await controller.is_locked()
    await controller.unlock()
    seen["unlocked"] = await controller.is_locked()


async def tune(controller: FlowController, seen: dict[str, Any]) -> None:
    """Set PID and ramp, and read them back."""
    await controller.set_pid(p=300, i=40, d=5000, loop_type="PD2I")
    seen["pid"] = await controller.get_pid()
    await controller.set_maxramp(2.0, "s")
    seen["ramp"] = await controller.get_maxramp()
    flags = {"up": True, "down": False, "zero": False, "power": True}
    await controller.set_ramp_config(flags)
    seen["ramp_config"] = await controller.get_ramp_config()


async def tare(controller: FlowController, seen: dict[str, Any]) -> None:
    """Stop the flow, then tare and reset the total."""
    await controller.set_flow_rate(0.0)
    await asyncio.sleep(SETTLED_S)
    await controller.tare_pressure()
    await controller.tare_volumetric()
    await controller.reset_totalizer()
    seen["last"] = await controller.get()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:3]))))  # noqa: T201 - the answer to the test that started it
