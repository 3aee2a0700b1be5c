"""Every fault by its name, with what it is: the names that commands, control interface and scenarios share."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """Where a fault is: in the bytes, their times, what the frames say, the values in them, or the device itself."""

    LINE = "line"
    TIMING = "timing"
    PROTOCOL = "protocol"
    VALUE = "value"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Entry:
    """A fault of the catalogue: its group, and what happens, in a few words."""

    group: Group
    text: str


def _group(group: Group, texts: Mapping[str, str]) -> dict[str, Entry]:
    return {name: Entry(group, text) for name, text in texts.items()}


CATALOGUE: Mapping[str, Entry] = (
    _group(
        Group.LINE,
        {
            "noise_before": "one to three bytes of noise come before the answer",
            "noise_after": "one to three bytes of noise come behind the answer",
            "noise_idle": "one to three bytes of noise come later, on the idle line",
            "flip_bit": "one bit of the answer is wrong",
            "drop_byte": "the answer lacks a byte",
            "dup_byte": "the answer has a byte twice",
            "split": "the answer comes in two parts",
            "bad_crc": "the answer has a wrong check",
            "truncate": "the answer lacks its end",
            "garbage": "as many other bytes come in the answer's place",
            "echo": "the host hears its own request before the answer",
            "baud_mismatch": "the answer is sent at half of the host's baud rate",
        },
    )
    | _group(
        Group.TIMING,
        {
            "delay": "the answer comes later, within a host's patience",
            "late": "the answer comes later, after a host's patience",
            "drop_reply": "the answer never comes",
            "duplicate_reply": "the answer comes twice",
            "latency_timer": "an adapter holds back what does not fill a packet",
        },
    )
    | _group(
        Group.PROTOCOL,
        {
            "wrong_unit": "the answer is another unit's",
            "wrong_function": "the answer is another function's",
            "wrong_transaction": "the answer has another transaction number",
            "wrong_number": "the answer has another frame's number",
            "wrong_command": "the answer is another command's",
            "wrong_id": "the answer has another ID",
            "wrong_count": "the answer has one register less, or another count",
            "short_count": "the answer has half of the registers",
            "short": "the answer has one field less",
            "exception": "the request is refused with a code of Modbus",
            "refuse": "the request is refused in the device's own way",
            "busy": "the device says that it is busy",
            "syntax_error": "the answer is ES",
            "transmission_error": "the answer is ET",
            "logical_error": "the answer is EL",
            "unsolicited": "an answer comes again, unasked",
            "left_streaming": "somebody left the stream on",
            "left_repeating": "somebody left the repetition on",
            "second_master": "another host asks on the same bus at the same moment",
        },
    )
    | _group(
        Group.VALUE,
        {
            "stuck": "a value stays as it was",
            "drift": "a value runs away",
            "nan": "a value is no number",
            "jump": "a value is off by an amount",
            "word_swapped": "the two registers of a value have changed places",
            "units_changed": "values are told in another unit",
            "out_of_range": "a value is outside of what there can be",
        },
    )
    | _group(
        Group.DEVICE,
        {
            "reset": "the power fails for a moment, and a boot loader speaks on the line",
            "brownout": "the power fails for a moment",
            "relay_brownout": "the relay's power fails for a moment",
            "hang": "the program hangs until its own watchdog resets it",
            "mute": "the device hears and says nothing",
            "unplug": "the cable is out; a pseudo-terminal comes back under another name",
            "stuck_on": "stops do not take",
            "no_cup": "there is no cup",
            "lost_resonance": "no resonance is found",
            "hardware": "the device reports a broken part",
            "clog": "the pores of the mesh clog while it is driven",
            "detune": "the mesh is driven beside its resonance",
            "welded": "the relay's contact does not open",
            "kinked_tube": "the tube is kinked",
            "weak_compressor": "the compressor gives too little pressure",
            "tap": "somebody taps the cup of a jet, and part of what clings to its wall runs back",
            "cover_open": "the cover is open",
            "no_liquid": "no liquid is found",
            "mist_offline": "the mist board does not answer",
            "mist_locked": "the mist board is locked",
            "mist_broken": "the mist board reports a fault",
            "ntc_open": "a temperature sensor has no contact",
            "outlet_hot": "the outlet is too hot",
            "otp_reset": "the mist board has lost its settings",
            "no_status": "nothing is said unasked",
            "no_gas": "there is no gas",
            "stuck_valve": "the valve does not move",
            "zero_shift": "the zero of the flow is off",
            "over_range": "the flow is above what can be measured",
            "adc_error": "the converter reports an error",
            "frozen": "what is shown does not change",
            "other_unit": "somebody chose another unit on the panel",
            "shakes": "the pan shakes",
            "drifts": "the weight drifts",
            "drips": "drops fall on the pan",
            "no_pan": "the pan is off",
            "tubing": "a hose pulls at the cup on the pan",
            "hand": "a hand rests on the pan",
        },
    )
)
