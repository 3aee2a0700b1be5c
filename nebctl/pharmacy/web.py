"""The pharmacy's page: read-only, on loopback, for a person who was given its token."""

import asyncio
import contextlib
import hmac
import secrets
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from nebctl.clock import ClockFileFault
from nebctl.core.ledger.encoding import FormatError
from nebctl.pharmacy.database import reading
from nebctl.pharmacy.dose_facts import Place
from nebctl.pharmacy.examine import Examiner
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.overview import detail, overview, places_of
from nebctl.ports import Clock
from nebctl.store.faults import StoreFault
from nebctl.webpage import HEADERS, files_of, hosts_of, listen, serve, write_token

PAGE = Path(__file__).parent / "page"
TOKEN = "pharmacy.token"  # noqa: S105 - the name of its file
COOKIE = "nebctl-pharmacy"
MAX_BODY = 4096

P = ParamSpec("P")
T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


class DoseName(BaseModel):
    """Which dose is meant; `unit` None serves where no two units share the session's id."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    session: str
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page of one pharmacy and its answers; `hosts` are the Host values that the server answers to.

    Who shows `token` once gets the cookie `ticket`; scripts send the token as `Authorization: Bearer`.
    """

    database: Path
    site: str
    clock: Clock
    examiner: Examiner
    token: str
    hosts: frozenset[str]
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def app(self) -> Starlette:
        """Return the application."""
        files = sorted(files_of(PAGE))
        return Starlette(
            routes=[
                Route("/", self._guarded(self._enter, open_to_all=True), methods=["GET"]),
                *(Route(path, self._guarded(self._file), methods=["GET"]) for path in files if path != "/"),
                Route("/api/overview", self._guarded(self._overview), methods=["GET"]),
                Route("/api/dose", self._guarded(self._dose), methods=["GET"]),
                Route("/api/verify", self._guarded(self._verify), methods=["POST"]),
            ]
        )

    def _guarded(self, handler: Handler, *, open_to_all: bool = False) -> Handler:
        async def answer(request: Request) -> Response:
            response = self._problem_with(request, open_to_all=open_to_all) or await _explained(handler, request)
            response.headers.update(HEADERS)
            return response

        return answer

    def _problem_with(self, request: Request, *, open_to_all: bool) -> Response | None:
        """Return why this request is not even looked at; None where it is."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host not in self.hosts:
            return _problem(403, "host", "This page is served on this machine only.")
        if origin is not None and origin != f"http://{host}":
            return _problem(403, "origin", "Another page's request was refused.")
        if open_to_all or self._knows_token(request.headers.get("authorization", "").removeprefix("Bearer ")):
            return None
        if not self._has_ticket(request):
            return _problem(401, "token", f"Open the page with the token that lies in {TOKEN}.")
        if request.method == "POST" and origin is None:
            return _problem(403, "origin", "Only the pharmacy's own page may ask this.")
        return None

    def _knows_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _has_ticket(self, request: Request) -> bool:
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self.ticket.encode())

    async def _enter(self, request: Request) -> Response:
        """Show the page to who has the ticket; give it for the token, which then leaves the address bar."""
        if "token" in request.query_params and self._knows_token(request.query_params["token"]):
            response: Response = RedirectResponse("/", status_code=303)
            response.set_cookie(COOKIE, self.ticket, path="/", httponly=True, samesite="strict")
            return response
        if self._has_ticket(request):
            return await self._file(request)
        where = self.database.with_name(TOKEN)
        said = (
            f"This page opens with its token: http://{request.headers['host']}/?token=TOKEN\nThe token is in {where}."
        )
        return PlainTextResponse(f"{said}\n", status_code=401)

    async def _file(self, request: Request) -> Response:
        content, media_type = files_of(PAGE)[request.url.path]
        return Response(content, media_type=media_type)

    async def _overview(self, _request: Request) -> Response:
        seen = await self._read(overview, self.clock.instant().wall_ns)
        return JSONResponse({"site": self.site, "simulated": self.site.startswith("sim."), **asdict(seen)})

    async def _dose(self, request: Request) -> Response:
        name = DoseName.model_validate(dict(request.query_params))
        return JSONResponse(asdict(await self._read(lambda db: detail(db, _place(db, name)))))

    async def _verify(self, request: Request) -> Response:
        name = DoseName.model_validate_json(await _body(request))
        checks = await self._read(lambda db: self.examiner.examine(db, _place(db, name)))
        return JSONResponse({"good": all(check.good for check in checks), "checks": [asdict(each) for each in checks]})

    async def _read(
        self, look: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Look at the database as it stands, beside its one writer and in another thread."""

        def work() -> T:
            with reading(self.database) as db:
                # What is no UTF-8 must become a finding about one record, not a fault of the database.
                db.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
                db.execute("BEGIN")
                return look(db, *args, **kwargs)

        return await asyncio.to_thread(work)


@contextlib.asynccontextmanager
async def serve_page(page: Callable[[str, frozenset[str]], Page], bind: str, database: Path) -> AsyncIterator[str]:
    """Serve the page while the body runs, and yield its address; its fresh token lies beside the database.

    `page` makes the page for a token and the Host values.
    Raises: `PharmacyFault` where the port is taken or the token cannot be written.
    """
    with _listening(bind) as listener:
        hosts = hosts_of(listener)
        app = page(_fresh_token(database.with_name(TOKEN)), hosts).app()
        async with serve(app, listener):
            yield f"http://{bind.rpartition(':')[0]}:{listener.getsockname()[1]}"


async def _explained(handler: Handler, request: Request) -> Response:
    """Answer, with every fault as a sentence."""
    try:
        return await handler(request)
    except ValidationError as invalid:
        said = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in invalid.errors())
        return _problem(400, "body", said)
    except LookupError as missing:
        return _problem(404, "dose", str(missing.args[0]))
    except FormatError as damaged:
        return _problem(409, "damaged", f"The kept record cannot be read: {damaged}.")
    except (StoreFault, ClockFileFault) as fault:
        return _problem(503, "away", str(fault))


def _place(db: sqlite3.Connection, name: DoseName) -> Place:
    """Return where the one dose of this name is kept.

    Raises: `LookupError` where there is none, or more than one.
    """
    places = [place for place in places_of(db, name.session) if name.unit in (None, place.unit)]
    if len(places) != 1:
        raise LookupError(f"{len(places) or 'no'} dose records of session {name.session}; name session and unit")
    return places[0]


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            return b""  # too long for a dose's name, and so none
    return bytes(data)


def _problem(status: int, code: str, sentence: str) -> Response:
    return JSONResponse({"code": code, "sentence": sentence}, status_code=status)


def _fresh_token(path: Path) -> str:
    try:
        return write_token(path)
    except OSError as error:
        advice = "Give the pharmacy's user ownership of the folder."
        raise PharmacyFault(f"{path}: {error.strerror}", "a file that can be written", advice) from None


@contextlib.contextmanager
def _listening(bind: str) -> Iterator[socket.socket]:
    try:
        listener = listen(bind)
    except OSError as error:
        raise PharmacyFault(
            f"[page] bind {bind}: {error.strerror}", "a free port of this machine", "Choose another port."
        ) from None
    with listener:
        yield listener
