"""`nebctl verify`: does this bundle prove its dose, by keys that the caller trusts?"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.bundle import Verified, VerifiedGrowth
    from nebctl.core.ledger.note import Vkey
    from nebctl.core.ledger.records import Json

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("directory", type=_FOLDER)
@click.option(
    "--trust", type=_FOLDER, required=True, help="Folder of trusted keys: <unit>.pem/.vkey, pharmacy.pem/.vkey."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(directory: Path, trust: Path, as_json: bool) -> None:
    """Check the proof in DIRECTORY: of one dose, or that a log only grew between two heads.

    Only keys in the trust folder count, and those that were relied on are printed.

    Exit code 0: proven. 1: refused, with the finding. 2: a wrong call.

    Example: nebctl verify demo-data/proofs/neb-0001/2026-02-14-7f3a9c --trust demo-data/trust
    """
    import json

    from nebctl.bundle import VerifiedGrowth, is_growth, verify_bundle, verify_growth
    from nebctl.keys import KeyFault

    try:
        result = verify_growth(directory, trust) if is_growth(directory) else verify_bundle(directory, trust)
    except KeyFault as fault:
        raise click.UsageError(str(fault)) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}. Check the path and its owner.") from None
    if isinstance(result, list):
        sentences = [finding.sentence() for finding in result]
        click.echo(json.dumps({"verified": False, "findings": sentences}) if as_json else f"REFUSED {sentences[0]}")
        raise SystemExit(1)
    facts, report = (
        (_growth(result), _report_growth) if isinstance(result, VerifiedGrowth) else (_facts(result), _report)
    )
    click.echo(json.dumps({"verified": True, **facts}) if as_json else report(facts))


def _growth(verified: "VerifiedGrowth") -> "dict[str, Json]":
    from nebctl.core.instant import NS_PER_S
    from nebctl.core.ledger.envelope import utc_text
    from nebctl.core.ledger.head import Origin

    old, new = verified.grown.old, verified.grown.new
    owner = Origin.parse(verified.unit.name)
    return {
        "unit": owner.unit,
        "ep": owner.epoch,
        "sim": owner.simulated,
        "old_size": old.checkpoint.size,
        "old_countersigned": utc_text(old.time_s * NS_PER_S),
        "new_size": new.checkpoint.size,
        "new_countersigned": utc_text(new.time_s * NS_PER_S),
        "head_key": {"name": verified.head.name, "sha256": verified.head.fingerprint()},
        **_keys(verified.unit, verified.pharmacy),
    }


def _report_growth(facts: "dict[str, Json]") -> str:
    simulated = " (SIMULATED)" if facts["sim"] else ""
    return "\n".join(
        (
            f"PROVEN  unit {facts['unit']}{simulated}, epoch {facts['ep']}: only records were added",
            f"older   {facts['old_size']} records, countersigned {facts['old_countersigned']}",
            f"newer   {facts['new_size']} records, countersigned {facts['new_countersigned']}",
            *_report_keys(facts),
        )
    )


def _keys(unit: "Vkey", pharmacy: "Vkey") -> "dict[str, Json]":
    return {
        "unit_key": {"name": unit.name, "sha256": unit.fingerprint()},
        "pharmacy_key": {"name": pharmacy.name, "sha256": pharmacy.fingerprint()},
    }


def _report_keys(facts: "dict[str, Json]") -> tuple[str, ...]:
    named = [facts["unit_key"], facts["pharmacy_key"]]
    if (head_key := facts.get("head_key")) not in (None, facts["unit_key"]):
        named.insert(1, head_key)
    keys = [f"        {key['name']} sha256 {key['sha256']}" for key in named if isinstance(key, dict)]
    return "by keys (compare these fingerprints with their owners)", *keys


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
        "head_key": {"name": verified.head.name, "sha256": verified.head.fingerprint()},
        **_keys(verified.unit, verified.pharmacy),
    }


def _report(facts: "dict[str, Json]") -> str:
    from nebctl.core.ledger.encoding import show

    low, high = facts["low_nl"], facts["high_nl"]
    place = f"epoch {facts['ep']}, seq {facts['seq']}, dose {facts['session']}"
    assert isinstance(low, int)
    assert isinstance(high, int)
    disclosed = facts["disclosed"]
    assert isinstance(disclosed, dict)
    simulated = " (SIMULATED)" if facts["sim"] else ""
    return "\n".join(
        (
            f"PROVEN  unit {facts['unit']}{simulated}, {place}",
            *(f"        {show(name)}: {show(value)}" for name, value in disclosed.items()),
            f"emitted {_ml(low)} to {_ml(-(-high // 1000) * 1000)} mL, end {facts['end']}, verdict {facts['verdict']}",
            f"head    {facts['head_size']} records, countersigned {facts['countersigned']}",
            *_report_keys(facts),
        )
    )


def _ml(nanolitres: int) -> str:
    """Return millilitres with three decimals, rounded down."""
    return f"{nanolitres // 1_000_000}.{nanolitres // 1000 % 1000:03d}"
