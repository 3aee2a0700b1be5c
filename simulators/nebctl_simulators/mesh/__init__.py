"""The simulated mesh controller, built from docs/wire-protocol.md alone."""
