"""The control interface of a simulator as a test speaks it: JSON over HTTP to loopback, past every proxy."""

import http.client
import json
from typing import Any

PATIENCE_S = 10.0
Body = dict[str, Any]


class ControlClient:
    """Asks the control interface at a base URL such as "http://127.0.0.1:40123"."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._place = base.removeprefix("http://")

    def get(self, path: str) -> Any:
        """Return the answer to GET.

        Raises: ValueError with the simulator's own sentence for anything but 200, OSError where nobody answers.
        """
        return self._ask("GET", path, None)

    def post(self, path: str, body: Body) -> Any:
        """Return the answer to POST.

        Raises: ValueError with the simulator's own sentence for anything but 200, OSError where nobody answers.
        """
        return self._ask("POST", path, json.dumps(body).encode())

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        connection = http.client.HTTPConnection(self._place, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            status, data = response.status, response.read()
        except http.client.HTTPException as error:  # it went away in the middle of an answer
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        if status != http.HTTPStatus.OK:
            raise ValueError(_complaint(status, data))
        return json.loads(data)


def _complaint(status: int, data: bytes) -> str:
    """Return why the simulator said no: its own sentence where it gave one."""
    try:
        told = json.loads(data)
    except ValueError:
        told = None
    if isinstance(told, dict) and "error" in told:
        return str(told["error"])
    return f"the simulator answered {status}: {data[:200].decode(errors='replace')}"
