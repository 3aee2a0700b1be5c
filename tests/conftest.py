"""What every test shares: virtual time by a marker, and the rule that each test states the fact it proves."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from nebctl_lab.virtual import VirtualLoop


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of virtual time."""
    config.addinivalue_line("markers", "virtual: run on a loop whose time jumps to the next timer")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give a test marked `virtual` the jumping loop, every other one the ordinary loop."""
    if item.get_closest_marker("virtual"):
        return {"virtual": VirtualLoop}
    return {"real": asyncio.SelectorEventLoop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that does not say what it proves."""
    silent = [item.nodeid for item in items if isinstance(item, pytest.Function) and not item.function.__doc__]
    if silent:
        raise pytest.UsageError("each test states the fact it proves in a docstring; missing: " + ", ".join(silent))
