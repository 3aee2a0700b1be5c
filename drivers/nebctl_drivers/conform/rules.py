"""The table of rules, in the order in which they are tested: what may wear or empty the load comes last.

A number stays with its rule for ever; a new rule takes the next one, wherever it stands.
"""

from . import asking, lines, restarting, running, speed, unmoved
from .verdicts import Need, Rule

_ON = (Need.LOAD,)
_BOOT = (Need.RESTART,)
_CUT = (Need.POWER,)
_CRC_RIGHT = "Compute the CRC over the payload alone, compare all four digits, and drop the line without a word."
_CACHE = "Keep the last request's payload with its answer; send that answer again for the same number and payload."
_WATCHDOG = "Note the time of each BEAT and START that is accepted and no repeat, and turn OFF 2000 ms after the last."

ASKING = (
    Rule("W01", "a line with a wrong CRC is dropped", "1", _CRC_RIGHT, lines.wrong_crc),
    Rule("W02", "a line that is too long is dropped", "1", "Count the payload and drop past 110.", lines.too_long),
    Rule("W03", "the longest line is read", "1", "Make the receive buffer hold 118 bytes.", lines.longest),
    Rule(
        "W04", "a forbidden character spoils its line", "1", "Allow 0x20 to 0x7E without $ and *.", lines.bad_characters
    ),
    Rule("W05", "only CR LF ends a line", "1", "Ask for CR and LF right behind the fourth digit.", lines.line_end),
    Rule("W06", "the CRC's digits are upper-case", "1", "Compare the digits as text with %04X.", lines.crc_case),
    Rule("W07", "a line begins anew at every $", "1", "At $ forget what was begun, in every state.", lines.begin_anew),
    Rule("W08", "noise outside a line is ignored", "1", "Ignore every byte until $.", lines.noise),
    Rule("W09", "a line may come in pieces", "1", "Have no time-out between the bytes of a line.", lines.pauses),
    Rule(
        "W10",
        "requests back to back are answered in order",
        "2",
        "Go on receiving while a request is acted on; buffer at least two lines.",
        lines.back_to_back,
    ),
    Rule("W11", "each request is answered once", "2", "Send an answer in one place only.", lines.once),
    Rule(
        "W12",
        "what is no request gets no answer",
        "2",
        "Ask for C, a number from 1 to 65535 without leading zeros, and a command; else say nothing.",
        lines.no_request,
    ),
    Rule("W13", "any number is taken", "2", "Compare a number with the last one for equality alone.", lines.any_number),
    Rule("W14", "answers come within 20 ms", "2", "Answer before anything slow is begun.", speed.answer_time),
    Rule("W15", "HELLO tells who answers", "3", "Nine fields, none empty, and no comma inside.", asking.hello_fields),
    Rule("W16", "HELLO returns the nonce", "3", "Copy the argument into the first field.", asking.nonce),
    Rule("W17", "the version is one that this nebctl speaks", "9", "State the page's version.", asking.version),
    Rule("W18", "a repeat is answered from the cache", "2", _CACHE, asking.repeat),
    Rule(
        "W19",
        "a used number with another payload is refused",
        "2",
        "Refuse with SEQ, do not act, and keep the cached answer as it was.",
        asking.other_payload,
    ),
    Rule("W20", "STOP passes under a used number", "2", "Look for STOP before SEQ.", asking.stop_any_number),
    Rule("W21", "HELLO passes under a used number", "2", "Look for HELLO before SEQ.", asking.hello_any_number),
    Rule("W22", "STOP is always acknowledged", "3", "Answer also while OFF; ignore arguments.", asking.stop_when_off),
    Rule("W23", "an unknown command is refused with CMD", "3", "Refuse, do not drop.", asking.unknown_command),
    Rule("W24", "bad arguments are refused with ARG", "3", "Check count and form of each.", asking.bad_arguments),
    Rule("W25", "STAT makes sense while OFF", "4", "Fill all 11 fields as the table says.", asking.status_makes_sense),
    Rule("W26", "LAST agrees with STAT", "3", "Tell both from one place.", asking.last_makes_sense),
    Rule("W27", "BEAT turns nothing on", "3", "Only feed the watchdog.", asking.beat_when_off),
    Rule(
        "W28",
        "MAXON only lowers",
        "3",
        "Refuse more than the present maximum with ARG, and let HELLO tell the lowered one.",
        asking.max_on_lowers,
    ),
)
RUNNING = (
    Rule("W29", "START turns on, resonance in 3 s", "7", "SWEEP at once, RUN in 3 s.", running.turns_on, _ON),
    Rule("W30", "a mistaken START is refused with ARG", "3", "Check both arguments first.", running.bad_start, _ON),
    Rule("W31", "START while on is refused with STATE", "3", "Leave the run as it is.", running.start_while_on, _ON),
    Rule("W32", "the grant is capped", "3", "Grant the smaller of wish and maximum.", running.grant_is_capped, _ON),
    Rule("W33", "a repeated START is not acted on", "2", f"{_CACHE} {_WATCHDOG}", running.start_repeated, _ON),
    Rule("W34", "a repeated STAT has the old bytes in mid-run", "2", _CACHE, running.stat_repeated, _ON),
    Rule(
        "W35", "STOP turns OFF before it answers", "6", "Cut the drive first, then answer.", running.stop_turns_off, _ON
    ),
    Rule("W36", "STOP turns OFF under a used number", "2", "Look for STOP before SEQ.", running.stop_used_number, _ON),
    Rule("W37", "HELLO turns OFF with HOST", "3", "Turn OFF before it answers.", running.hello_turns_off, _ON),
    Rule("W38", "the maximum on-time ends a run", "6", "Look at the on-time each 10 ms.", running.max_on_ends, _ON),
    Rule(
        "W39", "the same run continues its on-time", "3", "Begin at 0 for another run only.", running.run_continues, _ON
    ),
    Rule("W40", "a used-up run is refused with MAXON", "3", "Compare on-time and grant.", running.used_up, _ON),
    Rule("W41", "another run begins at 0", "3", "Clear the on-time with a new run id.", running.other_run, _ON),
    Rule("W42", "the watchdog turns OFF", "6", _WATCHDOG, running.watchdog, _ON),
    Rule("W43", "BEAT alone feeds the watchdog", "6", _WATCHDOG, running.beat_feeds, _ON),
    Rule("W44", "the on-time goes as real time", "4", "Count with the crystal's clock.", running.on_time_is_true, _ON),
    Rule("W45", "END is sent once", "5", "Send it where the output goes OFF by itself.", running.end_event, _ON),
    Rule("W46", "no END after STOP or HELLO", "5", "Leave it out there.", running.no_end_event, _ON),
    Rule("W47", "LAST tells the run", "3", "Tell the present run too, with end -.", running.last_tells, _ON),
    Rule("W59", "a dropped line is not acted on", "1", _CRC_RIGHT, unmoved.dropped_does_nothing, _ON),
    Rule(
        "W60",
        "START under a used number turns nothing on",
        "2",
        "Look for SEQ before the command is acted on.",
        unmoved.used_number_does_nothing,
        _ON,
    ),
    Rule(
        "W61",
        "the grant limits the whole run",
        "3",
        "Compare the run's total on-time with granted_ms, not the time since START.",
        running.grant_is_for_the_run,
        _ON,
    ),
    Rule("W62", "nothing else feeds the watchdog", "6", _WATCHDOG, unmoved.nothing_else_feeds, _ON),
    Rule(
        "W63",
        "answers come within 20 ms while on",
        "2",
        "Let the drive run by interrupts; answer before anything slow is begun.",
        running.answer_time_on,
        _ON,
    ),
)
RESTARTING = (
    Rule("W48", "the boot counter rises", "3", "Add 1 at power-up, before HELLO.", restarting.boot_counts, _BOOT),
    Rule("W49", "BOOT is sent", "5", "Send it once the line is ready.", restarting.boot_event, _BOOT),
    Rule("W50", "a restart empties the cache", "2", "Keep the cache in RAM only.", restarting.cache_forgets, _BOOT),
    Rule("W51", "a restart undoes MAXON", "3", "Keep the lowered maximum in RAM.", restarting.max_on_returns, _BOOT),
    Rule("W52", "power-up is OFF", "6", "Switch the drive's pin OFF first of all.", restarting.up_is_off, _CUT),
    Rule("W53", "LAST survives a loss of power", "6", "Write it when a run ends.", restarting.last_survives, _CUT),
    Rule(
        "W54",
        "MAXON shortens a run that is on",
        "3",
        "Lower the run's grant as well.",
        restarting.lowered_in_mid_run,
        (Need.LOAD, Need.RESTART),
    ),
    Rule(
        "W55",
        "a run cut by a loss of power stays OFF",
        "6",
        "Write run and boot before the output goes on; find it unfinished at power-up: end POWER.",
        restarting.cut_in_mid_run,
        (Need.LOAD, Need.POWER),
    ),
    Rule(
        "W56",
        "a loss of power stretches no maximum",
        "3",
        "Write the on-time at least once a second, and compare START with LAST after a restart.",
        restarting.on_time_survives,
        (Need.LOAD, Need.POWER),
    ),
)
LAST = (
    Rule(
        "W57",
        "a dry mesh is turned OFF in 5 s",
        "6",
        "Watch current and resonance; turn OFF with DRY and latch the dry field.",
        running.runs_dry,
        (Need.LOAD, Need.DRY),
    ),
    Rule("W58", "every line sent is well formed", "1", "Send lines whole, one after the other.", lines.well_formed),
)
RULES: tuple[Rule, ...] = (*ASKING, *RUNNING, *RESTARTING, *LAST)
