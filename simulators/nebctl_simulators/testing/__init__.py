"""Simulated devices for the tests of other people's programs: pytest fixtures, and the same without pytest.

`from nebctl_simulators.testing.simulator import Simulator` starts one device in a process of its own.
"""
