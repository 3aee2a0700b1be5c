"""How much has left the nebulizer, and how sure that is."""

from nebctl.core.dose.calibration import By, Calibration, with_calibration
from nebctl.core.dose.charge import Charge, Interval, Method, Residual, balance
from nebctl.core.dose.estimate import NAME, NOTHING, Code, DoseEstimate, ran_dry_early, seconds_left, track
from nebctl.core.dose.model import DeviceModel, Kind
from nebctl.core.dose.reading import Doing, Reading
from nebctl.core.dose.replay import Replayed, replay
from nebctl.core.dose.settle import Settled, settle

__all__ = [
    "NAME",
    "NOTHING",
    "By",
    "Calibration",
    "Charge",
    "Code",
    "DeviceModel",
    "Doing",
    "DoseEstimate",
    "Interval",
    "Kind",
    "Method",
    "Reading",
    "Replayed",
    "Residual",
    "Settled",
    "balance",
    "ran_dry_early",
    "replay",
    "seconds_left",
    "settle",
    "track",
    "with_calibration",
]
