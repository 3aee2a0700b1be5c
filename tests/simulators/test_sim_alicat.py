"""The simulated Alicat on its line: commands and answers as bytes, as captures on hardware and the manual have them."""

import pytest

from nebctl_simulators.alicat.device import Device
from nebctl_simulators.alicat.model import Model
from nebctl_simulators.jet.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000
SECOND = 1_000_000_000


class Host:
    """A host that speaks lines by hand; `now_ns` is the real time of what it does next."""

    def __init__(self, model: Model | None = None, letter: str = "A") -> None:
        unit = build_unit("jet.lc", 1)
        self.device = Device(
            unit=unit, serial="SIM-0004", sim_time=ScaledTime(0), real_ns=0, letter=letter, model=model
        )
        self.now_ns = 0

    def send(self, data: bytes) -> bytes:
        """Send bytes and return what comes at once."""
        return self.device.feed(data, self.now_ns)

    def ask(self, line: str) -> str:
        """Send a line and return the one line that answers it; an empty text is silence."""
        said = self.send(line.encode() + b"\r").decode()
        assert said == "" or (said.endswith("\r") and said.count("\r") == 1)
        return said.removesuffix("\r")

    def lines(self, line: str) -> list[str]:
        """Send a line and return all lines that answer it."""
        return self.send(line.encode() + b"\r").decode().split("\r")[:-1]

    def values(self) -> list[float]:
        """Return the numbers of the data frame: pressure, temperature, volumetric, mass, set-point."""
        return [float(word) for word in self.ask("A").split()[1:6]]

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
    """A host with a controller of 20 SLPM that was just switched on."""
    return Host()


def test_the_data_frame_has_the_captured_form(host: Host) -> None:
    """ID, four signed numbers, set-point, and the gas right-aligned in six: nothing flows after power-up."""
    assert host.ask("A") == "A +014.70 +022.00 +00.000 +00.000 +00.000    Air"


@pytest.mark.parametrize("line", ["B", "BS5.0", "", "@", "@@ B", "bls 3"])
def test_foreign_ids_are_none_of_its_business(host: Host, line: str) -> None:
    """A line for another ID gets no answer and does nothing."""
    assert host.send(line.encode() + b"\r") == b""
    assert host.values()[4] == 0


@pytest.mark.parametrize("line", ["AX", "A??X*", "ALV", "ASfive", "AS1e1", "AS", "AS5,0", "AGZ", "AG99", "A\xff"])
def test_what_it_does_not_know_is_a_question_mark(host: Host, line: str) -> None:
    """Unknown words and bad values are refused and change nothing."""
    assert host.send(line.encode("latin-1") + b"\r") == b"?\r"
    assert host.values()[4] == 0


@pytest.mark.parametrize("line", ["AS5.00", "AS 5.0", "as5", "ALS 5.0"])
def test_a_set_point_is_taken_and_the_flow_follows(host: Host, line: str) -> None:
    """Every form of a set-point shows at once, and the flow reaches it as a first-order lag of 0.15 s."""
    assert "+05.000" in host.ask(line)
    host.pass_time(0.15)
    assert host.values()[3] == pytest.approx(5 * (1 - 0.3679), rel=0.02)
    host.pass_time(2)
    pressure, _, volumetric, mass, set_point = host.values()
    assert (mass, set_point) == (pytest.approx(5, rel=0.01), 5)
    assert volumetric == pytest.approx(mass * 14.696 / pressure, rel=0.01)
    assert host.ask("ALS") == "A +05.000 +05.000 7 SLPM"


def test_digits_after_the_id_are_the_old_set_point(host: Host) -> None:
    """`A16000` is a quarter of full scale at once: the mistake of a host that formats badly becomes gas."""
    assert host.ask("A16000").split()[5] == "+05.000"
    host.pass_time(2)
    assert host.device.truth().flow_sccm == pytest.approx(5000, rel=0.01)


def test_set_points_stay_in_range(host: Host) -> None:
    """A set-point above full scale or below zero is kept within the range."""
    assert host.ask("ALS 25") == "A +20.000 +20.000 7 SLPM"
    assert host.ask("ALS -1") == "A +00.000 +00.000 7 SLPM"


def test_a_meter_ignores_what_needs_a_valve() -> None:
    """Commands for absent hardware get no answer at all; the rest does, without a set-point's column."""
    host = Host(Model(controller=False))
    assert [host.ask(line) for line in ("AS5.0", "ALS", "AHC", "A16000", "A$$H", "ASR")] == [""] * 6
    assert len(host.ask("A").split()) == 6


def test_the_valve_holds_and_says_so(host: Host) -> None:
    """HC shuts, HP keeps, C gives the loop its valve again; HLD stands behind the gas as long as it lasts."""
    host.ask("AS6.0")
    host.pass_time(2)
    assert host.ask("AHP").endswith("   Air HLD")
    host.ask("AS1.0")
    host.pass_time(2)
    assert host.values()[3] == pytest.approx(6, rel=0.01)
    host.ask("AHC")
    host.pass_time(2)
    assert host.values()[3:] == [0, 1]
    assert host.ask("AC").endswith("   Air")
    host.pass_time(2)
    assert host.values()[3] == pytest.approx(1, rel=0.01)


def test_codes_stand_behind_the_gas_in_any_number(host: Host) -> None:
    """Several codes at once follow the gas, and none changes the columns before it."""
    host.ask("AHC")
    host.ask("AL")
    host.inject("adc_error")
    host.inject("over_range")
    assert host.ask("A").split()[6:] == ["Air", "ADC", "VOV", "MOV", "HLD", "LCK"]
    assert host.ask("AU").split()[6:] == ["Air", "ADC", "VOV", "MOV", "HLD"]


def test_missed_flow_stays_until_the_total_is_reset() -> None:
    """TMF outlives the over-range that caused it; `T 1` ends it and the total."""
    host = Host(Model(totalizer=True))
    host.inject("over_range", ms=100)
    assert "TMF" in host.ask("A")
    host.ask("AS6")
    host.pass_time(10)
    assert host.ask("A").endswith("    Air TMF")
    assert float(host.ask("A").split()[6]) == pytest.approx(1.0, abs=0.1)
    assert host.ask("AT 1").split()[6:] == ["+0000000.0", "Air"]


def test_the_table_of_columns_fits_the_frame(host: Host) -> None:
    """`??D*` names each column of the frame with unit, width and decimals, then every code, then an empty line."""
    head, *rows, empty = host.lines("A??D*")
    assert (head.split()[1], empty) == ("D00", "")
    words = [row.split() for row in rows]
    columns = [row for row in words if not row[3].startswith("*")]
    frame = host.ask("A").split()
    assert len(columns) == len(frame)
    widths = [row[-4].split("/") for row in columns if "decimal" in row]
    assert [len(value) for value in frame[1:6]] == [int(width) for width, _ in widths]
    assert [len(value.split(".")[1]) for value in frame[1:6]] == [int(decimals) for _, decimals in widths]
    assert [row[-1] for row in columns if "decimal" in row] == ["PSIA", "`C", "LPM", "SLPM", "SLPM"]
    assert [row[-1] for row in words if row[2] in ("701", "702")][:3] == ["ADC", "OPL", "POV"]


def test_it_says_who_it_is(host: Host) -> None:
    """Maker, model, serial and firmware come as the captured lines; a serial says simulator."""
    told = host.lines("A??M*")
    assert len(told) == 10
    assert told[0] == "A  M00 ALICAT SCIENTIFIC"
    assert told[4:6] == ["A  M04 Model Number MC-20SLPM-D", "A  M05 Serial Number SIM-0004"]
    assert host.ask("A??M9") == "A  M09 Software Revision 10v20.0-R24"
    assert host.ask("AVE") == "A   10v20.0-R24 Jan  9 2025,15:04:07"


@pytest.mark.parametrize(
    ("firmware", "refused", "known"),
    [
        ("5v12.0", ["ALS", "AGS", "AFPF 5", "ASR", "ALSRC", "ALSS", "ANCS 50"], ["AHP", "AS1", "AG 8", "AVE"]),
        ("9v00.0", ["AGS", "ALSS", "ALSRC"], ["ALS", "AFPF 5", "ASR"]),
    ],
)
def test_commands_younger_than_the_firmware_are_refused(firmware: str, refused: list[str], known: list[str]) -> None:
    """Each command exists from its firmware on."""
    host = Host(Model(firmware=firmware))
    assert [line for line in refused if host.ask(line) != "?"] == []
    assert [line for line in known if host.ask(line) == "?"] == []


def test_gases(host: Host) -> None:
    """A gas is chosen by number in three ways, read back, and an unknown one is not taken."""
    assert host.ask("AG 8").endswith("     N2")
    assert host.ask("AGS 11 1") == "A 11 O2 Oxygen"
    assert host.ask("A$$W46=4") == "A   046 = 4"
    assert host.ask("A$$W46=200") == "A   046 = 4"
    assert host.lines("A??G*")[8] == "A G11       O2"


def test_a_ramp_limits_the_set_point(host: Host) -> None:
    """With a ramp of 2 SLPM/s the present set-point moves so fast, while the requested one is shown beside it."""
    assert host.ask("ASR 2.00 4") == "A 2.0000000 7 4 SLPM/s"
    assert host.ask("ALS 6.0") == "A +00.000 +06.000 7 SLPM"
    host.pass_time(1)
    assert host.ask("ALS") == "A +02.000 +06.000 7 SLPM"
    assert host.ask("ALSRC 1 0 0 0") == "A 1 0 0 0"
    assert host.ask("ALS 0.0") == "A +00.000 +00.000 7 SLPM"
    assert host.ask("ASR 120 5") == "A 120.0000000 7 5 SLPM/m"


def test_registers_are_written_and_read(host: Host) -> None:
    """Loop variable, PID and unknown registers answer in the captured form, in either case of the letters."""
    assert host.ask("AR122") == "A   122 = 37"
    assert host.ask("AW122=34") == "A   122 = 34"
    assert host.ask("A$$r85") == "A   085 = 1"
    assert host.ask("a$$w21=300") == "A   021 = 300"
    assert host.ask("AR999") == host.ask("AW21") == "?"


def test_a_pressure_loop_holds_a_pressure(host: Host) -> None:
    """With the pressure as the loop's variable the set-point is one, and the flow is what gives it."""
    host.ask("AW122=34")
    assert host.ask("ALS 30") == "A +030.00 +030.00 10 PSIA"
    host.pass_time(2)
    assert host.values()[0] == pytest.approx(30, rel=0.01)
    assert 4 < host.values()[3] < 5
