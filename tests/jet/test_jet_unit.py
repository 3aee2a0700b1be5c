"""A unit with a jet as processes: a dose from scan to record, the deviation it needs, and the cut-off it relies on."""

import hashlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nebctl.config import LoadedConfig, load_config
from nebctl.core.ledger.approval import approval_text
from nebctl.core.ledger.note import sign_note
from nebctl.daemon import open_parts
from nebctl.keys import load_signer
from nebctl.unit import StartFault
from nebctl_lab.bench_site import Bench, until
from nebctl_lab.demo.site import SITE, STUDY, THERAPIST
from nebctl_lab.processes import Child

pytestmark = pytest.mark.timeout(60)

DEVIATION = "DEV-001 jet nebulizers emit about half of the prescribed volume"
FILL_NL = 3_000_000
FAST = 200


class JetBench(Bench):
    """A table with a jet in the mesh's place."""

    def __init__(self, root: Path, *, deviation: bool = True) -> None:
        super().__init__(root)
        if deviation:
            self.approve(f'[deviations]\njet_under = "{DEVIATION}"\n')
        arguments = ["-m", "nebctl_simulators", "jet", "--tcp", "127.0.0.1:0", "--control", "0"]
        log = self.site.log("simulator")
        self.simulator = Child("simulator", [*arguments, "--clock", str(self.site.clock)], log).start()
        port = self.simulator.ready.split()[0]
        self.amend('driver = "mesh-reference"\nport = "nebulizer"', f'driver = "jet-modbus"\nport = "tcp://{port}"')

    def approve(self, text: str) -> None:
        """Add to the site's rules, and approve them as they then stand."""
        path = self.site.root / "study" / "site-rules.toml"
        path.write_text(f"{path.read_text('utf-8')}\n{text}", "utf-8")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        signer = load_signer(self.site.root / "keys" / "approver.key")
        note = sign_note(approval_text(path.name, digest, "2026-02-13T00:00:00.000Z"), f"{SITE}/approver", signer)
        path.with_name(f"{path.name}.sig").write_text(note, "utf-8")

    def press_start(self) -> None:
        """Fill 3 mL, pass the self-test and start."""
        self.pace(1)
        self.scan()
        view = self.charge(FILL_NL)
        assert view["state"] == "ready", dict(view)
        view = self.api.post("/api/start", auth=view["review"]["auth"])
        assert view["state"] == "running", dict(view)


@pytest.fixture
def jet(tmp_path: Path) -> Iterator[JetBench]:
    """A jet unit that is up."""
    bench = JetBench(tmp_path / "site")
    try:
        yield bench.start_unit()
    finally:
        bench.close()


@pytest.mark.req("S17")
def test_a_dose_by_jet_is_complete_and_under(jet: JetBench) -> None:
    """Sputter ends the run, the residual completes it; UNDER by the mesh's rule, and the truth is in the interval."""
    jet.press_start()
    assert jet.truth()["output"] == "RUN"
    jet.pace(FAST)
    jet.until_state("residual")
    jet.pace(1)
    truth = jet.truth()
    assert (truth["relay_closed"], truth["setpoint_sccm"]) == (False, 0)
    jet.measure()
    [dose] = jet.records("dose")
    assert (dose["end"], dose["witnesses"]) == ("complete", ["dry", "residual"])
    assert (dose["verdict"], dose["deviations"]) == ("UNDER", ["underdose", "device-class-under"])
    assert (dose["site_deviation"], dose["model"], dose["device"]) == (DEVIATION, "jet", "SIM-0002")
    assert dose["low_nl"] <= truth["emitted_nl"] <= dose["high_nl"]
    assert dose["tracked"]["low_nl"] <= truth["emitted_nl"] <= dose["tracked"]["high_nl"]
    [start] = jet.records("start")
    assert start["declaration"]["s14"] is False
    assert start["declaration"]["s22_ms"] == 2000


@pytest.mark.req("S17")
def test_the_operator_ends_a_jet(jet: JetBench) -> None:
    """The operator sees the end before the driver does: OFF at once, and complete by that word and the residual."""
    jet.press_start()
    jet.pace(FAST)
    until(lambda: jet.truth()["duty_ppm"] < 1_000_000, "the jet spits")
    jet.pace(1)
    view = jet.api.post("/api/end-seen", operator=THERAPIST[0])
    assert view["state"] in ("stopping", "residual")
    jet.until_state("residual")
    assert not jet.truth()["relay_closed"]
    jet.measure()
    [dose] = jet.records("dose")
    assert (dose["end"], dose["witnesses"]) == ("complete", ["operator-end", "residual"])
    assert dose["end_seen_by"] == THERAPIST[0]


@pytest.mark.req("S22")
def test_a_frozen_unit_means_off_in_two_seconds(jet: JetBench) -> None:
    """A daemon that hangs with the gas on is cut off by the relay, and a person is told."""
    jet.press_start()
    jet.unit.send(signal.SIGSTOP)
    began = time.monotonic()
    until(lambda: not jet.truth()["relay_closed"], "the relay opens")
    assert time.monotonic() - began < 2.6
    assert jet.truth()["setpoint_sccm"] == 6000  # nobody took it away: the relay alone did this
    jet.unit.send(signal.SIGCONT)
    jet.until_state("paused", "residual")
    until(lambda: jet.view()["alarms"], "the alarm is shown")


@pytest.mark.req("S23")
def test_a_gas_controller_that_lost_power_ends_the_dose(jet: JetBench) -> None:
    """A brown-out in mid-dose is found by read-back; nothing goes on by itself and the outcome is uncertain."""
    jet.press_start()
    jet.device.post("/inject", fault="brownout")
    jet.until_state("residual")
    assert not jet.truth()["relay_closed"]
    jet.measure()
    [dose] = jet.records("dose")
    assert dose["end"] == "uncertain"


async def test_a_jet_without_the_sites_deviation_is_refused(tmp_path: Path) -> None:
    """Without a numbered deviation in the approved site rules a jet unit does not start; the line says what to add."""
    bench = JetBench(tmp_path / "site", deviation=False)
    try:
        loaded: Any = load_config(bench.config)
        assert isinstance(loaded, LoadedConfig), loaded
        with pytest.raises(StartFault) as refused:
            await open_parts(loaded)
    finally:
        bench.close()
    line = str(refused.value)
    assert refused.value.wrong_call
    assert "[deviations] jet_under" in line
    assert "site-rules.toml" in line
    assert "\n" not in line
    assert STUDY not in line
