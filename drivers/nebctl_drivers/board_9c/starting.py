"""Whether a START may go out, and what it came to, judged from readings before and after it."""

from nebctl.core.device import Certainty, CommandFailed, DeviceReport

from .dialect import Answer
from .observing import AT_REST, Observed, Reading, is_dry, name_trouble, report
from .profile import Board9CProfile

MS_PER_MINUTE = 60_000


def find_obstacle(
    observed: Observed, before: Reading, profile: Board9CProfile, *, boot: int | None, left_ms: int
) -> CommandFailed | None:
    """Return why nothing is to be sent; None where nothing stands in the way.

    `boot` is the boot counter at the opening, `left_ms` what is left of the run's maximum on-time.
    """
    trouble = name_trouble(observed, before, profile)
    if observed.boot != boot:
        return refuse("START", "a board that restarted since it was opened", "the board as it was tested")
    if before.is_on or before.state not in AT_REST:
        return refuse("START", f"state {before.state.name}", "a board at rest with its mist board not running")
    if is_dry(before, profile):
        return refuse("START", "no liquid", "liquid in the cup", "A dry mesh cracks: look at the cup.")
    if trouble is not None:
        return refuse("START", f"the fault {trouble}", "none", "Mend it, then switch the board off and on.")
    if left_ms < MS_PER_MINUTE:
        return refuse("START", f"{left_ms} ms of on-time left", "60000 ms or more: the board counts whole minutes")
    return None


def judge_start(
    observed: Observed,
    after: Reading,
    answer: Answer | None,
    profile: Board9CProfile,
    *,
    boot: int | None,
    minutes: int,
    overtaken: bool,
) -> DeviceReport | CommandFailed:
    """Return what a START came to; `answer` None means that none came, `overtaken` that a STOP went out meanwhile.

    Only a board that is seen running has started. Only a refusal together with a board at rest means that it has not:
    silence proves nothing, because the board reads commands and queries in tasks of their own.
    """
    refused = answer is not None and answer.error != 0
    if observed.boot != boot:
        return doubt("a restart of the board", "the board as it was tested")
    if refused and not after.is_on and answer is not None:
        return explain_refusal("START", answer.error, profile)
    if overtaken:
        return doubt(f"a STOP in the meantime, and state {after.state.name}", "the run to be on")
    if refused:
        return doubt(f"a refusal, and state {after.state.name}", "a board at rest")
    if not after.is_on:
        word = "no answer" if answer is None else "an answer"
        return doubt(f"{word}, then state {after.state.name}", "the run to be on")
    if after.remaining_s > minutes * 60:
        return doubt(f"{after.remaining_s} s to go", f"at most {minutes * 60} s")
    return report(observed, after, profile)


def explain_refusal(command: str, error: int, profile: Board9CProfile) -> CommandFailed:
    """Return what a NACK means: the board did not act."""
    words, advice = profile.explain_error(error)
    return CommandFailed(
        command=command,
        certainty=Certainty.NOT_DONE,
        seen=f"refused with {words}",
        expected="the command to be accepted",
        advice=advice,
    )


def refuse(command: str, seen: str, expected: str, advice: str = "Nothing was started.") -> CommandFailed:
    """Return a refusal of the driver's own: nothing that makes aerosol was sent."""
    return CommandFailed(command=command, certainty=Certainty.NOT_DONE, seen=seen, expected=expected, advice=advice)


def doubt(seen: str, expected: str) -> CommandFailed:
    """Return that nobody can tell what a START came to."""
    return CommandFailed(
        command="START", certainty=Certainty.UNKNOWN, seen=seen, expected=expected, advice="It may be on: stop it."
    )
