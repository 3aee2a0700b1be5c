"""The proof of one dose, checked by both verifiers: the one in Python and the script that needs openssl alone."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl.bundle import Verified, verify_bundle, write_bundle
from nebctl.cli.verify import verify as verify_command
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.keys import KeyFault, write_public

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify-dose.sh"
FILES = ("dose.jws", "dose.tlog-proof", "dose.disclosures")


@pytest.fixture
def case(book: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Write the second dose's bundle and the trusted keys."""
    return book.bundle(tmp_path / "bundle", book.entries[4]), book.trust(tmp_path / "trust")


def run_script(directory: Path, trust: Path) -> subprocess.CompletedProcess[str]:
    """Run the shell verifier."""
    command = [str(SCRIPT), str(directory), str(trust)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def mutants_of(data: bytes, at: int, pick: random.Random) -> Iterator[bytes]:
    """Yield the data with one byte flipped by a bit, replaced, deleted and inserted at one place."""
    yield data[:at] + bytes((data[at] ^ 1 << pick.randrange(8),)) + data[at + 1 :]
    yield data[:at] + bytes((data[at] ^ pick.randrange(1, 256),)) + data[at + 1 :]
    yield data[:at] + data[at + 1 :]
    yield data[:at] + bytes((pick.randrange(256),)) + data[at:]
    yield data[:at] + data[at : at + 1] + data[at:]


def places_by_line(data: bytes, pick: random.Random) -> Iterator[int]:
    """Yield a place inside every line, every line's end, and the file's first and last byte."""
    yield from {0, len(data) - 1}
    start = 0
    for line in data.splitlines(keepends=True):
        yield start + pick.randrange(len(line))
        start += len(line)
        yield start - 1


def test_both_verifiers_accept_a_good_bundle(case: tuple[Path, Path]) -> None:
    """A dose with its record, path, head, receipt and disclosures is proven by Python and by openssl alike."""
    directory, trust = case
    result = verify_bundle(directory, trust)
    assert isinstance(result, Verified)
    assert result.checked.revealed == {"subject": "MEX-001", "operator": "RT-07"}
    said = run_script(directory, trust)
    assert (said.returncode, said.stderr) == (0, "")
    command = CliRunner().invoke(verify_command, [str(directory), "--trust", str(trust)])
    assert command.exit_code == 0
    for text in (said.stdout, command.stdout):
        assert "neb-0001" in text
        assert "2026-11-22-7f3a9c" in text
        assert "emitted 2.871 to 2.931 mL" in text
        assert result.unit.fingerprint() in text
        assert result.pharmacy.fingerprint() in text


def test_no_private_fact_need_be_shown(book: Any, tmp_path: Path) -> None:
    """A bundle without disclosures, or with one of two, is proven and reveals only what it shows."""
    entry, trust = book.entries[4], book.trust(tmp_path / "trust")
    for shown in ((), entry.disclosures[:1]):
        write_bundle(tmp_path / "bundle", entry.jws, book.proof(4), shown)
        result = verify_bundle(tmp_path / "bundle", trust)
        assert isinstance(result, Verified)
        assert len(result.checked.revealed) == len(shown)
        said = run_script(tmp_path / "bundle", trust)
        assert said.returncode == 0
        assert ("MEX-001" in said.stdout) == bool(shown)


@pytest.mark.req("S34")
@pytest.mark.parametrize("name", FILES)
def test_python_refuses_every_one_byte_change(case: tuple[Path, Path], name: str) -> None:
    """At every place of every file a flipped bit is refused; at every fourth also another byte, one less or more."""
    directory, trust = case
    pick = random.Random(name)
    data = (directory / name).read_bytes()
    for at in range(len(data)):
        flipped, *others = mutants_of(data, at, pick)
        for mutant in (flipped, pick.choice(others)) if at % 4 == 0 else (flipped,):
            (directory / name).write_bytes(mutant)
            assert mutant == data or isinstance(verify_bundle(directory, trust), list), (at, mutant)
    (directory / name).write_bytes(data)
    for last in range(256):
        (directory / name).write_bytes(data + bytes((last,)))
        assert isinstance(verify_bundle(directory, trust), list), last


@pytest.mark.req("S34")
@pytest.mark.parametrize("name", FILES)
def test_script_refuses_one_byte_changes_on_every_line(case: tuple[Path, Path], name: str) -> None:
    """On every line of every file, and at its end, the script refuses a changed, missing or additional byte."""
    directory, trust = case
    pick = random.Random(name)
    data = (directory / name).read_bytes()
    for at in set(places_by_line(data, pick)):
        mutant = pick.choice([each for each in mutants_of(data, at, pick) if each != data])
        (directory / name).write_bytes(mutant)
        said = run_script(directory, trust)
        assert (said.returncode, "REFUSED" in said.stderr, "PROVEN" in said.stdout) == (1, True, False), (at, mutant)
    for last in (b"\0", b"\n", b"\r", b" ", b"="):
        (directory / name).write_bytes(data + last)
        assert run_script(directory, trust).returncode == 1, last


@pytest.mark.req("S34")
def test_two_spellings_of_one_signature_are_refused(case: tuple[Path, Path]) -> None:
    """The unused bits of the last base64url character carry no second text for the same signature."""
    directory, trust = case
    text = (directory / "dose.jws").read_text()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[alphabet.index(text[-1]) ^ 1]
    (directory / "dose.jws").write_text(text[:-1] + other)
    findings = verify_bundle(directory, trust)
    assert isinstance(findings, list)
    assert findings[0].what == "JWS signature"
    assert "signature: not the one base64url spelling" in run_script(directory, trust).stderr


def _wrong_index(book: Any, folder: Path) -> None:
    text = book.proof(4).replace("index 4\n", "index 2\n")
    write_bundle(folder, book.entries[4].jws, text)


def _other_dose(book: Any, folder: Path) -> None:
    write_bundle(folder, book.entries[2].jws, book.proof(4))


def _not_a_dose(book: Any, folder: Path) -> None:
    write_bundle(folder, book.entries[3].jws, book.proof(3))


def _other_unit(book: Any, folder: Path) -> None:
    other = type(book)(unit="neb-0002")
    other.signer = book.signer
    other.entries = list(book.entries)
    write_bundle(folder, book.entries[4].jws, other.proof(4))


def _altered_size(book: Any, folder: Path) -> None:
    write_bundle(folder, book.entries[4].jws, book.proof(4).replace("\n13\n", "\n14\n"))


def _other_witness(book: Any, folder: Path) -> None:
    forged = type(book)(entries=list(book.entries))
    forged.witness = forged.signer
    write_bundle(folder, book.entries[4].jws, forged.proof(4))


def _without_receipt(book: Any, folder: Path) -> None:
    text = book.proof(4)
    write_bundle(folder, book.entries[4].jws, text[: text.rindex("\N{EM DASH}")])


def _extra_line(book: Any, folder: Path) -> None:
    write_bundle(folder, book.entries[4].jws, book.proof(4).replace("index", "extra AAAA\nindex"))


def _foreign_disclosure(book: Any, folder: Path) -> None:
    write_bundle(folder, book.entries[4].jws, book.proof(4), book.entries[2].disclosures)


def _twice_disclosed(book: Any, folder: Path) -> None:
    write_bundle(folder, book.entries[4].jws, book.proof(4), book.entries[4].disclosures[:1] * 2)


def _short_path(book: Any, folder: Path) -> None:
    lines = book.proof(4).splitlines(keepends=True)
    write_bundle(folder, book.entries[4].jws, "".join(lines[:5] + lines[6:]))


def _long_path(book: Any, folder: Path) -> None:
    lines = book.proof(4).splitlines(keepends=True)
    write_bundle(folder, book.entries[4].jws, "".join(lines[:5] + lines[4:]))


@pytest.mark.req("S34")
@pytest.mark.parametrize(
    "forge",
    [
        _wrong_index,
        _other_dose,
        _not_a_dose,
        _other_unit,
        _altered_size,
        _other_witness,
        _without_receipt,
        _extra_line,
        _foreign_disclosure,
        _twice_disclosed,
        _short_path,
        _long_path,
    ],
    ids=lambda forge: forge.__name__.strip("_"),
)
def test_both_verifiers_refuse_a_forged_bundle(book: Any, tmp_path: Path, forge: Callable[[Any, Path], None]) -> None:
    """A well-formed bundle whose parts do not belong together is refused by Python and by the script."""
    trust = book.trust(tmp_path / "trust")
    forge(book, tmp_path / "bundle")
    assert isinstance(verify_bundle(tmp_path / "bundle", trust), list)
    said = run_script(tmp_path / "bundle", trust)
    assert (said.returncode, "REFUSED" in said.stderr) == (1, True)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("unit", "neb-0002"),
        ("ep", 2),
        ("seq", 5),
        ("sim", False),
        ("v", 2),
        ("typ", "start"),
        ("high_nl", 3_030_001),
        ("low_nl", 2_900_001),
        ("charge", {}),
        ("end", None),
        ("session", 7),
    ],
)
def test_both_verifiers_refuse_a_record_that_its_own_unit_signed_wrongly(
    new_book: Any, tmp_path: Path, member: str, value: Any
) -> None:
    """A good signature does not help a record whose place, kind or volumes cannot be."""
    book = new_book()
    entry = book.give("2026-11-22-7f3a9c", **{member: value})
    trust = book.trust(tmp_path / "trust")
    book.bundle(tmp_path / "bundle", entry)
    assert isinstance(verify_bundle(tmp_path / "bundle", trust), list)
    assert run_script(tmp_path / "bundle", trust).returncode == 1


def test_a_foreign_or_missing_file_is_refused(case: tuple[Path, Path]) -> None:
    """A bundle is its two or three files, hidden ones included, and nothing else."""
    directory, trust = case
    (directory / ".key.pem").write_text("trust me")
    assert isinstance(verify_bundle(directory, trust), list)
    assert run_script(directory, trust).returncode == 1
    (directory / ".key.pem").unlink()
    (directory / "dose.tlog-proof").unlink()
    assert isinstance(verify_bundle(directory, trust), list)
    assert run_script(directory, trust).returncode == 1


def test_keys_that_disagree_are_refused(case: tuple[Path, Path]) -> None:
    """A .pem that holds another key than the .vkey beside it proves nothing."""
    directory, trust = case
    shutil.copy(trust / "pharmacy.pem", trust / "neb-0001.pem")
    assert isinstance(verify_bundle(directory, trust), list)
    assert "different keys" in run_script(directory, trust).stderr


def test_a_trusted_key_must_be_named_after_its_unit(book: Any, case: tuple[Path, Path]) -> None:
    """A trusted key whose name is no origin, or another unit's, proves nothing for this one."""
    directory, trust = case
    for name in ("a-name", book.vkey.name.replace("0001", "0002"), book.vkey.name.replace("sim.", "")):
        write_public(trust, "neb-0001", Vkey(name, ED25519, book.signer.public))
        assert isinstance(verify_bundle(directory, trust), list)
        assert run_script(directory, trust).returncode == 1


def test_the_pharmacy_key_must_be_a_witness_key(book: Any, case: tuple[Path, Path]) -> None:
    """A key of the plain type cannot stand for the pharmacy's countersigning key."""
    directory, trust = case
    shutil.copy(trust / "neb-0001.vkey", trust / "pharmacy.vkey")
    shutil.copy(trust / "neb-0001.pem", trust / "pharmacy.pem")
    with pytest.raises(KeyFault, match="key type"):
        verify_bundle(directory, trust)
    assert run_script(directory, trust).returncode == 1


def test_a_record_that_holds_a_command_is_not_obeyed(case: tuple[Path, Path], tmp_path: Path) -> None:
    """Names and values of a hostile record reach no shell evaluation."""
    directory, trust = case
    from nebctl.core.ledger.encoding import b64url

    trap = tmp_path / "obeyed"
    for name in (f"a[$(touch {trap})]", f"$(touch {trap})", f"x`touch {trap}`"):
        payload = json.dumps({name: f"$(touch {trap})", "unit": f"x[$(touch {trap})]", "seq": 0}).replace(" ", "${IFS}")
        (directory / "dose.jws").write_text(f"{b64url(b'{}')}.{b64url(payload.encode())}.{'A' * 86}")
        assert run_script(directory, trust).returncode == 1
        assert not trap.exists()


def test_wrong_calls_are_told_apart_from_findings(case: tuple[Path, Path], tmp_path: Path) -> None:
    """A folder that is not there is a wrong call (2), a bundle that does not hold is a finding (1)."""
    directory, trust = case
    runner = CliRunner()
    assert runner.invoke(verify_command, [str(tmp_path / "none"), "--trust", str(trust)]).exit_code == 2
    assert runner.invoke(verify_command, [str(directory)]).exit_code == 2
    assert runner.invoke(verify_command, [str(directory), "--trust", str(directory)]).exit_code == 2
    assert run_script(tmp_path / "none", trust).returncode == 2
    (directory / "dose.jws").write_text("nothing")
    result = runner.invoke(verify_command, [str(directory), "--trust", str(trust), "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["verified"] is False


def test_the_script_passes_shellcheck() -> None:
    """shellcheck has nothing to say of the script."""
    if shutil.which("shellcheck") is None:
        if os.environ.get("CI"):
            pytest.fail("shellcheck is missing: apt install shellcheck")
        pytest.skip("shellcheck is missing: apt install shellcheck")
    said = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stdout) == (0, "")
