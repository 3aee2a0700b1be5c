"""What the simulator's commands load."""

import subprocess
import sys
from pathlib import Path

import pytest

LIST_MODULES = "import sys, nebctl_simulators.cli; print('\\n'.join(sys.modules))"
LIST_WIRES = """
import sys
import nebctl_simulators.serve, nebctl_simulators.line.pace, nebctl_simulators.modbus.nebulizer
import nebctl_simulators.mesh.device, nebctl_simulators.jet.device
print('\\n'.join(sys.modules))
"""
LIST_ALL = """
import sys
import nebctl_simulators.control, nebctl_simulators.serve, nebctl_simulators.wire, nebctl_simulators.cli
import nebctl_simulators.line.pace, nebctl_simulators.mesh.device, nebctl_simulators.jet.device
import nebctl_simulators.modbus.nebulizer
print('\\n'.join(sys.modules))
"""
RUN_A_COMMAND = """
import os, sys, threading, time
import nebctl_simulators.cli
def leave():
    time.sleep(1)
    print('\\n'.join(sys.modules), flush=True)
    os._exit(0)
threading.Thread(target=leave).start()
nebctl_simulators.cli.sim(sys.argv[1:])
"""
HEAVY = {
    *("fastapi", "flask", "django", "aiohttp", "tornado", "jinja2", "pydantic"),
    *("paho", "aiomqtt", "amqtt"),
    *("sqlite3", "sqlite_utils"),
    *("serial", "pymodbus", "cryptography", "rich"),
}
WEB = {"starlette", "uvicorn", "h11"}
TERMINALS = {"termios", "pty", "tty"}


def list_modules(code: str) -> set[str]:
    """Return what is loaded in a fresh interpreter after this code."""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    return set(result.stdout.split())


def test_the_commands_load_late() -> None:
    """Looking at the commands loads neither a web server nor terminals, so that `nebctl --help` stays quick."""
    loaded = list_modules(LIST_MODULES)
    assert loaded.isdisjoint({"starlette", "uvicorn", "termios", "pty", "asyncio"})


def test_terminals_are_for_pseudo_terminals_alone() -> None:
    """Wires, pacing and every device load without the modules that a machine without pseudo-terminals lacks."""
    assert list_modules(LIST_WIRES).isdisjoint({"termios", "pty", "tty"})


def test_the_simulator_knows_nebctl_only_by_the_wire() -> None:
    """With everything loaded, no other package of this project is."""
    ours = {name.split(".")[0] for name in list_modules(LIST_ALL) if name.startswith("nebctl")}
    assert ours == {"nebctl_simulators"}


def list_modules_of(*arguments: str) -> set[str]:
    """Return what is loaded a second after the start of such a command."""
    command = [sys.executable, "-c", RUN_A_COMMAND, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert result.stdout.startswith("ready "), result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize("device", ["mesh", "jet", "board-9c", "alicat", "balance"])
def test_a_running_simulator_is_light(device: str) -> None:
    """On TCP, with a fault, it has no web framework, MQTT, database, serial library or terminals loaded."""
    loaded = list_modules_of(device, "--tcp", "127.0.0.1:0", "--fault", "late:count=3,from=10s")
    assert loaded.isdisjoint(HEAVY | WEB | TERMINALS)


def test_the_control_interface_brings_its_own_web_server_alone() -> None:
    """With --control there are starlette and uvicorn, and nothing else of the kind."""
    loaded = list_modules_of("mesh", "--tcp", "127.0.0.1:0", "--control", "0")
    assert {"starlette", "uvicorn"} <= loaded
    assert loaded.isdisjoint(HEAVY | TERMINALS)


def test_a_pseudo_terminal_brings_the_terminals(tmp_path: Path) -> None:
    """The modules that the other tests do not find are there where they are needed."""
    assert list_modules_of("mesh", "--pty", str(tmp_path / "mesh")) >= TERMINALS
