"""What the tests with other people's programs share: where those are, and processes that end with the test.

Without the environment of the peers (`make peers`) a test is skipped with that reason; on the build machine, where CI
is set, it fails instead, so that a missing peer is never taken for one that agrees.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
HERE = Path(__file__).resolve().parent
PATIENCE_S = 20.0


def need(found: object, what: str, cure: str) -> None:
    """Skip the test without `found`; fail it on the build machine."""
    if not found:
        missing = f"{what} is not here ({cure})"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture
def needing() -> Callable[[object, str, str], None]:
    """Return `need` itself, for the test of it."""
    return need


@pytest.fixture(scope="session")
def peers_python() -> Path:
    """Return the interpreter of the peers' own environment."""
    need(PEERS_PYTHON.exists(), ".venv-peers", "make peers")
    return PEERS_PYTHON


@pytest.fixture(scope="session")
def libmodbus_slave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return our little slave program on libmodbus, compiled."""
    compiler = shutil.which("cc")
    need(compiler, "a C compiler", "apt install gcc libc6-dev")
    need(Path("/usr/include/modbus/modbus.h").exists(), "libmodbus", "apt install libmodbus-dev")
    program = tmp_path_factory.mktemp("libmodbus") / "slave"
    source = HERE / "libmodbus_slave.c"
    built = subprocess.run(
        [str(compiler), "-Wall", "-Werror", "-O1", "-o", str(program), str(source), "-lmodbus"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert built.returncode == 0, built.stderr
    return program


@pytest.fixture
def run_ready() -> Iterator[Callable[..., str]]:
    """Return a way to start a program that prints `ready WORDS`; it ends with the test, and the words come back."""
    running: list[subprocess.Popen[str]] = []

    def start(*command: object) -> str:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        words = process.stdout.readline().split(maxsplit=1)
        assert words[:1] == ["ready"], words
        return words[1].strip() if len(words) > 1 else ""

    yield start
    for process in running:
        process.kill()
        process.wait(PATIENCE_S)
        if process.stdout is not None:
            process.stdout.close()
