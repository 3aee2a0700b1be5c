"""The running session's trace: rows gathered by reading, kept on disk about once a second."""

from nebctl.core.device import DeviceReport
from nebctl.core.session import Session, State
from nebctl.core.trace import HEADER, Trace, lost_row, row
from nebctl.ports import EntryStore


class TraceRows:
    """Rows of one session at a time, on their way to the store; a crash loses at most those not yet saved."""

    def __init__(self, store: EntryStore) -> None:
        self._store = store
        self._rows: list[str] = []
        self._session: str | None = None

    def add(self, session: Session, report: DeviceReport) -> None:
        """Add a reading, if it is about the session's run."""
        if session.started_ns is None or session.authorisation is None or report.run != session.run:
            return
        self._session = session.authorisation.session
        self._rows.append(row(report, session.started_ns, paused=session.state is State.PAUSED))

    def add_loss(self, session: Session, at_ns: int) -> None:
        """Add the line that says from when on the device was not heard."""
        if session.started_ns is not None and session.authorisation is not None:
            self._session = session.authorisation.session
            self._rows.append(lost_row(at_ns, session.started_ns))

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
