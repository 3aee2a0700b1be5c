"""Benchmarks: figures measured as ratios in one run, never a pass or fail of a test."""
