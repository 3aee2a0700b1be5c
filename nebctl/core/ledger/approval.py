"""An approval: a named person's signature over one file's name and SHA-256, as a signed note beside the file."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import parse_utc
from nebctl.core.ledger.note import Vkey, parse_note, verify_note
from nebctl.core.ledger.signing import Verifier

_HEAD = "nebctl/approval/v1"
_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,255}")
_TEXT = re.compile(r"nebctl/approval/v1\n([^\n]+)\nsha256 ([0-9a-f]{64})\nat ([^\n]+)\n(?:expires ([^\n]+)\n)?")


@dataclass(frozen=True, slots=True)
class Approval:
    """What an approval's text says: the file's base name, its SHA-256 as 64 hex digits, and when it was signed.

    `expires` is the UTC time from which it holds no more; None means that it does not end.
    """

    file: str
    sha256: str
    at: str
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """An approval that holds: the approver's key name, when it was signed, and until when it holds (None: no end)."""

    by: str
    at: str
    expires: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """An approval that does not hold, with what was seen, what was expected and what to do."""

    reason: str


def approval_text(name: str, sha256_hex: str, utc: str, expires: str | None = None) -> str:
    """Return the text that an approver signs over a file's base name and SHA-256; `expires` None means without end.

    Raises: `FormatError` where a part is not in its one form, or the end is not after the signing.
    """
    end = "" if expires is None else f"expires {expires}\n"
    text = f"{_HEAD}\n{name}\nsha256 {sha256_hex}\nat {utc}\n{end}"
    parse_approval(text)
    return text


def parse_approval(text: str) -> Approval:
    """Read an approval's text.

    Raises: `FormatError` where it is not exactly such a text.
    """
    match = _TEXT.fullmatch(text)
    if match is None or not _NAME.fullmatch(match.group(1)):
        expected = f"the lines {_HEAD}, base file name, sha256 64 hex, at UTC, perhaps expires UTC"
        raise FormatError("approval", text[:80], expected)
    approval = Approval(*match.groups())
    at_ns = parse_utc(approval.at)
    if approval.expires is not None and parse_utc(approval.expires) <= at_ns:
        raise FormatError("approval expires", approval.expires, f"a time after its signing, {approval.at}")
    return approval


def check_approval(
    note_text: bytes | str,
    file_name: str,
    file_bytes: bytes,
    approvers: Sequence[Vkey],
    verify: Verifier,
    *,
    now_ns: int,
) -> Approved | Refused:
    """Return who approved exactly this file under this base name, or why it does not hold now, in Unix nanoseconds."""
    try:
        note = parse_note(note_text)
        approval = parse_approval(note.text)
    except FormatError as error:
        return Refused(f"{file_name}.sig is no approval ({error}); approve the file again")
    signer = next((key for key in approvers if verify_note(note, key, verify)), None)
    if signer is None:
        seen = ", ".join(line.name for line in note.lines)
        known = ", ".join(key.name for key in approvers) or "nobody"
        return Refused(f"{file_name} is signed by {seen}, which is no good signature by {known}; ask an approver")
    if approval.file != file_name:
        return Refused(f"the approval is for {approval.file}, not for {file_name}; approve the file under its own name")
    digest = hashlib.sha256(file_bytes).hexdigest()
    if approval.sha256 != digest:
        seen, expected = digest[:12], approval.sha256[:12]
        return Refused(f"{file_name} was changed after its approval (SHA-256 {seen}…, approved {expected}…)")
    if approval.expires is not None and now_ns >= parse_utc(approval.expires):
        return Refused(
            f"the approval of {file_name} by {signer.name} expired {approval.expires}; approve the file again"
        )
    return Approved(by=signer.name, at=approval.at, expires=approval.expires)
