"""What is done when a device ran on, and its cut-off took its power away (S26)."""

from dataclasses import replace

from nebctl.core.alarms import Condition
from nebctl.core.effects import StopAerosol
from nebctl.core.session.moment import Moment, Outcome, alarm, doubted, ended, found
from nebctl.core.session.state import Session
from nebctl.core.verify import Deviation


def end_cut(m: Moment) -> Outcome:
    """End a run whose device ran on until its cut-off took the power away: what it does is not what it says."""
    session = _disobeyed(ended(m.session, m))
    return replace(session, stopped_by=session.stopped_by or "unit: cut-off"), (
        StopAerosol(),
        *alarm(Condition.CUT_OFF),
    )


def hear_of_cut(m: Moment) -> Outcome:
    """Doubt a run that has ended, when it is heard only then that no STOP had ended it."""
    return _disobeyed(m.session), alarm(Condition.CUT_OFF)


def _disobeyed(session: Session) -> Session:
    return found(doubted(session, "the device did not obey, and its cut-off opened"), Deviation.CUT_OFF)
