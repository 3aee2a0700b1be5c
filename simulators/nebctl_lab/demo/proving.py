"""After the course: a proof of each dose, and every check that an outsider would make."""

import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nebctl.bundle import Verified, verify_bundle, write_bundle
from nebctl.core.ledger.check import Finding
from nebctl.keys import load_trust, load_unit_trust, verify
from nebctl.store.audit import Auditor, LogTally
from nebctl.store.prove import NotReceipted, prove, read
from nebctl.store.reader import LedgerFile
from nebctl_lab.demo.site import Site

SCRIPT = Path(__file__).parents[3] / "scripts" / "verify-dose.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What was verified, and what was found wrong; an empty `findings` means that everything holds."""

    records: int
    receipted: int
    proofs: int
    by_openssl: int
    findings: tuple[str, ...]


def prove_all(site: Site, units: tuple[str, ...]) -> Proven:
    """Write a proof of every dose, verify the proofs, and verify each ledger from its raw records."""
    findings: list[str] = []
    records = proofs = by_openssl = receipted = 0
    for unit in units:
        tallies = _audit(site, site.unit(unit) / "unit.db", findings)
        records += sum(tally.records for tally in tallies)
        receipted += _receipted(site.unit(unit) / "unit.db")
        for folder in _write_proofs(site, unit, findings):
            proofs += 1
            findings += _check_proof(folder, site.trust)
            by_openssl += _check_by_openssl(folder, site.trust, findings)
    _audit(site, site.pharmacy_db, findings)
    return Proven(records=records, receipted=receipted, proofs=proofs, by_openssl=by_openssl, findings=tuple(findings))


def _audit(site: Site, db: Path, findings: list[str]) -> list[LogTally]:
    auditor = Auditor(
        unit_key=partial(load_unit_trust, site.trust),
        pharmacy=load_trust(site.trust, "pharmacy"),
        verify=verify,
    )
    tallies = []
    with LedgerFile.open(db) as file:
        for result in auditor.audit(file):
            if isinstance(result, Finding):
                findings.append(f"{db.name}: {result.sentence()}")
            else:
                tallies.append(result)
    return tallies


def _receipted(unit_db: Path) -> int:
    """Return how many records are covered by receipts that the unit has taken."""
    with LedgerFile.open(unit_db) as file:
        return sum(max((receipt.size for receipt in file.receipts(log)), default=0) for log in file.logs())


def _write_proofs(site: Site, unit: str, findings: list[str]) -> list[Path]:
    folders = []
    with LedgerFile.open(site.unit(unit) / "unit.db") as file:
        for log, entry in read(file):
            if entry.payload["typ"] != "dose":
                continue
            text = prove(file, log, entry)
            session = str(entry.payload["session"])
            if isinstance(text, NotReceipted):
                findings.append(f"{unit}: dose {session} is not receipted")
                continue
            folder = site.root / "proofs" / unit / session
            write_bundle(folder, entry.jws, text, ())
            folders.append(folder)
    return folders


def _check_proof(folder: Path, trust: Path) -> list[str]:
    result = verify_bundle(folder, trust)
    return [] if isinstance(result, Verified) else [f"{folder.name}: {finding.sentence()}" for finding in result]


def _check_by_openssl(folder: Path, trust: Path, findings: list[str]) -> int:
    """Return 1 where the shell script accepted the proof, 0 where it is not at hand."""
    if not SCRIPT.is_file() or not all(map(shutil.which, ("bash", "openssl", "sha256sum"))):
        return 0
    done = subprocess.run(  # noqa: S603 - our own script
        ["bash", str(SCRIPT), str(folder), str(trust)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        findings.append(f"{folder.name}: verify-dose.sh: {done.stdout.strip() or done.stderr.strip()}")
    return int(done.returncode == 0)
