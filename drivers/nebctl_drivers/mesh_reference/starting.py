"""What a START came to, judged from the readings before and after it."""

from nebctl.core.device import Certainty, CommandFailed, DeviceReport, Output


def judge_start(
    run: str, before: DeviceReport, after: DeviceReport, *, acknowledged: bool, overtaken: bool
) -> DeviceReport | CommandFailed:
    """Return `after` where the START of `run` was acted on, or why not, or that nobody can tell.

    `acknowledged` means that its answer arrived; `overtaken` that a STOP went out in the meantime.

    The wire keeps order and the controller answers in order. So once a STAT that was sent after START is answered,
    START was acted on before or never will be: an accepted START makes `run` the present run, and nobody else may
    start one. That is why a lost answer needs a question only, never a second START.
    """
    if after.boot != before.boot:
        return _unknown(f"a restart (boot {before.boot}, then {after.boot})", "Ask LAST what the run came to.")
    if after.run != run:
        return _unknown(f"an answer, then run {after.run}", "Stop it.") if acknowledged else _not_done(after)
    if after.output is not Output.OFF:
        return after
    if before.run != run or after.on_ms > before.on_ms or after.end is not before.end:
        return after  # it was acted on and has ended since
    # The same run as before, OFF, with not one millisecond more and the same end: on and off again within the
    # millisecond is left, and only a STOP on START's heels is quick enough for that.
    if acknowledged or overtaken:
        return _unknown("OFF, with the run as it was before", "Stop it.")
    return _not_done(after)


def _not_done(after: DeviceReport) -> CommandFailed:
    return CommandFailed(
        command="START",
        certainty=Certainty.NOT_DONE,
        seen=f"no answer, and STAT with output {after.output.value}, run {after.run}, {after.on_ms} ms",
        expected="the run to be on",
        advice="START did not arrive; it may be asked for again.",
    )


def _unknown(seen: str, advice: str) -> CommandFailed:
    return CommandFailed(
        command="START", certainty=Certainty.UNKNOWN, seen=seen, expected="the run to be on", advice=advice
    )
