"""Who is logged in at the bedside page: random tokens, each bound to one operator, kept in memory alone."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

IDLE_S = 15 * 60
"""A login that nobody used for so long has ended; a page that is touched counts as used."""


@dataclass(slots=True)
class _Login:
    operator: str
    used_s: float


@dataclass(slots=True, kw_only=True)
class Logins:
    """The open logins of one unit; a restart ends them all.

    `fresh` returns a token that nobody can guess, `now_s` a monotonic time in seconds.
    """

    fresh: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    now_s: Callable[[], float] = time.monotonic
    _open: dict[str, _Login] = field(default_factory=dict)

    def begin(self, operator: str) -> str:
        """Return a new token for an operator; an earlier login of the same person stays as it is."""
        self._drop_idle()
        token = self.fresh()
        self._open[token] = _Login(operator, self.now_s())
        return token

    def operator(self, token: str) -> str | None:
        """Return whose token it is, without counting as use; None for an unknown or ended login."""
        self._drop_idle()
        login = self._open.get(token)
        return login.operator if login else None

    def use(self, token: str) -> str | None:
        """Return whose token it is and count this as use; None for an unknown or ended login."""
        operator = self.operator(token)
        if operator is not None:
            self._open[token].used_s = self.now_s()
        return operator

    def end(self, token: str) -> None:
        """End a login; one that does not exist is as good as ended."""
        self._open.pop(token, None)

    def _drop_idle(self) -> None:
        oldest = self.now_s() - IDLE_S
        self._open = {token: login for token, login in self._open.items() if login.used_s > oldest}
