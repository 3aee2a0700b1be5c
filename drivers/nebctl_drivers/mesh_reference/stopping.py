"""STOP, again and again, until a read-back says OFF."""

import asyncio
from dataclasses import replace

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, Output

from .answers import read_status
from .conversation import Conversation, Pending, Reply, Result
from .frames import Refused

STOP_PERIOD_S = 0.050
STOP_ATTEMPTS = 40
"""2 s in all: without a beat for that long the controller's own watchdog has acted too.

Source: docs/wire-protocol.md section 6, host watchdog.
"""


class StopUntilOff:
    """One stop: every STOP and STAT of it may still be answered until the end, because each answer is a proof.

    The wire keeps order, so a STAT that was sent after STOP and says OFF has also everything behind it that was
    sent before.
    """

    def __init__(self, wire: Conversation) -> None:
        self._wire = wire
        never: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting = {never}
        self._seen = "silence"

    async def run(self, first: Pending | CommandFailed) -> DeviceReport | CommandFailed:
        """Follow the STOP that is on the wire already; return the read-back, or that OFF is not proven."""
        self._expect(first)
        for attempt in range(STOP_ATTEMPTS):
            if attempt:
                self._expect(self._wire.send("STOP"))
            if self._wire.loss is not None:
                return replace(self._wire.loss, command="STOP", certainty=Certainty.UNKNOWN)
            report = await self._watch()
            if report is not None:
                return report
        return CommandFailed(
            command="STOP",
            certainty=Certainty.UNKNOWN,
            seen=f"{self._seen} after {STOP_ATTEMPTS} times STOP",
            expected="STAT with state OFF",
            advice="Use the device's own switch.",
        )

    def _expect(self, sent: Pending | CommandFailed) -> None:
        if isinstance(sent, CommandFailed):
            self._seen = sent.seen
        else:
            self._waiting.add(sent.answer)

    async def _watch(self) -> DeviceReport | None:
        """Weigh the answers of one period; None means that it is time for the next STOP."""
        try:
            async with asyncio.timeout(STOP_PERIOD_S):
                while self._wire.loss is None:
                    done, self._waiting = await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)
                    for answer in done:
                        report = self._weigh(answer.result())
                        if report is not None:
                            return report
        except TimeoutError:
            pass
        return None

    def _weigh(self, result: Result) -> DeviceReport | None:
        if not isinstance(result, Reply):
            return None
        if isinstance(result.line, Refused):
            self._seen = f"{result.line.command} refused with {result.line.reason}"
        elif result.line.command == "STOP":
            self._expect(self._wire.send("STAT"))  # an acknowledgement is a word; the read-back is the proof
        else:
            report = read_status(result.line.fields, result.at_ns)
            if isinstance(report, DeviceReport) and report.output is Output.OFF:
                return report
            self._seen = f"output {report.output.value}" if isinstance(report, DeviceReport) else report.why
        return None
