"""A unit's [device] table: which devices a live unit takes, and how a profile of one's own is found."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nebctl.config import LoadedConfig, load_config
from nebctl.core.device import Declaration
from nebctl.core.regimen import SiteRules
from nebctl.daemon import _check_promises, _nebulizer
from nebctl.unit import LIVE_EDGE, StartFault
from nebctl_drivers.modbus_nebulizer.device import ModbusNebulizer
from nebctl_lab.bench_site import Bench

from .conftest import EXAMPLE

KEEPS = Declaration(keeps_s14=True, host_loss_off_ms=2000, max_on_in_device=True, senses=())
TEXT = "DEV-002 a nurse stays at the bed"
CLOCK: Any = SimpleNamespace(instant=lambda: SimpleNamespace(mono_ns=0))


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    """The configuration of a simulated unit."""
    bench = Bench(tmp_path / "site")
    try:
        config = load_config(bench.config)
    finally:
        bench.close()
    assert isinstance(config, LoadedConfig), config
    return config


def amend(loaded: LoadedConfig, *, simulated: bool = True, **device: Any) -> LoadedConfig:
    """Return the configuration with another [device], or as a live unit's."""
    unit = loaded.config.unit.model_copy(update={"simulated": simulated})
    changed = loaded.config.device.model_copy(update=device)
    return replace(loaded, config=loaded.config.model_copy(update={"unit": unit, "device": changed}))


def check(loaded: LoadedConfig, declaration: Declaration, **rules: str) -> None:
    """Ask whether the unit starts with a device of this declaration under these site rules."""
    study: Any = SimpleNamespace(rules=SiteRules(**rules))  # type: ignore[arg-type]  # texts, for deviations
    nebulizer: Any = SimpleNamespace(declaration=declaration)
    _check_promises(loaded, study, nebulizer)


@pytest.mark.req("S22")
@pytest.mark.parametrize("host_loss_ms", [None, 2001, 3000])
def test_a_live_unit_refuses_a_device_that_outlives_its_host(loaded: LoadedConfig, host_loss_ms: int | None) -> None:
    """Without S22 and without the site's own deviation a live unit does not start; the line says what to write."""
    declaration = replace(KEEPS, host_loss_off_ms=host_loss_ms)
    live = amend(loaded, simulated=False)
    with pytest.raises(StartFault) as refused:
        check(live, declaration)
    assert refused.value.wrong_call
    assert "(S22)" in str(refused.value)
    assert "[deviations] host_loss" in str(refused.value)
    check(live, declaration, host_loss=TEXT)
    check(loaded, declaration)  # a simulated unit may


@pytest.mark.req("S24")
def test_a_live_unit_refuses_a_device_without_a_maximum_on_time(loaded: LoadedConfig) -> None:
    """Without S24 and without the site's own deviation a live unit does not start; one deviation is not the other."""
    declaration = replace(KEEPS, max_on_in_device=False)
    live = amend(loaded, simulated=False)
    for rules in ({}, {"host_loss": TEXT}):
        with pytest.raises(StartFault, match=r"\[deviations\] host_max_on"):
            check(live, declaration, **rules)
    check(live, declaration, host_max_on=TEXT)


def test_a_device_that_keeps_both_needs_nothing(loaded: LoadedConfig) -> None:
    """A device that keeps S22 and S24 starts live without any deviation."""
    check(amend(loaded, simulated=False), KEEPS)


def test_a_profile_file_is_found_beside_the_configuration(loaded: LoadedConfig) -> None:
    """A profile's path is relative to unit.toml; a name is one of the installed profiles."""
    beside = loaded.folder / "my-device.toml"
    beside.write_text(Path(EXAMPLE).read_text("utf-8"), "utf-8")
    url = "tcp://127.0.0.1:1?unit=40"
    for profile in ("my-device.toml", "modbus-nebulizer"):
        nebulizer = _nebulizer(amend(loaded, driver="modbus-nebulizer", port=url, profile=profile), CLOCK, LIVE_EDGE)
        assert isinstance(nebulizer, ModbusNebulizer)


def test_a_live_unit_refuses_an_unverified_profile(loaded: LoadedConfig) -> None:
    """The example's profile is refused by a live unit, in one line that begins with [device]."""
    live = amend(
        loaded,
        simulated=False,
        driver="modbus-nebulizer",
        port="tcp://127.0.0.1:1?unit=40",
        profile="modbus-nebulizer",
    )
    with pytest.raises(StartFault, match=r"^\[device\] .*example") as refused:
        _nebulizer(live, CLOCK, LIVE_EDGE)
    assert refused.value.wrong_call


def test_a_wrong_profile_is_told_with_file_and_line(loaded: LoadedConfig) -> None:
    """Faults of a profile come with the file's name, line and key, all at once."""
    beside = loaded.folder / "my-jet.toml"
    beside.write_text('[profile]\nid = "x"\nprotocol = "jet"\n', "utf-8")
    with pytest.raises(StartFault) as refused:
        _nebulizer(amend(loaded, driver="jet", port="tcp://127.0.0.1:1", profile="my-jet.toml"), CLOCK, LIVE_EDGE)
    lines = str(refused.value).splitlines()
    assert all(line.startswith(f"{beside}:") for line in lines)
    assert len(lines) > 3
