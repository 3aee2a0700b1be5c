"""Who is signed in at the bedside page: random tokens, each bound to one badge and PIN, kept in memory alone."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Login:
    operator: str
    pin: str
    used_s: float


@dataclass(slots=True, kw_only=True)
class Logins:
    """The open logins of one unit; a restart ends them all.

    `now_s` is a monotonic time in seconds; after `idle_s` without use a login has ended, and a page that is touched
    counts as use. `fresh` returns a token that nobody can guess.
    """

    now_s: Callable[[], float]
    idle_s: float
    fresh: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    _open: dict[str, _Login] = field(default_factory=dict)

    def begin(self, operator: str, pin: str) -> str:
        """Return a new token for an operator; `pin` is what her PIN was checked by.

        An earlier login of the same person stays as it is.
        """
        self._drop_idle()
        token = self.fresh()
        self._open[token] = _Login(operator, pin, self.now_s())
        return token

    def operator(self, token: str) -> tuple[str, str] | None:
        """Return whose token it is and what her PIN was checked by, without counting as use; None for no login."""
        self._drop_idle()
        login = self._open.get(token)
        return (login.operator, login.pin) if login else None

    def use(self, token: str) -> tuple[str, str] | None:
        """Return the same as `operator`, and count this as use."""
        found = self.operator(token)
        if found is not None:
            self._open[token].used_s = self.now_s()
        return found

    def has(self, operator: str) -> bool:
        """Return whether a person is signed in at this unit, without counting as use."""
        self._drop_idle()
        return any(login.operator == operator for login in self._open.values())

    def end(self, token: str) -> None:
        """End a login; one that does not exist is as good as ended."""
        self._open.pop(token, None)

    def _drop_idle(self) -> None:
        oldest_s = self.now_s() - self.idle_s
        self._open = {token: login for token, login in self._open.items() if login.used_s > oldest_s}
