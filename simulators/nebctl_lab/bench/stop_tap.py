"""A wire between unit and device that notes when each STOP came by: `stop_tap DEVICE_PORT LOG`."""

import struct
import sys
import time
from pathlib import Path

from nebctl_lab.bench.tap import pass_on

MARK = b"STOP"


def main() -> None:
    """Note the moment of each STOP before it is passed on."""
    device, log = int(sys.argv[1]), Path(sys.argv[2])

    def note(data: bytes) -> None:
        if MARK in data:
            with log.open("ab") as file:
                file.write(struct.pack("<q", time.monotonic_ns()))

    pass_on(device, note, lambda _: None)


if __name__ == "__main__":
    main()
