"""Terms of faults: what no request on the wire can have is refused before anything runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from nebctl_simulators.faults import parse_fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exception:code=300", "code: expected a number from 1 to 255"),
        ("exception:code=0", "code: expected a number from 1 to 255"),
        ("late:function=700", "function: expected a number from 1 to 255"),
        ("late:address=70000", "address: expected a number from 0 to 65535"),
        ("late:unit=0", "unit: expected a number from 1 to 255"),
    ],
)
def test_terms_that_no_request_can_have_are_refused(text: str, said: str) -> None:
    """A term outside what the wire can carry makes a fault that never happens, or an answer that cannot be sent."""
    with pytest.raises(ValueError, match=said):
        parse_fault(text)


@pytest.mark.parametrize("kind", ["mesh", "board-9c"])
def test_a_command_that_the_device_does_not_know_is_refused(kind: str, tmp_path: Path) -> None:
    """A fault for a request that nobody can send says which requests there are, and the simulator does not start."""
    command = [sys.executable, "-m", "nebctl_simulators", kind, "--tcp", "127.0.0.1:0", "--fault", "late:command=FOO"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert run.returncode == 2
    assert "no request is called 'FOO'" in run.stderr
    assert "START" in run.stderr


def test_a_refusal_of_the_mesh_has_one_of_its_seven_reasons(tmp_path: Path) -> None:
    """A code beyond the page's reasons is refused, and no other reason is put in its place."""
    command = [sys.executable, "-m", "nebctl_simulators", "mesh", "--tcp", "127.0.0.1:0", "--fault", "refuse:code=9"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path)
    assert run.returncode == 2
    assert "code: expected a number from 1 to 7, got 9" in run.stderr
