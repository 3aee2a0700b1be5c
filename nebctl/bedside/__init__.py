"""The bedside: what a person can do at the unit, what is shown, and the loopback API that carries both."""
