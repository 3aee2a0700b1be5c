"""The file behind the controller's memory."""

from pathlib import Path

import pytest

from nebctl_simulators.mesh.memory import Memory, load_memory, recover, save_memory
from nebctl_simulators.serve import MemoryFile

RUNNING = Memory(boot=3, run="0badcafe", on_ms=5000, end="-", run_boot=3)


def test_memory_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """What was saved is what is loaded, and a missing file is an empty memory."""
    path = tmp_path / "memory.json"
    assert load_memory(path) == Memory()
    save_memory(path, RUNNING)
    assert load_memory(path) == RUNNING
    assert [child.name for child in tmp_path.iterdir()] == ["memory.json"]


def test_recovery_counts_the_boot_and_ends_the_run() -> None:
    """The next boot has the next number, and a run that was on ended by loss of power."""
    assert recover(RUNNING) == Memory(boot=4, run="0badcafe", on_ms=5000, end="POWER", run_boot=3)
    assert recover(Memory()) == Memory(boot=1)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"boot": -1}', '{"boot": true}', '{"volume": 1}', '{"run": "RUN"}', '{"end": "?"}']
)
def test_a_file_that_is_no_memory_is_refused(tmp_path: Path, text: str) -> None:
    """A foreign file is named, not overwritten."""
    path = tmp_path / "memory.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"memory\.json: not a simulator's memory"):
        load_memory(path)


def test_a_running_on_time_is_put_down_each_second(tmp_path: Path) -> None:
    """Progress below a second is not written; a second, and the end of the run, are."""
    path = tmp_path / "memory.json"
    file = MemoryFile(path)
    file.keep(RUNNING)
    file.keep(Memory(boot=3, run="0badcafe", on_ms=5999, end="-", run_boot=3))
    assert load_memory(path).on_ms == 5000
    file.keep(Memory(boot=3, run="0badcafe", on_ms=6000, end="-", run_boot=3))
    assert load_memory(path).on_ms == 6000
    file.keep(Memory(boot=3, run="0badcafe", on_ms=6001, end="STOP", run_boot=3))
    assert load_memory(path) == Memory(boot=3, run="0badcafe", on_ms=6001, end="STOP", run_boot=3)
