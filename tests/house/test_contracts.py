"""The import directions: the tree keeps every contract, and every contract can be broken."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = [".", "drivers", "simulators", "protocols"]
FOLDERS = ["nebctl", *PARTS[1:]]

# One breach for each contract: the file that gets a line, and the line.
BREACHES = {
    "core-pure": ("nebctl/core/units.py", "import time"),
    "gate": ("nebctl/core/guard.py", "import nebctl.core.session"),
    "layers": ("nebctl/store/__init__.py", "import nebctl.publish.breach"),
    "pharmacy": ("nebctl/pharmacy/__init__.py", "import nebctl.runner"),
    "drivers-used": ("nebctl/runner.py", "import nebctl_drivers"),
    "drivers": ("drivers/nebctl_drivers/__init__.py", "import nebctl.keys"),
    "protocols": ("protocols/nebctl_protocols/__init__.py", "import nebctl.ports"),
    "profiles": ("drivers/nebctl_profiles/__init__.py", "import nebctl.core.units"),
    "simulators": ("simulators/nebctl_simulators/__init__.py", "import nebctl.core.units"),
    "lab": ("nebctl/bedside/__init__.py", "import nebctl_simulators"),
    "second-simulator": ("simulators/nebctl_lab/bench/dose/second.py", "import nebctl_simulators.plant"),
    "pymodbus": ("nebctl/watch.py", "import pymodbus"),
    "aiomqtt": ("simulators/nebctl_lab/__init__.py", "import aiomqtt"),
    "biip": ("nebctl/bundle.py", "import biip"),
    "sqlite3": ("nebctl/publish/breach.py", "import sqlite3"),
    "serial": ("simulators/nebctl_lab/__init__.py", "import serial"),
}


def lint_imports(tree: Path) -> tuple[int, str]:
    """Run import-linter over one tree; return its exit code and what it said."""
    path = os.pathsep.join(str(tree / part) for part in PARTS)
    environment = {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200"}
    tool = Path(sys.executable).with_name("lint-imports")
    command = [str(tool), "--no-cache", "--config", str(tree / "pyproject.toml")]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stdout + done.stderr


def contracts() -> dict[str, str]:
    """Return the name of each contract by its id."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract["name"] for contract in project["tool"]["importlinter"]["contracts"]}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return import-linter's report on a copy of the tree with one breach for each contract."""
    tree = tmp_path_factory.mktemp("breached")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    for name in ("guard", "session"):
        (tree / "nebctl" / "core" / f"{name}.py").touch()
    for file, line in BREACHES.values():
        with (tree / file).open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")
    code, said = lint_imports(tree)
    assert code == 1, said
    return said


def test_every_import_direction_is_kept() -> None:
    """No module of the tree imports what its place forbids."""
    code, said = lint_imports(ROOT)
    assert code == 0, said
    assert f"Contracts: {len(BREACHES)} kept, 0 broken." in said


def test_every_contract_has_a_breach() -> None:
    """The list of breaches covers the list of contracts, so that none goes untried."""
    assert set(contracts()) == set(BREACHES)


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_is_found(contract: str, broken: str) -> None:
    """A planted import against the direction breaks the contract that forbids it."""
    name = re.escape(contracts()[contract])
    assert re.search(rf"^{name} BROKEN", broken, re.MULTILINE), broken
