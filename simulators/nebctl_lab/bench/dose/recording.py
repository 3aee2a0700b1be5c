"""What one dose leaves: readings, and what was so at each of them."""

from nebctl.core.dose.reading import Reading


class Recording:
    """Readings in their order, and beside each the emitted volume and the rate."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.emitted_nl: list[int] = []
        self.rate_nl_s: list[int] = []

    def add(self, reading: Reading, emitted_nl: int, rate_nl_s: int) -> None:
        """Append a reading with its truth."""
        self.readings.append(reading)
        self.emitted_nl.append(emitted_nl)
        self.rate_nl_s.append(rate_nl_s)
