"""A wire between unit and device that notes when the device took a START and what it reports: `page_tap PORT LOG`."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from nebctl_lab.bench.tap import pass_on

ANSWER, START, STAT = "A", "START", "STAT"
ON_MS_AT = 5
"""Where the on-time stands in a STAT. Source: docs/wire-protocol.md, section 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a device said, in Unix milliseconds: when it took each START, and when it reported each on-time (ms)."""

    starts: tuple[float, ...]
    reports: tuple[tuple[float, int], ...]


def read_heard(log: Path) -> Heard:
    """Return what the tap has noted so far."""
    lines = [line.split(",") for line in log.read_text("ascii").splitlines()]
    return Heard(
        starts=tuple(int(at_ns) / 1e6 for at_ns, what, _ in lines if what == START),
        reports=tuple((int(at_ns) / 1e6, int(on_ms)) for at_ns, what, on_ms in lines if what == STAT),
    )


def noted(line: str, at_ns: int) -> str:
    """Return what is noted of one line of the device; "" for nothing."""
    fields = line.partition("*")[0].split(",")
    if len(fields) < ON_MS_AT or not fields[0].endswith(ANSWER) or fields[2] not in (START, STAT):
        return ""
    return f"{at_ns},{fields[2]},{fields[ON_MS_AT] if fields[2] == STAT else 0}\n"


def main() -> None:
    """Note each line of the device before its last byte is passed on."""
    device, log = int(sys.argv[1]), Path(sys.argv[2])
    rest = b""

    def note(data: bytes) -> None:
        nonlocal rest
        at_ns = time.time_ns()
        *lines, rest = (rest + data).split(b"\n")
        text = "".join(noted(line.decode("ascii", "replace"), at_ns) for line in lines)
        if text:
            with log.open("a", encoding="ascii") as file:
                file.write(text)

    pass_on(device, lambda _: None, note)


if __name__ == "__main__":
    main()
