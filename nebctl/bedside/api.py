"""The loopback API: the same presses that a page makes, as JSON over HTTP, and the view as server-sent events."""

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from nebctl.bedside import bodies
from nebctl.bedside.desk import Desk
from nebctl.core.ledger.records import Json
from nebctl.core.session import IllegalEventError
from nebctl.core.units import UnitError
from nebctl.runner import Refused, Runner

HEARTBEAT_S = 0.5
"""A stream that has nothing new says so this often, for a page that hears nothing for 1 s covers its values (S46)."""
MAX_BODY = 16_384
_Model = TypeVar("_Model", bound=bodies.Body)
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The bedside API of one unit.

    `show` returns the view. `token` is asked for as `Authorization: Bearer`; STOP alone needs none (S21). `closing` is
    set when the unit shuts down, and ends the event streams. `hosts` are the Host values that this server answers to.
    """

    runner: Runner
    desk: Desk
    show: Callable[[], dict[str, Json]]
    token: str
    closing: asyncio.Event
    hosts: frozenset[str]

    def app(self) -> Starlette:
        """Return the application."""
        posts: dict[str, Handler] = {
            "scan": self._scan,
            "charge": self._charge,
            "self-test": self._self_test,
            "start": self._start,
            "pause": self._pause,
            "resume": self._resume,
            "abandon": self._abandon,
            "residual": self._residual,
            "sign": self._sign,
            "leave": self._leave,
        }
        return Starlette(
            routes=[
                Route("/api/stop", self._guarded(self._stop, token=False), methods=["POST"]),
                Route("/api/state", self._guarded(self._state), methods=["GET"]),
                Route("/api/events", self._guarded(self._events), methods=["GET"]),
                *(Route(f"/api/{name}", self._guarded(handler), methods=["POST"]) for name, handler in posts.items()),
            ]
        )

    def _guarded(self, handler: Handler, *, token: bool = True) -> Handler:
        async def answer(request: Request) -> Response:
            if request.headers.get("host") not in self.hosts:
                return _problem(403, "host", "This page is served on this machine only.")
            origin = request.headers.get("origin")
            if origin is not None and origin.removeprefix("http://") not in self.hosts:
                return _problem(403, "origin", "Another page's request was refused.")
            if token and not self._knows(request):
                return _problem(401, "token", "The token is missing or wrong. Read it anew from the unit's api.token.")
            return await _explained(handler, request)

        return answer

    def _knows(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), self.token.encode())

    async def _stop(self, _request: Request) -> Response:
        await self.desk.stop("api")
        return self._shown()

    async def _state(self, _request: Request) -> Response:
        return self._shown()

    async def _scan(self, request: Request) -> Response:
        body = await _body(request, bodies.Scan)
        await self.desk.scan(body.operator, body.subject, body.kit)
        return self._shown()

    async def _charge(self, request: Request) -> Response:
        body = await _body(request, bodies.ChargeBody)
        await self.desk.charge(body.charge(), body.cup)
        return self._shown()

    async def _self_test(self, _request: Request) -> Response:
        await self.desk.self_test()
        return self._shown()

    async def _start(self, request: Request) -> Response:
        await self.desk.start((await _body(request, bodies.Start)).auth)
        return self._shown()

    async def _pause(self, request: Request) -> Response:
        await self.desk.pause((await _body(request, bodies.Reason)).reason)
        return self._shown()

    async def _resume(self, request: Request) -> Response:
        await self.desk.resume((await _body(request, bodies.Person)).operator)
        return self._shown()

    async def _abandon(self, request: Request) -> Response:
        await self.desk.abandon((await _body(request, bodies.Person)).operator)
        return self._shown()

    async def _residual(self, request: Request) -> Response:
        body = await _body(request, bodies.ResidualBody)
        residual = body.residual()
        if residual is None:
            await self.desk.refuse_residual(body.refused or "", body.operator)
        else:
            await self.desk.residual(residual, body.operator)
        return self._shown()

    async def _sign(self, request: Request) -> Response:
        body = await _body(request, bodies.Signature)
        await self.desk.sign(body.operator, body.meaning)
        return self._shown()

    async def _leave(self, _request: Request) -> Response:
        await self.desk.leave()
        return self._shown()

    async def _events(self, _request: Request) -> Response:
        return StreamingResponse(self._stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    async def _stream(self) -> AsyncIterator[str]:
        while not self.closing.is_set():
            yield f"data: {json.dumps(self.show(), ensure_ascii=False)}\n\n"
            changed = asyncio.ensure_future(self.runner.changed(HEARTBEAT_S))
            closing = asyncio.ensure_future(self.closing.wait())
            await asyncio.wait({changed, closing}, return_when=asyncio.FIRST_COMPLETED)
            for task in (changed, closing):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _shown(self) -> Response:
        return JSONResponse(self.show())


async def _explained(handler: Handler, request: Request) -> Response:
    """Answer, with every refusal as a sentence that says what is wrong and what to do."""
    try:
        return await handler(request)
    except Refused as refused:
        return _problem(409, refused.refusal.code, refused.refusal.sentence)
    except IllegalEventError as illegal:
        sentence = f"That cannot be done now: the session is {illegal.state.value}."
        return _problem(409, "not-now", sentence)
    except ValidationError as invalid:
        return _problem(400, "body", "; ".join(_say(error["loc"], error["msg"]) for error in invalid.errors()))
    except UnitError as wrong:
        return _problem(400, "quantity", str(wrong))
    except ValueError as wrong:
        return _problem(400, "body", str(wrong))


def _say(where: tuple[int | str, ...], message: str) -> str:
    return f"{'.'.join(map(str, where)) or 'body'}: {message.removeprefix('Value error, ')}"


async def _body(request: Request, model: type[_Model]) -> _Model:
    """Return the body as its model.

    Raises: `ValidationError` or `ValueError` for a body that is too long, no JSON, or not what the model takes.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise ValueError(f"the body is longer than {MAX_BODY} bytes")
    return model.model_validate_json(bytes(data))


def _problem(status: int, code: str, sentence: str) -> Response:
    return JSONResponse({"code": code, "sentence": sentence}, status_code=status)
