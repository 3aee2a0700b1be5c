"""`nebctl keys`: make signing keys and show what others must compare."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.config import LoadedConfig
    from nebctl.core.ledger.note import Vkey
    from nebctl.ports import Clock


@click.group()
def keys() -> None:
    """Make signing keys, hand a unit's log over to a new one, and show public ones.

    Example: nebctl keys show demo-data/trust/neb-0001.vkey
    """


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
def create(file: Path) -> None:
    """Make a new private signing key in FILE, which must not exist yet.

    Example: nebctl keys create /etc/nebctl/neb-0001.key
    """
    from nebctl.keys import KeyFault, create_key

    try:
        signer = create_key(file)
    except KeyFault as fault:
        raise click.UsageError(str(fault)) from None
    click.echo(f"{file}: a new Ed25519 key, readable by its owner only")
    click.echo(f"sha256 {_fingerprint(signer.public)}")


@keys.command("create-pin")
@click.argument("file", type=click.Path(path_type=Path))
def create_pin(file: Path) -> None:
    """Make the site's PIN key in FILE, which must not exist yet; pharmacy and units have the same one.

    Example: nebctl keys create-pin keys/pin.key
    """
    from nebctl.keys import KeyFault
    from nebctl.pins import create_pin_key

    try:
        create_pin_key(file)
    except KeyFault as fault:
        raise click.UsageError(str(fault)) from None
    click.echo(f"{file}: a new PIN key, readable by its owner only; copy it to each unit of the site by a safe way")


@keys.command()
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The unit's unit.toml.",
)
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The key file to replace. [default: as unit.toml says]",
)
def rotate(config_file: Path, key: Path | None) -> None:
    """Hand a unit's log over to a new signing key, and destroy the old one; stop the unit first.

    The old key signs its last record, which names the new one. The pharmacy follows when that record arrives. A call
    that was cut off is called again.

    Example: nebctl keys rotate --config /etc/nebctl/unit.toml --key /etc/nebctl/neb-0001.key
    """
    import secrets

    from nebctl.clock import ClockFileFault
    from nebctl.keys import KeyFault
    from nebctl.rekeying import rotate as hand_over
    from nebctl.store.faults import StoreFault

    loaded = unit_config(config_file)
    path = key or key_file(loaded)
    try:
        done = hand_over(loaded, path, unit_clock(loaded).instant(), secrets.token_bytes)
    except (KeyFault, StoreFault, ClockFileFault) as fault:
        raise click.ClickException(str(fault)) from None
    click.echo(f"{path}: key {done.kid} signs from record {done.size} on; the old key is destroyed")
    click.echo(f"name   {done.vkey.name}")
    click.echo(f"sha256 {done.vkey.fingerprint()}")


@keys.command()
@click.argument("source", metavar="FILE|VKEY")
@click.option(
    "--name", help="Show a private key's verifier line under this name, such as site.example/nebctl/neb-0001/1."
)
@click.option("--witness", is_flag=True, help="With --name: the line of a countersigning key.")
def show(source: str, name: str | None, witness: bool) -> None:
    """Show the fingerprint of a private key (.key), a public key (.pem), or a verifier key (.vkey or its text).

    Example: nebctl keys show demo-data/trust/neb-0001.vkey
    """
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey
    from nebctl.keys import KeyFault

    try:
        public, vkey = _read(source)
        if name is not None and vkey is None:
            vkey = Vkey(name, COSIGNATURE if witness else ED25519, public)
    except (KeyFault, FormatError) as fault:
        raise click.UsageError(str(fault)) from None
    if vkey is not None:
        click.echo(f"name   {vkey.name}")
        click.echo(f"key ID {vkey.key_id.hex()}")
        click.echo(f"vkey   {vkey.text()}")
    click.echo(f"sha256 {_fingerprint(public)}")


@keys.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The key's name, such as site.example/nebctl/neb-0001/1.")
@click.option(
    "--trust", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder to write to."
)
@click.option("--as", "stem", help="What the files are called. [default: as FILE is]")
@click.option("--approver", is_flag=True, help="Add a line to approvers.vkey instead: this key may approve files.")
def publish(file: Path, name: str, trust: Path, stem: str | None, approver: bool) -> None:
    """Write the public half of the private key FILE for others: .pem for openssl, .vkey with its name.

    Compare the fingerprint that it prints wherever the files are taken to.

    Example: nebctl keys publish neb-0001.key --name mexcovid.example/nebctl/neb-0001/1 --trust trust
    """
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.core.ledger.note import ED25519, Vkey
    from nebctl.keys import KeyFault, add_approver, load_signer, write_public

    try:
        vkey = Vkey(name, ED25519, load_signer(file).public)
        written = (add_approver(trust, vkey),) if approver else write_public(trust, stem or file.stem, vkey)
    except (KeyFault, FormatError) as fault:
        raise click.UsageError(str(fault)) from None
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"sha256 {_fingerprint(vkey.public)}")


@keys.command()
@click.argument("db", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--trust", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Trusted keys."
)
def follow(db: Path, trust: Path) -> None:
    """Add to the trusted keys those that the logs in DB were handed over to, as `<unit>.<epoch>.<first>.vkey` and .pem.

    Each is believed for the `key` record by the key before it, the first for standing in the folder. FIRST is the place
    of the first record that the key signs: whoever checks one dose needs it.

    Example: nebctl keys follow pharmacy.db --trust trust
    """
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.keys import KeyFault, later_stem, load_unit_trust, write_public
    from nebctl.store.faults import StoreFault
    from nebctl.store.handovers import handovers

    try:
        for log, span in handovers(db, lambda unit, epoch: load_unit_trust(trust, unit, epoch)):
            for path in write_public(trust, later_stem(log.unit, log.epoch, span.first), span.vkey):
                click.echo(f"wrote {path}")
            click.echo(f"sha256 {_fingerprint(span.vkey.public)}")
    except (KeyFault, StoreFault, FormatError) as fault:
        raise click.ClickException(str(fault)) from None


def unit_config(config_file: Path) -> "LoadedConfig":
    """Return a unit's configuration; a faulty one is a wrong call."""
    from nebctl.config import load_config

    try:
        loaded = load_config(config_file)
    except OSError as error:
        raise click.UsageError(f"{config_file}: {error.strerror}") from None
    if isinstance(loaded, tuple):
        raise click.UsageError("\n".join(map(str, loaded)))
    return loaded


def unit_clock(loaded: "LoadedConfig") -> "Clock":
    """Return the clock that a unit's configuration names."""
    from nebctl.clock import FileClock, SystemClock

    shared = loaded.config.clock.file
    return FileClock(loaded.path(shared)) if shared else SystemClock()


def key_file(loaded: "LoadedConfig") -> Path:
    """Return a unit's key file; one that the service manager hands over must be named, which is a wrong call else."""
    named = loaded.config.unit.key
    if str(named).startswith("credential:"):
        raise click.UsageError(f"[unit] key {named} comes from the service manager; name its source file: --key FILE")
    return loaded.path(named)


def _read(source: str) -> "tuple[bytes, Vkey | None]":
    from nebctl.core.ledger.note import Vkey
    from nebctl.keys import KeyFault, load_public, load_signer, load_vkey

    path = Path(source)
    if "+" in source and not path.exists():
        vkey = Vkey.parse(source)
        return vkey.public, vkey
    if path.suffix == ".vkey":
        vkey = load_vkey(path)
        return vkey.public, vkey
    try:
        return load_public(path), None
    except KeyFault:
        return load_signer(path).public, None


def _fingerprint(public: bytes) -> str:
    import hashlib

    return hashlib.sha256(public).hexdigest()
