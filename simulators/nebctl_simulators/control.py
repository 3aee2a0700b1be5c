"""An HTTP interface on loopback behind the simulator's back: the truth, the cup, faults and power.

Of several devices on one line each has its own, below its name: /NAME/state and so on; GET / lists the names.

Imported only when it is asked for, because it needs starlette and uvicorn.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import asdict
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from nebctl_simulators.serve import OnWire, Truth
from nebctl_simulators.shim import Injection, Terms

STOP_PATIENCE_S = 0.5
Answer = dict[str, object]
Body = dict[str, object]


class Built(Protocol):
    """The unit that a device is: which preset and which seed made it."""

    @property
    def preset(self) -> str:
        """The preset's name."""
        ...

    @property
    def seed(self) -> int:
        """The seed."""
        ...


class Device(OnWire, Protocol):
    """A simulated device as the bench beside it sees it; times are real ones in ns."""

    @property
    def serial(self) -> str:
        """The serial number."""
        ...

    @property
    def unit(self) -> Built:
        """The unit."""
        ...

    def pass_time(self, real_ns: int) -> None:
        """Let time pass."""
        ...

    def pour(self, volume_nl: int) -> None:
        """Pour into the cup."""
        ...

    def empty_cup(self) -> int:
        """Draw what is in the cup and return it in nL."""
        ...

    def inject(self, fault: str, count: int, ms: int | None, real_ns: int, terms: Terms) -> None:
        """Arm a fault by its name."""
        ...

    def clear(self, real_ns: int) -> None:
        """End every fault."""
        ...

    def switch_power(self, on: bool, real_ns: int) -> None:
        """Cut or give the power."""
        ...

    def faults(self) -> dict[str, int]:
        """Return the faults that are armed or active."""
        ...

    def injections(self) -> list[Injection]:
        """Return the line's faults as they happened, oldest first."""
        ...

    def truth(self) -> Truth:
        """Return what is really so, as of the last step."""
        ...


class _QuietServer(uvicorn.Server):
    """A server that leaves the signals to the simulator."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpControl:
    """An application on 127.0.0.1 at this port; 0 takes a free one.

    Raises: OSError when the port is taken.
    """

    def __init__(self, app: Starlette, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        self._server = _QuietServer(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def start(self) -> None:
        """Serve in the background; the socket listens already, so that no request is too early."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """End, without waiting long for slow clients."""
        if self._task is not None:
            self._server.should_exit = self._server.force_exit = True
            await asyncio.wait([self._task], timeout=STOP_PATIENCE_S)
        self._socket.close()


def control_app(device: Device, real_ns: Callable[[], int] = time.monotonic_ns) -> Starlette:
    """Return the web application for one device; `real_ns` is the real monotonic time in ns."""

    def fill(body: Body) -> Answer:
        device.pass_time(real_ns())
        device.pour(_count(body, "nl", 1))
        return {"cup_nl": device.truth().cup_nl}

    def empty(_body: Body) -> Answer:
        device.pass_time(real_ns())
        return {"drawn_nl": device.empty_cup(), "cup_nl": device.truth().cup_nl}

    def inject(body: Body) -> Answer:
        ms = _count(body, "ms", 0) if "ms" in body else None
        count = _count(body, "count", 1) if "count" in body else 1
        device.inject(str(body.get("fault")), count, ms, real_ns(), _terms(body))
        return {"faults": device.faults()}

    def clear(_body: Body) -> Answer:
        device.clear(real_ns())
        return {"faults": device.faults()}

    def power(body: Body) -> Answer:
        device.switch_power(_flag(body, "on"), real_ns())
        return _describe(device)

    async def state(_request: Request) -> JSONResponse:
        device.pass_time(real_ns())
        return JSONResponse(_describe(device))

    async def injections(_request: Request) -> JSONResponse:
        return JSONResponse([_tell(injection) for injection in device.injections()])

    actions = {"fill": fill, "empty": empty, "inject": inject, "clear": clear, "power": power}
    posts = [Route(f"/{name}", _post(act), methods=["POST"]) for name, act in actions.items()]
    return Starlette(routes=[Route("/state", state), Route("/injections", injections), *posts])


def bus_app(devices: Mapping[str, Device], real_ns: Callable[[], int] = time.monotonic_ns) -> Starlette:
    """Return the web application for several devices, each below its name."""

    async def names(_request: Request) -> JSONResponse:
        return JSONResponse(list(devices))

    mounts = [Mount(f"/{name}", control_app(device, real_ns)) for name, device in devices.items()]
    return Starlette(routes=[Route("/", names), *mounts])


def _post(act: Callable[[Body], Answer]) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            return JSONResponse(act(_parse_body(await request.body())))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    return endpoint


def _parse_body(data: bytes) -> Body:
    match json.loads(data or b"{}"):
        case dict(body):
            return body
        case other:
            raise ValueError(f"the body must be a JSON object, got {other!r}")


def _count(body: Body, field: str, least: int) -> int:
    value = body.get(field)
    if type(value) is not int or value < least:
        raise ValueError(
            f'{field}: expected a whole number from {least} on, got {value!r}; write such as {{"{field}": 1}}'
        )
    return value


def _terms(body: Body) -> Terms:
    """Return which answers a fault is to take, as far as the body says."""
    unit, function, address, code = (
        _count(body, name, 0) if name in body else None for name in ("unit", "function", "address", "code")
    )
    return Terms(unit=unit, function=function, address=address, code=code)


def _tell(injection: Injection) -> Answer:
    told = asdict(injection)
    return told | {"before": injection.before.hex(), "after": injection.after.hex()}


def _flag(body: Body, field: str) -> bool:
    match body.get(field):
        case bool(value):
            return value
        case other:
            raise ValueError(f"{field}: expected true or false, got {other!r}")


def _describe(device: Device) -> Answer:
    unit = device.unit
    own: Answer = {"preset": unit.preset, "seed": unit.seed, "serial": device.serial, "faults": device.faults()}
    return own | asdict(device.truth())
