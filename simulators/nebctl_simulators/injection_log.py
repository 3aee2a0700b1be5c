"""The faults as they happened, in a file: one JSON object a line."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol, TextIO

from nebctl_simulators.armed import Injection


class Injecting(Protocol):
    """A device or a line that tells which faults happened."""

    def injections(self) -> list[Injection]:
        """Return the faults as they happened, oldest first."""
        ...


class InjectionLog:
    """Writes each fault once, in the order of each source's numbers."""

    def __init__(self, stream: TextIO, sources: Sequence[Injecting]) -> None:
        self._stream = stream
        self._sources = sources
        self._written = [0] * len(sources)

    def note(self) -> None:
        """Write what is new."""
        for place, source in enumerate(self._sources):
            happened = source.injections()
            if not happened or happened[-1].number == self._written[place]:
                continue
            for injection in happened:
                if injection.number > self._written[place]:
                    self._stream.write(json.dumps(tell_injection(injection)) + "\n")
            self._written[place] = happened[-1].number
            self._stream.flush()


def tell_injection(injection: Injection) -> dict[str, object]:
    """Return what happened as JSON tells it, bytes as hex."""
    return asdict(injection) | {"before": injection.before.hex(), "after": injection.after.hex()}
