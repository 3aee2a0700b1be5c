"""A person's check of the clock: two readings of another clock, some seconds apart, held against the unit's (S32)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from nebctl.core.clock_trust import TRUSTED_NS, Fix, Trust, is_trusted, looked
from nebctl.core.guard import Refusal
from nebctl.core.instant import NS_PER_S, Instant
from nebctl.core.ledger.records import Draft, Json
from nebctl.ports import Clock
from nebctl.runner import Refused

APART_NS, FORGOTTEN_NS = 10 * NS_PER_S, 600 * NS_PER_S
"""Two readings are at least 10 s apart, so that they are two; the first one is forgotten after 10 min."""
MINUTE = timedelta(minutes=1)


class ClockTrust:
    """Whether the unit's clock may tell a study day.

    `checked` returns the newest check on record, None before one; `synchronised` is the last synchronisation that the
    log shows, None where it shows none.
    """

    def __init__(self, clock: Clock, checked: Callable[[], Fix | None], synchronised: Fix | None = None) -> None:
        self._clock, self._checked = clock, checked
        self._trust = Trust(synchronised=synchronised)

    def now(self) -> bool:
        """Return whether it may now."""
        return self.at(self._clock.instant())

    def at(self, now: Instant) -> bool:
        """Return whether it may at this moment, which is also looked at."""
        self._trust = looked(self._trust, now)
        return is_trusted(Trust(synchronised=self._trust.synchronised, checked=self._checked()), now)


@dataclass(frozen=True, slots=True)
class _Reading:
    text: str
    operator: str
    mono_ns: int


class ClockCheck:
    """Takes readings as people press them; the second good one of a person is recorded, and the clock is trusted."""

    def __init__(self, clock: Clock, zone: ZoneInfo, note: Callable[[Draft], Awaitable[None]]) -> None:
        self._clock, self._zone, self._note = clock, zone, note
        self._first: _Reading | None = None

    async def read(self, text: str, operator: str) -> bool:
        """Take a reading such as "2026-02-14 09:03" by the site's time; return whether the check is complete.

        Raises: `Refused` for a reading that is none, is a minute or more off, or comes too soon after the first.
        """
        now = self._clock.instant()
        self._compare(text, now)
        first = self._first
        if first is None or first.operator != operator or now.mono_ns - first.mono_ns > FORGOTTEN_NS:
            self._first = _Reading(text, operator, now.mono_ns)
            return False
        if now.mono_ns - first.mono_ns < APART_NS:
            sentence = (
                "That is too soon after the first reading. Wait 10 s, look at the other clock again, then type it."
            )
            raise Refused(Refusal(code="clock-too-soon", sentence=sentence))
        facts: dict[str, Json] = {"reason": "person-check", "readings": [first.text, text]}
        await self._note(Draft(typ="clock", facts=facts, private={"operator": operator}))
        self._first = None
        return True

    def _compare(self, text: str, now: Instant) -> None:
        """Refuse a reading that is not within a minute of this unit's clock; a clock shows whole minutes."""
        try:
            read = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=self._zone)
        except ValueError:
            sentence = "Type date and time as another clock shows them, such as 2026-02-14 09:03."
            raise Refused(Refusal(code="clock-reading", sentence=sentence)) from None
        own = datetime.fromtimestamp(now.wall_ns // NS_PER_S, self._zone)
        slack = timedelta(seconds=TRUSTED_NS // NS_PER_S)
        if not read - slack < own < read + MINUTE + slack:
            self._first = None
            sentence = f"This unit says {own:%Y-%m-%d %H:%M}, you read {text}. Start nothing. Call the engineer."
            raise Refused(Refusal(code="clock-differs", sentence=sentence))
