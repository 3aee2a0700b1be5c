"""The therapist's side of the bedside API, for demonstrations and tests."""

import http.client
import json
from collections.abc import Mapping
from typing import Any

Json = Any


class Answer(Exception):  # noqa: N818 - an answer, not a failure
    """An answer that is not a yes: the status, the code and the sentence for the person."""

    def __init__(self, status: int, body: Mapping[str, Json]) -> None:
        super().__init__(f"{status} {body.get('code')}: {body.get('sentence') or body.get('error')}")
        self.status = status
        self.code = str(body.get("code"))


class Http:
    """JSON over HTTP to one loopback address; `token` "" sends none."""

    def __init__(self, address: str, token: str = "") -> None:
        self.address = address
        self._host = address.removeprefix("http://")
        self._token = token

    def get(self, path: str) -> dict[str, Json]:
        """Return the answer to GET.

        Raises: `Answer` for anything but 200; `OSError` where nobody answers.
        """
        return self._ask("GET", path, None)

    def post(self, path: str, **body: Json) -> dict[str, Json]:
        """Return the answer to POST with the given members as its body.

        Raises: `Answer` for anything but 200; `OSError` where nobody answers.
        """
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Json] | None) -> dict[str, Json]:
        connection = http.client.HTTPConnection(self._host, timeout=10)
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            answer: dict[str, Json] = json.loads(response.read() or b"{}")
        finally:
            connection.close()
        if response.status != 200:
            raise Answer(response.status, answer)
        return answer
