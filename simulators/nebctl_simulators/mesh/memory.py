"""What the controller keeps across loss of power: its boot counter and its last run."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from nebctl_simulators.mesh.codec import is_hex8

ENDS = ("-", "POWER", "HOST", "STOP", "DRY", "MAXON", "BEAT", "FAULT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The boot counter, and the last run: its on-time in ms, why it ended (`-` while it is on), the boot it ran under.

    `run` is None when there was never a run.
    """

    boot: int = 0
    run: str | None = None
    on_ms: int = 0
    end: str = "-"
    run_boot: int = 0


def recover(memory: Memory) -> Memory:
    """Return the memory as the next boot finds it: one boot more; a run that was still on ended by loss of power."""
    cut = memory.run is not None and memory.end == "-"
    return replace(memory, boot=memory.boot + 1, end="POWER" if cut else memory.end)


def load_memory(path: Path) -> Memory:
    """Return what the file remembers; a file that does not exist remembers nothing.

    Raises: ValueError for a file that is not such a memory.
    """
    if not path.exists():
        return Memory()
    try:
        memory = Memory(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: not a simulator's memory ({error}); name another file or delete it") from error
    if not _is_sound(memory):
        raise ValueError(f"{path}: not a simulator's memory, got {memory}; name another file or delete it")
    return memory


def save_memory(path: Path, memory: Memory) -> None:
    """Replace the file at once, so that a killed simulator leaves the old or the new memory and never half of one."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(asdict(memory)), encoding="utf-8")
    draft.replace(path)


def _is_sound(memory: Memory) -> bool:
    counts = (memory.boot, memory.on_ms, memory.run_boot)
    return (
        all(type(count) is int and count >= 0 for count in counts)
        and (memory.run is None or (isinstance(memory.run, str) and is_hex8(memory.run)))
        and memory.end in ENDS
    )
