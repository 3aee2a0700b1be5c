"""A wire tap between a simulated controller and the unit: it passes every line on, changed or dropped as told."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nebctl_simulators.mesh.codec import LineReader, encode_line

Rewrite = Callable[[str], str | None]
CHUNK = 4096


@contextmanager
def tapped(device: str, answer: Rewrite) -> Iterator[str]:
    """Yield the URL of a tap before the TCP device at `device` (host:port).

    `answer` is given the payload of each line from the device and returns what the unit gets; None drops the line.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, device, answer), daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, device: str, answer: Rewrite) -> None:
    host, _, port = device.rpartition(":")
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        far = socket.create_connection((host, int(port)))
        for target, arguments in ((_pass_on, (near, far)), (_rewrite, (far, near, answer))):
            threading.Thread(target=target, args=arguments, daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with source, sink:
        try:
            while data := source.recv(CHUNK):
                sink.sendall(data)
        except OSError:
            return


def _rewrite(source: socket.socket, sink: socket.socket, answer: Rewrite) -> None:
    reader = LineReader()
    with source, sink:
        try:
            while data := source.recv(CHUNK):
                for payload in reader.feed(data):
                    if (passed := answer(payload)) is not None:
                        sink.sendall(encode_line(passed))
        except OSError:
            return
