"""`nebctl devices`: what is plugged in, what answers there, and what it reads; nothing is ever moved."""

import errno
import re
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nebctl.core.device import CommandFailed
    from nebctl_drivers.ports_found import FoundPort
    from nebctl_drivers.readers.probing import Heard
    from nebctl_drivers.readers.reader import Reader
    from nebctl_drivers.readers.showing import Shown

RETRY_S = 1.0
"""How often a device whose wire is gone is looked for again."""
_PERIOD = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) ?(ms|s)")
_SECONDS = {"ms": 0.001, "s": 1.0}
LONGEST_PERIOD_S = 86_400.0


class Period(click.ParamType[float]):
    """A time such as "250ms" or "1.5 s", in seconds."""

    name = "period"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        match = _PERIOD.fullmatch(str(value))
        seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
        if not 0.01 <= seconds <= LONGEST_PERIOD_S:
            self.fail(f"{value!r} is no time from 10 ms to one day; write such as 250ms or 2s", param, ctx)
        return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """The options of `read` and `watch` as given."""

    profile: tuple[str, ...]
    url: tuple[str, ...]
    every: float
    trace: Path | None
    count: int = 0
    as_json: bool = False


@click.group(epilog="Example: nebctl devices list")
def devices() -> None:
    """Find devices and read them, without moving anything.

    No command here starts, stops or sets anything; what turns an output off, such as HELLO, is not sent either.
    """


_trace_option = click.option(
    "--trace",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write every byte to this file, with its time.",
)
_every_option = click.option(
    "--every", type=Period(), default="250ms", show_default=True, help="Time from one reading to the next."
)
_PROFILE_HELP = "Name or file of a profile, or name of a driver."


@devices.command("list", epilog="Example: nebctl devices list --probe")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--probe", "asks", is_flag=True, help="Ask at each free port what answers there.")
@click.option("--url", "urls", multiple=True, metavar="URL", help="Look at this port alone; may be repeated.")
@_trace_option
def list_(as_json: bool, asks: bool, urls: tuple[str, ...], trace: Path | None) -> None:
    """List the serial ports, and with --probe what answers there.

    The questions change nothing at any device. They are asked at 115200, 19200 and 9600 baud, and take up to 12 s on a
    port where nobody answers. A port that another program holds is named with its holder and left alone.
    """
    import asyncio

    from nebctl_drivers.ports_found import find_ports

    _check_trace(trace)
    ports = () if urls else find_ports()
    free = [*urls, *(port.url for port in ports if not port.holders)] if asks else []
    answers = dict(zip(free, asyncio.run(_ask(free, trace)), strict=True))
    if as_json:
        _print_list_json(ports, urls, answers)
    else:
        _print_list(ports, urls, answers)


@devices.command(epilog="Example: nebctl devices read --profile mesh-reference --url /dev/ttyUSB0 --count 10 --json")
@click.option("--profile", required=True, metavar="P", help=_PROFILE_HELP)
@click.option("--url", required=True, metavar="URL", help="Where it is, such as /dev/ttyUSB0 or tcp://host:port.")
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="How many readings.")
@_every_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a reading, on one line.")
@_trace_option
def read(profile: str, url: str, count: int, every: float, as_json: bool, trace: Path | None) -> None:
    """Read a device and print what it says, one line a reading.

    A reading that failed is a line too, with what was seen, what was expected and what to do.

    Exit code 0: all was read. 1: a reading failed. 2: a wrong call.
    """
    _check_trace(trace)
    call = _Call(profile=(profile,), url=(url,), every=every, trace=trace, count=count, as_json=as_json)
    if not _run(_read(call)):
        raise SystemExit(1)


@devices.command(epilog="Example: nebctl devices watch --profile mesh-reference --url /dev/ttyUSB0")
@click.option("--profile", required=True, multiple=True, metavar="P", help=_PROFILE_HELP + " One for all, or one each.")
@click.option("--url", required=True, multiple=True, metavar="URL", help="Where a device is; repeat it for more.")
@_every_option
@_trace_option
def watch(profile: tuple[str, ...], url: tuple[str, ...], every: float, trace: Path | None) -> None:
    """Show the values of one or more devices until Ctrl-C; devices on one port share it.

    On a terminal it is a table that renews itself, elsewhere one line a reading. A device that goes away is looked for
    every second.
    """
    _check_trace(trace)
    if len(profile) not in (1, len(url)):
        raise click.UsageError(f"--profile: {len(profile)} for {len(url)} --url; give one for all, or one for each")
    call = _Call(profile=profile * len(url) if len(profile) == 1 else profile, url=url, every=every, trace=trace)
    try:
        _run(_watch(call))
    except KeyboardInterrupt:
        click.echo("", err=True)  # the usual end of a watch


def _check_trace(trace: Path | None) -> None:
    if trace is not None and not trace.absolute().parent.is_dir():
        raise click.UsageError(f"--trace: {trace.parent} is no folder; name a file in a folder that is there")


def _run(work: Coroutine[Any, Any, bool]) -> bool:
    """Run to the end; SIGTERM ends it as Ctrl-C does."""
    import asyncio
    import signal

    async def guarded() -> bool:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    except ExceptionGroup as group:
        if group.split(BrokenPipeError)[1] is None:  # who read along has left, as `| head` does
            raise BrokenPipeError(errno.EPIPE, "nobody reads on") from None
        raise


async def _ask(urls: Sequence[str], trace: Path | None) -> "list[tuple[Heard, ...] | CommandFailed]":
    import asyncio

    from nebctl_drivers.readers.probing import probe

    return await asyncio.gather(*(probe(url, trace=trace) for url in urls))


def _print_list_json(
    ports: "Sequence[FoundPort]", urls: Sequence[str], answers: "dict[str, tuple[Heard, ...] | CommandFailed]"
) -> None:
    import json

    from nebctl_drivers.readers.showing import answers_json, port_json

    found = [port_json(port, answers.get(port.url)) for port in ports]
    named = [{"url": url, **answers_json(answers.get(url))} for url in urls]
    click.echo(json.dumps({"ports": found + named}))


def _print_list(
    ports: "Sequence[FoundPort]", urls: Sequence[str], answers: "dict[str, tuple[Heard, ...] | CommandFailed]"
) -> None:
    from nebctl_drivers.readers.showing import port_lines

    if not ports and not urls:
        click.echo("no serial port is plugged in")
    for port in ports:
        held = ", ".join(holder.text() for holder in port.holders)
        told = "; ".join(part for part in (port.text(), f"held by {held}" if held else "") if part)
        click.echo("\n".join(port_lines(port.url, told, answers.get(port.url))))
    for url in urls:
        click.echo("\n".join(port_lines(url, "", answers.get(url))))


class _Times:
    """The host's clocks as readers and people want them."""

    def __init__(self) -> None:
        from nebctl.clock import SystemClock

        self._clock = SystemClock()

    def now_ns(self) -> int:
        """Return the monotonic time."""
        return self._clock.instant().mono_ns

    def utc(self, mono_ns: int) -> str:
        """Return a monotonic time as UTC."""
        from nebctl.core.ledger.envelope import utc_text

        now = self._clock.instant()
        return utc_text(now.wall_ns - now.mono_ns + mono_ns)


@asynccontextmanager
async def _readers(call: _Call, times: _Times) -> "AsyncIterator[list[Reader]]":
    """Give the readers of a call, all on the same buses, and close them afterwards.

    Raises: click.UsageError for a URL or a profile that is wrong.
    """
    from nebctl.core.device import CommandFailed
    from nebctl_drivers.buses import Buses
    from nebctl_drivers.readers.choosing import make_reader
    from nebctl_drivers.readers.showing import as_called

    buses = Buses(now_ns=times.now_ns, trace=call.trace)
    readers = []
    for profile, url in zip(call.profile, call.url, strict=True):
        found = make_reader(buses, profile, url, now_ns=times.now_ns)
        if isinstance(found, CommandFailed):
            raise click.UsageError(as_called(found).sentence())
        if isinstance(found, tuple):
            raise click.UsageError("\n".join(map(str, found)))
        readers.append(found)
    try:
        yield readers
    finally:
        for reader in readers:
            await reader.close()


async def _read(call: _Call) -> bool:
    """Print the readings that were asked for; return whether all were good."""
    import asyncio

    from nebctl.core.device import CommandFailed
    from nebctl_drivers.readers.showing import Shown

    times = _Times()
    [url] = call.url
    async with _readers(call, times) as [reader]:
        who = await reader.open()
        if isinstance(who, CommandFailed):
            _print(call, Shown(url=url, last=who), times)
            return False
        good, due = True, asyncio.get_running_loop().time()
        for number in range(call.count):
            if number:
                due = await _pace(due, call.every)
            readings = await reader.read()
            _print(call, Shown(url=url, who=who, last=readings), times)
            good = good and not isinstance(readings, CommandFailed)
            if reader.loss is not None:
                return False
        return good


async def _pace(due: float, every_s: float) -> float:
    """Wait for the next moment of a steady beat and return it; moments that have passed are left out."""
    import asyncio

    now = asyncio.get_running_loop().time()
    due = max(due + every_s, now)
    await asyncio.sleep(due - now)
    return due


def _print(call: _Call, shown: "Shown", times: _Times) -> None:
    import json

    from nebctl_drivers.readers.reader import Readings
    from nebctl_drivers.readers.showing import failure_json, line_of, reading_json

    now_ns = times.now_ns()
    if not call.as_json:
        click.echo(line_of(shown, utc=times.utc, now_ns=now_ns))
    elif isinstance(shown.last, Readings):
        click.echo(json.dumps(reading_json(shown.who, shown.last, utc=times.utc, now_ns=now_ns)))
    elif shown.last is not None:
        click.echo(json.dumps(failure_json(shown.who or shown.url, shown.last, utc=times.utc, now_ns=now_ns)))


async def _watch(call: _Call) -> bool:
    """Show the devices until the end; without a terminal each change of a device is a line."""
    import asyncio
    import sys

    from nebctl_drivers.readers.showing import Shown

    times = _Times()
    shown = [Shown(url=url) for url in call.url]
    live = sys.stdout.isatty()
    async with _readers(call, times) as readers, asyncio.TaskGroup() as group:
        for place, reader in enumerate(readers):
            group.create_task(_follow(call, times, reader, shown, place, live=live))
        if live:
            group.create_task(_redraw(call, times, shown))
    return True


async def _follow(
    call: _Call, times: _Times, reader: "Reader", shown: "list[Shown]", place: int, *, live: bool
) -> None:
    """Read one device for ever; one whose wire is gone is opened again every second."""
    import asyncio

    from nebctl.core.device import CommandFailed
    from nebctl_drivers.readers.showing import Shown

    def tell(who: str, last: Any) -> None:
        changed = not isinstance(last, CommandFailed) or shown[place].last != last
        shown[place] = Shown(url=call.url[place], who=who, last=last)
        if changed and not live:
            _print(call, shown[place], times)

    while True:
        who = await reader.open()
        if isinstance(who, CommandFailed):
            tell("", who)
            await asyncio.sleep(RETRY_S)
            continue
        due = asyncio.get_running_loop().time()
        while reader.loss is None:
            tell(who, await reader.read())
            due = await _pace(due, call.every)
        if not isinstance(shown[place].last, CommandFailed):  # it went away between two readings
            tell("", reader.loss)


async def _redraw(call: _Call, times: _Times, shown: "Sequence[Shown]") -> None:
    """Draw the table anew and anew: each line is overwritten, and what is left below is cleared."""
    import asyncio

    from nebctl_drivers.readers.showing import table_of

    click.echo("\x1b[2J", nl=False)
    while True:
        lines = table_of(shown, now_ns=times.now_ns())
        click.echo("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J", nl=False)
        await asyncio.sleep(min(call.every, RETRY_S))
