"""The reference mesh controller as a `Nebulizer`: what to send again, what never, and what a silence proves."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from nebctl.core.device import Certainty, CommandFailed, Declaration, DeviceReport, Identity, Output, RunOutcome
from nebctl.ports import Link
from nebctl_drivers.bus import Bus
from nebctl_drivers.commanding import StartGate, open_whole, refuse
from nebctl_drivers.reading import ATTEMPTS, read
from nebctl_drivers.stopping import StopPart, StopSwitch
from nebctl_drivers.timing import Permit, Reply, Result, Silence

from .answers import (
    PROTOCOL,
    Unreadable,
    read_beat,
    read_hello,
    read_last,
    read_start,
    read_status,
    speaks_our_protocol,
)
from .dialect import TIMING, Command, MeshDialect, Said
from .frames import Answer, Refused
from .starting import judge_start

LONGEST_ON_MS = 999_999_999_999_999
"""Numbers on the wire have at most 15 digits; the controller grants no more than its own maximum."""
DECLARATION = Declaration(
    keeps_s14=True,
    host_loss_off_ms=2000,
    max_on_in_device=True,
    senses=("drive_mA", "drive_Hz", "drive_mW", "temp_C", "dry"),
)
_REASONS = {
    "CMD": "The controller does not know this command: check its firmware.",
    "ARG": "The controller does not accept the value.",
    "SEQ": "The conversation is out of step: open the device again.",
    "STATE": "The output is on already: stop it first.",
    "MAXON": "The run's on-time is used up; it cannot continue.",
    "CUP": "Put the cup on.",
    "FAULT": "The controller has latched a fault: see its manual.",
}
_Fields = TypeVar("_Fields")


class MeshReference:
    """One reference mesh controller on one link.

    `port` names the link for people; `nonce` gives eight fresh hexadecimal digits; `now_ns` is the host's monotonic
    time, which stamps the reports. Time-outs run on the event loop's own clock.
    """

    def __init__(self, link: Link, *, port: str, nonce: Callable[[], str], now_ns: Callable[[], int]) -> None:
        self._port = port
        self._nonce = nonce
        self._seat = Bus(link, MeshDialect(), TIMING, now_ns=now_ns).seat()
        self._switch = StopSwitch(
            lambda: (StopPart(self._seat, (Command("STOP"),), (Command("STAT"),)),),
            _why_not_off,
            expected="STAT with state OFF",
            advice="Use the device's own switch.",
        )
        self._gate = StartGate(self._switch, longest_ms=LONGEST_ON_MS, zero=True)
        self._boot: int | None = None

    @property
    def declaration(self) -> Declaration:
        """Return which promises the controller keeps by itself."""
        return DECLARATION

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._seat.loss

    async def open(self) -> Identity | CommandFailed:
        """Open the conversation afresh and prove that the output is OFF; it may be called again after a loss."""
        await self.close()
        failure = await self._seat.open()
        if failure is not None:
            return failure
        identity = await open_whole(self._greet, self.close)
        self._switch.unproven = False
        self._boot = identity.boot if isinstance(identity, Identity) else None
        return identity

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue `run`, sending START once and never again, and return what STAT then says.

        The report may show OFF already, where the run ended at once or a STOP overtook it. A caller that is cancelled
        learns nothing: the run may be on, and `stop` is the way out.
        """
        return await self._gate.run(run, max_on_ms, self._start_once)

    async def stop(self) -> DeviceReport | CommandFailed:
        """Put STOP on the wire in this very call, and again every 50 ms until STAT says OFF.

        Callers at the same time share one stop; a caller that is cancelled does not end it.
        """
        return await self._switch.stop()

    async def beat(self) -> CommandFailed | None:
        """Feed the controller's watchdog; not after a STOP without proof of OFF, when the watchdog is the last hope."""
        fields = await self._read("BEAT", lambda fields, _: read_beat(fields), self._switch.refuse_unproven)
        return fields if isinstance(fields, CommandFailed) else None

    async def status(self) -> DeviceReport | CommandFailed:
        """Read the controller."""
        return await self._read("STAT", read_status)

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Ask what the controller remembers of its last run."""
        return await self._read("LAST", lambda fields, _: read_last(fields))

    async def trip_cut_off(self) -> CommandFailed | None:
        """Do nothing: there is no cut-off here."""
        return None

    async def close(self) -> None:
        """End the conversation and wait for all that it began; the controller turns itself off when the beats end."""
        await self._seat.close()
        await self._switch.settled()

    async def _greet(self) -> Identity | CommandFailed:
        seen = ""
        for _ in range(ATTEMPTS):
            nonce = self._nonce()
            result = await self._seat.ask(Command("HELLO", (nonce,)))
            if isinstance(result, CommandFailed):
                return result
            identity = _judge_hello(result, nonce)
            if isinstance(identity, Identity):
                return await self._prove_off(identity)
            seen = identity
        return CommandFailed(
            command=f"open {self._port}",
            certainty=Certainty.UNKNOWN,
            seen=seen or "silence",
            expected=f"a reference mesh controller, protocol {PROTOCOL}",
            advice="Check [device] driver and port.",
        )

    async def _prove_off(self, identity: Identity) -> Identity | CommandFailed:
        report = await self.status()
        if isinstance(report, CommandFailed):
            return report
        if report.output is Output.OFF and report.boot == identity.boot:
            return identity
        return CommandFailed(
            command=f"open {self._port}",
            certainty=Certainty.UNKNOWN,
            seen=f"output {report.output.value}, boot {report.boot}",
            expected=f"output off, boot {identity.boot}",
            advice="Use the device's own switch.",
        )

    async def _start_once(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        permit = self._switch.forbid_after()
        before = await self.status()
        if isinstance(before, CommandFailed):
            return replace(before, command="START", certainty=Certainty.NOT_DONE)
        if before.output is not Output.OFF:
            return refuse("START", f"output {before.output.value}", "output off")
        if before.boot != self._boot:  # it is not the device, as it stood, that the host tested and authorised
            return refuse("START", f"boot {before.boot}, restarted since it was opened", f"boot {self._boot}")
        result = await self._seat.ask(Command("START", (run, max_on_ms)), permit)
        if isinstance(result, CommandFailed) and result.certainty is Certainty.NOT_DONE:
            return result
        if isinstance(result, Reply) and isinstance(result.answer, Refused):
            return _explain_refusal(result.answer)
        granted_ms = _read_grant(result, run)
        if granted_ms is not None and granted_ms > max_on_ms:
            return _doubt_start(f"{granted_ms} ms granted", f"at most {max_on_ms} ms")
        after = await self.status()
        if isinstance(after, CommandFailed):
            return _doubt_start(f"{after.seen} when STAT was asked after it", "a read-back")
        acknowledged = granted_ms is not None
        return judge_start(run, before, after, acknowledged=acknowledged, overtaken=permit() is not None)

    async def _read(
        self, command: str, parse: Callable[[Sequence[str], int], _Fields | Unreadable], permit: Permit | None = None
    ) -> _Fields | CommandFailed:
        """Ask until a readable answer comes; a refusal is an answer, and a read that a STOP overtook counts too."""

        def take(reply: Reply[Said]) -> _Fields | CommandFailed | str:
            if isinstance(reply.answer, Refused):
                return _explain_refusal(reply.answer)
            fields = _fields(reply, parse)
            return fields.why if isinstance(fields, Unreadable) else fields

        return await read(
            self._seat,
            Command(command),
            name=command,
            parse=take,
            permit=permit,
            expected="an answer as docs/wire-protocol.md has it",
            advice="Check cable, power and firmware.",
        )


def _fields(reply: Reply[Said], parse: Callable[[Sequence[str], int], _Fields | Unreadable]) -> _Fields | Unreadable:
    assert isinstance(reply.answer, Answer)  # refusals are told apart before, and events are never answers
    return parse(reply.answer.fields, reply.at_ns)


def _why_not_off(replies: tuple[Reply[Said], ...]) -> DeviceReport | str:
    """Return the read-back where it proves OFF, else what it says."""
    [reply] = replies
    if isinstance(reply.answer, Refused):
        return f"{reply.answer.command} refused with {reply.answer.reason}"
    report = _fields(reply, read_status)
    if isinstance(report, Unreadable):
        return report.why
    return report if report.output is Output.OFF else f"output {report.output.value}"


def _judge_hello(result: Reply[Said] | Silence, nonce: str) -> Identity | str:
    """Return who answered, or what was seen instead."""
    if isinstance(result, Silence):
        return result.seen
    if isinstance(result.answer, Refused):
        return f"HELLO refused with {result.answer.reason}"
    hello = _fields(result, lambda fields, _: read_hello(fields))
    if isinstance(hello, Unreadable):
        return f"an answer to HELLO with {hello.why}"
    if not speaks_our_protocol(hello.identity.protocol):
        return f"{hello.identity.maker} {hello.identity.model} with protocol {hello.identity.protocol}"
    if hello.nonce != nonce:
        return f"the nonce {nonce} come back as {hello.nonce}"
    return hello.identity


def _read_grant(result: Result[Said], run: str) -> int | None:
    """Return the on-time that the answer to START grants `run`; None means that no such answer came."""
    if not isinstance(result, Reply) or isinstance(result.answer, Refused):
        return None
    granted = _fields(result, lambda fields, _: read_start(fields))
    return None if isinstance(granted, Unreadable) or granted.run != run else granted.granted_ms


def _doubt_start(seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command="START", certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice="It may be on: stop it."
    )


def _explain_refusal(line: Refused) -> CommandFailed:
    return CommandFailed(
        command=line.command,
        certainty=Certainty.NOT_DONE,
        seen=f"refused with {line.reason}",
        expected="the command to be accepted",
        advice=_REASONS.get(line.reason, "The reason is not one of this protocol: check the firmware."),
    )
