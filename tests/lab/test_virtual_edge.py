"""What a simulation replaces at a unit's edge, a live unit and a live pharmacy refuse."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from nebctl.config import LoadedConfig, load_config
from nebctl.daemon import open_parts
from nebctl.pharmacy import run as pharmacy
from nebctl.pharmacy.config import PharmacyConfig, read_config
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.setup import Plan, set_up
from nebctl.publish.window import Window
from nebctl.unit import LIVE_EDGE, Edge, StartFault
from nebctl_lab.system import SitePlan
from nebctl_lab.system.chance import make_keys, stream
from nebctl_lab.system.furnish import furnish
from nebctl_lab.system.inline import Inline

STAND_INS = {
    "random": stream(1, "test").randbytes,
    "thread": Inline,
    "open_link": lambda _: None,
    "connect": lambda *_: None,
    "clock": object(),
    "ended": asyncio.Event,
    "serve": lambda *_: None,
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return the folder of a furnished site."""
    furnish(tmp_path, SitePlan())
    return tmp_path


def as_live(loaded: LoadedConfig) -> LoadedConfig:
    """Return the configuration with `simulated = false` and all else as it is."""
    unit = loaded.config.unit.model_copy(update={"simulated": False})
    return replace(loaded, config=loaded.config.model_copy(update={"unit": unit}))


@pytest.mark.req("S48")
@pytest.mark.parametrize("name", STAND_INS)
async def test_a_live_unit_takes_nothing_from_a_simulation(site: Path, name: str) -> None:
    """Whatever one thing is replaced at the edge, a unit that treats people does not start, and says why."""
    loaded = load_config(site / "units" / "neb-0001" / "unit.toml")
    assert isinstance(loaded, LoadedConfig)
    with pytest.raises(StartFault, match="live unit takes chance") as refused:
        await open_parts(as_live(loaded), Edge(**{name: STAND_INS[name]}))  # type: ignore[arg-type]
    assert refused.value.wrong_call
    assert not (site / "units" / "neb-0001" / "unit.db").exists()


def test_every_part_of_the_edge_was_tried() -> None:
    """A part that is added to the edge must be refused too: the list of the test above is whole."""
    assert set(STAND_INS) == set(Edge.__dataclass_fields__)
    assert Edge() == LIVE_EDGE


@pytest.mark.req("S48")
@pytest.mark.parametrize("name", ["random", "clock", "thread", "connect", "ended"])
async def test_a_live_pharmacy_takes_nothing_from_a_simulation(site: Path, name: str) -> None:
    """Neither its service nor its books run on a simulation's chance or time where `sim` is false."""
    config = read_config(site / "pharmacy.toml")
    assert isinstance(config, PharmacyConfig)
    live = config.model_copy(update={"pharmacy": config.pharmacy.model_copy(update={"sim": False})})
    edge = pharmacy.Edge(**{name: STAND_INS[name]})  # type: ignore[arg-type]
    with pytest.raises(PharmacyFault, match="sim = false"):
        await pharmacy.serve(live, lambda _: None, edge)
    with pytest.raises(PharmacyFault, match="sim = false"):
        pharmacy.bookkeeping(live, edge)


def test_a_live_site_gets_no_keys_from_a_seed(tmp_path: Path) -> None:
    """Keys that follow from a number are refused for a site that is not simulated, before any file is written."""
    plan = Plan(
        site="mexcovid.example",
        sim=False,
        study="NCT04276987",
        mqtt="mqtt://127.0.0.1:1",
        clock=None,
        operators=(),
        make_key=make_keys(1),
    )
    with pytest.raises(ValueError, match="not simulated"):
        set_up(tmp_path, tmp_path / "trust", plan)
    assert list(tmp_path.iterdir()) == []


def test_keys_follow_from_seed_and_name(tmp_path: Path) -> None:
    """One seed gives the same keys again, another gives others, and two names never share one."""
    for folder in "abc":
        (tmp_path / folder).mkdir()
    first, again = (make_keys(1)(tmp_path / folder / "unit.key").public for folder in "ab")
    assert first == again
    assert make_keys(2)(tmp_path / "c" / "unit.key").public != first
    assert make_keys(1)(tmp_path / "a" / "other.key").public != first


def test_a_sender_with_nothing_to_send_sleeps() -> None:
    """With nothing waiting the outbox is looked at every five seconds, not a hundred times in one; `poke` wakes it."""
    window = Window(resend_s=5.0, nudge_s=0.5, now=0.0)
    assert window.due([], 60.0) == []
    assert window.wait_s(60.0) == 5.0


async def test_an_inline_executor_is_silent_without_power() -> None:
    """Work is done at once and in order; with the power cut it is neither done nor answered."""
    done: list[int] = []
    disk = Inline()
    assert disk.submit(done.append, 1).done()
    disk.severed = True
    assert not disk.submit(done.append, 2).done()
    disk.shutdown(wait=False)
    disk.severed = False
    disk.submit(done.append, 3)
    disk.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        disk.submit(done.append, 4)
    assert done == [1, 3]
