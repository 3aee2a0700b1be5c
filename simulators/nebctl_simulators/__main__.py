"""Starts a simulator with `python -m nebctl_simulators mesh …`, without the rest of nebctl."""

from nebctl_simulators.cli import sim

sim(prog_name="nebctl sim")
