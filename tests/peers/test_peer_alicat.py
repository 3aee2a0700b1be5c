"""numat's `alicat` 0.9.0 (GPLv2), as a process of its own, against our simulated gas controller.

alicatlib, the other client, needs Python 3.13 and is left out.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture
def seen(peers_python: Path, run_ready: Callable[..., str]) -> dict[str, Any]:
    """Return what the peer saw of our simulator in one round of all its calls."""
    simulator = (sys.executable, "-m", "nebctl_simulators", "alicat", "--tcp", "127.0.0.1:0", "--letter", "C")
    address = run_ready(*simulator)
    command = [str(peers_python), str(HERE / "alicat_client.py"), address, "C"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_peer_agrees(seen: dict[str, Any]) -> None:
    """Reading, gas, flow, pressure, lock, PID, ramp and tare work through the peer as its author meant them."""
    first = seen["first"]
    assert (first["setpoint"], first["mass_flow"], first["gas"]) == (0, 0, "Air")
    assert first["control_point"] == "mass flow"
    assert "10v20" in seen["firmware"]
    flowing = seen["flowing"]
    assert (flowing["setpoint"], flowing["gas"]) == (5, "O2")
    assert flowing["mass_flow"] == pytest.approx(5, rel=0.01)
    assert flowing["volumetric_flow"] == pytest.approx(5 * 14.696 / flowing["pressure"], rel=0.02)
    assert seen["pressing"]["control_point"] == "abs pressure"
    assert seen["pressing"]["pressure"] == pytest.approx(30, rel=0.01)
    assert (seen["locked"], seen["unlocked"]) == (True, False)
    assert seen["pid"] == {"loop_type": "PD2I", "P": "300", "D": "5000", "I": "40"}
    assert seen["ramp"] == {"max_ramp": 2.0, "units": "SLPM/s"}
    assert seen["ramp_config"] == {"up": True, "down": False, "zero": False, "power": True}
    assert (seen["last"]["setpoint"], seen["last"]["mass_flow"]) == (0, 0)
    # Where the peer and the manual differ: codes follow the gas, in any number. The peer knows four of them and LCK;
    # a held valve's HLD shifts its columns by one, so that it takes the gas for a total and the code for the gas.
    assert (seen["held"]["total flow"], seen["held"]["gas"]) == ("O2", "HLD")
