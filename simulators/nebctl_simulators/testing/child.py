"""`nebctl sim …` for a test's sake: the process ends when the test's process is gone, however that ended."""

import os
import signal
import sys
import threading

from nebctl_simulators.cli import sim


def main() -> None:
    """Run the command that the arguments name, until SIGTERM or until nobody holds the other end of stdin."""
    threading.Thread(target=_end_with_the_test, daemon=True).start()
    sim(prog_name="nebctl sim")


def _end_with_the_test() -> None:
    # No byte is ever sent: the read returns when the pipe closes, and a killed process closes its pipes too.
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
