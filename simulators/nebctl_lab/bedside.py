"""The therapist's side of the bedside API, for demonstrations and tests."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nebctl_lab.people import PIN, THERAPIST

Json = Any


class Answer(Exception):  # noqa: N818 - an answer, not a failure
    """An answer that is not a yes: the status, the code and the sentence for the person."""

    def __init__(self, status: int, body: Mapping[str, Json]) -> None:
        super().__init__(f"{status} {body.get('code')}: {body.get('sentence') or body.get('error')}")
        self.status = status
        self.code = str(body.get("code"))


OPEN = frozenset(("/api/stop", "/api/scanned", "/api/unscan", "/api/login", "/api/logout"))
"""What nobody needs to be signed in for."""
PIN_AGAIN = frozenset(("/api/sign",))
"""What asks for badge and PIN anew."""


@dataclass(slots=True)
class Desk:
    """Who is signed in at a unit's API, and for whom the next press has to be signed in."""

    operator: str = ""
    session: str = ""

    def wanted(self, path: str, body: Mapping[str, Json] | None) -> str | None:
        """Return who has to sign in before this press; None where nobody has to."""
        if body is None or path in OPEN:
            return None
        who = str(body.get("operator") or self.operator or THERAPIST[0])
        return None if self.session and who == self.operator else who

    def body(self, path: str, body: Mapping[str, Json] | None) -> Mapping[str, Json] | None:
        """Return what is sent: where a press asks for the PIN again, it is typed."""
        return {"pin": PIN, **body} if body is not None and path in PIN_AGAIN else body

    def signed_in(self, operator: str, answer: Mapping[str, Json]) -> None:
        """Take what signing in answered."""
        self.operator, self.session = operator, str(answer["session"])

    def is_over(self, answer: "Answer") -> bool:
        """Return whether an answer says that nobody is signed in any more; the next press signs in anew."""
        over = answer.status == 401 and self.session != ""
        if over:
            self.session = ""
        return over


class Http:
    """JSON over HTTP to one loopback address; `token` "" sends none, and with one people sign in as they are named."""

    def __init__(self, address: str, token: str = "") -> None:
        self.address = address
        self._host = address.removeprefix("http://")
        self._token = token
        self._desk = Desk()

    def get(self, path: str) -> dict[str, Json]:
        """Return the answer to GET.

        Raises: `Answer` for anything but 200; `OSError` where nobody answers.
        """
        return self._ask("GET", path, None)

    def post(self, path: str, **body: Json) -> dict[str, Json]:
        """Return the answer to POST with the given members as its body.

        Raises: `Answer` for anything but 200; `OSError` where nobody answers.
        """
        if self._token and (who := self._desk.wanted(path, body)):
            self.sign_in(who)
        try:
            return self._ask("POST", path, body)
        except Answer as answer:
            if not self._token or not self._desk.is_over(answer):
                raise
            self.sign_in(self._desk.operator)
            return self._ask("POST", path, body)

    def sign_in(self, operator: str, pin: str = PIN) -> str:
        """Sign a person in for the presses that follow, and return the session.

        Raises: `Answer` where badge or PIN are refused.
        """
        self._desk.signed_in(operator, self._ask("POST", "/api/login", {"operator": operator, "pin": pin}))
        return self._desk.session

    def _ask(self, method: str, path: str, body: Mapping[str, Json] | None) -> dict[str, Json]:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        headers, body = {"content-type": "application/json"}, self._desk.body(path, body)
        if self._token:
            headers |= {"authorization": f"Bearer {self._token}", "nebctl-session": self._desk.session}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            answer: dict[str, Json] = json.loads(response.read() or b"{}")
        finally:
            connection.close()
        if response.status != 200:
            raise Answer(response.status, answer)
        return answer
