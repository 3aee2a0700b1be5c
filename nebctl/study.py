"""The approved study protocol and site rules of a unit; a file that is altered or not approved refuses the start."""

from dataclasses import dataclass
from pathlib import Path

from nebctl.core.ledger.approval import Approved, Refused, check_approval
from nebctl.core.ledger.envelope import parse_utc
from nebctl.core.ledger.note import Vkey
from nebctl.core.regimen import FollowUp, Regimen, SiteRules
from nebctl.keys import verify
from nebctl_protocols import UnknownArmError, load_protocol, load_site_rules


class StudyFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """A study protocol or site rules file that cannot be used; one line a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What the unit gives by: the regimen of its arm, the site's rules, and both files' texts for the record.

    `expires_ns` is when the first of both approvals ends, in Unix nanoseconds; None means that neither does.
    `follow_up` is what the study does after its doses; None means nothing.
    """

    regimen: Regimen
    rules: SiteRules
    protocol_text: str
    rules_text: str
    expires_ns: int | None = None
    follow_up: FollowUp | None = None


def load_approvers(path: Path) -> tuple[Vkey, ...]:
    """Return the approver keys, one line each.

    Raises: `StudyFault` where the file is missing or holds something else.
    """
    try:
        return tuple(Vkey.parse(line) for line in path.read_text("utf-8").splitlines() if line)
    except (OSError, ValueError) as error:
        raise StudyFault(f"{path}: {error}; put one approver's verifier key on each line") from None


def load_study(protocol: Path, arm: str | None, rules: Path, approvers: tuple[Vkey, ...], now_ns: int) -> Study:
    """Return the study of a unit; `now_ns` is the time, in Unix nanoseconds, at which its approvals must hold.

    Raises: `StudyFault` where a file is missing, faulty, or not approved as it stands.
    """
    protocol_text, protocol_approved = _read_approved(protocol, approvers, now_ns)
    rules_text, rules_approved = _read_approved(rules, approvers, now_ns)
    study = load_protocol(protocol_text, str(protocol))
    if isinstance(study, tuple):
        raise StudyFault("\n".join(map(str, study)))
    site = load_site_rules(rules_text, str(rules))
    if isinstance(site, tuple):
        raise StudyFault("\n".join(map(str, site)))
    try:
        regimen = study.regimen(arm)
    except UnknownArmError as error:
        raise StudyFault(f"{protocol}: {error}") from None
    ends = [parse_utc(each.expires) for each in (protocol_approved, rules_approved) if each.expires]
    return Study(
        regimen=regimen,
        rules=site,
        protocol_text=protocol_text,
        rules_text=rules_text,
        expires_ns=min(ends, default=None),
        follow_up=study.follow_up,
    )


def _read_approved(path: Path, approvers: tuple[Vkey, ...], now_ns: int) -> tuple[str, Approved]:
    note = path.with_name(f"{path.name}.sig")
    try:
        data, approval = path.read_bytes(), note.read_bytes()
    except OSError as error:
        advice = "approve the file: nebctl protocol approve" if error.filename == str(note) else "correct [study]"
        raise StudyFault(f"{error.filename}: {error.strerror}; {advice}") from None
    decision = check_approval(approval, path.name, data, approvers, verify, now_ns=now_ns)
    if isinstance(decision, Refused):
        raise StudyFault(f"{path}: {decision.reason}")
    return data.decode("utf-8"), decision
