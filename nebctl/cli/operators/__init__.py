"""`nebctl operators add|delegate|suspend|reinstate|pin|list|show`: who may work at the site's units."""

import click

from nebctl.cli.operators.change import add, delegate, pin, reinstate, suspend
from nebctl.cli.operators.sheet import list_all, show


@click.group()
def operators() -> None:
    """Keep the site's delegation log; the units have it inside their signed worklists within a second.

    Example: nebctl operators list --config pharmacy.toml
    """


for command in (add, delegate, suspend, reinstate, pin, list_all, show):
    operators.add_command(command)
