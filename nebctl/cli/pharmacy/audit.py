"""`nebctl pharmacy audit`: every dose of one subject, and that none can have been left out."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.pharmacy.common import FILE, JSON, SUBJECT, faults, print_json, read, table

if TYPE_CHECKING:
    from nebctl.pharmacy.subject_audit import Session, SubjectAudit


@click.command()
@click.option("--config", "config_file", type=FILE, help="The pharmacy's pharmacy.toml.")
@click.option("--db", "database", type=FILE, help="A pharmacy.db, instead of --config.")
@click.option(
    "--trust",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of trusted keys: <unit>.pem/.vkey, pharmacy.pem/.vkey.",
)
@SUBJECT
@JSON
def audit(config_file: Path | None, database: Path | None, trust: Path, subject: str, as_json: bool) -> None:
    """Show every dose of a subject by all units and epochs, and that none is missing.

    The whole database is verified first. Then every start in it is counted: opened, erased by a signed record, or
    missing; a missing one may be the subject's.

    Exit code 0: none is missing, and all holds. 1: a gap or a finding. 2: a wrong call.

    Example: nebctl pharmacy audit --config pharmacy.toml --trust trust --subject MEX-007
    """
    from nebctl.core.ledger.encoding import FormatError

    if (config_file is None) == (database is None):
        raise click.UsageError("give either --config or --db")
    path = database or read(config_file or Path()).database
    with faults():
        try:
            found, findings = _audit(path, trust, subject)
        except FormatError as error:
            raise click.ClickException(f"{path}: {error}. See what else: nebctl ledger verify {path} --all") from None
    gaps = [*findings, *found.gaps]
    print_json(_facts(found, gaps)) if as_json else click.echo(_report(found, gaps))
    raise SystemExit(1 if gaps else 0)


def _audit(path: Path, trust: Path, subject: str) -> "tuple[SubjectAudit, list[str]]":
    from functools import partial

    from nebctl.core.ledger.check import Finding
    from nebctl.keys import load_trust, load_unit_trust, verify
    from nebctl.pharmacy.subject_audit import audit_subject
    from nebctl.store.audit import Auditor
    from nebctl.store.cores import cores, on_cores
    from nebctl.store.reader import LedgerFile

    auditor = Auditor(
        unit_key=partial(load_unit_trust, trust),
        pharmacy=load_trust(trust, "pharmacy"),
        verify=verify,
        each=on_cores(cores()),
    )
    with LedgerFile.open(path) as file:
        findings = [each.sentence() for each in auditor.audit(file) if isinstance(each, Finding)]
        return audit_subject(file, subject), findings


def _facts(found: "SubjectAudit", gaps: list[str]) -> dict[str, object]:
    from dataclasses import asdict

    from nebctl.pharmacy.subject_audit import Shown

    return {
        "subject": found.subject,
        "complete": not gaps,
        "starts": {shown.value: found.count(shown) for shown in Shown},
        "sessions": [asdict(session) for session in found.sessions],
        "logs": [
            {
                "unit": log.unit,
                "epoch": log.epoch,
                "records": log.records,
                "starts": {shown.value: log.starts[shown] for shown in Shown},
            }
            for log in found.logs
        ],
        "gaps": gaps,
    }


_HEADS = ("unit", "epoch", "seq", "session", "day", "started (UTC)", "outcome", "emitted mL", "verdict", "corrected by")


def _report(found: "SubjectAudit", gaps: list[str]) -> str:
    from nebctl.pharmacy.subject_audit import Shown

    units = len({log.unit for log in found.logs})
    counts = ", ".join(f"{found.count(shown)} {shown.value}" for shown in Shown)
    total = sum(found.count(shown) for shown in Shown)
    return "\n".join(
        (
            f"Subject {found.subject}: {len(found.sessions)} of {total} starts",
            *(("", table(_HEADS, [_row(session) for session in found.sessions]), "") if found.sessions else ()),
            f"Starts in {len(found.logs)} logs of {units} units: {counts}",
            *(f"GAP {gap}" for gap in gaps),
            "NOT COMPLETE" if gaps else "COMPLETE: every start of every unit and epoch is counted",
        )
    )


def _row(session: "Session") -> tuple[str, ...]:
    from nebctl.core.units import format_ml

    low, high, emitted = session.low_nl, session.high_nl, ""
    if isinstance(low, int) and isinstance(high, int):
        emitted = f"{format_ml(low, rounding='down')} to {format_ml(high, rounding='up')}"
    return (
        session.unit,
        str(session.epoch),
        str(session.seq),
        session.session,
        str(session.day),
        session.at[:19].replace("T", " "),
        session.outcome or "none yet",
        emitted,
        str(session.verdict or ""),
        ", ".join(map(str, session.corrections)),
    )
