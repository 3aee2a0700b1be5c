"""What the device remembers, held against the log outside of doses: alarmed, recorded once, asked about at a scan."""

from typing import Protocol

from nebctl.core.alarms import Condition
from nebctl.core.device_memory import Question, Remembered, question
from nebctl.core.history import UnitHistory
from nebctl.core.ledger.records import Draft
from nebctl.core.session import BEGUN, Session


class Watch(Protocol):
    """What is read of the device: what the one that was opened last said of its last run; None before the first."""

    remembered: Remembered | None


class Loop(Protocol):
    """What is read of the loop, and where alarms and records go."""

    session: Session
    history: UnitHistory

    @property
    def watch(self) -> Watch:
        """Return the device as the loop sees it."""
        ...

    def raise_alarm(self, condition: Condition) -> None:
        """Raise an alarm, if it does not stand already."""
        ...

    def clear_alarm(self, condition: Condition) -> None:
        """Clear an alarm whose cause is gone."""
        ...

    async def note(self, draft: Draft) -> None:
        """Record something outside the session."""
        ...


class DeviceMemory:
    """Compares; it reads no log, for what the log says of runs is folded into the history at the start."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._noted: Question | None = None

    @property
    def asked(self) -> Question | None:
        """Return the run that a person is to answer for before a dose; None where there is none."""
        return question(self._loop.history.runs, self._loop.watch.remembered)

    async def look(self) -> None:
        """Raise the alarm while a run is in question, and record it the first time; in a dose nothing is compared."""
        if self._loop.session.state in BEGUN:
            return
        asked = self.asked
        if asked is None:
            self._loop.clear_alarm(Condition.RUN_UNKNOWN)
            return
        self._loop.raise_alarm(Condition.RUN_UNKNOWN)
        if asked.incident is not None and asked != self._noted:
            self._noted = asked  # a disk that takes nothing is not asked at each poll
            await self._loop.note(asked.incident)
