"""The functional core: frozen values and pure functions; no clock, no randomness, no I/O."""
