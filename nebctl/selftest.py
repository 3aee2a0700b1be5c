"""The self-test before a dose: what is tried, and what to do about each line that is not good (S30)."""

import asyncio

from nebctl.core.calibrated import Found, facts, note
from nebctl.core.device import CommandFailed, DeviceReport, EndCause
from nebctl.core.events import Check
from nebctl.core.instant import NS_PER_S, Instant
from nebctl.ports import Nebulizer
from nebctl.witnessed import Witnessed

LONGEST_UPTIME_NS = 100 * 24 * 3600 * NS_PER_S
"""A record's clock field holds 2^53 ns since boot, about 104 days; no dose begins that could not be recorded."""
WEIGHT = "weight_mg"
WEIGHT_TRIALS, WEIGHT_WAIT_S = 6, 0.2
"""A weight is in every report or every other one while the balance answers."""


async def try_all(
    nebulizer: Nebulizer, witnessed: Witnessed, now: Instant, *, trusted: bool, calibration: Found
) -> tuple[Check, ...]:
    """Return every line of the test; the stop path is tried with a real STOP.

    A calibration that is missing or old is a note and no failure: the dose's interval says how much less is known.
    Nothing is said of a jet's, which is never complete without a residual.
    """
    present = witnessed.device is not None
    off = await nebulizer.stop() if present else None
    stopped = isinstance(off, DeviceReport) and off.end is not EndCause.CUT_OFF
    guarded = nebulizer.declaration.cut_off is not None
    durable, young = witnessed.records_durable, now.mono_ns < LONGEST_UPTIME_NS
    return (
        Check(name="nebulizer", good=present, note=_answers(nebulizer, present=present)),
        Check(name="stop path", good=stopped, note="STOP was sent and read back as OFF" if stopped else _why(off)),
        *((await _trip(nebulizer),) if stopped and guarded else ()),
        Check(name="records", good=durable, note="written and signed" if durable else "fail: call the engineer"),
        Check(
            name="clock", good=trusted, note="trusted" if trusted else "not synchronised: let a person check the clock"
        ),
        Check(name="uptime", good=young, note="short enough" if young else "over 100 days: restart the unit"),
        *(() if witnessed.rules.model.dries else (_calibration(calibration),)),
        *((await _try_balance(nebulizer),) if stopped and WEIGHT in nebulizer.declaration.senses else ()),
    )


async def _trip(nebulizer: Nebulizer) -> Check:
    """Return the line of the cut-off, which is closed in the test and must open; one that does not bars each start."""
    failed = await nebulizer.trip_cut_off()
    note = "was closed, and opened" if failed is None else failed.sentence()
    return Check(name="cut-off", good=failed is None, note=note)


def _calibration(found: Found) -> Check:
    return Check(name="calibration", good=True, note=note(found), facts=facts(found))


async def _try_balance(nebulizer: Nebulizer) -> Check:
    """Return the line of the balance under the cup; a dose may go on without this witness, so it holds nothing up."""
    for _ in range(WEIGHT_TRIALS):
        report = await nebulizer.status()
        if isinstance(report, DeviceReport) and report.weight_ug is not None:
            return Check(name="balance", good=True, note="weighs the cup")
        await asyncio.sleep(WEIGHT_WAIT_S)
    return Check(name="balance", good=True, note="NO WEIGHT: check its power and cable, or go on without it")


def _answers(nebulizer: Nebulizer, *, present: bool) -> str:
    if present:
        return "answers, and is OFF"
    return nebulizer.loss.sentence() if nebulizer.loss else "does not answer: check cable and power"


def _why(result: DeviceReport | CommandFailed | None) -> str:
    if isinstance(result, CommandFailed):
        return result.sentence()
    return "not tested: no nebulizer answers" if result is None else "STOP was not obeyed: use another nebulizer"
