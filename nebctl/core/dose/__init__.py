"""How much has left the nebulizer, and how sure that is."""

from nebctl.core.dose.charge import Charge, Interval, Method, Residual, balance
from nebctl.core.dose.estimate import (
    NAME,
    NOTHING,
    DeviceModel,
    DoseEstimate,
    Settled,
    ran_dry_early,
    seconds_left,
    settle,
    started,
    track,
)

__all__ = [
    "NAME",
    "NOTHING",
    "Charge",
    "DeviceModel",
    "DoseEstimate",
    "Interval",
    "Method",
    "Residual",
    "Settled",
    "balance",
    "ran_dry_early",
    "seconds_left",
    "settle",
    "started",
    "track",
]
