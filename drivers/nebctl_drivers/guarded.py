"""A nebulizer behind an independent cut-off: what the device does not keep by itself, a contact in its power keeps.

The contact stands in what makes aerosol, such as the cable of the mesh, and not in the supply of the controller: it is
open at rest, and the device still answers.
"""

import asyncio
from dataclasses import replace
from typing import Any

from nebctl.core.device import (
    HOST_LOSS_MS,
    Certainty,
    CommandFailed,
    Declaration,
    DeviceReport,
    EndCause,
    Identity,
    Output,
    RunOutcome,
)
from nebctl.ports import Nebulizer
from nebctl_drivers.commanding import open_whole, refuse
from nebctl_drivers.stopping import StopSwitch
from nebctl_drivers.timing import Permit, Reply
from nebctl_drivers.watchdog_relay.cutoff import CutOff, doubt_contact, try_contact
from nebctl_drivers.watchdog_relay.registers import RelayReading

OBEYS_S = 0.4
"""A device that has not read back OFF by then loses its power, which is gone before 500 ms are over (S26)."""
SPARE_MS = 5_000
"""How much longer than a device's own maximum on-time the contact may be closed: it closes before each start."""
_RAN_ON = (EndCause.NONE, EndCause.BEAT, EndCause.MAX_ON)
"""How a run ends that no STOP has ended."""


class Guarded:
    """`driver` behind `cutoff`, which is on wires of its own.

    The contact is closed from just before a start until the device is off. It opens at once where the device does not
    obey a STOP in `OBEYS_S`, and by itself 2 s after the last beat, or when its own maximum on-time is over. A run that
    no STOP ended has the end CUT_OFF in every report from then on, until the conversation is opened afresh.
    """

    def __init__(self, driver: Nebulizer, cutoff: CutOff) -> None:
        self._driver = driver
        self._cutoff = cutoff
        self._opening = StopSwitch(
            lambda: (cutoff.stop_part(),),
            self._judge_open,
            expected="the cut-off's contact open",
            advice="Use the device's own switch.",
        )
        self._stopping: asyncio.Task[DeviceReport | CommandFailed] | None = None
        self._stops = self._beats = 0
        self._starting = self._is_on = False
        self._disobeyed: str | None = None

    @property
    def declaration(self) -> Declaration:
        """Return what device and cut-off keep together."""
        declared, cutoff = self._driver.declaration, self._cutoff
        own_ms = declared.host_loss_off_ms
        return replace(
            declared,
            host_loss_off_ms=HOST_LOSS_MS if own_ms is None else min(own_ms, HOST_LOSS_MS),
            max_on_in_device=declared.max_on_in_device or cutoff.max_on_in_device,
            cut_off=cutoff.driver,
        )

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire to the device, or to its cut-off; None while there are both."""
        return self._driver.loss or self._cutoff.loss

    async def open(self) -> Identity | CommandFailed:
        """Open both conversations afresh, with the contact open and the device OFF afterwards."""
        await self.close()
        return await open_whole(self._greet, self.close)

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Try the contact, close it for `run`, and start the device, each once."""
        refusal = self._opening.refuse_unproven()
        if refusal is None and self._starting:
            refusal = refuse("START", "another start under way", "one start at a time")
        if refusal is not None:
            return refusal
        self._starting = True
        try:
            return await self._start_once(run, max_on_ms)
        finally:
            self._starting = False

    async def stop(self) -> DeviceReport | CommandFailed:
        """Turn the device off, and open the contact: behind its OFF, or at once where that does not come.

        Callers at the same time share one stop; a caller that is cancelled does not end it.
        """
        if self._stopping is None or self._stopping.done():
            self._stops += 1
            self._stopping = asyncio.create_task(self._stop_both())
        return await asyncio.shield(self._stopping)

    async def beat(self) -> CommandFailed | None:
        """Feed device and cut-off; neither after a STOP that is not proven, when their watchdogs are the last hope."""
        self._beats += 1
        told, fed = await asyncio.gather(
            self._driver.beat(), self._cutoff.feed(self._beats, self._opening.refuse_unproven)
        )
        return told or fed

    async def status(self) -> DeviceReport | CommandFailed:
        """Read both; a device that is on behind a contact that opened by itself is turned off first."""
        report = await self._driver.status()
        contact = await self._cutoff.read() if isinstance(report, DeviceReport) else report
        if isinstance(report, CommandFailed) or isinstance(contact, CommandFailed):
            return report if isinstance(report, CommandFailed) else contact  # type: ignore[return-value]
        if report.output is Output.OFF or contact.closed:
            return self._seen(report, contact)
        stopped = await self.stop()
        if isinstance(stopped, CommandFailed) or stopped.end is EndCause.CUT_OFF:
            return stopped
        return replace(stopped, end=contact.cause)

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Ask the device for its last run, which was no longer than the contact was closed for it."""
        last = await self._driver.last_run()
        contact = await self._cutoff.read()
        if isinstance(last, CommandFailed) or isinstance(contact, CommandFailed) or contact.run != last.run:
            return last
        return replace(last, on_ms=min(last.on_ms, contact.closed_ms))

    async def trip_cut_off(self) -> CommandFailed | None:
        """Let the contact open by itself once, with the device off; it takes about 2 s."""
        return self._opening.refuse_unproven() or await self._cutoff.trip(self._permit())

    async def close(self) -> None:
        """End both conversations; the contact opens by itself when the beats end."""
        await self._driver.close()
        await self._cutoff.close()
        await self._opening.settled()
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    async def _greet(self) -> Identity | CommandFailed:
        failure = await self._cutoff.open()
        if failure is not None:
            return failure
        identity = await self._driver.open()
        if isinstance(identity, CommandFailed):
            return identity
        self._is_on, self._disobeyed = False, None
        opened = await self._opening.stop()
        return opened if isinstance(opened, CommandFailed) else identity

    async def _start_once(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        permit = self._permit()
        failure = await self._close_contact(run, max_on_ms, permit)
        if failure is None:
            result = await self._driver.start(run, max_on_ms)
            if isinstance(result, DeviceReport):
                contact = await self._cutoff.read()
                if isinstance(contact, CommandFailed):  # that this read did nothing says nothing of the START before it
                    return replace(contact, command="START", certainty=Certainty.UNKNOWN)
                return self._seen(result, contact)
            if result.certainty is Certainty.UNKNOWN:
                return result
            failure = result
        await self._opening.stop()
        return replace(failure, certainty=Certainty.NOT_DONE)  # the device heard nothing

    async def _close_contact(self, run: str, max_on_ms: int, permit: Permit) -> CommandFailed | None:
        """Prove that the contact obeys, and that it is closed for this run."""
        before = await self._cutoff.read()
        if isinstance(before, CommandFailed):
            return before
        if before.closed:
            return doubt_contact("the contact closed before a start", "the contact open")
        spare_ms = SPARE_MS if self._driver.declaration.max_on_in_device else 0
        failure = (
            await self._cutoff.arm(run, max_on_ms + spare_ms, permit)
            or await try_contact(self._cutoff, permit)
            or await self._cutoff.set_closed(closed=True, permit=permit)
        )
        after = await self._cutoff.read() if failure is None else failure
        if isinstance(after, CommandFailed):
            return after
        if not after.closed or after.run != run:
            return doubt_contact("the contact open, or of another run", f"the contact closed for run {run}")
        return permit()

    async def _stop_both(self) -> DeviceReport | CommandFailed:
        was_on, device = self._is_on, asyncio.ensure_future(self._driver.stop())
        obeyed, _ = await asyncio.wait({device}, timeout=OBEYS_S)
        contact = await self._opening.stop()
        result = await device
        if isinstance(contact, CommandFailed):
            return result  # the device's own word is all there is; the contact is fed no more, and opens by itself
        if isinstance(result, CommandFailed) and self._driver.loss is None:
            result = await self._driver.status()  # it does not obey: what it says now, with its power taken away
        if isinstance(result, CommandFailed):
            return result
        if was_on and not obeyed and result.end in _RAN_ON:
            self._disobeyed = result.run
        return self._seen(result, contact)

    def _seen(self, report: DeviceReport, contact: RelayReading) -> DeviceReport:
        """Return a report as the cut-off bounds it: off where the contact is open, and on for no longer than it."""
        on_ms = min(report.on_ms, contact.closed_ms) if contact.run == report.run else report.on_ms
        self._is_on = report.output is not Output.OFF and contact.closed
        if self._is_on:
            return replace(report, on_ms=on_ms)
        disobeyed = report.output is not Output.OFF or (report.run is not None and report.run == self._disobeyed)
        return replace(report, output=Output.OFF, end=EndCause.CUT_OFF if disobeyed else report.end, on_ms=on_ms)

    def _permit(self) -> Permit:
        """Return a permit that is withdrawn by the next STOP."""
        count = self._stops

        def permit() -> CommandFailed | None:
            return None if self._stops == count else refuse("START", "a STOP in the meantime", "none")

        return permit

    def _judge_open(self, replies: tuple[Reply[Any], ...]) -> RelayReading | str:
        """Return the read-back where it proves the contact open, else what it says."""
        contact = self._cutoff.parse_stop(replies)
        return contact if isinstance(contact, str) or not contact.closed else "the contact closed"
