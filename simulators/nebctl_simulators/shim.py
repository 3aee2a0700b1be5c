"""Faults of the line between a device and its host, on bytes: any device's answers pass through it."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Collection
from dataclasses import replace

from nebctl_simulators.armed import ANY, Armed, Injection, Planned, Tag, Target, Terms
from nebctl_simulators.spoiling import DEFAULT_MS, TAKES_ANSWERS, LineFault, Piece, Spoil, spoil_pieces

__all__ = ["ANY", "BOOT_BANNER", "DEFAULT_MS", "NS_PER_MS", "Armed", "Injection", "LineFault", "Shim", "Tag", "Terms"]

NS_PER_MS = 1_000_000
REMEMBERED = 10_000  # injections; older ones are forgotten first
ALWAYS_MS = 1_000_000_000_000
"""So long does a fault last that its window's end will release; no run is as long."""
BOOT_BANNER = b"\r\nboot 1.0\r\n"
"""What a boot loader says on the line at power-up, in no dialect; assumed."""


def spoil_hex_digit(line: bytes) -> bytes:
    """Return a line of the reference protocol with the last digit of its checksum changed."""
    digit = b"0" if line[-3:-2] != b"0" else b"1"
    return line[:-3] + digit + line[-2:]


class Shim:
    """Queues the bytes to the host and spoils answers as told; the answers of one unit keep their order.

    `spoil` returns an answer of this dialect with a wrong check, in as many bytes.
    """

    def __init__(self, seed: int, spoil: Spoil = spoil_hex_digit) -> None:
        self._seed = seed
        self._chance = random.Random(f"{seed}/shim")  # noqa: S311 - noise, not a secret
        self._spoil = spoil
        self._armed: list[Armed] = []
        self._planned: list[Planned] = []
        self._ending: list[Planned] = []
        self._arming = itertools.count(1)
        self._queue: list[tuple[int, int, int | None, bytes]] = []  # a heap: due in ns, order of asking, unit, bytes
        self._order = itertools.count()
        self._busy_ns: dict[int | None, int] = {}
        self._spoken: dict[int | None, bytes] = {}
        self._injected: deque[Injection] = deque(maxlen=REMEMBERED)
        self._number = 0

    def arm(
        self,
        fault: str,
        count: int,
        ms: int,
        terms: Terms = ANY,
        *,
        target: Target | None = None,
        until_ns: int | None = None,
    ) -> None:
        """Let the fault take the next `count` answers that fit, after those that were armed before it.

        `target` tells the time of a window; `until_ns` is the real time after which it takes none, None: never.
        """
        self._armed.append(self._build(fault, count, ms, terms, target, until_ns))

    def plan(self, fault: str, count: int, ms: int | None, terms: Terms, target: Target, now_ns: int) -> None:
        """Let a fault of the device happen: now, when its window opens, or when a request comes that the terms name.

        One that names a request happens `count` times; to another the count is the device's own matter. Where its
        window has an end, and `ms` is None, it is released there.
        """
        armed = self._build(fault, count, ms or 0, terms, target, None)
        self._planned.append(Planned(armed=armed, own_ms=ms, target=target))
        self.pass_time(now_ns)

    def pass_time(self, now_ns: int) -> None:
        """Let planned faults begin and end whose time has come, and forget what can never happen any more."""
        if not (self._armed or self._planned or self._ending):
            return
        for item in [one for one in self._ending if not one.armed.is_open(now_ns)]:
            self._ending.remove(item)
            item.target.release(item.armed.fault, now_ns)
        self._armed = [one for one in self._armed if not one.is_over(now_ns)]
        self._planned = [one for one in self._planned if not one.armed.is_over(now_ns)]
        for item in [one for one in self._planned if not one.armed.terms.names_request]:
            if item.armed.is_open(now_ns):
                self._planned.remove(item)
                if item.armed.happens():
                    self._strike(item, now_ns, Tag(), item.armed.count)

    def armed(self) -> dict[str, int]:
        """Return how many answers each armed fault will still take, and how often each planned one will happen."""
        counts: dict[str, int] = {}
        for item in (*self._armed, *(one.armed for one in self._planned)):
            counts[str(item.fault)] = counts.get(item.fault, 0) + item.count
        return counts

    def injections(self) -> list[Injection]:
        """Return what was injected, oldest first; at most the last 10,000."""
        return list(self._injected)

    def clear(self) -> None:
        """Disarm every fault; what is queued still goes out, and the device ends what has begun."""
        self._armed.clear()
        self._planned.clear()
        self._ending.clear()

    def discard(self, among: Collection[int] | None = None) -> None:
        """Lose what is queued, as when the cable is pulled; of these units only, where they are given."""
        if among is None:
            self._queue.clear()
            self._busy_ns.clear()
            return
        self._queue = [item for item in self._queue if item[2] not in among]
        heapq.heapify(self._queue)
        for unit in among:
            self._busy_ns.pop(unit, None)

    def heard(self, request: bytes, now_ns: int, tag: Tag | None = None) -> None:
        """Note a whole request on the line, whether it will be answered or not.

        Faults of the device that wait for it happen before it is obeyed; an armed ECHO sends it back.
        """
        tag = tag or Tag()
        for item in [one for one in self._planned if one.armed.terms.names_request]:
            if item.armed.terms.fit(tag) and item.armed.is_open(now_ns) and item.armed.happens():
                if item.armed.count_down():
                    self._planned.remove(item)
                self._strike(item, now_ns, tag, 1)
        if (armed := self._next_armed((LineFault.ECHO,), now_ns, tag)) is not None:
            self._note(armed, now_ns, tag, request, request)
            self._push(request, now_ns + armed.ms * NS_PER_MS, tag.unit)

    def send(self, line: bytes, now_ns: int) -> None:
        """Queue a line that no fault takes, such as an event."""
        self._enqueue([(0, line)], now_ns, None)

    def answer(self, line: bytes, now_ns: int, tag: Tag | None = None) -> None:
        """Queue an answer, spoiled by the first armed fault that fits, if there is one."""
        tag = tag or Tag()
        pieces: list[Piece] = [(0, line)]
        if (armed := self._next_armed(TAKES_ANSWERS, now_ns, tag)) is not None:
            fault = LineFault(armed.fault)
            pieces = spoil_pieces(fault, line, armed.ms, self._chance, self._spoil)
            if fault is LineFault.UNSOLICITED:
                pieces[-1] = (pieces[-1][0], self._spoken.get(tag.unit, line))
            self._note(armed, now_ns, tag, line, b"".join(data for _, data in pieces))
            if fault in (LineFault.NOISE_IDLE, LineFault.UNSOLICITED):  # what comes on the idle line holds nothing up
                ms, stray = pieces.pop()
                self._push(stray, now_ns + ms * NS_PER_MS, tag.unit)
        self._spoken[tag.unit] = line
        self._enqueue(pieces, now_ns, tag.unit)

    def take(self, names: Collection[str], now_ns: int, tag: Tag | None = None) -> Armed | None:
        """Return the first armed fault of these names that fits, counted and noted; the caller carries it out."""
        tag = tag or Tag()
        if (armed := self._next_armed(names, now_ns, tag)) is not None:
            self._note(armed, now_ns, tag, b"", b"")
        return armed

    def take_all(self, names: Collection[str], now_ns: int, tag: Tag) -> list[Armed]:
        """Return every armed fault of these names that fits, counted and noted; the caller carries them out."""
        taken = [one for one in list(self._armed) if one.fault in names and self._takes(one, now_ns, tag)]
        for armed in taken:
            self._note(armed, now_ns, tag, b"", b"")
        return taken

    def has_any(self, names: Collection[str]) -> bool:
        """Return whether a fault of these names is armed."""
        return any(one.fault in names for one in self._armed)

    def due(self, now_ns: int) -> bytes:
        """Return the bytes whose time has come, and forget them."""
        ready = bytearray()
        while self._queue and self._queue[0][0] <= now_ns:
            ready += heapq.heappop(self._queue)[3]
        return bytes(ready)

    def next_ns(self) -> int | None:
        """Return when the next bytes are due; None: nothing waits."""
        return self._queue[0][0] if self._queue else None

    def _build(
        self, fault: str, count: int, ms: int, terms: Terms, target: Target | None, until_ns: int | None
    ) -> Armed:
        chance = random.Random(f"{self._seed}/fault/{next(self._arming)}")  # noqa: S311 - chance, not a secret
        moment = None if target is None else target.moment
        return Armed(fault=fault, count=count, ms=ms, chance=chance, terms=terms, moment=moment, until_ns=until_ns)

    def _strike(self, item: Planned, now_ns: int, tag: Tag, count: int) -> None:
        armed = item.armed
        self._note(armed, now_ns, tag, b"", b"")
        ms = None if item.own_ms is None else armed.draw_ms()
        if ms is None and armed.terms.window is not None and armed.terms.window.until_ns is not None:
            ms = ALWAYS_MS
            self._ending.append(item)
        item.target.strike(armed.fault, count, ms, now_ns)

    def _enqueue(self, pieces: list[Piece], now_ns: int, unit: int | None) -> None:
        # What stands behind a late answer waits for it: a device does not reorder what it says.
        for ms, data in pieces:
            due_ns = max(now_ns + ms * NS_PER_MS, self._busy_ns.get(unit, 0))
            self._busy_ns[unit] = due_ns
            self._push(data, due_ns, unit)

    def _push(self, data: bytes, due_ns: int, unit: int | None) -> None:
        heapq.heappush(self._queue, (due_ns, next(self._order), unit, data))

    def _next_armed(self, names: Collection[str], now_ns: int, tag: Tag) -> Armed | None:
        for item in self._armed:
            if item.fault in names and self._takes(item, now_ns, tag):
                return item if item.terms.most_ms is None else replace(item, ms=item.draw_ms())
        return None

    def _takes(self, item: Armed, now_ns: int, tag: Tag) -> bool:
        """Return whether this fault takes this answer, and count it."""
        if not (item.terms.fit(tag) and item.is_open(now_ns) and item.happens()):
            return False
        if item.count_down():
            self._armed.remove(item)
        return True

    def _note(self, armed: Armed, now_ns: int, tag: Tag, before: bytes, after: bytes) -> None:
        self._number += 1
        self._injected.append(
            Injection(
                number=self._number,
                fault=str(armed.fault),
                at_ns=now_ns,
                tag=tag,
                before=before,
                after=after,
                t_ns=None if armed.moment is None else armed.moment().plant_ns,
            )
        )
