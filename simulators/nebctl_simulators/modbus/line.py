"""Units on one Modbus line: requests are given to the unit they name, answers are framed, spoiled and sent."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

from nebctl_simulators.armed import Target
from nebctl_simulators.line.bus import collide
from nebctl_simulators.modbus.codec import READ_HOLDING, READS, ModbusFault, Request
from nebctl_simulators.modbus.framing import Answer, Framing, crc16, spoil_check
from nebctl_simulators.shim import ANY, BOOT_BANNER, DEFAULT_MS, Armed, Injection, LineFault, Shim, Tag, Terms

BROADCAST = 0
EXCEPTION_CODE, BUSY_CODE = 4, 6


class FrameFault(StrEnum):
    """What can be wrong with the next answers although they are whole.

    SHORT_COUNT gives half of the registers that were asked for, WRONG_COUNT one less; an answer to a write names
    another count or value. EXCEPTION refuses with the code in `Terms.code`, or 4, and does nothing; BUSY with code 6.
    SECOND_MASTER: another host reads a register of the same unit just before, and both frames are heard (RTU).
    """

    WRONG_UNIT = "wrong_unit"
    WRONG_FUNCTION = "wrong_function"
    WRONG_COUNT = "wrong_count"
    WRONG_TRANSACTION = "wrong_transaction"
    SHORT_COUNT = "short_count"
    EXCEPTION = "exception"
    BUSY = "busy"
    SECOND_MASTER = "second_master"


REFUSALS = (FrameFault.EXCEPTION, FrameFault.BUSY)
AFTERWARDS = tuple(fault for fault in FrameFault if fault not in (*REFUSALS, FrameFault.SECOND_MASTER))
WHY_NOT = {
    "wrong_transaction": "Modbus RTU has no transaction numbers",
    "bad_crc": "Modbus TCP has no check",
    "second_master": "on Modbus TCP each host has a connection of its own",
    "wrong_number": "take wrong_transaction, on Modbus TCP",
    "refuse": "take exception",
    "short": "take short_count or wrong_count",
    "nan": "none of its values is a float32",
    "word_swapped": "none of its values takes two registers",
}
TERMS = ("unit", "function", "address")


class Appliance(Protocol):
    """A device with one or more units on the line; every call names the real time in ns."""

    @property
    def units(self) -> Collection[int]:
        """The unit ids that are its."""
        ...

    @property
    def is_plugged(self) -> bool:
        """Whether the cable was in at the last step."""
        ...

    def pass_time(self, real_ns: int) -> None:
        """Let time pass."""
        ...

    def ask(self, request: Request) -> bytes | None:
        """Return the data of the answer; None: the device is silent.

        Raises: ModbusFault for a request that it refuses.
        """
        ...


class ModbusLine:
    """Everything behind one wire: each unit hears all requests and answers its own; nobody answers for an absent one.

    `turnaround_ns` is for how long a unit thinks before it answers.
    """

    def __init__(self, framing: Framing, seed: int, turnaround_ns: int = 0) -> None:
        self._framing = framing
        self._shim = Shim(seed, spoil_check)
        self._turnaround_ns = turnaround_ns
        self._appliances: list[Appliance] = []

    @property
    def fault_names(self) -> tuple[str, ...]:
        """The faults that this line's framing can have."""
        on_tcp = {LineFault.BAD_CRC, FrameFault.SECOND_MASTER}
        impossible = {FrameFault.WRONG_TRANSACTION} if self._framing.has_check else on_tcp
        return tuple(fault.value for fault in (*LineFault, *FrameFault) if fault not in impossible)

    @property
    def is_plugged(self) -> bool:
        """Whether the cable was in at the last step."""
        return all(appliance.is_plugged for appliance in self._appliances)

    def join(self, appliance: Appliance) -> None:
        """Put a device on the line. Two with one unit id both answer, and their answers collide."""
        self._appliances.append(appliance)

    def step(self, real_ns: int) -> bytes:
        """Let time pass and return the bytes that are due to the host."""
        for appliance in self._appliances:
            appliance.pass_time(real_ns)
        self._shim.pass_time(real_ns)
        return self._shim.due(real_ns)

    def feed(self, data: bytes, real_ns: int) -> bytes:
        """Take bytes from the host and return those that are due to it; time passes for the units that are asked."""
        for request in self._framing.feed(data, real_ns):
            self._hear(request, real_ns)
        return self._shim.due(real_ns)

    def next_ns(self) -> int | None:
        """Return when bytes are due next; None: nothing waits."""
        return self._shim.next_ns()

    @property
    def shim(self) -> Shim:
        """Where every answer of this line passes."""
        return self._shim

    def arm(self, fault: str, count: int, ms: int | None, terms: Terms = ANY, target: Target | None = None) -> None:
        """Let a fault of this line take the next `count` answers that fit; without `ms` it has its own time.

        `target` is the device whose clocks a window is in.
        """
        self._shim.arm(fault, count, DEFAULT_MS.get(fault, 0) if ms is None else ms, terms, target=target)

    def say_banner(self, real_ns: int) -> None:
        """Let a boot loader speak, where a serial line leads to it."""
        if self._framing.has_check:
            self._shim.send(BOOT_BANNER, real_ns)

    def armed(self) -> dict[str, int]:
        """Return how many answers each armed fault will still take."""
        return self._shim.armed()

    def injections(self) -> list[Injection]:
        """Return the faults as they happened, oldest first."""
        return self._shim.injections()

    def clear(self) -> None:
        """Disarm every fault."""
        self._shim.clear()

    def discard(self, among: Collection[int]) -> None:
        """Lose what is on its way to the host from these units."""
        self._shim.discard(among)

    def _hear(self, request: Request, real_ns: int) -> None:
        tag = Tag(unit=request.unit, function=request.function, address=request.address)
        self._shim.heard(request.raw, real_ns, tag)
        if request.unit == BROADCAST and self._framing.has_broadcast:
            self._obey_all(request, real_ns)
            return
        addressed = [appliance for appliance in self._appliances if request.unit in appliance.units]
        if not addressed:
            return
        for appliance in addressed:
            appliance.pass_time(real_ns)
        self._hear_another(request, addressed, real_ns, tag)
        refused = self._shim.take(REFUSALS, real_ns, tag)
        answers = [_refuse(request, refused)] if refused else _ask_each(addressed, request)
        if answers and (armed := self._shim.take(AFTERWARDS, real_ns, tag)) is not None:
            answers = [_spoil(answer, armed) for answer in answers]
        if answers:
            said = collide([self._framing.pack(answer) for answer in answers])
            self._shim.answer(said, real_ns + self._turnaround_ns, tag)

    def _hear_another(self, request: Request, addressed: Sequence[Appliance], real_ns: int, tag: Tag) -> None:
        if not self._shim.take((FrameFault.SECOND_MASTER,), real_ns, tag):
            return
        body = bytes([request.unit, READ_HOLDING]) + (request.address or 0).to_bytes(2) + b"\0\1"
        frame = body + crc16(body).to_bytes(2, "little")
        other = Request(unit=request.unit, function=READ_HOLDING, data=body[2:], raw=frame)
        answers = b"".join(self._framing.pack(answer) for answer in _ask_each(addressed, other))
        self._shim.send(other.raw + answers, real_ns)

    def _obey_all(self, request: Request, real_ns: int) -> None:
        """Let every unit act on a broadcast; nobody answers it, so that a read of all has no effect."""
        for appliance in self._appliances:
            appliance.pass_time(real_ns)
            for unit in appliance.units:
                _ask_each([appliance], replace(request, unit=unit))


def _ask_each(appliances: Sequence[Appliance], request: Request) -> list[Answer]:
    answers = []
    for appliance in appliances:
        try:
            data = appliance.ask(request)
        except ModbusFault as refused:
            answers.append(_exception(request, refused.fault))
        else:
            if data is not None:
                answers.append(Answer(request.tid, request.unit, request.function, data))
    return answers


def _exception(request: Request, code: int) -> Answer:
    return Answer(request.tid, request.unit, request.function | 0x80, bytes([code]))


def _refuse(request: Request, armed: Armed) -> Answer:
    if armed.fault == FrameFault.BUSY:
        return _exception(request, BUSY_CODE)
    return _exception(request, EXCEPTION_CODE if armed.terms.code is None else armed.terms.code)


def _spoil(answer: Answer, armed: Armed) -> Answer:
    match armed.fault:
        case FrameFault.WRONG_UNIT:
            return replace(answer, unit=answer.unit ^ 0x7F)
        case FrameFault.WRONG_FUNCTION:
            return replace(answer, function=answer.function ^ 0x07)
        case FrameFault.WRONG_TRANSACTION:
            return replace(answer, tid=answer.tid ^ 0xFF00)
        case FrameFault.SHORT_COUNT:
            return _shorten(answer, answer.data[0] // 4 * 2 if answer.data else 0)
        case _:
            return _shorten(answer, answer.data[0] - 2 if answer.data else 0)


def _shorten(answer: Answer, size: int) -> Answer:
    """Return the answer with data of this many bytes, consistent in itself; a write's answer with another count."""
    if answer.function in READS and size > 0:
        return replace(answer, data=bytes([size]) + answer.data[1 : 1 + size])
    return replace(answer, data=answer.data[:-1] + bytes([answer.data[-1] ^ 1]))
