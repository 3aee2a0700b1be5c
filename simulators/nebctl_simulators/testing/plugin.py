"""The pytest plugin: a simulated device for a test, by fixtures; it costs a test run that uses none nothing.

Nothing here runs by itself, and nothing but pytest is imported before a fixture is asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nebctl_simulators.testing.simulator import Simulator

MARKER = (
    "nebctl_sim(*kinds, **options): how the simulated devices of a test are made, such as preset, seed, speed, fill, "
    "wire or fault; without kinds for every one of them, with kinds ('mesh', 'jet', ...) for those"
)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def nebctl_sims(request: pytest.FixtureRequest) -> "Iterator[Callable[..., Simulator]]":
    """Return a function that starts simulated devices, such as `nebctl_sims("mesh", seed=2)`, as many as a test wants.

    Its options come on top of those of the marker `nebctl_sim`. Each device ends with the test.
    """
    with ExitStack() as stack:

        def start(kind: str, **options: object) -> "Simulator":
            return stack.enter_context(_running(request, kind, options))

        yield start


@pytest.fixture
def mesh_sim(request: pytest.FixtureRequest) -> "Iterator[Simulator]":
    """Return a simulated mesh controller on the reference protocol, with an empty cup, on a TCP port of loopback."""
    with _running(request, "mesh", {}) as simulator:
        yield simulator


@pytest.fixture
def jet_sim(request: pytest.FixtureRequest) -> "Iterator[Simulator]":
    """Return a simulated jet nebulizer: gas controller (unit 40) and cut-off relay (unit 41), on Modbus TCP."""
    with _running(request, "jet", {}) as simulator:
        yield simulator


@pytest.fixture
def balance_sim(request: pytest.FixtureRequest) -> "Iterator[Simulator]":
    """Return a simulated balance that speaks MT-SICS; what is filled in lies on its pan, 1 uL a milligram."""
    with _running(request, "balance", {}) as simulator:
        yield simulator


@pytest.fixture
def modbus_sim(request: pytest.FixtureRequest) -> "Iterator[Simulator]":
    """Return a simulated mesh nebulizer with the Modbus map of the option `profile`, or of the example (unit 40)."""
    with _running(request, "modbus", {}) as simulator:
        yield simulator


@pytest.fixture
def alicat_sim(request: pytest.FixtureRequest) -> "Iterator[Simulator]":
    """Return a simulated Alicat controller with its ASCII dialect (letter A), and a jet nebulizer on its gas."""
    with _running(request, "alicat", {}) as simulator:
        yield simulator


@pytest.fixture
def board_9c_sim(request: pytest.FixtureRequest) -> "Iterator[Simulator]":
    """Return a simulated 9C main board with a mesh and a cup."""
    with _running(request, "board_9c", {}) as simulator:
        yield simulator


@contextmanager
def _running(request: pytest.FixtureRequest, kind: str, options: dict[str, object]) -> "Iterator[Simulator]":
    """Run a simulator; its files stay in pytest's own temporary folder, which keeps those of the last three runs."""
    from nebctl_simulators.testing.process import SimulatorFault  # noqa: PLC0415
    from nebctl_simulators.testing.simulator import Simulator  # noqa: PLC0415

    folders: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    complaint = ""
    with ExitStack() as stack:
        try:
            asked = _options(request.node, kind) | options
            folder = folders.mktemp(f"nebctl-{kind}")
            made = Simulator(kind, folder=folder, start_folder=request.config.invocation_params.dir, **asked)
            simulator = stack.enter_context(made)
        except (ValueError, SimulatorFault) as error:
            complaint = f"nebctl_sim: {error}"
        if complaint:  # outside of the handler, so that the report is this sentence alone
            pytest.fail(complaint, pytrace=False)
        _tell(request.node, simulator)
        yield simulator


def _options(node: pytest.Item, kind: str) -> dict[str, object]:
    """Return the options of the markers, the nearest last, so that a test's own wins over its class's.

    Raises: ValueError for a kind that there is not.
    """
    from nebctl_simulators.testing.options import check_kind  # noqa: PLC0415

    options: dict[str, object] = {}
    for marker in reversed(list(node.iter_markers("nebctl_sim"))):
        kinds = [check_kind(name) for name in marker.args]
        if not kinds or kind in kinds:
            options |= marker.kwargs
    return options


def _tell(node: pytest.Item, simulator: "Simulator") -> None:
    """Let the report of a failed test say with which unit it failed and where the truth lies."""
    truth = simulator.truth
    told = (
        f"{simulator.kind}: {simulator.url}, preset {truth.preset}, seed {truth.seed}\ntruth: {simulator.truth_file}\n"
    )
    node.add_report_section("setup", "nebctl simulators", told)
