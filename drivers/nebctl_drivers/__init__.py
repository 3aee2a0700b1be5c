"""Drivers: what nebctl knows of devices, each by its wire alone."""
