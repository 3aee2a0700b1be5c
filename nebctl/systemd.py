"""Words to the service manager: ready, alive, stopping; silent where there is no service manager."""

import os
import socket
from collections.abc import Mapping


class ServiceNotice:
    """The notification socket of systemd (sd_notify), as the environment names it."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog_us = environment.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(watchdog_us) / 1e6 if watchdog_us.isdigit() else None

    def tell(self, state: str) -> None:
        """Send a state such as "READY=1"; a manager that cannot be reached is no reason to fail."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notice:
            try:
                notice.sendto(state.encode(), address)
            except OSError:
                return


class Watchdog:
    """Feeds the service's watchdog from the control loop, at most every third of its time."""

    def __init__(self, notice: ServiceNotice) -> None:
        self._notice = notice
        self._period_s = notice.watchdog_s / 3 if notice.watchdog_s else None
        self._fed_s = float("-inf")

    def feed(self, now_s: float) -> None:
        """Say that a complete control cycle has just ended."""
        if self._period_s is not None and now_s - self._fed_s >= self._period_s:
            self._fed_s = now_s
            self._notice.tell("WATCHDOG=1")
