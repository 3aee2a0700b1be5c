"""Scenarios: what happens to a whole simulated site, and what must be so then, as a file that a person reads."""
