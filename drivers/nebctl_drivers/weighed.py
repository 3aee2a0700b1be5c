"""A nebulizer whose cup stands on a balance: its reports carry the weight, and nothing else about it changes."""

from dataclasses import replace

from nebctl.core.device import CommandFailed, Declaration, DeviceReport, Identity, RunOutcome
from nebctl.ports import Nebulizer
from nebctl_drivers.balance.under_cup import UnderCup

WEIGHT = "weight_mg"


class Weighed:
    """`driver` with the weight of `cup` in its reports; the balance has its own line and is never waited for."""

    def __init__(self, driver: Nebulizer, cup: UnderCup) -> None:
        self._driver = driver
        self._cup = cup

    @property
    def declaration(self) -> Declaration:
        """Return which promises the device keeps by itself; the balance adds a witness and no promise."""
        declared = self._driver.declaration
        return replace(declared, senses=(*declared.senses, WEIGHT))

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire to the nebulizer; a lost balance is none."""
        return self._driver.loss

    async def open(self) -> Identity | CommandFailed:
        """Open the nebulizer; the balance is looked for beside it, for as long as it takes."""
        self._cup.begin()
        return await self._driver.open()

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue a run, once."""
        self._cup.note_run(run)
        return self._with_weight(await self._driver.start(run, max_on_ms))

    async def stop(self) -> DeviceReport | CommandFailed:
        """Turn the output off now, ahead of everything else."""
        return self._with_weight(await self._driver.stop())

    async def beat(self) -> CommandFailed | None:
        """Tell the device that the host's control loop is alive."""
        return await self._driver.beat()

    async def status(self) -> DeviceReport | CommandFailed:
        """Read the device."""
        return self._with_weight(await self._driver.status())

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Ask what the device remembers of its last run."""
        return await self._driver.last_run()

    async def trip_cut_off(self) -> CommandFailed | None:
        """Try the cut-off of the nebulizer, where it has one."""
        return await self._driver.trip_cut_off()

    async def close(self) -> None:
        """Close the conversation with the nebulizer first, then the balance's."""
        await self._driver.close()
        await self._cup.end()

    def _with_weight(self, result: DeviceReport | CommandFailed) -> DeviceReport | CommandFailed:
        if isinstance(result, CommandFailed):
            return result
        return replace(result, weight_ug=self._cup.take_ug())
