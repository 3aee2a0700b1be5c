"""Reads the parts of a jet, each by itself or all together."""

import asyncio
from collections.abc import Mapping

from nebctl.core.device import CommandFailed, EndCause
from nebctl_drivers.alicat_ascii.source import AlicatSource
from nebctl_drivers.jet.parts import GasSource
from nebctl_drivers.watchdog_relay.cutoff import CutOff

from .reader import Reader, Readings, Value, known


class GasReader:
    """Reads a gas controller; a stream that somebody left on is ended, because it would hide every answer."""

    def __init__(self, gas: GasSource) -> None:
        self._gas = gas

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._gas.loss

    async def open(self) -> str | CommandFailed:
        """Open the wire and return who answers."""
        failure = await self._gas.open()
        if failure is not None:
            return failure
        first = await self._gas.read()
        if isinstance(first, CommandFailed):
            await self._gas.close()
            return first
        identity = self._gas.identity if isinstance(self._gas, AlicatSource) else None
        if identity is None:
            return self._gas.model
        return f"{self._gas.model}, id {identity.unit}, serial {identity.serial}, firmware {identity.firmware}"

    async def read(self) -> Readings | CommandFailed:
        """Read set-point, flow, pressure, temperature and alarms."""
        gas = await self._gas.read()
        if isinstance(gas, CommandFailed):
            return gas
        values = {
            "setpoint": known(gas.setpoint_sccm, "sccm"),
            "flow": known(gas.flow_sccm, "sccm"),
            "pressure": known(gas.pressure_pa, "Pa"),
            "temperature": known(gas.temp_mc / 1000, "degC"),
            "alarms": known("+".join(gas.alarms) or "none", alarm=bool(gas.alarms)),
        }
        return Readings(values, gas.at_ns)

    async def close(self) -> None:
        """Leave the wire; the set-point stays as it is."""
        await self._gas.close()


class CutOffReader:
    """Reads a cut-off relay; it is not fed, so a contact that is closed opens as it would without a reader."""

    def __init__(self, relay: CutOff) -> None:
        self._relay = relay

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._relay.loss

    async def open(self) -> str | CommandFailed:
        """Open the wire and return who answers."""
        failure = await self._relay.open()
        relay = await self._relay.read() if failure is None else failure
        if isinstance(relay, CommandFailed):
            await self._relay.close()
            return relay
        return f"watchdog relay, serial {relay.serial}"

    async def read(self) -> Readings | CommandFailed:
        """Read the contact, and what it knows of its run."""
        relay = await self._relay.read()
        if isinstance(relay, CommandFailed):
            return relay
        values = {
            "contact": known("closed" if relay.closed else "open"),
            "cause": known(relay.cause.value, alarm=relay.cause in {EndCause.BEAT, EndCause.FAULT}),
            "run": known(relay.run),
            "max_on": known(relay.max_on_ms, "ms"),
            "closed_time": known(relay.closed_ms, "ms"),
            "watchdog": known(relay.watchdog_ms, "ms"),
        }
        return Readings(values, relay.at_ns)

    async def close(self) -> None:
        """Leave the wire."""
        await self._relay.close()


class TogetherReader:
    """Several readers as one device: each value's name begins with its part's."""

    def __init__(self, parts: Mapping[str, Reader]) -> None:
        self._parts = parts

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire to one of the parts; None while there is one to each."""
        return next((part.loss for part in self._parts.values() if part.loss is not None), None)

    async def open(self) -> str | CommandFailed:
        """Open all parts; the first that fails closes the others."""
        told = []
        for name, part in self._parts.items():
            who = await part.open()
            if isinstance(who, CommandFailed):
                await self.close()
                return who
            told.append(f"{name}: {who}")
        return "; ".join(told)

    async def read(self) -> Readings | CommandFailed:
        """Read all parts at once; where one fails, the whole reading does."""
        values: dict[str, Value] = {}
        oldest_ns = []
        for name, readings in zip(
            self._parts, await asyncio.gather(*(part.read() for part in self._parts.values())), strict=True
        ):
            if isinstance(readings, CommandFailed):
                return readings
            values |= {f"{name}.{key}": value for key, value in readings.values.items()}
            oldest_ns.append(readings.at_ns)
        return Readings(values, min(oldest_ns))

    async def close(self) -> None:
        """Leave every wire."""
        for part in self._parts.values():
            await part.close()
