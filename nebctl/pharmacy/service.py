"""The pharmacy's loop: records in, receipts and worklists out, for every unit of one site."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from nebctl.pharmacy.check import Reason, Refused
from nebctl.pharmacy.inbox import Inbox
from nebctl.pharmacy.ingest import Arrival, ClockBehind, Intake, Receipts
from nebctl.pharmacy.intake import Accepted, OutOfOrder
from nebctl.pharmacy.judging import Overdue
from nebctl.pharmacy.outcomes import OUTCOMES
from nebctl.pharmacy.store import PharmacyStore
from nebctl.ports import Clock
from nebctl.publish.connection import BrokerFault, Connect, Live, Message, MqttSettings, connect
from nebctl.publish.steady import stream_forever
from nebctl.publish.topics import OUTBOUND, parse_topic, topic
from nebctl.store.faults import StoreFault

LOOK_S = 0.5
"""How soon an enrolment by another process is noticed."""
REST_S = 0.25
"""How long worklists rest after they were made anew: outcomes that come meanwhile, as after a night, share the next."""
OWN_FAULTS = (ValueError, ArithmeticError, LookupError)
"""What a message may do wrong without ending the service."""
SETTLE_S = 3.0
"""How long a dose must have been found overdue before it is recorded so: its record may be on the way."""


class PharmacyService:
    """One site's pharmacy on its broker; `run` ends when it is cancelled or the database is broken."""

    def __init__(
        self,
        store: PharmacyStore,
        settings: MqttSettings,
        site: str,
        clock: Clock,
        *,
        random: Callable[[], float],
        log: logging.Logger,
        connect: Connect = connect,
    ) -> None:
        self._connect = connect
        self._store = store
        self._settings = settings
        self._site = site
        self._clock = clock
        self._random = random
        self._log = log
        self._inbox = Inbox()
        self._has_room = True
        self._due: set[str] = set()
        self._ready: Receipts = {}
        self._answers: dict[str, tuple[str, ...]] = {}
        self._receipt_due = asyncio.Event()
        self._outcome_came = asyncio.Event()
        self._overdue_since: dict[Overdue, float] = {}
        self._broken: asyncio.Future[StoreFault] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serve until cancelled.

        Raises: `StoreFault` where the database can take nothing more.
        """
        streaming = asyncio.create_task(
            stream_forever(self._stream, random=self._random, log=self._log, note=lambda _: None)
        )
        own = [asyncio.create_task(work()) for work in (self._judge_days, self._take_records)]
        for task in own:
            task.add_done_callback(self._note_end)
        try:
            raise await self._broken
        finally:
            for task in (streaming, *own):
                task.cancel()
            await asyncio.gather(streaming, *own, return_exceptions=True)

    def _note_end(self, task: "asyncio.Task[None]") -> None:
        """Let the service end loudly where a task of its own died: nothing may stop judging or keeping unseen."""
        died = None if task.cancelled() else task.exception()
        if died is not None and not self._broken.done():
            self._broken.set_exception(died)

    async def _judge_days(self) -> None:
        """Raise doses as late and missed by the pharmacy's clock, with or without a broker."""
        while True:
            with self._surviving("the day's doses"):
                await self._judge_day()
            await asyncio.sleep(LOOK_S)

    async def _judge_day(self) -> None:
        at, now_s = self._clock.instant(), asyncio.get_running_loop().time()
        for sentence in await self._store.correct_contradicted(at):
            self._log.warning("%s", sentence)
        found = await self._store.overdue(at)
        self._overdue_since = {each: self._overdue_since.get(each, now_s) for each in found}
        ripe = [each for each in found if now_s - self._overdue_since[each] >= SETTLE_S]
        if ripe:
            await self._store.raise_overdue(ripe, at)
        for each in ripe:
            self._log.warning("%s", each.sentence())

    async def _stream(self, established: Callable[[], None]) -> None:
        async with self._connect(self._settings, None) as live:
            await live.subscribe(topic(self._site, "+", kind) for kind in OUTBOUND)
            established()
            with self._surviving("units"):
                for unit in await self._store.units():
                    self._owe_receipt(unit)  # whoever sent while nobody listened learns from it where we stand
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(live))
                tasks.create_task(self._send_receipts(live))
                tasks.create_task(self._send_worklists(live))

    async def _receive(self, live: Live) -> None:
        handlers = {"hello": self._take_hello, "state": self._take_state}
        async for message in live.messages():
            named = parse_topic(message.topic)
            if named is None or named.site != self._site:
                continue
            if named.kind == "record":
                self._put(Arrival(named.unit, message.payload))
            elif named.kind in handlers:
                with self._surviving(f"{named.kind} of {named.unit}"):
                    await handlers[named.kind](named.unit, message.payload)
        raise BrokerFault("the broker closed the connection")

    def _put(self, arrival: Arrival) -> None:
        had_room, self._has_room = self._has_room, self._inbox.put(arrival)
        if had_room and not self._has_room:
            self._log.warning("records come faster than they are kept; what finds no room will be sent again")

    async def _take_records(self) -> None:
        """Take in what comes, with or without a broker; what comes while the disk is busy shares the next commit."""
        following: list[Arrival] = []
        while True:
            arrivals, following = following or await self._inbox.take(), self._inbox.take_waiting()
            try:
                intake = await self._store.take_all(arrivals, self._now_ns(), following)
            except (StoreFault, *OWN_FAULTS):
                await self._take_singly(arrivals)
            else:
                self._note_taken(arrivals, intake)

    async def _take_singly(self, arrivals: Sequence[Arrival]) -> None:
        """Take in one by one what could not be taken together: what is at fault stays alone with it."""
        for arrival in arrivals:
            with self._surviving(f"record of {arrival.unit}"):
                self._note_taken([arrival], await self._store.take_all([arrival], self._now_ns()))

    def _note_taken(self, arrivals: Sequence[Arrival], intake: Intake) -> None:
        if intake.receipts:
            self._ready |= intake.receipts
            self._receipt_due.set()
        for (unit, _), answer in zip(arrivals, intake.answers, strict=True):
            if isinstance(answer, Refused):
                self._log.warning("%s: %s", unit, answer.sentence())
                continue
            if isinstance(answer, OutOfOrder):
                self._log.info("%s: record %d came before %d", unit, answer.seq, answer.want)
            if isinstance(answer, Accepted):
                self._note_accepted(answer)

    def _note_accepted(self, taken: Accepted) -> None:
        self._log.debug("%s: %s %d kept", taken.unit, taken.typ, taken.seq)
        if taken.remark:
            self._log.warning("%s: record %d: %s", taken.unit, taken.seq, taken.remark)
        if taken.typ in OUTCOMES:
            self._outcome_came.set()

    async def _take_hello(self, unit: str, body: bytes) -> None:
        try:
            greeted = await self._store.greet(unit, body, self._now_ns())
        except OWN_FAULTS:
            await self._store.refuse(unit, Reason.FORMAT, self._now_ns())
            raise
        if greeted is None:
            await self._store.refuse(unit, Reason.UNKNOWN, self._now_ns())
            self._log.warning("%s says hello, but is not enrolled so: nebctl pharmacy enrol-unit", unit)
            return
        if greeted.parted is not None:
            self._log.warning("%s: %s", unit, greeted.sentence())
        self._answers[unit] = (greeted.note, *greeted.restored)
        self._owe_receipt(unit)

    async def _take_state(self, unit: str, body: bytes) -> None:
        await self._store.note_state(unit, body.decode("utf-8", "replace"), self._now_ns())

    def _owe_receipt(self, unit: str) -> None:
        self._due.add(unit)
        self._receipt_due.set()

    async def _send_receipts(self, live: Live) -> None:
        """Send what is owed; records that come meanwhile share the next receipt of their unit."""
        while True:
            await self._receipt_due.wait()
            self._receipt_due.clear()
            due, self._due = self._due, set()
            ready, self._ready = self._ready, {}
            with self._surviving("receipts"):
                if due:
                    ready |= await self._store.receipts(sorted(due), self._now_ns())
                for unit, receipt in ready.items():
                    await self._send_receipt(live, unit, receipt)
            answers, self._answers = self._answers, {}
            for unit, texts in answers.items():  # never retained: an answer is for one nonce
                for text in texts:
                    await live.publish(Message(topic(self._site, unit, "receipt"), text.encode()))

    async def _send_receipt(self, live: Live, unit: str, receipt: str | ClockBehind) -> None:
        if isinstance(receipt, ClockBehind):
            self._log.warning(
                "no receipt for %s: the clock stands %d s before the last one; correct it",
                unit,
                receipt.last_s - receipt.now_s,
            )
        else:
            await live.publish(Message(topic(self._site, unit, "receipt"), receipt.encode(), retain=True))

    async def _send_worklists(self, live: Live) -> None:
        with self._surviving("worklists"):
            await self._send_each(live, await self._store.worklists())
        while True:
            with self._surviving("worklists"):
                await self._send_each(live, await self._store.renew_worklists(self._now_ns()))
            await asyncio.sleep(REST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._outcome_came.wait()
            self._outcome_came.clear()

    async def _send_each(self, live: Live, worklists: Mapping[str, str]) -> None:
        for unit, note in worklists.items():
            await live.publish(Message(topic(self._site, unit, "worklist"), note.encode(), retain=True))

    @contextlib.contextmanager
    def _surviving(self, what: str) -> Iterator[None]:
        """Log what one message did wrong and go on; a broken database ends the service."""
        try:
            yield
        except StoreFault as fault:
            self._log.error("%s: %s", what, fault)
            if fault.lasting and not self._broken.done():
                self._broken.set_result(fault)
        except OWN_FAULTS as fault:
            self._log.warning("%s not taken: %s", what, fault)

    def _now_ns(self) -> int:
        return self._clock.instant().wall_ns
