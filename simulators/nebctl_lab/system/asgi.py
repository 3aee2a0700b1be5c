"""A request to a web application in the same process, without a socket."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.applications import Starlette

Json = Any
HOST = "unit"
"""The Host value under which an application in memory is asked."""


async def ask(
    app: Starlette, method: str, path: str, body: Json, token: str, session: str = ""
) -> tuple[int, dict[str, Json]]:
    """Return status and body of the answer; `body` None sends none, `session` "" nobody's."""
    sent = b"" if body is None else json.dumps(body).encode()
    status, parts = 0, bytearray()

    async def receive() -> MutableMapping[str, Json]:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message: Mapping[str, Json]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            parts.extend(message.get("body", b""))

    await app(_scope(method, path, token, session), receive, send)
    return status, json.loads(bytes(parts) or b"{}")


async def listen(app: Starlette, path: str, token: str, take: Callable[[bytes], Awaitable[None]]) -> None:
    """Read an event stream until it ends or this is cancelled; it goes no faster than `take` takes each piece."""
    asked = False

    async def receive() -> MutableMapping[str, Json]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # whoever listens stays connected
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Json]) -> None:
        if message["type"] == "http.response.body":
            await take(message.get("body", b""))

    await app(_scope("GET", path, token, ""), receive, send)


def _scope(method: str, path: str, token: str, session: str) -> dict[str, Json]:
    headers = {"host": HOST, "content-type": "application/json", "authorization": f"Bearer {token}"}
    headers["nebctl-session"] = session
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": (HOST, 80),
    }
