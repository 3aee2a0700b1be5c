"""One attempt to give one dose, as a transition table."""

from nebctl.core.session.machine import IllegalEventError, Step, step
from nebctl.core.session.state import BEGUN, IDLE, LIVE, Kind, Rules, Session, State

__all__ = ["BEGUN", "IDLE", "LIVE", "IllegalEventError", "Kind", "Rules", "Session", "State", "Step", "step"]
