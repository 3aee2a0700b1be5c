"""The counts of wrong PINs on the unit's disk: a restart forgets none."""

import json
import logging
import os
from pathlib import Path

from nebctl.core.instant import Instant
from nebctl.core.tries import Tries, begun_anew

log = logging.getLogger(__name__)

NAME = "pin-tries.json"


class TriesFile:
    """One small file, replaced whole; a count belongs to what a PIN is checked by, so that a new PIN has a new one."""

    def __init__(self, path: Path, now: Instant) -> None:
        self._path = path
        self._counts = {name: begun_anew(tries, now) for name, tries in _read(path).items()}

    def of(self, name: str) -> Tries:
        """Return the count under a name; nothing is counted under a new one."""
        return self._counts.get(name, Tries())

    def keep(self, name: str, tries: Tries) -> None:
        """Put a count on the disk, or with none missed take it off; it is there when this returns.

        Raises: `OSError` where it cannot be written; the count in memory stands all the same.
        """
        counts = {**self._counts, name: tries}
        self._counts = {key: value for key, value in counts.items() if value.missed}
        fresh = self._path.with_suffix(".new")
        texts = {key: [value.missed, value.mono_ns, value.boot] for key, value in self._counts.items()}
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            json.dump(texts, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def _read(path: Path) -> dict[str, Tries]:
    try:
        read = json.loads(path.read_text("ascii"))
        return {
            str(name): Tries(missed=int(n), mono_ns=int(at), boot=str(boot)) for name, (n, at, boot) in read.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as fault:
        log.warning("%s cannot be read (%s): wrong PINs are counted from zero", path, fault)
        return {}
