"""`nebctl conform`: does this mesh controller keep docs/wire-protocol.md, rule by rule?"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.core.device import CommandFailed
    from nebctl_drivers.conform.examine import Choice, Report, Tell
    from nebctl_drivers.conform.verdicts import Result, Rule

_SKIP = re.compile(r"(W[0-9]{2})=(.*\S.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command as given; None where one was left out."""

    url: str
    as_json: bool
    junit: Path | None
    only: str | None
    skip: tuple[str, ...]
    load: str | None
    power_cmd: str | None
    reset_cmd: str | None
    dry_cmd: str | None


@click.command()
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every byte that passed.")
@click.option("--junit", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write JUnit XML here.")
@click.option("--only", metavar="W03,…", help="Test these rules alone; the others count as not tested.")
@click.option("--skip", metavar="ID=REASON", multiple=True, help="Leave a rule out and say why; may be repeated.")
@click.option(
    "--load", type=click.Choice(["wet", "dummy"]), help="What the output drives; without it no START is sent."
)
@click.option("--power-cmd", metavar="CMD", help="Shell command that cuts the controller's power and restores it.")
@click.option("--reset-cmd", metavar="CMD", help="Shell command that restarts the controller.")
@click.option("--dry-cmd", metavar="CMD", help="Shell command that makes the load dry and returns at that moment.")
def conform(**options: object) -> None:
    """Test a mesh controller on URL against the rules of docs/wire-protocol.md.

    URL is /dev/…, serial:///dev/…?baudrate=115200 or tcp://host:port. Without --load no START is ever sent, because a
    dry mesh cracks. The output is OFF at the end, also after Ctrl-C.

    Exit code 0: conforms, every rule tested. 1: a rule is broken or was not tested. 2: a wrong call.

    Example: nebctl conform /dev/ttyUSB0 --load wet --power-cmd 'relay off; sleep 1; relay on'
    """
    import json

    from nebctl.core.device import CommandFailed
    from nebctl_drivers.conform.report import closing_lines, to_json, to_junit

    chosen = Options(**options)  # type: ignore[arg-type]  # click made them what Options says
    report = _examine(chosen, _choose(chosen))
    if isinstance(report, CommandFailed):
        # the drivers speak of a site file's key; here the port stands in the call itself
        raise click.UsageError(report.sentence().replace("[device] port", "URL"))
    if chosen.as_json:
        click.echo(json.dumps(to_json(report, chosen.url, chosen.load)))
    else:
        click.echo("\n".join(closing_lines(report)))
    if chosen.junit is not None:
        _write(chosen.junit, to_junit(report, chosen.url))
    raise SystemExit(0 if report.conforms else 1)


def _choose(chosen: Options) -> "Choice":
    from nebctl_drivers.conform.examine import Choice

    only = tuple(name for name in re.split(r"[,\s]+", chosen.only or "") if name)
    if chosen.only is not None and not only:
        raise click.UsageError("--only: got no rule, write such as --only W03,W17")
    skipped = {}
    for text in chosen.skip:
        match = _SKIP.fullmatch(text)
        if match is None:
            raise click.UsageError(f"--skip: got {text!r}, write such as --skip 'W49=the port is USB of its own'")
        skipped[match[1]] = match[2]
    _check_names((*only, *skipped))
    return Choice(only=only, skipped=skipped)


def _check_names(names: tuple[str, ...]) -> None:
    from nebctl_drivers.conform.rules import RULES

    known = {rule.id for rule in RULES}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no rule {name!r}; they are {min(known)} to {max(known)}")


def _examine(chosen: Options, choice: "Choice") -> "Report | CommandFailed":
    import asyncio
    import secrets

    from nebctl.core.device import CommandFailed
    from nebctl_drivers.conform.bench import Means
    from nebctl_drivers.conform.examine import examine_link
    from nebctl_drivers.conform.shell import shell_act
    from nebctl_drivers.conform.speed import adapter_ms
    from nebctl_drivers.conform.talker import Talker
    from nebctl_drivers.link import open_link

    link = open_link(chosen.url)
    if isinstance(link, CommandFailed):
        return link
    means = Means(
        new_id=lambda: secrets.token_hex(4),
        adapter_ms=adapter_ms(chosen.url),
        load=chosen.load,
        power=shell_act("--power-cmd", chosen.power_cmd),
        reset=shell_act("--reset-cmd", chosen.reset_cmd),
        dry=shell_act("--dry-cmd", chosen.dry_cmd),
    )

    async def run() -> "Report | CommandFailed":
        _end_on_sigterm()
        return await examine_link(Talker(link), means, choice, _teller(choice, as_json=chosen.as_json))

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None  # SIGTERM ends as Ctrl-C does


def _end_on_sigterm() -> None:
    """Let SIGTERM end the examination as Ctrl-C does: with a STOP."""
    import asyncio
    import signal

    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _teller(choice: "Choice", *, as_json: bool) -> "Tell":
    import sys

    from nebctl_drivers.conform.report import finding_lines, rule_line

    shows_progress = sys.stderr.isatty()

    def tell(rule: "Rule", result: "Result | None") -> None:
        if choice.only and rule.id not in choice.only:
            return  # one who mends a single rule does not read of all others
        if result is None and shows_progress:
            click.echo(f"\r\x1b[K{rule.id}  …  {rule.title}", err=True, nl=False)
        elif result is not None:
            if shows_progress:
                click.echo("\r\x1b[K", err=True, nl=False)
            if not as_json:
                click.echo("\n".join((rule_line(result), *finding_lines(result))))

    return tell


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"--junit: {path}: {error.strerror}. Name a file in a folder that is there.") from None
