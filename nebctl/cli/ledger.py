"""`nebctl ledger`: verify a database of records, read it, and write the proof of one dose."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nebctl.core.ledger.check import Finding
    from nebctl.core.ledger.records import Entry, Json
    from nebctl.store.audit import Auditor, LogTally
    from nebctl.store.reader import LogName

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_SHOWN_ROOTS = 4


@click.group()
def ledger() -> None:
    """Verify and show a unit's ledger, and write proofs from it.

    DB is a unit's unit.db or the pharmacy's pharmacy.db; it is only read, also while its owner runs.

    Example: nebctl ledger verify unit.db --trust trust
    """


@ledger.command()
@click.argument("db", type=_FILE)
@click.option(
    "--trust", type=_FOLDER, required=True, help="Folder of trusted keys: <unit>.pem/.vkey, pharmacy.pem/.vkey."
)
@click.option("--all", "every", is_flag=True, help="Report every finding, not the first alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(db: Path, trust: Path, every: bool, as_json: bool) -> None:
    """Check every record, head, receipt, disclosure and trace in DB.

    Exit code 0: all holds, in one line. 1: a finding, named by unit, epoch and sequence. 2: a wrong call.

    Example: nebctl ledger verify demo-data/units/neb-0001/unit.db --trust demo-data/trust
    """
    from nebctl.core.ledger.check import Finding
    from nebctl.store.faults import StoreFault

    auditor = _auditor(trust)
    findings: list[str] = []
    tallies: list[LogTally] = []
    try:
        for result in _audit(db, auditor):
            if not isinstance(result, Finding):
                tallies.append(result)
                continue
            findings.append(result.sentence())
            if not every:
                break
    except StoreFault as fault:
        findings.append(_printable(str(fault)))
    if as_json:
        _print_json(
            {"verified": not findings, "findings": [*findings], "logs": [_tally_json(each) for each in tallies]}
        )
    else:
        click.echo("\n".join(findings) or _summary(tallies))
    for tally in tallies:
        click.echo(f"by key {tally.key.name} sha256 {tally.key.fingerprint()}", err=True)
    click.echo(f"by key {auditor.pharmacy.name} sha256 {auditor.pharmacy.fingerprint()}", err=True)
    raise SystemExit(1 if findings else 0)


@ledger.command()
@click.argument("db", type=_FILE)
@click.option("--subject", help="Only records of this subject's sessions, such as MEX-001.")
@click.option("--day", type=click.IntRange(min=0), help="Only records of this study day.")
@click.option("--type", "typ", help="Only records of this type, such as dose.")
@click.option("--session", help="Only records of this session (dose id).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a record.")
def show(db: Path, subject: str | None, day: int | None, typ: str | None, session: str | None, as_json: bool) -> None:
    """Print the records in DB, one line each; nothing is verified.

    Example: nebctl ledger show demo-data/units/neb-0001/unit.db --type dose
    """
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.store.faults import StoreFault
    from nebctl.store.prove import read, reveal
    from nebctl.store.reader import LedgerFile

    wanted = {"day": day, "typ": typ, "session": session}
    of_subject: set[Json] = set()
    try:
        with LedgerFile.open(db) as file:
            for log, entry in read(file):
                private = reveal(entry)
                if subject is not None and private.get("subject") == subject:
                    of_subject.add(_place(entry))
                if subject is not None and _place(entry) not in of_subject:
                    continue
                if any(value is not None and entry.payload.get(name) != value for name, value in wanted.items()):
                    continue
                _print_json(_entry_json(entry, private)) if as_json else click.echo(_line(log, entry, private))
    except (StoreFault, FormatError) as fault:
        click.echo(_printable(str(fault)))
        raise SystemExit(1) from None


@ledger.command()
@click.option("--dose", required=True, help="The dose's id (its session), such as 2026-02-14-7f3a9c.")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write."
)
@click.option(
    "--db",
    type=_FILE,
    default="unit.db",
    show_default=True,
    envvar="NEBCTL_DB",
    help="The database to read; NEBCTL_DB names another default.",
)
@click.option("--disclose", multiple=True, help="A private fact to show, such as subject; repeat for more.")
def proof(dose: str, output: Path, db: Path, disclose: tuple[str, ...]) -> None:
    """Write the proof of one dose, which anybody can check without the database.

    Exit code 0: written. 1: the record has no receipt yet, or does not lead to one. 2: a wrong call.

    Example: nebctl ledger proof --db unit.db --dose 2026-02-14-7f3a9c -o proof --disclose subject
    """
    from nebctl.bundle import write_bundle
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.store.faults import StoreFault

    try:
        entry, text = _prove(db, dose)
        shown = _choose(entry, disclose)
        write_bundle(output, entry.jws, text, shown)
    except (StoreFault, FormatError) as fault:
        click.echo(str(fault))
        raise SystemExit(1) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}. Choose a folder that can be written.") from None
    click.echo(f"{output}: proof of dose {dose}, seq {entry.seq}; check it: nebctl verify {output} --trust DIR")


def _auditor(trust: Path) -> "Auditor":
    from nebctl.core.ledger.note import COSIGNATURE
    from nebctl.keys import KeyFault, load_trust
    from nebctl.keys import verify as verify_signature
    from nebctl.store.audit import Auditor

    try:
        pharmacy = load_trust(trust, "pharmacy")
    except KeyFault as fault:
        raise click.UsageError(str(fault)) from None
    if pharmacy.type != COSIGNATURE:
        raise click.UsageError(
            f"{trust / 'pharmacy.vkey'}: saw key type {pharmacy.type:#04x}, expected 0x04, a countersigning key."
        )
    return Auditor(unit_key=lambda unit: load_trust(trust, unit), pharmacy=pharmacy, verify=verify_signature)


def _audit(db: Path, auditor: "Auditor") -> "Iterator[Finding | LogTally]":
    from nebctl.store.reader import LedgerFile

    with LedgerFile.open(db) as file:
        yield from auditor.audit(file)


def _summary(tallies: "list[LogTally]") -> str:
    from nebctl.core.ledger.encoding import b64

    roots = [f"{each.log.unit}/{each.log.epoch} root {b64(each.root)}" for each in tallies[:_SHOWN_ROOTS]]
    if len(tallies) > _SHOWN_ROOTS:
        roots.append(f"{len(tallies) - _SHOWN_ROOTS} more with --json")
    counts = (
        _count(len({each.log.unit for each in tallies}), "unit"),
        _count(sum(each.records for each in tallies), "record"),
        _count(len(tallies), "head"),
        _count(sum(each.receipts for each in tallies), "receipt"),
    )
    return f"VERIFIED {', '.join(counts)}; {'; '.join(roots)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _tally_json(tally: "LogTally") -> "Json":
    from nebctl.core.ledger.encoding import b64

    return {
        "unit": tally.log.unit,
        "epoch": tally.log.epoch,
        "records": tally.records,
        "receipts": tally.receipts,
        "traces": tally.traces,
        "root": b64(tally.root),
        "key": {"name": tally.key.name, "sha256": tally.key.fingerprint()},
    }


def _place(entry: "Entry") -> "Json":
    """Return what binds records of one subject: their session, or the record alone."""
    session = entry.payload.get("session")
    return session if isinstance(session, str) else f"{entry.payload['unit']}/{entry.epoch}/{entry.seq}"


def _entry_json(entry: "Entry", private: "dict[str, Json]") -> "Json":
    return {"record": {**entry.payload}, "disclosed": private, "leaf": entry.leaf.hex()}


def _line(log: "LogName", entry: "Entry", private: "dict[str, Json]") -> str:
    from nebctl.core.ledger.encoding import show

    payload = entry.payload
    day = f"day {payload['day']} {payload['session']}" if "session" in payload else ""
    facts = [day, _volume(payload.get("low_nl"), payload.get("high_nl")), *_said(payload, "end", "verdict", "reason")]
    named = [f"{show(name)}={show(value)}" for name, value in private.items()]
    where = f"{log.unit}/{log.epoch} {entry.seq:>6}"
    return "  ".join(filter(None, (where, str(payload["utc"]), f"{show(payload['typ']):<13}", *facts, *named)))


def _said(payload: "Mapping[str, Json]", *names: str) -> list[str]:
    from nebctl.core.ledger.encoding import show

    return [show(payload[name]) for name in names if payload.get(name) is not None]


def _volume(low: "Json", high: "Json") -> str:
    """Return an interval in mL, rounded outwards to three decimals; empty where a bound is missing."""
    if not (isinstance(low, int) and isinstance(high, int)):
        return ""
    low_ul, high_ul = low // 1000, -(-high // 1000)
    return f"{low_ul // 1000}.{low_ul % 1000:03d} to {high_ul // 1000}.{high_ul % 1000:03d} mL"


def _prove(db: Path, dose: str) -> "tuple[Entry, str]":
    from nebctl.store.prove import NotReceipted, find_doses, prove
    from nebctl.store.reader import LedgerFile

    with LedgerFile.open(db) as file:
        found = find_doses(file, dose)
        if len(found) != 1:
            raise click.UsageError(
                f"{db}: {len(found)} dose records of session {dose}, expected one. "
                f"List them: nebctl ledger show {db} --type dose"
            )
        log, entry = found[0]
        text = prove(file, log, entry)
    if isinstance(text, NotReceipted):
        click.echo(
            f"{db}: dose {dose} (seq {text.seq}) is not yet receipted, the pharmacy has countersigned "
            f"{text.receipted} records. Try again when the unit has been online."
        )
        raise SystemExit(1)
    return entry, text


def _choose(entry: "Entry", names: tuple[str, ...]) -> list[str]:
    """Return the disclosures of the named private facts, in the order in which they are kept."""
    from nebctl.core.ledger.disclosure import reveal

    kept = {reveal(each)[1]: each for each in entry.disclosures}
    for name in names:
        if name not in kept:
            raise click.UsageError(f"--disclose {name}: the record keeps {', '.join(sorted(kept)) or 'no such fact'}.")
    return [each for name, each in kept.items() if name in names]


def _printable(text: str) -> str:
    """Return a fault as one line: a damaged file's own words may hold what moves a terminal's cursor."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _print_json(value: "Json") -> None:
    import json

    click.echo(json.dumps(value, ensure_ascii=False))
