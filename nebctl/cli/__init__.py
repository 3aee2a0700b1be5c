"""The command `nebctl`: a table of commands, each imported only when it is called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import click

from nebctl import __version__

INTERRUPTED = 130
"""The exit code after Ctrl-C: 128 + SIGINT, so that no script takes it for a finding (1)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives (`module:attribute`) and the one line that `nebctl --help` says of it.

    `guests` are commands of other packages that stand in this group, though its own package does not know them.
    """

    target: str
    help: str
    guests: Mapping[str, "Entry"] = field(default_factory=dict)

    def load(self) -> click.Command:
        """Import the command, and put its guests into it.

        Raises: `ModuleNotFoundError` where a package is not installed; `TypeError` where the attribute is no command.
        """
        module, _, attribute = self.target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is {type(command).__name__}, expected a click command: correct nebctl.cli")
        if isinstance(command, click.Group):
            for name, guest in self.guests.items():
                command.add_command(Guest(name, guest))
        return command


class Guest(click.Command):
    """A command that stands in a group of another package, and is imported only when it is called."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.help, short_help=entry.help)
        self._entry = entry

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Let the command itself read its arguments."""
        return self._entry.load().make_context(info_name, args, parent, **extra)


COMMANDS = {
    "demo": Entry("nebctl_lab.cli:demo", "Give a whole course of five doses against simulated devices."),
    "run": Entry("nebctl.cli.run:run", "Run a unit: drive its device, keep its ledger, send its records."),
    "sim": Entry(
        "nebctl_simulators.cli:sim",
        "Run one simulated device on a serial line, or play a scenario.",
        {"run": Entry("nebctl_lab.scenario.cli:run", "Play a scenario with a whole simulated site.")},
    ),
    "devices": Entry("nebctl.cli.devices:devices", "List devices and read them, without moving anything."),
    "calibrate": Entry("nebctl.cli.calibrate:calibrate", "Calibrate a unit's device with saline; show its chart."),
    "conform": Entry("nebctl.cli.conform:conform", "Test a mesh controller against the wire protocol."),
    "bench": Entry("nebctl_lab.bench.cli:bench", "Measure nebctl on this machine."),
    "protocol": Entry("nebctl.cli.protocol:protocol", "Check, show and approve study protocols."),
    "ledger": Entry("nebctl.cli.ledger:ledger", "Verify and show a unit's ledger, and write proofs from it."),
    "dose": Entry("nebctl.cli.dose:dose", "Estimate a dose again from its trace."),
    "verify": Entry("nebctl.cli.verify:verify", "Verify the proof of one dose with keys that you trust."),
    "keys": Entry("nebctl.cli.keys:keys", "Make signing keys and show public ones."),
    "pharmacy": Entry("nebctl.cli.pharmacy:pharmacy", "Run the pharmacy, enrol subjects, show their courses."),
    "operators": Entry("nebctl.cli.operators:operators", "Keep who may work at the units: roles, training, PINs."),
    "config": Entry("nebctl.cli.config:config", "Check a configuration file."),
}

EXTRAS = {"amqtt": "demo", "rich": "demo"}
"""Which optional extra brings a package that a command may lack."""


class Commands(click.Group):
    """A group that knows its commands' names and help lines without importing them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names in the table's order: the demo first."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that is called; None where there is none of that name."""
        entry = COMMANDS.get(cmd_name)
        return entry.load() if entry else None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help lines from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; name the extra of a missing package, and leave quietly on Ctrl-C."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as missing:
            extra = EXTRAS.get((missing.name or "").partition(".")[0])
            if extra is None:
                raise
            raise click.UsageError(
                f"`nebctl {ctx.invoked_subcommand}` needs the package {missing.name}, which is not installed. "
                f"Install it with: pip install 'nebctl[{extra}]'"
            ) from missing
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: nebctl demo --data ./demo-data",
)
@click.version_option(__version__, prog_name="nebctl")
def main() -> None:
    """Drive nebulizers at the bedside and leave a dose record that anybody can check.

    Exit codes: 0 yes, 1 a finding, 2 a wrong call. Every command has --help with an example.
    """
