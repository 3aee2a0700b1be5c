"""The JavaScript peers are pinned by version and hash, and what has another hash is never unpacked."""

import base64
import hashlib
import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from .conftest import ROOT

LIST = ROOT / "requirements" / "peers-npm.list"
SCRIPT = ROOT / "scripts" / "install-npm-peers.sh"


def test_each_is_one_version_with_its_hash_and_no_host() -> None:
    """Every line is a package, one exact version and a SHA-512 of 64 bytes; no line names a registry."""
    lines = [line for line in LIST.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert len(lines) >= 3
    for line in lines:
        assert (found := re.fullmatch(r"(@?[a-z0-9/-]+)@\d+\.\d+\.\d+ sha512-(\S+)", line)), line
        assert len(base64.b64decode(found.group(2), validate=True)) == 64
    assert "://" not in LIST.read_text("utf-8") + SCRIPT.read_text("utf-8")


def packed() -> bytes:
    """Return a package as npm packs one."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/index.js")
        member.size = 2
        archive.addfile(member, io.BytesIO(b";\n"))
    return made.getvalue()


@pytest.mark.parametrize("good", [True, False])
def test_a_package_with_another_hash_is_refused(tmp_path: Path, good: bool) -> None:
    """What the list's hash fits is unpacked; anything else ends the set-up with both hashes, and nothing is there."""
    data = packed()
    (tmp_path / "made.tgz").write_bytes(data)
    (tmp_path / "npm").write_text(f"#!/bin/sh\ncp '{tmp_path}/made.tgz' thing-1.0.0.tgz\necho thing-1.0.0.tgz\n")
    (tmp_path / "npm").chmod(0o755)
    digest = base64.b64encode(hashlib.sha512(data if good else data + b"x").digest()).decode()
    (tmp_path / "list").write_text(f"# pinned\n\n@some/thing@1.0.0 sha512-{digest}\n")
    ran = subprocess.run(
        [str(SCRIPT), str(tmp_path / "peers"), str(tmp_path / "list")],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    unpacked = (tmp_path / "peers" / "node_modules" / "@some" / "thing" / "index.js").exists()
    assert (ran.returncode == 0, unpacked) == (good, good), ran
    assert good or f"expected sha512-{digest}; trust neither" in ran.stderr
