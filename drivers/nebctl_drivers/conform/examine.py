"""One examination: every chosen rule in its turn, and the output OFF at the end, whatever happens."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from nebctl.core.device import CommandFailed, Identity
from nebctl_drivers.mesh_reference.answers import Unreadable, read_hello
from nebctl_drivers.mesh_reference.frames import Answer

from .bench import Bench, Means
from .rules import RULES
from .talker import Talker, WireGone
from .verdicts import Broken, Result, Rule, Untested, Verdict

GREETINGS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which rules are tested.

    `only` empty means all of them; `skipped` names a reason for each rule that is left out.
    """

    only: Collection[str] = ()
    skipped: Mapping[str, str]

    def leaves_out(self, rule: Rule) -> str | None:
        """Return why a rule is left out; None means that it is chosen."""
        if rule.id in self.skipped:
            return f"skipped: {self.skipped[rule.id]}"
        return "not chosen with --only" if self.only and rule.id not in self.only else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of every rule.

    `identity` is None where nobody told one. `trouble` says what ended the examination early; None: nothing did.
    """

    identity: Identity | None
    results: tuple[Result, ...]
    trouble: str | None

    @property
    def conforms(self) -> bool:
        """Tell whether every single rule was tested and is kept."""
        return self.trouble is None and all(result.verdict is Verdict.PASSED for result in self.results)

    def count(self, verdict: Verdict) -> int:
        """Return how many rules have that verdict."""
        return sum(result.verdict is verdict for result in self.results)


Tell = Callable[[Rule, Result | None], None]
"""Told of each rule when it begins (with None) and when it has ended."""


async def examine(talker: Talker, means: Means, choice: Choice, tell: Tell) -> Report:
    """Test the rules on an open wire; a STOP leaves at the end, also when the caller is cancelled."""
    bench = Bench(talker, means)
    trouble: str | None = None
    try:
        identity, trouble = await _greet(bench)
        results = []
        for rule in RULES:
            tell(rule, None)
            result = await _judge(bench, rule, choice, trouble)
            trouble = trouble or _loss(talker)
            results.append(result)
            tell(rule, result)
    finally:
        open_end = await bench.leave_off(always=True)
    return Report(identity=identity, results=tuple(results), trouble=trouble or open_end)


def _loss(talker: Talker) -> str | None:
    return None if talker.loss is None else talker.loss.sentence()


async def _greet(bench: Bench) -> tuple[Identity | None, str | None]:
    """Return who answers, if it can be read, and why nothing can be tested where nobody answers at all."""
    try:
        for _ in range(GREETINGS):
            line = (await bench.talker.ask("HELLO", bench.means.new_id())).line
            if isinstance(line, Answer):
                hello = read_hello(line.fields)
                return (None if isinstance(hello, Unreadable) else hello.identity), None
            if line is not None or (await bench.talker.ask("STAT")).line is not None:
                return None, None
    except WireGone as gone:
        return None, str(gone)
    heard = b"".join(passage.data for passage in bench.talker.passages if not passage.to_device)[:40]
    seen = f"bytes that are no answer, beginning {heard!r}" if heard else "silence"
    return None, f"nobody answered HELLO and STAT: saw {seen}. Check power, cable, baud rate and the port's name."


async def _judge(bench: Bench, rule: Rule, choice: Choice, trouble: str | None) -> Result:
    reason = choice.leaves_out(rule) or trouble
    missing = [need.value for need in rule.needs if bench.means.lacks(need)]
    if reason or missing:
        return Result(rule=rule, verdict=Verdict.NOT_TESTED, seen=reason or "; ".join(missing))
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    bench.talker.forget()
    verdict, seen, expected = await _try(bench, rule)
    open_end = await bench.leave_off()
    if open_end is not None and verdict is Verdict.PASSED:
        verdict, seen, expected = Verdict.FAILED, open_end, "OFF after the rule's STOP"
    return Result(
        rule=rule,
        verdict=verdict,
        seen=seen,
        expected=expected,
        exchange=tuple(bench.talker.passages),
        took_s=loop.time() - begun_s,
    )


async def _try(bench: Bench, rule: Rule) -> tuple[Verdict, str, str]:
    try:
        return Verdict.PASSED, await rule.check(bench), ""
    except Broken as broken:
        return Verdict.FAILED, broken.seen, broken.expected
    except Untested as untested:
        return Verdict.NOT_TESTED, str(untested), ""
    except WireGone as gone:
        return Verdict.NOT_TESTED, str(gone), ""


async def examine_link(talker: Talker, means: Means, choice: Choice, tell: Tell) -> Report | CommandFailed:
    """Open the wire, examine and close it again; a failure means that it did not open."""
    failure = await talker.open()
    if failure is not None:
        return failure
    try:
        return await examine(talker, means, choice, tell)
    finally:
        await talker.close()
