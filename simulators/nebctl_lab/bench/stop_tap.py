"""A wire between unit and device that notes when each STOP came by: the unit's own word counts nothing here."""

import socket
import struct
import sys
import threading
import time
from pathlib import Path

MARK = b"STOP"


def carry(source: socket.socket, sink: socket.socket, log: Path | None) -> None:
    """Carry bytes one way until either end is gone; with a log, note the moment of each STOP first."""
    try:
        while data := source.recv(4096):
            if log is not None and MARK in data:
                with log.open("ab") as file:
                    file.write(struct.pack("<q", time.monotonic_ns()))
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        end.close()


def main() -> None:
    """Listen, say where, and carry one conversation after the other: `stop_tap DEVICE_PORT LOG`."""
    device, log = int(sys.argv[1]), Path(sys.argv[2])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"ready tcp://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - a child says so
        while True:
            unit, _ = listener.accept()
            nebulizer = socket.create_connection(("127.0.0.1", device))
            for end in (unit, nebulizer):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ways = ((unit, nebulizer, log), (nebulizer, unit, None))
            for way in ways:
                threading.Thread(target=carry, args=way, daemon=True).start()


if __name__ == "__main__":
    main()
