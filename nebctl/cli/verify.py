"""`nebctl verify`: does this bundle prove its dose, by keys that the caller trusts?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.bundle import Verified
    from nebctl.core.ledger.records import Json

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("directory", type=_FOLDER)
@click.option(
    "--trust", type=_FOLDER, required=True, help="Folder of trusted keys: <unit>.pem/.vkey, pharmacy.pem/.vkey."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(directory: Path, trust: Path, as_json: bool) -> None:
    """Check the proof of one dose in DIRECTORY.

    Exit code 0: proven. 1: refused, with the finding. 2: a wrong call.

    Example: nebctl verify demo-data/proofs/neb-0001/2026-02-14-7f3a9c --trust demo-data/trust
    """
    import json

    from nebctl.bundle import verify_bundle
    from nebctl.keys import KeyFault

    try:
        result = verify_bundle(directory, trust)
    except KeyFault as fault:
        raise click.UsageError(str(fault)) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}. Check the path and its owner.") from None
    if isinstance(result, list):
        sentences = [finding.sentence() for finding in result]
        click.echo(json.dumps({"verified": False, "findings": sentences}) if as_json else f"REFUSED {sentences[0]}")
        raise SystemExit(1)
    facts = _facts(result)
    click.echo(json.dumps({"verified": True, **facts}) if as_json else _report(facts))


def _facts(verified: "Verified") -> "dict[str, Json]":
    from nebctl.core.instant import NS_PER_S
    from nebctl.core.ledger.envelope import utc_text

    entry, receipt = verified.checked.entry, verified.checked.receipt
    members = ("unit", "ep", "seq", "session", "sim", "kit", "lot", "low_nl", "best_nl", "high_nl", "verdict", "end")
    return {
        **{name: entry.payload.get(name) for name in members},
        "utc": entry.payload["utc"],
        "disclosed": dict(verified.checked.revealed),
        "head_size": receipt.checkpoint.size,
        "countersigned": utc_text(receipt.time_s * NS_PER_S),
        "unit_key": {"name": verified.unit.name, "sha256": verified.unit.fingerprint()},
        "pharmacy_key": {"name": verified.pharmacy.name, "sha256": verified.pharmacy.fingerprint()},
    }


def _report(facts: "dict[str, Json]") -> str:
    from nebctl.core.ledger.encoding import show

    low, high = facts["low_nl"], facts["high_nl"]
    place = f"epoch {facts['ep']}, seq {facts['seq']}, dose {facts['session']}"
    assert isinstance(low, int)
    assert isinstance(high, int)
    unit_key, pharmacy_key, disclosed = facts["unit_key"], facts["pharmacy_key"], facts["disclosed"]
    assert isinstance(unit_key, dict)
    assert isinstance(pharmacy_key, dict)
    assert isinstance(disclosed, dict)
    simulated = " (SIMULATED)" if facts["sim"] else ""
    return "\n".join(
        (
            f"PROVEN  unit {facts['unit']}{simulated}, {place}",
            *(f"        {show(name)}: {show(value)}" for name, value in disclosed.items()),
            f"emitted {_ml(low)} to {_ml(-(-high // 1000) * 1000)} mL, end {facts['end']}, verdict {facts['verdict']}",
            f"head    {facts['head_size']} records, countersigned {facts['countersigned']}",
            "by keys (compare these fingerprints with their owners)",
            f"        {unit_key['name']} sha256 {unit_key['sha256']}",
            f"        {pharmacy_key['name']} sha256 {pharmacy_key['sha256']}",
        )
    )


def _ml(nanolitres: int) -> str:
    """Return millilitres with three decimals, rounded down."""
    return f"{nanolitres // 1_000_000}.{nanolitres // 1000 % 1000:03d}"
