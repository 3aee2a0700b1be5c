"""`nebctl config`: is a unit's configuration right?"""

from pathlib import Path

import click


@click.group(epilog="Example: nebctl config check /etc/nebctl/unit.toml")
def config() -> None:
    """Check a configuration file."""


@config.command(epilog="Example: nebctl config check unit.toml")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Check a unit.toml and tell everything that is wrong with it at once."""
    from nebctl.config import load_config
    from nebctl.daemon import check_devices

    loaded = load_config(file)
    faults = loaded if isinstance(loaded, tuple) else check_devices(loaded, file)
    for fault in faults:
        click.echo(str(fault), err=True)
    if isinstance(loaded, tuple) or faults:
        raise SystemExit(1)
    click.echo(f"{file}: right; unit {loaded.config.unit.id} of {loaded.config.unit.site}")
