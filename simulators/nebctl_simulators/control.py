"""An HTTP interface on loopback behind the simulator's back: the truth, the cup, faults, power and lockstep time.

Of several devices on one line each has its own, below its name: /NAME/state and so on; GET / lists the names. Each
tells what it takes at /openapi.json, a page written by hand (openapi.json beside this file).

Imported only when it is asked for, because it needs starlette and uvicorn.
"""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import asdict
from importlib import resources
from inspect import signature
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from nebctl_simulators.armed import Injection, Terms
from nebctl_simulators.catalogue import CATALOGUE
from nebctl_simulators.faults import read_fault
from nebctl_simulators.injection_log import tell_injection
from nebctl_simulators.plant import Liquid
from nebctl_simulators.serve import OnWire, Truth
from nebctl_simulators.simtime import Lockstep

STOP_PATIENCE_S = 0.5
SETTLE_S = 0.002
"""For so long does lockstep time wait for bytes that a pseudo-terminal still holds back; measured: below 1 ms."""
MOST_NL, MOST_BODY = 1_000_000_000, 65_536
MOST_MS = 600_000
LIQUID = {"temp_dc": (0, 600), "viscosity_ppm": (500_000, 20_000_000)}
"""What is poured: tenths of a degree Celsius, millionths of water's viscosity; from where to where."""
NS_PER_MS = 1_000_000
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

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The faults that can be injected."""
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
        """Return the faults as they happened, oldest first."""
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


def control_app(
    device: Device, real_ns: Callable[[], int] = time.monotonic_ns, lockstep: Lockstep | None = None
) -> Starlette:
    """Return the web application for one device.

    `real_ns` is the real monotonic time in ns; with `lockstep` that clock's time is, and `advance` moves it.
    """
    return Starlette(routes=_Beside(device, real_ns if lockstep is None else lockstep.now_ns, lockstep).routes())


def bus_app(
    devices: Mapping[str, Device], real_ns: Callable[[], int] = time.monotonic_ns, lockstep: Lockstep | None = None
) -> Starlette:
    """Return the web application for several devices, each below its name."""

    async def names(_request: Request) -> JSONResponse:
        return JSONResponse(list(devices))

    mounts = [Mount(f"/{name}", control_app(device, real_ns, lockstep)) for name, device in devices.items()]
    return Starlette(routes=[Route("/", names), *mounts])


class _Beside:
    """What somebody beside the device can do."""

    def __init__(self, device: Device, real_ns: Callable[[], int], lockstep: Lockstep | None) -> None:
        self._device = device
        self._real_ns = real_ns
        self._lockstep = lockstep

    def routes(self) -> list[Route]:
        """Return where each thing is found."""
        posts: dict[str, tuple[Callable[[Body], Answer], tuple[str, ...]]] = {
            "fill": (self.fill, ("nl", "temp_dc", "viscosity_ppm")),
            "empty": (self.empty, ()),
            "inject": (self.inject, ()),
            "clear": (self.clear, ()),
            "power": (self.power, ("on",)),
        }
        gets = {
            "state": self.state,
            "faults": self.faults,
            "injections": lambda: [tell_injection(one) for one in self._device.injections()],
            "openapi.json": _read_page,
        }
        return [
            *(Route(f"/{name}", _get(tell)) for name, tell in gets.items()),
            *(Route(f"/{name}", self._post(name, *how), methods=["POST"]) for name, how in posts.items()),
            Route("/advance", self.advance, methods=["POST"]),
        ]

    def state(self) -> object:
        """Tell what is really so."""
        self._device.pass_time(self._real_ns())
        return _describe(self._device)

    def faults(self) -> object:
        """Tell which faults this device can have."""
        return [
            {"fault": name, "group": CATALOGUE[name].group.value, "text": CATALOGUE[name].text}
            for name in self._device.fault_names
        ]

    def fill(self, body: Body) -> Answer:
        """Pour into the cup."""
        self._device.pass_time(self._real_ns())
        volume_nl = _count(body, "nl", 1, MOST_NL)
        how = {name: _count(body, name, least, most) for name, (least, most) in LIQUID.items() if name in body}
        if how and "liquid" not in signature(self._device.pour).parameters:
            raise ValueError(f"{', '.join(how)}: the cup of this device takes water at room temperature")
        pour: Callable[..., None] = self._device.pour
        pour(volume_nl, Liquid(**how)) if how else pour(volume_nl)
        return {"cup_nl": self._device.truth().cup_nl}

    def empty(self, _body: Body) -> Answer:
        """Draw what is in the cup."""
        self._device.pass_time(self._real_ns())
        return {"drawn_nl": self._device.empty_cup(), "cup_nl": self._device.truth().cup_nl}

    def inject(self, body: Body) -> Answer:
        """Arm a fault."""
        if "device" in body:
            raise ValueError("device: each device of a bus has its own interface: leave it out")
        read_fault(body).arm(self._device, self._real_ns())
        return {"faults": self._device.faults()}

    def clear(self, _body: Body) -> Answer:
        """End every fault."""
        self._device.clear(self._real_ns())
        return {"faults": self._device.faults()}

    def power(self, body: Body) -> Answer:
        """Cut or give the power."""
        self._device.switch_power(_flag(body, "on"), self._real_ns())
        return _describe(self._device)

    async def advance(self, request: Request) -> JSONResponse:
        """Move lockstep time."""
        try:
            body = _parse_body(await request.body(), ("ms",))
            ms = _count(body, "ms", 0, MOST_MS)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        if self._lockstep is None:
            message = "advance: time passes by itself here; start the simulator with --clock lockstep"
            return JSONResponse({"error": message}, status_code=409)
        await asyncio.sleep(SETTLE_S)
        now_ns = self._lockstep.move(ms * NS_PER_MS)
        self._device.pass_time(now_ns)
        return JSONResponse({"now_ns": now_ns, "t_ns": self._device.truth().t_ns})

    def _post(
        self, name: str, act: Callable[[Body], Answer], known: tuple[str, ...]
    ) -> Callable[[Request], Awaitable[JSONResponse]]:
        async def endpoint(request: Request) -> JSONResponse:
            try:
                # A fault's keys are read by their own reader, which names those that there are.
                answer = act(_parse_body(await request.body(), None if name == "inject" else known))
            except ValueError as error:
                return JSONResponse({"error": str(error)}, status_code=400)
            if self._lockstep is not None:  # what was done shows at once, although time stands still
                self._lockstep.touch()
            return JSONResponse(answer)

        return endpoint


def _get(tell: Callable[[], object]) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def endpoint(_request: Request) -> JSONResponse:
        return JSONResponse(tell())

    return endpoint


def _read_page() -> object:
    return json.loads(resources.files(__package__).joinpath("openapi.json").read_text(encoding="utf-8"))


def _parse_body(data: bytes, known: tuple[str, ...] | None) -> Body:
    """Return the body; a key that is not `known` is refused, None lets all pass.

    Raises: ValueError.
    """
    if len(data) > MOST_BODY:
        raise ValueError(f"the body has {len(data)} bytes, at most {MOST_BODY} are taken")
    try:
        body = json.loads(data or b"{}")
    except RecursionError as error:
        raise ValueError("the body is nested too deep") from error
    if not isinstance(body, dict):
        raise ValueError(f"the body must be a JSON object, got {str(body)[:80]!r}")  # noqa: TRY004 - bad input, not a bug
    for key in body:
        if known is not None and key not in known:
            raise ValueError(f"{key!r}: there is no such key; this takes {', '.join(known) or 'none'}")
    return body


def _count(body: Body, field: str, least: int, most: int) -> int:
    value = body.get(field)
    if type(value) is not int or not least <= value <= most:
        raise ValueError(
            f"{field}: expected a whole number from {least} on, at most {most}, got {value!r}; "
            f'write such as {{"{field}": {max(1, least)}}}'
        )
    return value


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
