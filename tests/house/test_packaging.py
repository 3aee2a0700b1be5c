"""What an installer gets: one wheel with everything in it, and locks that name files by their hash alone."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import nebctl

ROOT = Path(__file__).resolve().parents[2]
HOMES = {
    "nebctl": ".",
    "nebctl_drivers": "drivers",
    "nebctl_profiles": "drivers",
    "nebctl_simulators": "simulators",
    "nebctl_lab": "simulators",
    "nebctl_protocols": "protocols",
}
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Return the wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, timeout=50, check=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_every_package_is_named_where_it_must_be() -> None:
    """Each package of the tree is built into the wheel, type-checked, and under the import contracts."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    found = {path.parent.name for home in set(HOMES.values()) for path in (ROOT / home).glob("nebctl*/__init__.py")}
    assert found == set(HOMES)
    assert {Path(name).name for name in tools["hatch"]["build"]["targets"]["wheel"]["packages"]} == found
    assert set(tools["mypy"]["packages"]) == found
    assert set(tools["importlinter"]["root_packages"]) == found


@pytest.mark.parametrize("package", HOMES)
def test_the_wheel_holds_each_package_whole(package: str, wheel: zipfile.ZipFile) -> None:
    """Every module, data file and type marker of a package is in the wheel, under the package's own name."""
    home = ROOT / HOMES[package]
    kept = {
        str(path.relative_to(home))
        for path in (home / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert f"{package}/py.typed" in kept
    assert kept - set(wheel.namelist()) == set()


def test_the_wheel_holds_the_service_files(wheel: zipfile.ZipFile) -> None:
    """The systemd units go where a prefix's systemd looks for them."""
    units = {path.name for path in (ROOT / "systemd").iterdir()}
    shipped = {Path(name).name for name in wheel.namelist() if "/data/lib/systemd/system/" in name}
    assert units == shipped == {"nebctl.service", "nebctl-pharmacy.service"}


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    """No test, script or stray top-level folder reaches site-packages."""
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not re.search(r"\.(dist-info|data)$", top)} == set(HOMES)


def test_one_version(wheel: zipfile.ZipFile) -> None:
    """The wheel's version is the one that the records carry."""
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    assert f"\nVersion: {nebctl.__version__}\n" in wheel.read(metadata).decode()
    assert f"\n## {nebctl.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_by_hash_and_names_no_host(lock: Path) -> None:
    """Every requirement is one exact version with at least one SHA-256, and no line names an index or a host."""
    text = lock.read_text(encoding="utf-8")
    requirements = re.findall(r"^(?=\w)(?:.*\\\n)*.*$", text, re.MULTILINE)
    assert len(requirements) > 20
    assert [entry for entry in requirements if not re.match(r"[\w.-]+==\S+ ", entry)] == []
    assert [entry for entry in requirements if "--hash=sha256:" not in entry] == []
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--trusted-host|^file:", text, re.MULTILINE) == []


def test_the_development_lock_holds_the_demo_lock() -> None:
    """What the demo runs with is what the tests run with, version for version."""
    demo, dev = (
        set(re.findall(r"^[\w.-]+==[^\s;]+", (ROOT / "requirements" / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("demo.txt", "dev.txt")
    )
    assert demo - dev == set()
