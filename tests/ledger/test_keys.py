"""Key files: made once, read by their owner alone, and the same key in both public forms."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nebctl.cli.keys import keys
from nebctl.core.ledger.note import COSIGNATURE, ED25519, Vkey
from nebctl.keys import (
    Ed25519Signer,
    KeyFault,
    create_key,
    load_signer,
    load_trust,
    refuse_shared,
    verify,
    write_public,
)

NAME = "sim.site.example/nebctl/neb-0001/1"


def test_a_new_key_is_its_owners_alone(tmp_path: Path) -> None:
    """A new key file has mode 0400, holds the key that was returned, and is never overwritten."""
    path = tmp_path / "unit.key"
    made = create_key(path)
    assert path.stat().st_mode & 0o777 == 0o400
    assert load_signer(path).public == made.public
    assert verify(made.public, b"m", load_signer(path).sign(b"m"))
    with pytest.raises(KeyFault, match="never overwritten"):
        create_key(path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The refusal says how to repair it."""
    path = tmp_path / "unit.key"
    create_key(path)
    path.chmod(0o440)
    with pytest.raises(KeyFault, match="chmod 400"):
        load_signer(path)


def test_other_files_are_not_keys(tmp_path: Path) -> None:
    """A missing file, text, and a key of another algorithm are refused in one line that names the file."""
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for number, data in enumerate((None, b"", b"text", other)):
        path = tmp_path / f"{number}.key"
        if data is not None:
            path.write_bytes(data)
            path.chmod(0o400)
        with pytest.raises(KeyFault) as caught:
            load_signer(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(KeyFault, match="can be made"):
        create_key(tmp_path / "none" / "unit.key")


@pytest.mark.parametrize(("public", "signature"), [(bytes(31), bytes(64)), (b"", b""), (bytes(32), bytes(63))])
def test_verifying_never_raises(public: bytes, signature: bytes) -> None:
    """A malformed key or signature is simply not good."""
    assert not verify(public, b"m", signature)


def test_openssl_reads_the_public_key(tmp_path: Path) -> None:
    """The .pem is for openssl, the .vkey the same key as a verifier line, and both come back as one key."""
    vkey = Vkey(NAME, ED25519, Ed25519Signer.from_seed(bytes(32)).public)
    pem, line = write_public(tmp_path / "trust", "neb-0001", vkey)
    command = ["openssl", "pkey", "-pubin", "-in", str(pem), "-outform", "DER"]
    assert subprocess.run(command, capture_output=True, check=True, timeout=20).stdout[-32:] == vkey.public
    assert line.read_text() == f"{vkey.text()}\n"
    assert load_trust(tmp_path / "trust", "neb-0001") == vkey


def test_two_forms_of_two_keys_are_refused(tmp_path: Path) -> None:
    """A .pem and a .vkey that disagree are refused, and so are a missing, a foreign and a damaged one."""
    one, two = (Vkey(NAME, ED25519, Ed25519Signer.from_seed(bytes([n]) * 32).public) for n in (1, 2))
    pem, line = write_public(tmp_path, "neb-0001", one)
    kept = pem.read_bytes()
    line.write_text(f"{two.text()}\n")
    with pytest.raises(KeyFault, match="different keys"):
        load_trust(tmp_path, "neb-0001")
    line.write_text(f"{one.text()}\nmore\n")
    with pytest.raises(KeyFault, match=r"neb-0001\.vkey"):
        load_trust(tmp_path, "neb-0001")
    line.write_text(f"{one.text()}\n")
    curve = generate_private_key(SECP256R1()).public_key()
    for data in (b"", kept[:60], curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        pem.write_bytes(data)
        with pytest.raises(KeyFault, match="public key in PEM"):
            load_trust(tmp_path, "neb-0001")
    pem.unlink()
    with pytest.raises(KeyFault, match="can be read"):
        load_trust(tmp_path, "neb-0001")
    with pytest.raises(KeyFault, match="can be written"):
        write_public(line, "neb-0001", one)


def test_the_command_makes_and_shows_keys(tmp_path: Path) -> None:
    """`keys create` and every form of `keys show` print one and the same fingerprint."""
    path, runner = tmp_path / "unit.key", CliRunner()
    made = runner.invoke(keys, ["create", str(path)])
    assert made.exit_code == 0
    fingerprint = made.stdout.splitlines()[-1]
    vkey = Vkey(NAME, COSIGNATURE, load_signer(path).public)
    pem, line = write_public(tmp_path, "unit", vkey)
    for source in ([str(path)], [str(pem)], [str(line)], [vkey.text()], [str(path), "--name", NAME, "--witness"]):
        shown = runner.invoke(keys, ["show", *source])
        assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (0, fingerprint), shown.output
    assert vkey.text() in shown.stdout
    for arguments in (["create", str(path)], ["show", "x+y+z"], ["show", str(tmp_path / "none")]):
        refused = runner.invoke(keys, arguments)
        assert refused.exit_code == 2
        assert "Traceback" not in refused.output


def test_a_key_has_one_use(tmp_path: Path) -> None:
    """A TLS key that signs, and one signing key for two uses, are refused by name; a TLS key of another kind is not."""
    one, two = (tmp_path / name for name in ("one.key", "two.key"))
    create_key(one)
    create_key(two)
    refuse_shared(None, {"orders": one, "the log": two})
    refuse_shared(one, {"orders": two})
    for tls, uses in ((one, {"orders": two, "the log": one}), (None, {"orders": one, "the log": one})):
        with pytest.raises(KeyFault, match=r"and the log.*a key for each use"):
            refuse_shared(tls, uses)
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "tls.key").write_bytes(other)
    for tls in (tmp_path / "tls.key", tmp_path / "none.key"):
        refuse_shared(tls, {"orders": one})
