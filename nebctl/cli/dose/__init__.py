"""`nebctl dose`: what left the nebulizer, estimated again from a recorded trace."""

import click

from nebctl.cli.dose.estimate import estimate


@click.group()
def dose() -> None:
    """Estimate a dose again from its trace.

    Example: nebctl dose estimate trace.csv --preset mesh.solo --charge-ml 3
    """


dose.add_command(estimate)
