"""The group `nebctl bench`."""

import click

from nebctl_lab.bench.dose.command import dose
from nebctl_lab.bench.ledger import ledger
from nebctl_lab.bench.page import page
from nebctl_lab.bench.sim import sim
from nebctl_lab.bench.stop import stop
from nebctl_lab.bench.stream import stream
from nebctl_lab.bench.wire import wire


@click.group(epilog="Example: nebctl bench wire --json")
def bench() -> None:
    """Measure nebctl on this machine: ratios within one run, beside the limits that they must keep."""


bench.add_command(dose)
bench.add_command(ledger)
bench.add_command(page)
bench.add_command(sim)
bench.add_command(stop)
bench.add_command(stream)
bench.add_command(wire)
