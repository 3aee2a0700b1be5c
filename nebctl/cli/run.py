"""`nebctl run`: the daemon of one bedside unit."""

import asyncio
import logging
from pathlib import Path

import click


@click.command(epilog="Example: nebctl run --config /etc/nebctl/unit.toml")
@click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The unit's configuration, unit.toml.",
)
@click.option("--wait-for-device", is_flag=True, help="Stay up without a nebulizer and keep looking for it.")
@click.option(
    "--trace",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every byte to and from the device to this file, in place of the one of [device] trace.",
)
@click.option("--verbose", is_flag=True, help="Log every step.")
def run(config_path: Path, wait_for_device: bool, trace: Path | None, verbose: bool) -> None:
    """Run a unit: drive its device, keep its ledger, send its records.

    Prints `ready ADDRESS` once the bedside API serves. SIGTERM turns the device off and ends within 2 s.
    """
    from nebctl.config import load_config
    from nebctl.daemon import check_devices, run_unit
    from nebctl.logs import log_aside
    from nebctl.unit import StartFault

    log_aside(logging.DEBUG if verbose else logging.INFO)
    loaded = load_config(config_path)
    faults = loaded if isinstance(loaded, tuple) else check_devices(loaded, config_path)
    for fault in faults:
        click.echo(str(fault), err=True)
    if isinstance(loaded, tuple) or faults:
        raise SystemExit(2)
    if trace is not None:
        loaded = loaded.traced_to(trace)
    try:
        asyncio.run(run_unit(loaded, wait_for_device=wait_for_device, ready=lambda at: click.echo(f"ready {at}")))
    except StartFault as fault:
        click.echo(f"nebctl: {fault}", err=True)
        raise SystemExit(2 if fault.wrong_call else 1) from None
