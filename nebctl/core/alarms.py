"""Alarm conditions, their priority and what to do, in the manner of IEC 60601-1-8.

nebctl is not a certified alarm system; its alarms advise.
"""

from dataclasses import dataclass
from enum import Enum


class Priority(Enum):
    """How soon somebody must act."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the table: a condition's priority and its two sentences, what is wrong and what to do.

    `latching`: it stands until a person has seen it, also after its cause is gone. `escalates` is the priority that it
    rises to when nobody has acknowledged it in the site's time; None means that it does not rise.
    """

    priority: Priority
    wrong: str
    act: str
    latching: bool = False
    escalates: Priority | None = None


class Condition(Enum):
    """What can be wrong."""

    CANNOT_STOP = "cannot-stop"
    RUNS_UNASKED = "runs-unasked"
    CUT_OFF = "cut-off"
    NOT_STARTED = "not-started"
    LINK_LOST = "link-lost"
    COMMAND_UNRESOLVED = "command-unresolved"
    DEVICE_RESTARTED = "device-restarted"
    TELEMETRY_LOST = "telemetry-lost"
    PREMATURE_DRY = "premature-dry"
    STOPPED_ITSELF = "stopped-itself"
    CUP_CHANGED = "cup-changed"
    CUP_OFF = "cup-off"
    MESH_CHANGED = "mesh-changed"
    RATE_LOW = "rate-low"
    RATE_HIGH = "rate-high"
    RECORDS_FAIL = "records-fail"
    PAUSED_LONG = "paused-long"
    LOCKED_OUT = "locked-out"
    RECEIPT_AHEAD = "receipt-ahead"
    LOG_FORKED = "log-forked"
    RECORDS_RESTORED = "records-restored"
    UNRECEIPTED = "unreceipted"
    RUN_UNKNOWN = "run-unknown"
    DOSE_LEFT_OPEN = "dose-left-open"
    UNSIGNED = "unsigned"


PARTED = frozenset((Condition.RECEIPT_AHEAD, Condition.LOG_FORKED))
"""While one of these stands, the unit does not know every dose that was given under its name."""

OF_THE_DOSE = frozenset(
    (
        *(Condition.CANNOT_STOP, Condition.RUNS_UNASKED, Condition.NOT_STARTED, Condition.LINK_LOST),
        *(Condition.COMMAND_UNRESOLVED, Condition.DEVICE_RESTARTED, Condition.TELEMETRY_LOST, Condition.PREMATURE_DRY),
        *(Condition.CUT_OFF, Condition.STOPPED_ITSELF, Condition.CUP_CHANGED, Condition.RATE_LOW, Condition.RATE_HIGH),
        *(Condition.CUP_OFF, Condition.MESH_CHANGED),
    )
)
"""Alarms of device and dose: a start after one of these and a stop ends a cycle of alarm, stop and start (S25)."""

MESSAGES: dict[Condition, Message] = {
    Condition.CANNOT_STOP: Message(
        Priority.HIGH,
        "The nebulizer did not confirm that it is off.",
        "Use the device's own switch now.",
        latching=True,
    ),
    Condition.RUNS_UNASKED: Message(
        Priority.HIGH,
        "The nebulizer runs although it was not started.",
        "Use the device's own switch now.",
        latching=True,
    ),
    Condition.CUT_OFF: Message(
        Priority.HIGH,
        "The nebulizer did not obey STOP; its cut-off took its power away.",
        "Do not use this nebulizer again. Do not repeat the dose. Call the pharmacy and the engineer.",
        latching=True,
    ),
    Condition.NOT_STARTED: Message(
        Priority.MEDIUM, "The nebulizer did not start.", "Check the cup and the cable, then hold RESUME, or press STOP."
    ),
    Condition.LINK_LOST: Message(
        Priority.HIGH,
        "The connection to the nebulizer is lost: its state is unknown.",
        "Look at the device. It should stop by itself within 2 s; if not, use its own switch.",
        latching=True,
    ),
    Condition.COMMAND_UNRESOLVED: Message(
        Priority.HIGH,
        "It is not certain whether the nebulizer took the last command.",
        "Look at the device. Do not repeat the dose. Call the pharmacy.",
        latching=True,
    ),
    Condition.DEVICE_RESTARTED: Message(
        Priority.HIGH,
        "The nebulizer restarted in mid-dose and is off.",
        "Do not repeat the dose. Call the pharmacy.",
        latching=True,
    ),
    Condition.TELEMETRY_LOST: Message(
        Priority.MEDIUM,
        "The nebulizer no longer reports; it was stopped.",
        "Check its cable and power.",
        latching=True,
        escalates=Priority.HIGH,
    ),
    Condition.PREMATURE_DRY: Message(
        Priority.MEDIUM,
        "The mesh stopped with liquid left in the cup.",
        "Tap the cup and check the plug, then hold RESUME. Do not refill.",
        latching=True,
    ),
    Condition.STOPPED_ITSELF: Message(
        Priority.MEDIUM,
        "The nebulizer stopped by itself before the end.",
        "Check the device, then resume or stop.",
        latching=True,
        escalates=Priority.HIGH,
    ),
    Condition.CUP_CHANGED: Message(
        Priority.MEDIUM,
        "The cup became lighter or heavier in one go; the nebulizer was turned off.",
        "Look at cup and hose. If liquid was spilled or added, press STOP; else hold RESUME.",
        latching=True,
        escalates=Priority.HIGH,
    ),
    Condition.CUP_OFF: Message(
        Priority.MEDIUM,
        "The cup is off the nebulizer, or was; the output is off.",
        "Is it the same cup with all its liquid? Put it back and hold RESUME. If not, press STOP.",
        latching=True,
        escalates=Priority.HIGH,
    ),
    Condition.MESH_CHANGED: Message(
        Priority.MEDIUM,
        "The mesh answers at another frequency; the nebulizer was turned off.",
        "Look at mesh and cup. If one was exchanged, press STOP; else hold RESUME.",
        latching=True,
        escalates=Priority.HIGH,
    ),
    Condition.RATE_LOW: Message(
        Priority.MEDIUM, "The output fell below its tolerance.", "Look at mesh, gas and cup. Pause if no mist is seen."
    ),
    Condition.RATE_HIGH: Message(
        Priority.MEDIUM,
        "The cup loses more than it should.",
        "Look for a leak or a drip below the cup.",
        escalates=Priority.HIGH,
    ),
    Condition.RECORDS_FAIL: Message(
        Priority.HIGH,
        "Records cannot be written; delivery was stopped.",
        "Note the dose by hand and call the engineer. No dose can be started.",
        latching=True,
    ),
    Condition.PAUSED_LONG: Message(
        Priority.LOW, "The dose is paused for more than 5 min.", "Resume or stop.", escalates=Priority.MEDIUM
    ),
    Condition.LOCKED_OUT: Message(
        Priority.MEDIUM,
        "Three starts in 10 min followed an alarm and a stop: no more starts now.",
        "Press STOP and call the engineer. It can start again after 10 min.",
    ),
    Condition.RECEIPT_AHEAD: Message(
        Priority.HIGH,
        "The pharmacy holds records of this unit that the unit has lost.",
        "Use another unit and call the engineer: the storage may have been restored from a copy.",
        latching=True,
    ),
    Condition.LOG_FORKED: Message(
        Priority.HIGH,
        "The pharmacy holds other records under this unit's name than the unit does.",
        "Use another unit and call the engineer: a copy of this unit's storage is or was in use.",
        latching=True,
    ),
    Condition.RECORDS_RESTORED: Message(
        Priority.MEDIUM,
        "Records that this unit had lost were fetched back from the pharmacy.",
        "Call the engineer: the storage was put back to an older copy.",
        latching=True,
    ),
    Condition.UNRECEIPTED: Message(
        Priority.MEDIUM,
        "Records of this unit have waited too long for the pharmacy's receipt.",
        "Check the network and call the pharmacy. Doses may go on.",
    ),
    Condition.RUN_UNKNOWN: Message(
        Priority.MEDIUM,
        "The nebulizer remembers a treatment that is not in this unit's log.",
        "It was used elsewhere, or this log is not whole. Call the pharmacy before the next dose.",
    ),
    Condition.DOSE_LEFT_OPEN: Message(
        Priority.LOW,
        "Nothing came of an ordered dose of an earlier day.",
        "Call the pharmacy, which records why. Do not make it up.",
    ),
    Condition.UNSIGNED: Message(
        Priority.MEDIUM,
        "A part of a dose has waited too long for the signature of the person who observed it.",
        "Let that person sign it. Nobody signs for another. Doses may go on.",
    ),
}
