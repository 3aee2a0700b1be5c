"""Modbus as a server speaks it, written for the simulators alone: frames, units on a line, and a nebulizer."""
