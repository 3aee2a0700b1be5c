"""Every sentence that a scenario may have: what is done, and what is expected."""

import re
from collections.abc import Mapping
from datetime import time

from nebctl.core.alarms import Condition
from nebctl.core.codes import NOT_DONE_REASONS
from nebctl.core.faults import FieldError
from nebctl.core.ledger.records import TYPES
from nebctl.core.orders import DoseState
from nebctl.core.session import State
from nebctl.core.verify import Deviation, Verdict
from nebctl_lab.scenario.words import BASIC, Form, Reader, member_of, one_of, some_of
from nebctl_simulators.faults import FaultAsked, parse_fault

ENDS = ("complete", "partial", "stopped", "uncertain")
METHODS = ("weighed", "declared")
_TEMPERATURE = re.compile(r"([0-9]{1,2})(?:\.([0-9]))? °C")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2})?")


def _read_fault(text: str) -> FaultAsked:
    try:
        return parse_fault(text)
    except ValueError as wrong:
        raise FieldError(
            str(wrong.__cause__ or wrong), "see docs/reference/simulators.md for the names and their terms"
        ) from None


def _read_temperature(text: str) -> int:
    """Return a temperature in tenths of a degree."""
    match = _TEMPERATURE.fullmatch(text)
    if match is None:
        raise FieldError("this is no temperature of a liquid", "write 0 to 99 degrees Celsius, such as 4 °C")
    return int(match[1]) * 10 + int(match[2] or 0)


def _read_clock(text: str) -> time:
    try:
        return time.fromisoformat(text) if _CLOCK.fullmatch(text) else _no_time()
    except ValueError:
        return _no_time()


def _no_time() -> time:
    raise FieldError("this is no time of day", "write hours and minutes, such as 09:00")


KINDS: Mapping[str, Reader] = {
    **BASIC,
    "states": some_of((*(state.value for state in State), "off"), "state of a session"),
    "verdict": member_of(Verdict, "verdict"),
    "end": one_of(ENDS, "end of a dose"),
    "alarm": member_of(Condition, "alarm"),
    "deviation": member_of(Deviation, "deviation"),
    "record": one_of(sorted(TYPES), "record type"),
    "outcome": member_of(DoseState, "outcome of a dose"),
    "reason": one_of(NOT_DONE_REASONS, "reason for a dose that was not done"),
    "method": one_of(METHODS, "way to know a volume"),
    "output": one_of(("on", "off"), "output"),
    "way": one_of(("forward", "back"), "way of a clock"),
    "fault": _read_fault,
    "temperature": _read_temperature,
    "clock": _read_clock,
}

AT_THE_BED: tuple[Form, ...] = (
    Form(
        "begin",
        "begin a dose[ of {subject:name}][ on day {day:number}][ with {volume}][ as {operator:name}]",
        "scan, pour, weigh the charge, self-test and START, in one; 3 mL and the day's own kit if not said",
    ),
    Form(
        "scan",
        "scan[ {subject:name}][ with kit {kit:name}][ as {operator:name}]",
        "badge, wristband and kit; the kit of the subject's present study day if not said",
    ),
    Form("pour", "pour {volume}[ at {temperature}]", "pour into the cup, at room temperature if not said"),
    Form("charge", "enter the charge[ as {method}]", "weighed, or declared by the vial's label; then the self-test"),
    Form("self_test", "test again", "repeat the self-test"),
    Form("start", "hold START", "for the dose under review"),
    Form("pause", "press PAUSE because {reason:words}", "pause the dose"),
    Form("resume", "hold RESUME[ as {operator:name}]", "go on after a pause"),
    Form("stop", "press STOP", "needs nobody to be known"),
    Form("see_end", "see the end[ as {operator:name}]", "say that a jet spits or gives nothing more"),
    Form("abandon", "say that it is switched off by hand[ as {operator:name}]", "end a dose whose link stays lost"),
    Form("residual", "weigh the residual[ as {operator:name}]", "draw what is in the cup, weigh it and enter it"),
    Form("refuse_residual", "refuse the residual because {reason:words}", "say that nobody measures it"),
    Form("sign", "sign[ as {operator:name}]", "sign the dose record"),
    Form("hand_over", "hand over to {operator:name}", "let another person take the dose over, with badge and PIN"),
    Form("leave", "leave unsigned", "leave the dose record unsigned for now"),
    Form("finish", "finish the dose[ as {operator:name}]", "weigh the residual and sign"),
    Form(
        "give_back",
        "give {subject:name} back[ as {operator:name}]",
        "the unit gives the subject's doses back, and two persons read the code on its screen",
    ),
)
AROUND_THE_CUP: tuple[Form, ...] = (
    Form("top_up", "top up {volume}", "pour more into a cup that is in use"),
    Form("spill", "spill {volume}", "lose so much from the cup, or all that is there"),
    Form("swap", "swap the cup for one with {volume}", "take the cup away and put another in its place"),
)
TO_THE_DEVICE: tuple[Form, ...] = (
    Form("unplug", "unplug[ for {duration}]", "take the device's cable out; for good if no time is said"),
    Form("plug", "plug in", "put the device's cable back"),
    Form("device_power", "cut the device's power[ for {duration}]", "and give it again after that time"),
    Form("inject", "inject {fault}", "a fault of the catalogue, such as late:ms=350,count=3"),
    Form("clear", "end every fault", "of this unit's device"),
)
TO_THE_HOST: tuple[Form, ...] = (
    Form("power_cut", "cut the power[ for {duration}]", "of unit and device, without warning; 10 s if not said"),
    Form("hang", "hang the host for {duration}", "the unit's program stands still, its device lives on"),
    Form("restart", "restart the unit", "end the program as a service manager does, and start it again"),
    Form("switch_off", "switch the unit off", "its host loses power without warning; the device stays as it is"),
    Form("switch_on", "switch the unit on", "after it was switched off"),
    Form("broker_down", "take the broker away[ for {duration}]", "nothing is sent or received meanwhile"),
    Form("broker_up", "bring the broker back", "after it was taken away"),
    Form("clock", "set the clock {way} by {duration}", "the unit's wall clock steps; durations go on"),
)
AT_THE_PHARMACY: tuple[Form, ...] = (
    Form("thaw", "thaw kit {kit:name}", "note at the pharmacy that a kit was thawed now"),
    Form(
        "not_done",
        "note day {day:number} of {subject:name} as not done: {reason}",
        "record at the pharmacy that a dose was not given, and why",
    ),
    Form("return_kit", "return kit {kit:name}", "a kit comes back to the pharmacy"),
    Form("lose_kit", "write off kit {kit:name} as destroyed", "a kit that can be given to nobody"),
    Form("dispense", "dispense kit {kit:name} for day {day:number} of {subject:name}", "a kit in place of another"),
    Form(
        "move",
        "move {subject:name} to {unit:name}",
        "by the code that was read, by the old unit's record, or once the leases have ended",
    ),
)
ACTIONS = (*AT_THE_BED, *AROUND_THE_CUP, *TO_THE_DEVICE, *TO_THE_HOST, *AT_THE_PHARMACY)

OF_THE_SESSION: tuple[Form, ...] = (
    Form(
        "state",
        "state {states}",
        "the session's, or one of several with `or` between them; `off` while the unit is",
    ),
    Form("refused", "refused {code}", "the last thing done in this step was refused, for this reason"),
    Form("no_alarm", "no alarm", "nothing is alarmed"),
    Form("not_alarmed", "no alarm {alarm}", "this is not alarmed"),
    Form("alarm", "alarm {alarm}", "this is alarmed now"),
    Form("was_alarmed", "alarm {alarm} recorded", "the ledger has a record of this alarm"),
    Form("no_volume", "no volume shown", "what is emitted stands on no page: it is stale or unknown"),
    Form("device", "the device is known", "the unit hears its nebulizer"),
    Form("no_device", "the device is missing", "the unit does not hear its nebulizer"),
)
OF_THE_DOSE: tuple[Form, ...] = (
    Form("verdict", "verdict {verdict}", "of the newest dose record"),
    Form("end", "end {end}", "how the newest dose record says that it ended"),
    Form("covers", "the record covers the truth", "low <= what was really emitted since START <= high"),
    Form("high_is_charge", "high is the whole charge", "the record's upper bound is the charge's"),
    Form("recorded_least", "recorded at least {volume}", "the newest dose record's best estimate"),
    Form("recorded_most", "recorded at most {volume}", "the newest dose record's best estimate"),
    Form("no_deviation", "no deviation", "the newest dose record names none"),
    Form("deviation", "deviation {deviation}", "the newest dose record names it"),
    Form("doubted", "in doubt", "the newest dose record names a doubt"),
    Form("sure", "without doubt", "the newest dose record names no doubt"),
    Form("witness", "witness {witness:code}", "the newest dose record rests on it"),
    Form("day", "study day {day:number}", "of the newest dose record"),
    Form("date", "site date {date:code}", "of the newest dose record, such as 2026-02-14"),
    Form("signed", "signed by {operator:name}", "the newest dose record is signed by this person"),
    Form("unsigned", "unsigned", "nobody signed the newest dose record"),
)
OF_THE_RECORDS: tuple[Form, ...] = (
    Form("no_records", "no {record} record", "the unit's ledger has none of this type"),
    Form("records", "{count:number} {record} record", "so many of this type stand in the unit's ledger"),
    Form("records_many", "{count:number} {record} records", "so many of this type stand in the unit's ledger"),
    Form("verifies", "the ledger verifies", "chain, signatures and order of records hold"),
    Form("waiting", "records wait for the pharmacy", "some are not receipted yet"),
    Form("receipted", "everything is receipted", "the pharmacy has every record of the unit"),
    Form("pharmacy", "the pharmacy holds day {day:number} of {subject:name} as {outcome}", "by its own records"),
    Form("pharmacy_open", "the pharmacy holds day {day:number} of {subject:name} open", "no outcome is known"),
)
IN_TRUTH: tuple[Form, ...] = (
    Form("output", "output {output}", "what the device really does"),
    Form("emitted_least", "emitted at least {volume}", "really emitted since the last START"),
    Form("emitted_most", "emitted at most {volume}", "really emitted since the last START"),
    Form("cup_least", "the cup holds at least {volume}", "really"),
    Form("cup_most", "the cup holds at most {volume}", "really"),
)
EXPECTATIONS = (*OF_THE_SESSION, *OF_THE_DOSE, *OF_THE_RECORDS, *IN_TRUTH)

TIMES: tuple[Form, ...] = (
    Form("day_time", "day {day:number} {clock}", "a time of the site's calendar, counted from the day it begins on"),
    Form("after_start", "{duration} after START", "counted from the last START that was held"),
    Form("after_begin", "{duration}", "counted from the beginning of the scenario"),
)
