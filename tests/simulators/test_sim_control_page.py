"""The control interface against its own page, by a tool that tries what the page allows and what it does not."""

import json
from importlib import resources

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks

from nebctl_simulators.catalogue import CATALOGUE
from nebctl_simulators.control import control_app
from nebctl_simulators.jet.device import Device as Jet
from nebctl_simulators.jet.presets import build_unit as build_jet
from nebctl_simulators.mesh.device import Device as Mesh
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import Lockstep, ScaledTime

PAGE = json.loads(resources.files("nebctl_simulators").joinpath("openapi.json").read_text(encoding="utf-8"))
TRY = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]


def build_mesh() -> Mesh:
    """Return a mesh controller at time 0."""
    return Mesh(unit=build_unit("mesh.solo", 1), serial="SIM-0001", sim_time=ScaledTime(0), memory=Memory(), real_ns=0)


def build_jet_device() -> Jet:
    """Return a jet nebulizer at time 0."""
    return Jet(unit=build_jet("jet.lc", 1), serial="SIM-0002", sim_time=ScaledTime(0), real_ns=0)


MESH = schemathesis.openapi.from_asgi("/openapi.json", control_app(build_mesh(), lockstep=Lockstep()))
JET = schemathesis.openapi.from_asgi("/openapi.json", control_app(build_jet_device(), lambda: 0))


@MESH.parametrize()
@TRY
def test_a_mesh_in_lockstep_keeps_to_the_page(case: schemathesis.Case) -> None:
    """Whatever is sent, no request breaks it, every answer is one of the page's, and bad bodies are refused."""
    case.call_and_validate(checks=CHECKS)


@JET.parametrize()
@TRY
def test_a_jet_in_real_time_keeps_to_the_page(case: schemathesis.Case) -> None:
    """The same page holds for another kind of device, whose time is not to be moved."""
    case.call_and_validate(checks=CHECKS)


def test_the_page_is_openapi_3_1() -> None:
    """The page says its version, and every operation has a summary and names its answers."""
    assert PAGE["openapi"] == "3.1.0"
    operations = [operation for path in PAGE["paths"].values() for operation in path.values()]
    assert all(operation["summary"].endswith(".") and "200" in operation["responses"] for operation in operations)


def test_the_page_names_every_fault() -> None:
    """The faults that the page allows are those of the catalogue, each once."""
    assert sorted(PAGE["components"]["schemas"]["Asked"]["properties"]["fault"]["enum"]) == sorted(CATALOGUE)


@pytest.mark.parametrize("app", [control_app(build_mesh(), lambda: 0), control_app(build_jet_device(), lambda: 0)])
def test_every_path_is_on_the_page(app: object) -> None:
    """No path is served that the page does not have, and none is missing."""
    assert {route.path for route in app.routes} == set(PAGE["paths"])  # type: ignore[attr-defined]
