"""`nebctl protocol`: check, show and approve study protocols and site rules."""

from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nebctl.core.regimen import SiteRules
    from nebctl_protocols import Fault, StudyProtocol

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def protocol() -> None:
    """Check, show and approve study protocols and site rules.

    Example: nebctl protocol show NCT04276987
    """


@protocol.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(file: Path, as_json: bool) -> None:
    """Check a study protocol or a site's rules in FILE and name everything that is wrong with it.

    Exit code 0 where it is good (a draft too), 1 where it is not.

    Example: nebctl protocol check NCT04276987.toml
    """
    import json

    document = _load(_read(file), file.name)
    faults = document if isinstance(document, tuple) else ()
    if as_json:
        status = None if isinstance(document, tuple) else _status(document)
        found = [asdict(fault) for fault in faults]
        click.echo(json.dumps({"file": file.name, "ok": not faults, "status": status, "faults": found}))
    elif isinstance(document, tuple):
        _print_faults(document)
    else:
        click.echo(f"{file.name}: {_summary(document)}")
    raise SystemExit(1 if faults else 0)


@protocol.command()
@click.argument("source", metavar="FILE|NAME")
@click.option("--day1", type=DAY, help="Show the dates of a course whose Day 1 is this date, YYYY-MM-DD.")
@click.option("--arm", help="Show this arm only.")
def show(source: str, day1: datetime | None, arm: str | None) -> None:
    """Show a study protocol or a site's rules from FILE, or a study protocol that comes with nebctl by its NAME.

    Example: nebctl protocol show NCT04276987 --day1 2026-02-14
    """
    from nebctl_protocols import builtin, names

    path = Path(source)
    if path.is_file():
        document = _load(_read(path), path.name)
    elif source in names():
        document = _load(builtin(source).encode(), f"{source}.toml")
    else:
        known = ", ".join(names())
        raise click.UsageError(f"{source} is neither a file nor a study protocol that comes with nebctl ({known})")
    _print_document(_good(document), arm, day1.date() if day1 else None)


@protocol.command()
@click.argument("name")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
def copy(name: str, folder: Path) -> None:
    """Copy a study protocol that comes with nebctl, or its `site-rules`, into FOLDER, to be read and approved there.

    FOLDER is the present one where it is left out. A file that exists is never overwritten.

    Example: nebctl protocol copy NCT04276987 study
    """
    from nebctl_protocols import builtin, default_site_rules, names

    if name not in (*names(), "site-rules"):
        raise click.UsageError(f"{name} does not come with nebctl; there are {', '.join(names())} and site-rules")
    target = folder / f"{name}.toml"
    text = default_site_rules() if name == "site-rules" else builtin(name)
    try:
        with target.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror}; nothing is overwritten") from None
    click.echo(f"wrote {target}")


@protocol.command()
@click.argument("file", type=FILE)
@click.option("--key", required=True, type=FILE, help="The approver's private key.")
@click.option("--name", required=True, help="The approver's key name, without space or +.")
@click.option("--day1", type=DAY, help="Show the dates of a course whose Day 1 is this date, YYYY-MM-DD.")
@click.option("--until", type=DAY, help="The approval's last day in UTC, YYYY-MM-DD. [default: it does not end]")
@click.option("--yes", is_flag=True, help="Do not ask; every answer comes as --read-back.")
@click.option("--read-back", "answers", multiple=True, help='With --yes: an answer such as "2.0e8 vesicles", in order.')
def approve(
    file: Path,
    key: Path,
    name: str,
    day1: datetime | None,
    until: datetime | None,
    yes: bool,
    answers: tuple[str, ...],
) -> None:
    """Read FILE back, ask for what it says, and sign it: writes FILE.sig.

    Past the last day of --until a unit starts no dose by the file until it is approved again. A draft is not signed.
    Exit code 0 where the approval was written, 1 where not.

    Example: nebctl protocol approve NCT04276987.toml --key approver.key --name dr-lin
    """
    if yes != bool(answers):
        raise click.UsageError('--yes and --read-back go together, such as --yes --read-back "2.0e8 vesicles"')
    data = _read(file)
    document = _good(_load(data, file.name))
    _print_document(document, None, day1.date() if day1 else None)
    if _status(document) == "draft":
        _refuse(f'{file.name} is a draft and cannot be approved; once it is right, write status = "ready"')
    _ask(document, answers if yes else None)
    click.echo(f"wrote {_sign(file, data, key, name, until)}")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}; check the path and its owner") from None


def _load(data: bytes, name: str) -> "StudyProtocol | SiteRules | tuple[Fault, ...]":
    from nebctl_protocols import Fault, load

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        seen = f"byte 0x{data[error.start]:02x}"
        problem, right = "this is no UTF-8 text", "save the file as UTF-8"
        return (Fault(file=name, line=line, field="TOML", value=seen, problem=problem, right=right),)
    return load(text, name)


def _good(document: "StudyProtocol | SiteRules | tuple[Fault, ...]") -> "StudyProtocol | SiteRules":
    """Return a document that is good; print what is wrong with another one and leave with 1."""
    if isinstance(document, tuple):
        _print_faults(document)
        raise SystemExit(1)
    return document


def _print_faults(faults: "Iterable[Fault]") -> None:
    for fault in faults:
        click.echo(str(fault), err=True)


def _refuse(reason: str) -> None:
    click.echo(f"not approved: {reason}", err=True)
    raise SystemExit(1)


def _status(document: "StudyProtocol | SiteRules") -> str:
    from nebctl_protocols import StudyProtocol

    return document.status.value if isinstance(document, StudyProtocol) else "ready"


def _summary(document: "StudyProtocol | SiteRules") -> str:
    from nebctl_protocols import StudyProtocol

    if not isinstance(document, StudyProtocol):
        return "good site rules"
    arms = "1 arm" if len(document.arms) == 1 else f"{len(document.arms)} arms"
    draft = "; a draft, which approve refuses" if _status(document) == "draft" else ""
    return f"a good study protocol of {document.study} with {arms}{draft}"


def _print_document(document: "StudyProtocol | SiteRules", arm: str | None, day1: date | None) -> None:
    from nebctl_protocols import StudyProtocol, UnknownArmError
    from nebctl_protocols.display import protocol_lines, rules_lines

    if not isinstance(document, StudyProtocol):
        lines = list(rules_lines(document))
    else:
        try:
            lines = list(protocol_lines(document, arm, day1))
        except UnknownArmError as error:
            raise click.BadParameter(str(error), param_hint="--arm") from None
        except OverflowError:
            raise click.BadParameter(f"{day1} leads out of the calendar", param_hint="--day1") from None
    click.echo("\n".join(lines))


def _ask(document: "StudyProtocol | SiteRules", answers: tuple[str, ...] | None) -> None:
    """Hold each answer against what the file says; `answers` None asks the person."""
    from nebctl_protocols import read_backs

    questions = read_backs(document)
    if answers is not None and len(answers) != len(questions):
        asked = "; ".join(question for question, _ in questions)
        _refuse(f"{len(answers)} read-backs were given, {len(questions)} are asked for, in this order: {asked}")
    for index, (question, right) in enumerate(questions):
        answer = click.prompt(f"Type {question}, as read above") if answers is None else answers[index]
        if answer.strip() != right:
            _refuse(f"{question}: you read back {answer!r}, the file says {right!r}; nothing was signed")


def _sign(file: Path, data: bytes, key: Path, name: str, until: datetime | None) -> Path:
    """Write the approval beside the file and return its path; it ends with the day `until`, None: never."""
    import hashlib
    import time
    from datetime import timedelta

    from nebctl.core.ledger.approval import approval_text
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.core.ledger.envelope import utc_text
    from nebctl.core.ledger.note import ED25519, Vkey, sign_note
    from nebctl.keys import KeyFault, load_signer

    target = file.with_name(f"{file.name}.sig")
    try:
        signer = load_signer(key)
        approver = Vkey(name, ED25519, signer.public)
        expires = f"{until + timedelta(days=1):%Y-%m-%d}T00:00:00.000Z" if until else None
        text = approval_text(file.name, hashlib.sha256(data).hexdigest(), utc_text(time.time_ns()), expires)
        target.write_text(sign_note(text, approver.name, signer), "utf-8")
    except (KeyFault, FormatError, OverflowError) as fault:
        raise click.UsageError(str(fault)) from None
    except OSError as error:
        raise click.UsageError(f"{target} cannot be written: {error.strerror}; check its folder") from None
    return target
