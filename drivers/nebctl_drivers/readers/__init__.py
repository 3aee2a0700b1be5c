"""Readers: what a device says, for people and scripts; no reader ever sends what moves, starts or stops anything."""
