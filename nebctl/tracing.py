"""The running session's trace: lines gathered by reading, kept on disk about once a second."""

from nebctl.core.dose.reading import Reading
from nebctl.core.trace import HEADER, Trace, line
from nebctl.ports import EntryStore


class TraceRows:
    """Rows of one session at a time, on their way to the store; a crash loses at most those not yet saved."""

    def __init__(self, store: EntryStore) -> None:
        self._store = store
        self._rows: list[str] = []
        self._session: str | None = None

    def add(self, session: str, reading: Reading) -> None:
        """Add what the session's estimate has just been told."""
        self._session = session
        self._rows.append(line(reading))

    async def save(self) -> None:
        """Keep what was gathered.

        Raises: what the store raises; the rows are then gone from memory too, for a store that failed stays closed.
        """
        if not self._rows or self._session is None:
            return
        text = "".join(self._rows)
        self._rows.clear()
        await self._store.save_trace_rows(self._session, text)

    async def whole(self, session: str) -> Trace:
        """Return the session's whole trace, with all that was gathered saved."""
        await self.save()
        return Trace(session=session, csv=f"{HEADER}\n{await self._store.load_trace_rows(session)}")
