"""What every page of ours shares: its files, the headers on each answer, its token, and a small server on loopback."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import uvicorn
from starlette.applications import Starlette

HEADERS = MappingProxyType(
    {
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
)
"""On every answer: no script or style but our own files, no guessing of types, no copies, no frames."""
GRACE_S = 1
"""How long open streams may take to end; whoever serves ends them before."""
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@cache
def files_of(folder: Path) -> Mapping[str, tuple[bytes, str]]:
    """Return a page's files by path, each with its bytes and media type; `/` is the page itself."""
    files = {f"/{path.name}": (path.read_bytes(), _TYPES[path.suffix]) for path in folder.iterdir() if path.is_file()}
    files["/"] = files.pop("/index.html")
    return files


def write_token(path: Path) -> str:
    """Write a fresh token that only its owner can read, and return it.

    Raises: `OSError` where it cannot be written.
    """
    token, fresh = secrets.token_urlsafe(32), path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(token)
    fresh.replace(path)
    return token


def listen(bind: str) -> socket.socket:
    """Return a socket bound to a loopback address such as "127.0.0.1:8080"; port 0 takes any free one.

    Raises: `OSError` where the port is taken.
    """
    host, _, port = bind.rpartition(":")
    listener = socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), int(port)))
    except OSError:
        listener.close()
        raise
    return listener


def hosts_of(listener: socket.socket) -> frozenset[str]:
    """Return the Host values under which a browser on this machine reaches the socket."""
    port = listener.getsockname()[1]
    return frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))


class _Quiet(uvicorn.Server):
    """The server without its own signal handlers: whoever serves decides when to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve(app: Starlette, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on a bound socket while the body runs."""
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", access_log=False, timeout_graceful_shutdown=GRACE_S
    )
    server = _Quiet(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await task
