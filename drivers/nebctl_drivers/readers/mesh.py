"""Reads a reference mesh controller by STAT alone: HELLO would turn its output off."""

from collections.abc import Callable
from dataclasses import replace

from nebctl.core.device import CommandFailed, DeviceReport
from nebctl.ports import Link
from nebctl_drivers.bus import Bus
from nebctl_drivers.mesh_reference.answers import Unreadable, read_status
from nebctl_drivers.mesh_reference.dialect import TIMING, Command, MeshDialect, Said
from nebctl_drivers.mesh_reference.frames import Answer, Refused
from nebctl_drivers.reading import read
from nebctl_drivers.timing import Reply

from .reader import Readings, Value, known


class MeshReader:
    """The controller on `link`; `port` names the wire for people, `now_ns` is the host's monotonic time."""

    def __init__(self, link: Link, *, port: str, now_ns: Callable[[], int]) -> None:
        self._port = port
        self._seat = Bus(link, MeshDialect(), TIMING, now_ns=now_ns).seat()

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    async def open(self) -> str | CommandFailed:
        """Open the wire and read who answers.

        The controller answers a repeated number from its memory, and the number of the last request to it, perhaps of
        another program, is not known here. So this first answer may be an old one and says who is there, no more;
        afterwards the number that it remembers is ours, and each further one is new.
        """
        await self.close()
        failure = await self._seat.open()
        report = await self._report() if failure is None else failure
        if isinstance(report, CommandFailed):
            await self.close()
            return replace(report, command=f"open {self._port}")
        return f"reference mesh controller, boot {report.boot}"

    async def read(self) -> Readings | CommandFailed:
        """Read STAT."""
        report = await self._report()
        return report if isinstance(report, CommandFailed) else Readings(show_report(report), report.at_ns)

    async def close(self) -> None:
        """Leave the wire."""
        await self._seat.close()

    async def _report(self) -> DeviceReport | CommandFailed:
        return await read(
            self._seat,
            Command("STAT"),
            name="STAT",
            parse=_parse,
            expected="a reference mesh controller, as docs/wire-protocol.md has it",
            advice="Check profile, URL, cable and power.",
        )


def _parse(reply: Reply[Said]) -> DeviceReport | str:
    if isinstance(reply.answer, Refused):
        return f"STAT refused with {reply.answer.reason}"
    assert isinstance(reply.answer, Answer)  # events are never answers
    report = read_status(reply.answer.fields, reply.at_ns)
    return report.why if isinstance(report, Unreadable) else report


def show_report(report: DeviceReport) -> dict[str, Value]:
    """Return the values of a report by name, in the units of the wire's page."""
    return {
        "state": known(report.output.value),
        "run": known(report.run),
        "on_time": known(report.on_ms, "ms"),
        "end": known(report.end.value),
        "boot": known(report.boot),
        "current": known(_over(report.drive_ua, 1000), "mA"),
        "frequency": known(report.drive_hz, "Hz"),
        "power": known(_over(report.drive_uw, 1000), "mW"),
        "temperature": known(_over(report.temp_mc, 1000), "degC"),
        "dry": known(report.dry, alarm=report.dry is True),
        "fault": known(report.fault or "none", alarm=report.fault is not None),
    }


def _over(value: int | None, parts: int) -> float | None:
    return None if value is None else value / parts
