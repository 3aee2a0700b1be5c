"""Simulated devices as separate processes: they know nebctl only by the wire and import nothing of it."""
