"""A wire between unit and device that notes what came by: the unit's own word counts nothing here."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

from nebctl_lab.bench_site import Bench
from nebctl_lab.processes import Child

Note = Callable[[bytes], None]
"""Takes each piece of bytes before it is passed on."""


def _carry(source: socket.socket, sink: socket.socket, note: Note) -> None:
    """Carry bytes one way until either end is gone."""
    try:
        while data := source.recv(4096):
            note(data)
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        end.close()


def pass_on(device: int, to_device: Note, to_unit: Note) -> None:
    """Listen, say where, and carry one conversation after the other to the device's port; never returns."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"ready tcp://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201 - a child says so
        while True:
            unit, _ = listener.accept()
            nebulizer = socket.create_connection(("127.0.0.1", device))
            for end in (unit, nebulizer):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for way in ((unit, nebulizer, to_device), (nebulizer, unit, to_unit)):
                threading.Thread(target=_carry, args=way, daemon=True).start()


def put_between(bench: Bench, module: str, log: Path) -> Child:
    """Start the simulator of a bench, and a tap before it that the unit will find in the device's place."""
    log.touch()
    bench.simulator.start()
    port = bench.simulator.ready.split()[0].rpartition(":")[2]
    tap = Child("tap", ("-m", module, port, str(log)), bench.site.log("tap")).start()
    text = bench.config.read_text("utf-8")
    old = next(line for line in text.splitlines() if line.startswith("port = "))
    bench.amend(old, f'port = "{tap.ready}"')
    return tap
