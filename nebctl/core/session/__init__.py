"""One attempt to give one dose, as a transition table."""

from nebctl.core.session.machine import IllegalEventError, Step, step
from nebctl.core.session.state import IDLE, LIVE, Kind, Rules, Session, State

__all__ = ["IDLE", "LIVE", "IllegalEventError", "Kind", "Rules", "Session", "State", "Step", "step"]
