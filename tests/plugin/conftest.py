"""What the tests of the plugin share: a run of pytest of its own, as somebody else's project would have it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

PATIENCE_S = 50
PLUGINS = {"nebctl": "nebctl_simulators.testing.plugin", "nebctl_bench": "nebctl_lab.plugin"}
ASYNCIO = "asyncio_default_fixture_loop_scope = function\n"
PytestRun = Callable[..., "subprocess.CompletedProcess[str]"]


def plugin_arguments(*, alone: bool = False) -> list[str]:
    """Return what loads the plugins where no entry point does so already; twice would be refused by pytest."""
    installed = set() if alone else {point.name for point in entry_points(group="pytest11")}
    return [word for name, module in PLUGINS.items() if name not in installed for word in ("-p", module)]


def command_of_pytest(*arguments: str, alone: bool = False) -> list[str]:
    """Return the command of a run with the plugins, every warning an error; `alone`: no entry point is followed."""
    plugins = plugin_arguments(alone=alone)
    return [sys.executable, "-W", "error", "-m", "pytest", "-W", "error", *plugins, *arguments]


@pytest.fixture(scope="session")
def compiler() -> str:
    """Return the C compiler; on the build machine there must be one."""
    found = shutil.which("cc")
    if found is None:
        report = pytest.fail if os.environ.get("CI") else pytest.skip
        report("a C compiler is not here (apt-get install gcc libc6-dev)")
    return found


@pytest.fixture
def run_pytest(tmp_path: Path) -> PytestRun:
    """Return a function that runs pytest on the text of a test file, in a folder where nothing else is.

    With `alone` no other plugin is there.
    """

    def run(text: str, *arguments: str, alone: bool = False) -> "subprocess.CompletedProcess[str]":
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        (folder / "pytest.ini").write_text(
            "[pytest]\n" + ("" if alone or "no:asyncio" in arguments else ASYNCIO), encoding="utf-8"
        )
        (folder / "test_theirs.py").write_text(text, encoding="utf-8")
        command = command_of_pytest(
            "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}", *arguments, alone=alone
        )
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} if alone else {}
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    return run
