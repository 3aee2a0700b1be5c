"""What the page shows of the device itself: the control chart of its rate, and how its calibration stands."""

from nebctl.core.calibrated import calibration_of, facts
from nebctl.core.dose.control import chart
from nebctl.core.history import UnitHistory
from nebctl.core.ledger.records import Json
from nebctl.core.rates import chart_facts
from nebctl.core.session import Rules


def device(history: UnitHistory, rules: Rules, answering: str | None, now_ns: int) -> dict[str, Json]:
    """Return the chart of the device that answers, by its serial number, and how its calibration stands.

    While none answers (None) it is the device that was calibrated last, "" where none was. `now_ns` is wall time.
    """
    last = history.calibrations[-1].serial if history.calibrations else ""
    serial = last if answering is None else answering
    charted = chart(history.rates.get(serial, ()))
    found = calibration_of(rules, history, serial, now_ns)
    return {**chart_facts(serial, charted), "calibration": facts(found)}
