"""[device] of unit.toml: profile and trace, and `nebctl run --trace` ahead of the file's own."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nebctl import daemon
from nebctl.cli import main
from nebctl.config import LoadedConfig, load_config

UNIT = """\
[unit]
id = "neb-0001"
site = "sim.mexcovid.example"
zone = "Asia/Shanghai"
data = "data"
key = "unit.key"
trust = "trust"
simulated = true
[study]
protocol = "p.toml"
site_rules = "s.toml"
[page]
bind = "127.0.0.1:0"
[device]
driver = "mesh-reference"
port = "usb://0403:6001/A10K2X"
"""


def write(folder: Path, *lines: str) -> Path:
    """Write a unit.toml whose [device] has some more lines."""
    path = folder / "unit.toml"
    path.write_text(UNIT + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def loaded(path: Path) -> LoadedConfig:
    """Return a configuration that is right."""
    config = load_config(path)
    assert isinstance(config, LoadedConfig), config
    return config


def test_profile_and_trace_are_read(tmp_path: Path) -> None:
    """A profile is kept as it is written, a trace is a path; without them there is neither."""
    config = loaded(write(tmp_path, 'profile = "alicat-mc"', 'trace = "wire.trace"'))
    device = config.config.device
    assert (device.profile, device.trace) == ("alicat-mc", Path("wire.trace"))
    assert config.path(Path("wire.trace")) == tmp_path / "wire.trace"
    bare = loaded(write(tmp_path)).config.device
    assert (bare.profile, bare.trace) == (None, None)


@pytest.mark.parametrize(("line", "field"), [('profile = ""', "device.profile"), ("trace = 7", "device.trace")])
def test_what_is_no_profile_or_trace_is_refused(tmp_path: Path, line: str, field: str) -> None:
    """An empty profile and a trace that is no text are refused with their field and line."""
    faults = load_config(write(tmp_path, line))
    assert isinstance(faults, tuple)
    assert [(fault.field, fault.line) for fault in faults] == [(field, UNIT.count("\n") + 1)]


def test_run_takes_its_trace_ahead_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--trace` is found from where the command was given and wins over the file's; the digest is still the file's."""
    given: list[LoadedConfig] = []

    async def run_unit(config: LoadedConfig, **_: Any) -> None:
        given.append(config)

    monkeypatch.setattr(daemon, "run_unit", run_unit)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "etc").mkdir()
    path = write(tmp_path / "etc", 'trace = "own.trace"')
    for arguments in ([], ["--trace", "mine.trace"]):
        done = CliRunner().invoke(main, ["run", "--config", str(path), *arguments])
        assert done.exit_code == 0, done.output
    traces = [config.path(config.config.device.trace or Path()) for config in given]
    assert traces == [tmp_path / "etc" / "own.trace", tmp_path / "mine.trace"]
    assert {config.sha256 for config in given} == {hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.mark.req("S51")
@pytest.mark.parametrize("table", ["[device]", "[[device]]", "  [ device ]  # the jet"])
def test_a_unit_has_one_device(tmp_path: Path, table: str) -> None:
    """A second device is refused with its line and in plain words: one STOP turns off all that a unit drives."""
    path = write(tmp_path, table, 'driver = "board-9c"', 'port = "usb://0403:6001/B20K2X"')
    (fault,) = load_config(path)
    assert str(fault) == (
        f"{path}:17: device: a unit drives one device, and the first stands on line 14; "
        "keep one [device]; another nebulizer needs a unit of its own"
    )
