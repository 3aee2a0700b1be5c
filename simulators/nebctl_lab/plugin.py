"""The pytest fixture of a whole unit: daemon, store and simulated nebulizer as processes, and the person who presses.

Nothing here runs by itself, and nothing but pytest is imported before the fixture is asked for.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nebctl_lab.bench_site import Bench

MARKER = "nebctl_bench(subjects=1): for how many subjects the unit of the fixture nebctl_bench has a worklist"
OPTIONS = ("subjects",)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def nebctl_bench(request: pytest.FixtureRequest) -> "Iterator[Bench]":
    """Return one running unit with its simulated mesh nebulizer, its worklist on its disk and nobody logged in."""
    from nebctl_lab.bench_site import Bench  # noqa: PLC0415

    subjects = _options(request.node).get("subjects", 1)
    folders: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    bench = Bench(folders.mktemp("nebctl-bench") / "site", subjects=subjects)
    try:
        yield bench.start()
    finally:
        bench.close()


def _options(node: pytest.Item) -> dict[str, int]:
    marker = node.get_closest_marker("nebctl_bench")
    given = dict(marker.kwargs) if marker is not None else {}
    if unknown := sorted(given.keys() - set(OPTIONS)):
        pytest.fail(
            f"nebctl_bench: there is no option {unknown[0]!r}; choose one of: {', '.join(OPTIONS)}", pytrace=False
        )
    return given
