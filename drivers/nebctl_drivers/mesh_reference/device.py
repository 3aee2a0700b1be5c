"""The reference mesh controller as a `Nebulizer`: what to send again, what never, and what a silence proves."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from nebctl.core.device import Certainty, CommandFailed, Declaration, DeviceReport, Identity, Output, RunOutcome
from nebctl.ports import Link

from .answers import (
    PROTOCOL,
    Unreadable,
    is_run,
    read_beat,
    read_hello,
    read_last,
    read_start,
    read_status,
    speaks_our_protocol,
)
from .conversation import Conversation, Pending, Permit, Reply, Result
from .frames import Refused
from .starting import judge_start
from .stopping import StopUntilOff

READ_ATTEMPTS = 3
"""A read is sent once and at most twice more, each time under a new number; reading twice does no harm."""
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
        self._wire = Conversation(link, now_ns)
        self._starting = False
        self._stopping: asyncio.Task[DeviceReport | CommandFailed] | None = None
        self._stops = 0
        self._off_unproven = False
        self._boot: int | None = None

    @property
    def declaration(self) -> Declaration:
        """Return which promises the controller keeps by itself."""
        return DECLARATION

    @property
    def lost(self) -> asyncio.Event:
        """Return the event that is set while there is no wire to the controller."""
        return self._wire.lost

    @property
    def loss(self) -> CommandFailed | None:
        """Return why there is no wire; None while there is one."""
        return self._wire.loss

    async def open(self) -> Identity | CommandFailed:
        """Open the conversation afresh and prove that the output is OFF; it may be called again after a loss."""
        await self.close()
        failure = await self._wire.open()
        if failure is not None:
            return failure
        identity: Identity | CommandFailed | None = None
        try:
            identity = await self._greet()
        finally:
            if not isinstance(identity, Identity):
                await self.close()
        self._off_unproven = False
        self._boot = identity.boot if isinstance(identity, Identity) else None
        return identity

    async def start(self, run: str, max_on_ms: int) -> DeviceReport | CommandFailed:
        """Start or continue `run`, sending START once and never again, and return what STAT then says.

        The report may show OFF already, where the run ended at once or a STOP overtook it. A caller that is cancelled
        learns nothing: the run may be on, and `stop` is the way out.
        """
        if not is_run(run) or max_on_ms < 1:
            return _refuse("START", f"run {run!r} for {max_on_ms} ms", "eight hexadecimal digits and at least 1 ms")
        if self._starting:
            return _refuse("START", "another start under way", "one start at a time")
        refusal = self._refuse_unproven()
        if refusal is not None:
            return refusal
        self._starting = True
        try:
            return await self._start_once(run, max_on_ms)
        finally:
            self._starting = False

    async def stop(self) -> DeviceReport | CommandFailed:
        """Put STOP on the wire in this very call, and again every 50 ms until STAT says OFF.

        Callers at the same time share one stop; a caller that is cancelled does not end it.
        """
        if self._stopping is None or self._stopping.done():
            self._stops += 1
            self._off_unproven = True
            first = self._wire.begin_stop()
            self._stopping = asyncio.create_task(self._stop_until_off(first))
        return await asyncio.shield(self._stopping)

    async def beat(self) -> CommandFailed | None:
        """Feed the controller's watchdog; not after a STOP without proof of OFF, when the watchdog is the last hope."""
        fields = await self._read("BEAT", lambda fields, _: read_beat(fields), self._refuse_unproven)
        return fields if isinstance(fields, CommandFailed) else None

    async def status(self) -> DeviceReport | CommandFailed:
        """Read the controller."""
        return await self._read("STAT", read_status)

    async def last_run(self) -> RunOutcome | CommandFailed:
        """Ask what the controller remembers of its last run."""
        return await self._read("LAST", lambda fields, _: read_last(fields))

    async def close(self) -> None:
        """End the conversation and wait for all that it began; the controller turns itself off when the beats end."""
        await self._wire.close()
        if self._stopping is not None:
            await asyncio.wait({self._stopping})

    async def _greet(self) -> Identity | CommandFailed:
        seen = ""
        for _ in range(READ_ATTEMPTS):
            nonce = self._nonce()
            result = await self._wire.ask("HELLO", nonce)
            if isinstance(result, CommandFailed):
                return result
            identity = _judge_hello(result, nonce)
            if isinstance(identity, Identity):
                return await self._prove_off(identity)
            seen = identity or seen
        return CommandFailed(
            command=f"open {self._port}",
            certainty=Certainty.UNKNOWN,
            seen=seen or self._wire.describe_heard(),
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
        stops = self._stops
        before = await self.status()
        if isinstance(before, CommandFailed):
            return replace(before, command="START", certainty=Certainty.NOT_DONE)
        if before.output is not Output.OFF:
            return _refuse("START", f"output {before.output.value}", "output off")
        if before.boot != self._boot:  # it is not the device, as it stood, that the host tested and authorised
            return _refuse("START", f"boot {before.boot}, restarted since it was opened", f"boot {self._boot}")
        permit = self._forbid_after_stop(stops)
        result = await self._wire.ask("START", run, max_on_ms, permit=permit)
        if isinstance(result, CommandFailed) and result.certainty is Certainty.NOT_DONE:
            return result
        if isinstance(result, Reply) and isinstance(result.line, Refused):
            return _explain_refusal(result.line)
        granted_ms = _read_grant(result, run)
        if granted_ms is not None and granted_ms > max_on_ms:
            return _doubt_start(f"{granted_ms} ms granted", f"at most {max_on_ms} ms")
        after = await self.status()
        if isinstance(after, CommandFailed):
            return _doubt_start(f"{after.seen} when STAT was asked after it", "a read-back")
        acknowledged = granted_ms is not None
        return judge_start(run, before, after, acknowledged=acknowledged, overtaken=self._stops != stops)

    async def _stop_until_off(self, first: Pending | CommandFailed) -> DeviceReport | CommandFailed:
        try:
            report = await StopUntilOff(self._wire).run(first)
        finally:
            self._wire.end_stop()
        self._off_unproven = isinstance(report, CommandFailed)
        return report

    async def _read(
        self, command: str, parse: Callable[[Sequence[str], int], _Fields | Unreadable], permit: Permit | None = None
    ) -> _Fields | CommandFailed:
        """Ask until a readable answer comes, `READ_ATTEMPTS` times at most; a read that a STOP overtook counts too."""
        seen = "no answer"
        for _ in range(READ_ATTEMPTS):
            result = await self._wire.ask(command, permit=permit)
            if isinstance(result, CommandFailed):
                return replace(result, command=command)
            if result is None:
                continue
            if isinstance(result.line, Refused):
                return _explain_refusal(result.line)
            fields = parse(result.line.fields, result.at_ns)
            if not isinstance(fields, Unreadable):
                return fields
            seen = fields.why
        return CommandFailed(
            command=command,
            certainty=Certainty.UNKNOWN,
            seen=f"{seen} ({READ_ATTEMPTS} times asked)",
            expected="an answer as docs/wire-protocol.md has it",
            advice="Check cable, power and firmware.",
        )

    def _refuse_unproven(self) -> CommandFailed | None:
        if not self._off_unproven:
            return None
        return _refuse("request", "a STOP whose effect is not proven", "a STAT with state OFF after it; stop again")

    def _forbid_after_stop(self, stops: int) -> Permit:
        def permit() -> CommandFailed | None:
            return None if self._stops == stops else _refuse("START", "a STOP in the meantime", "none")

        return permit


def _judge_hello(result: Reply | None, nonce: str) -> Identity | str:
    """Return who answered, or what was wrong with the answer; an empty text means silence."""
    if result is None:
        return ""
    if isinstance(result.line, Refused):
        return f"HELLO refused with {result.line.reason}"
    hello = read_hello(result.line.fields)
    if isinstance(hello, Unreadable):
        return f"an answer to HELLO with {hello.why}"
    if not speaks_our_protocol(hello.identity.protocol):
        return f"{hello.identity.maker} {hello.identity.model} with protocol {hello.identity.protocol}"
    if hello.nonce != nonce:
        return f"the nonce {nonce} come back as {hello.nonce}"
    return hello.identity


def _read_grant(result: Result, run: str) -> int | None:
    """Return the on-time that the answer to START grants `run`; None means that no such answer came."""
    if not isinstance(result, Reply) or isinstance(result.line, Refused):
        return None
    granted = read_start(result.line.fields)
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


def _refuse(command: str, seen: str, expected: str) -> CommandFailed:
    return CommandFailed(
        command=command, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice="Nothing was sent."
    )
