"""The loopback API and the page that uses it: presses as JSON over HTTP, the view as server-sent events.

A person signs in with badge and PIN, and everything but STOP is pressed by somebody who has.
"""

import asyncio
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from nebctl.bedside import bodies, chart_bodies
from nebctl.bedside.answers import Handler, body_of, explained, problem
from nebctl.bedside.clock_check import ClockCheck
from nebctl.bedside.credentials import Credentials, two_persons
from nebctl.bedside.desk import Desk
from nebctl.bedside.given import given, given_cup
from nebctl.bedside.logins import Logins
from nebctl.bedside.probe import Drawn, Probe
from nebctl.bedside.scanning import Who
from nebctl.bedside.tray import BADGE, KINDS
from nebctl.bedside.view import public
from nebctl.bedside.views import views
from nebctl.core.alarms import Condition, Priority
from nebctl.core.guard import Refusal
from nebctl.core.ledger.records import Json
from nebctl.core.limits import EXTRA, Passing
from nebctl.core.melody import composed
from nebctl.core.operators import THERAPIST, Operator
from nebctl.runner import Refused, Runner
from nebctl.webpage import HEADERS, files_of

PAGE = Path(__file__).parent / "page"
SESSION = "nebctl-session"
"""The header by which a script says for whom it presses: what signing in answered."""
_Person = TypeVar(
    "_Person",
    bodies.ClockReading,
    bodies.GiveBack,
    bodies.Scan,
    bodies.Person,
    bodies.ResidualBody,
    chart_bodies.ChartBody,
    chart_bodies.AdverseBody,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The bedside API of one unit, and its page.

    `show` returns the view, `show_device` the chart of the device's rate. Whoever has signed in at the page has a
    cookie of the name `cookie`. Scripts send `token` as `Authorization: Bearer`, which lets them look, and `SESSION`
    for the person whom they signed in. STOP and an audio pause need neither (S21). `closing` is set when the unit shuts
    down, and ends the event streams. `probe` is what the self-test asks of the page. `hosts` are the Host values that
    this server answers to.
    """

    runner: Runner
    desk: Desk
    credentials: Credentials
    clock_check: ClockCheck
    logins: Logins
    show: Callable[[], dict[str, Json]]
    show_device: Callable[[], dict[str, Json]]
    token: str
    closing: asyncio.Event
    probe: Probe
    hosts: frozenset[str]
    cookie: str = "nebctl"
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Scans and signatures come one after the other: what one checks first must hold until its records are written."""

    def app(self) -> Starlette:
        """Return the application."""
        posts: dict[str, Handler] = {
            "scan": self._scan,
            "charge": self._charge,
            "self-test": self._self_test,
            "reviewed": self._reviewed,
            "start": self._start,
            "pause": self._pause,
            "resume": self._resume,
            "end-seen": self._end_seen,
            "abandon": self._abandon,
            "residual": self._residual,
            "chart": self._chart,
            "adverse": self._adverse,
            "sign": self._sign,
            "leave": self._leave,
            "handover": self._handover,
            "override": self._override,
            "acknowledge": self._acknowledge,
            "clock-check": self._check_clock,
            "give-back": self._give_back,
        }
        return Starlette(
            routes=[
                *(Route(path, self._guarded(self._page, token=False), methods=["GET"]) for path in files_of(PAGE)),
                Route("/api/page", self._guarded(self._page_events, token=False), methods=["GET"]),
                Route("/api/login", self._guarded(self._login, token=False), methods=["POST"]),
                Route("/api/logout", self._guarded(self._logout, token=False), methods=["POST"]),
                Route("/api/unscan", self._guarded(self._unscan, token=False), methods=["POST"]),
                Route("/api/scanned", self._guarded(self._scanned, token=False), methods=["POST"]),
                Route("/api/stop", self._guarded(self._stop, token=False), methods=["POST"]),
                Route("/api/quiet", self._guarded(self._quiet, token=False), methods=["POST"]),
                Route("/api/drawn", self._guarded(self._drawn, token=False), methods=["POST"]),
                Route("/api/melody", self._guarded(_melody, token=False), methods=["GET"]),
                Route("/api/state", self._guarded(self._state), methods=["GET"]),
                Route("/api/device", self._guarded(self._device), methods=["GET"]),
                Route("/api/events", self._guarded(self._events), methods=["GET"]),
                *(Route(f"/api/{name}", self._guarded(handler), methods=["POST"]) for name, handler in posts.items()),
            ]
        )

    def _guarded(self, handler: Handler, *, token: bool = True) -> Handler:
        async def answer(request: Request) -> Response:
            response = self._problem_with(request, token=token) or await explained(handler, request)
            response.headers.update(HEADERS)
            return response

        return answer

    def _problem_with(self, request: Request, *, token: bool) -> Response | None:
        """Return why this request is not even looked at; None where it is."""
        if request.headers.get("host") not in self.hosts:
            return problem(403, "host", "This page is served on this machine only.")
        origin = request.headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self.hosts:
            return problem(403, "origin", "Another page's request was refused.")
        request.state.person = None
        if not token:
            return None
        machine = self._knows_machine(request)
        if machine and request.method == "GET":
            return None
        signed_in = request.headers.get(SESSION, "") if machine else request.cookies.get(self.cookie, "")
        person = self._person(self.logins.use(signed_in))
        if person is None:
            return problem(401, "token", "Nobody is signed in. Scan your badge and type your PIN.")
        if request.method == "POST" and not machine and origin != f"http://{request.headers['host']}":
            return problem(403, "origin", "Only the unit's own page may press its buttons.")
        request.state.person = person
        return None

    def _person(self, login: tuple[str, str] | None) -> Operator | None:
        """Return who is signed in; None for nobody, for one who may no longer act, and for a PIN since replaced."""
        if login is None:
            return None
        code, pin = login
        try:
            person = self.credentials.person(code)
        except Refused:
            return None
        return person if person.pin == pin else None

    def _knows_machine(self, request: Request) -> bool:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), self.token.encode())

    async def _page(self, request: Request) -> Response:
        content, media_type = files_of(PAGE)[request.url.path]
        return Response(content, media_type=media_type)

    async def _login(self, request: Request) -> Response:
        """Sign a person in: the page gets a cookie, a script with the unit's token the session that it is to send."""
        body = await body_of(request, bodies.SignIn)
        if refused := self._foreign(request):
            return refused
        return self._signed_in(request, await self.credentials.prove(body.operator, body.pin.get_secret_value()))

    def _foreign(self, request: Request) -> Response | None:
        """Return why a page that is not the unit's own signs nobody in; None for its own, and for a script of its."""
        if self._knows_machine(request) or request.headers.get("origin") == f"http://{request.headers['host']}":
            return None
        return problem(403, "origin", "Only the unit's own page may sign a person in.")

    def _signed_in(self, request: Request, person: Operator) -> Response:
        """Begin a login in place of the one that the page or the script had."""
        self.logins.end(request.headers.get(SESSION, ""))
        self.logins.end(request.cookies.get(self.cookie, ""))
        self.desk.tray.drop(BADGE)
        who: dict[str, Json] = {"operator": {"code": person.code, "name": person.name}}
        token = self.logins.begin(person.code, person.pin)
        if self._knows_machine(request):
            return JSONResponse({**who, "session": token})
        response = JSONResponse(who)
        response.set_cookie(self.cookie, token, path="/", httponly=True, samesite="strict")
        return response

    async def _logout(self, request: Request) -> Response:
        self.desk.tray.drop(*KINDS)
        for token in (request.cookies.get(self.cookie, ""), request.headers.get(SESSION, "")):
            self.logins.end(token)
        response = JSONResponse({})
        response.delete_cookie(self.cookie, path="/", httponly=True, samesite="strict")
        return response

    async def _stop(self, request: Request) -> Response:
        await self.desk.stop("page" if "origin" in request.headers else "api")
        return self._shown_back(request)

    def _shown_back(self, request: Request) -> Response:
        """Answer a press that anybody may make, with what this one may see."""
        if self._knows_machine(request):
            return self._shown()
        return JSONResponse(self._shown_to(request.cookies.get(self.cookie, "")))

    async def _quiet(self, request: Request) -> Response:
        """Begin an audio pause; who is not signed in may do so too, for nobody is to be driven to pull a plug."""
        if not self._knows_machine(request) and "origin" not in request.headers:
            return problem(403, "origin", "Only the unit's own page may press its buttons.")
        signed_in = request.headers.get(SESSION, "") or request.cookies.get(self.cookie, "")
        person = self._person(self.logins.operator(signed_in))
        self.runner.alarming.quiet(person.code if person else "")
        return self._shown_back(request)

    async def _acknowledge(self, request: Request) -> Response:
        body = await body_of(request, bodies.Seen)
        self.runner.alarming.acknowledge(Condition(body.condition), _by(request))
        return self._shown()

    async def _drawn(self, request: Request) -> Response:
        """Take a page's answer to the self-test's question."""
        body = await body_of(request, bodies.Drawn)
        if "origin" in request.headers:
            self.probe.answer(body.question, Drawn(sound=body.sound))
        return JSONResponse({})

    async def _state(self, _request: Request) -> Response:
        return self._shown()

    async def _device(self, _request: Request) -> Response:
        return JSONResponse(self.show_device())

    async def _scan(self, request: Request) -> Response:
        body = await _own(request, bodies.Scan)
        soft = body.confirmed
        passing = self.desk.soft(soft.limit, _by(request), soft.reason) if soft else None
        codes = await self._codes(request, body)
        async with self._one:
            await self.desk.scan(_by(request), *codes, passing)
        return self._shown()

    async def _override(self, request: Request) -> Response:
        """Begin a dose beyond the study protocol, which two persons answer for, the one who presses among them."""
        body = await body_of(request, bodies.Override)
        people = [await self.credentials.prove(one.operator, one.pin.get_secret_value()) for one in body.persons]
        second = two_persons(_by(request), people, self.credentials.today())
        passing = Passing(limit=EXTRA, operator=_by(request), second=second, reason=body.reason)
        codes = await self._codes(request, body)
        async with self._one:
            await self.desk.scan(_by(request), *codes, passing)
        return self._shown()

    async def _codes(self, request: Request, body: bodies.Codes) -> tuple[Who | None, str | None]:
        return await given(body, self.credentials, machine=self._knows_machine(request))

    async def _scanned(self, request: Request) -> Response:
        body = await body_of(request, bodies.ScannedCode)
        if not self._knows_machine(request):
            return problem(401, "token", "Only the unit's own scanner, or a script with its token, gives codes.")
        await self.desk.take_code(body.code)
        return JSONResponse({})

    async def _unscan(self, _request: Request) -> Response:
        self.desk.tray.drop(*KINDS)
        self.runner.tell_changed()  # else the page waits half a second to leave the scan screen
        return JSONResponse({})

    async def _charge(self, request: Request) -> Response:
        body = await body_of(request, bodies.ChargeBody)
        await self.desk.charge(body.charge(), given_cup(body, machine=self._knows_machine(request)), body.cup_typed)
        return self._shown()

    async def _self_test(self, _request: Request) -> Response:
        await self.desk.self_test()
        return self._shown()

    async def _reviewed(self, request: Request) -> Response:
        self.desk.show_review((await body_of(request, bodies.Start)).auth)
        return self._shown()

    async def _start(self, request: Request) -> Response:
        await self.desk.start((await body_of(request, bodies.Start)).auth, _by(request))
        return self._shown()

    async def _pause(self, request: Request) -> Response:
        await self.desk.pause((await body_of(request, bodies.Reason)).reason)
        return self._shown()

    async def _resume(self, request: Request) -> Response:
        await _own(request, bodies.Person)
        await self.desk.resume(self.credentials.person(_by(request), THERAPIST).code)
        return self._shown()

    async def _end_seen(self, request: Request) -> Response:
        await _own(request, bodies.Person)
        await self.desk.see_end(_by(request))
        return self._shown()

    async def _abandon(self, request: Request) -> Response:
        await _own(request, bodies.Person)
        await self.desk.abandon(_by(request))
        return self._shown()

    async def _residual(self, request: Request) -> Response:
        body = await _own(request, bodies.ResidualBody)
        await self.desk.residual(body.event(_by(request)))
        return self._shown()

    async def _chart(self, request: Request) -> Response:
        body = await _own(request, chart_bodies.ChartBody)
        await self.desk.charting.chart(body.observation(), _by(request))
        return self._shown()

    async def _adverse(self, request: Request) -> Response:
        body = await _own(request, chart_bodies.AdverseBody)
        await self.desk.charting.report(body.event(), _by(request))
        return self._shown()

    async def _sign(self, request: Request) -> Response:
        """Take a signature: badge and PIN are entered for it, whoever is signed in (21 CFR 11.200)."""
        body = await body_of(request, bodies.Signature)
        person = await self.credentials.prove(body.operator, body.pin.get_secret_value())
        async with self._one:
            await self.desk.sign(person, body.meaning, body.session)
        return self._shown()

    async def _handover(self, request: Request) -> Response:
        """Let the second person, who has signed in with a badge and a PIN of her own, take a dose over."""
        await _own(request, bodies.Person)
        await self.desk.hand_over(self.credentials.person(_by(request), THERAPIST).code)
        return self._shown()

    async def _check_clock(self, request: Request) -> Response:
        body = await _own(request, bodies.ClockReading)
        await self.clock_check.read(body.reading, _by(request))
        return self._shown()

    async def _give_back(self, request: Request) -> Response:
        body = await _own(request, bodies.GiveBack)
        await self.desk.returning.give_back(body.subject, _by(request))
        return self._shown()

    async def _leave(self, _request: Request) -> Response:
        await self.desk.leave()
        return self._shown()

    async def _events(self, _request: Request) -> Response:
        return self._stream(self.show)

    async def _page_events(self, request: Request) -> Response:
        """Stream what the page may show: everything to a person who is logged in, the public part to everybody."""
        token = request.cookies.get(self.cookie, "")
        return self._stream(lambda: self._shown_to(token))

    def _shown_to(self, token: str) -> dict[str, Json]:
        person = self._person(self.logins.operator(token))
        if person is None:
            return {**public(self.show()), "operator": None}
        return {**self.show(), "operator": {"code": person.code, "name": person.name}}

    def _stream(self, show: Callable[[], dict[str, Json]]) -> Response:
        return StreamingResponse(views(show, self.runner.changed, self.closing), media_type="text/event-stream")

    def _shown(self) -> Response:
        return JSONResponse(self.show())


async def _melody(_request: Request) -> Response:
    """Answer with every priority's burst, for the page to play."""
    return JSONResponse({p.value if p else "information": composed(p) for p in (*Priority, None)})


async def _own(request: Request, model: type[_Person]) -> _Person:
    """Return the body of a press that a person answers for, and she answers for herself alone.

    Raises: as `_body`; `Refused` where the body names another badge than that of the person who is signed in.
    """
    body, own = await body_of(request, model), request.state.person
    if body.operator not in (own.code, own.badge):
        sentence = f"{own.code} is logged in, but badge {body.operator} was given. Scan your own badge, or log in anew."
        raise Refused(Refusal(code="operator-other", sentence=sentence))
    return body


def _by(request: Request) -> str:
    """Return the staff code of the person who presses."""
    return str(request.state.person.code)
