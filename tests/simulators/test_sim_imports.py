"""What the simulator's commands load."""

import subprocess
import sys

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
