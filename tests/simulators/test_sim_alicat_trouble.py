"""The simulated Alicat in trouble: taring in mid-flow, streams left on, faults of gas, valve, sensor and line."""

import pytest

from nebctl_simulators.alicat.device import Device
from nebctl_simulators.alicat.model import Model
from nebctl_simulators.jet.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000


class Host:
    """A host with a controller that flows at 6 SLPM since two seconds."""

    def __init__(self, model: Model | None = None) -> None:
        unit = build_unit("jet.lc", 1)
        self.device = Device(unit=unit, serial="SIM-0004", sim_time=ScaledTime(0), real_ns=0, model=model)
        self.now_ns = 0
        self.ask("AS6.0")
        self.pass_time(2)

    def ask(self, line: str) -> str:
        """Send a line and return what comes at once."""
        return self.device.feed(line.encode() + b"\r", self.now_ns).decode()

    def mass(self) -> float:
        """Return the mass flow that is shown."""
        return float(self.ask("A").split()[4])

    def pass_time(self, seconds: float) -> bytes:
        """Let real time pass in steps of 10 ms and return what came unasked."""
        said = b""
        for _ in range(round(seconds * 100)):
            self.now_ns += 10 * MS
            said += self.device.step(self.now_ns)
        return said

    def inject(self, fault: str, count: int = 1, ms: int | None = None) -> None:
        """Arm a fault now."""
        self.device.inject(fault, count, ms, self.now_ns)


@pytest.fixture
def host() -> Host:
    """A host with a controller that flows."""
    return Host()


@pytest.mark.parametrize("line", ["AV", "A$$V", "AT"])
def test_a_tare_in_mid_flow_spoils_the_flow(host: Host, line: str) -> None:
    """What flows counts as nothing from then on, so the loop opens further: 6 shown are 12 in truth."""
    host.ask(line)
    host.pass_time(2)
    assert host.mass() == pytest.approx(6, abs=0.1)
    assert host.device.truth().flow_sccm == pytest.approx(12_000, rel=0.02)


def test_two_seconds_of_zero_tare_it_again(host: Host) -> None:
    """A set-point of 0 for two seconds puts the zero right by itself."""
    host.ask("AV")
    host.ask("AS0")
    host.pass_time(1.5)
    assert host.mass() == pytest.approx(-6, abs=0.1)
    host.pass_time(3)
    assert host.mass() == 0
    host.ask("AS6.0")
    host.pass_time(2)
    assert host.device.truth().flow_sccm == pytest.approx(6000, rel=0.01)


def test_a_bare_t_can_mean_the_total() -> None:
    """The other reading of a bare `T`: the total is reset and the zero stays."""
    host = Host(Model(totalizer=True, bare_t="total"))
    host.pass_time(10)
    host.ask("AT")
    assert float(host.ask("A").split()[6]) == 0
    assert host.mass() == pytest.approx(6, rel=0.01)


def test_a_stream_has_no_id_and_ends_by_giving_one(host: Host) -> None:
    """Streaming sends a frame each 50 ms without an ID and hears nothing else; `@@ A` ends it."""
    assert host.ask("A@ @") == ""
    assert host.device.next_ns() == host.now_ns + 50 * MS
    lines = host.pass_time(1).decode().split("\r")[:-1]
    assert len(lines) == 20
    assert all(line.startswith("+") and line.endswith("Air") for line in lines)
    assert (host.ask("A"), host.ask("AS1.0")) == ("", "")
    assert host.ask("@@ a").startswith("A +")
    assert host.pass_time(1) == b""
    assert host.device.truth().setpoint == 6


def test_the_stream_has_its_interval(host: Host) -> None:
    """NCS sets the milliseconds between two frames."""
    assert host.ask("ANCS 500") == "A 500\r"
    host.ask("A@ @")
    assert host.pass_time(5).count(b"\r") == 10


def test_somebody_left_the_stream_on(host: Host) -> None:
    """Left streaming by somebody, only the host ends it; clearing the faults does not."""
    host.inject("left_streaming")
    host.device.clear(host.now_ns)
    assert host.pass_time(0.2).count(b"\r") >= 3
    host.ask("@@ A")
    assert host.pass_time(0.2) == b""


def test_another_id_is_taken(host: Host) -> None:
    """A unit renamed to B answers as B and no more as A."""
    assert host.ask("A@ B").startswith("B +")
    assert (host.ask("A"), host.ask("B")[:1]) == ("", "B")


def test_an_analogue_source_makes_it_deaf_to_set_points(host: Host) -> None:
    """With the analogue input as the source, a set-point by wire is answered and not taken."""
    assert host.ask("ALSS") == "A S\r"
    assert host.ask("ALSS A") == "A A\r"
    assert host.ask("AS9.0").split()[5] == "+00.000"
    host.pass_time(2)
    assert host.device.truth().flow_sccm == 0


@pytest.mark.req("S23")
def test_a_brown_out_shuts_the_valve_and_forgets_the_set_point(host: Host) -> None:
    """After a loss of power nothing flows, and the set-point reads 0."""
    host.ask("AHP")
    host.inject("brownout")
    assert host.ask("ALS") == "A +00.000 +00.000 7 SLPM\r"
    assert host.ask("A").endswith("   Air\r")
    host.pass_time(1)
    assert host.device.truth().flow_sccm == 0


@pytest.mark.parametrize(
    ("fault", "sccm", "code"),
    [("kinked_tube", 300, "POV"), ("weak_compressor", 4200, None), ("no_gas", 0, None)],
)
def test_what_is_wrong_with_the_gas_shows_in_the_reading(host: Host, fault: str, sccm: int, code: str | None) -> None:
    """A kinked tube, a weak compressor and an empty bottle each give their flow at the same set-point."""
    host.inject(fault)
    host.pass_time(1)
    assert host.mass() * 1000 == pytest.approx(sccm, abs=20)
    assert host.ask("A").split()[7:] == ([code] if code else [])
    host.device.clear(host.now_ns)
    host.pass_time(1)
    assert host.mass() == pytest.approx(6, rel=0.01)


def test_a_stuck_valve_goes_on(host: Host) -> None:
    """A valve that does not move keeps the flow, whatever the set-point reads."""
    host.inject("stuck_valve")
    assert host.ask("AS 0.0").split()[5] == "+00.000"
    host.pass_time(2)
    assert host.mass() == pytest.approx(6, rel=0.01)


def test_frozen_readings_stay(host: Host) -> None:
    """Frozen, the same numbers come for ever although the gas has stopped."""
    host.inject("frozen")
    shown = host.ask("A").split()[1:5]
    host.ask("AS0")
    host.pass_time(3)
    assert host.ask("A").split()[1:5] == shown
    assert host.device.truth().flow_sccm == 0


def test_another_unit_changes_columns_and_table(host: Host) -> None:
    """With the other unit on the panel 6 SLPM read 6000 SCCM, and a set-point counts in that unit."""
    host.inject("other_unit")
    assert host.ask("A").split()[5] == "+06000.0"
    assert "012 02 SCCM" in host.ask("A??D*")
    assert host.ask("ALS 6.0") == "A +00006.0 +00006.0 12 SCCM\r"
    assert host.device.truth().setpoint == pytest.approx(0.006)


def test_faults_of_the_answer(host: Host) -> None:
    """A refusal does nothing; the wrong ID and the missing column come in an otherwise whole line."""
    host.inject("refuse")
    assert host.ask("AS1.0") == "?\r"
    assert host.device.truth().setpoint == 6
    host.inject("wrong_id")
    assert host.ask("A").startswith("B +")
    host.inject("short")
    assert len(host.ask("A").split()) == 6


def test_a_line_too_long_is_dropped_and_the_next_is_heard(host: Host) -> None:
    """Noise without an end is bounded, and costs the line it is part of alone."""
    assert host.ask("A" * 5000) == ""
    assert host.ask("A").startswith("A +")


def test_gas_through_the_jet_empties_its_cup() -> None:
    """The jet behind the controller makes aerosol of what is in its cup while gas flows, and only then."""
    host = Host()
    host.device.pour(3_000_000)
    host.pass_time(10)
    truth = host.device.truth()
    assert truth.output == "RUN"
    assert truth.emitted_nl > 20_000
    host.ask("AHC")
    host.pass_time(2)
    emitted_nl = host.device.truth().emitted_nl
    host.pass_time(2)
    assert host.device.truth().emitted_nl == emitted_nl
    assert host.device.truth().output == "OFF"
    assert host.device.empty_cup() > 2_800_000


@pytest.mark.parametrize("letter", ["a", "AB", "", "1"])
def test_an_id_is_one_letter(letter: str) -> None:
    """What cannot be an ID on the line is refused."""
    with pytest.raises(ValueError, match="one letter from A to Z"):
        Device(unit=build_unit("jet.lc", 1), serial="SIM-1", sim_time=ScaledTime(0), real_ns=0, letter=letter)
