"""The simulated balance on its line: MT-SICS commands and answers as bytes, and what settles and disturbs a weight."""

from collections.abc import Callable

import pytest

from nebctl_simulators.balance.device import Device, Unit
from nebctl_simulators.balance.pan import Make
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000
QUIET = Make(noise_ug=0)


class Host:
    """A host that speaks lines by hand; `now_ns` is the real time of what it does next."""

    def __init__(self, make: Make = QUIET, load: Callable[[], int] | None = None, shown_unit: str = "g") -> None:
        self.device = Device(
            unit=Unit(),
            serial="SIM-0005",
            sim_time=ScaledTime(0),
            real_ns=0,
            make=make,
            load=load,
            shown_unit=shown_unit,
        )
        self.now_ns = 0
        self.greeting = self.device.step(0)

    def ask(self, line: str) -> list[str]:
        """Send a line and return the lines that come at once."""
        return self.device.feed(line.encode("latin-1") + b"\r\n", self.now_ns).decode().split("\r\n")[:-1]

    def pass_time(self, seconds: float) -> list[str]:
        """Let real time pass in steps of 10 ms and return the lines that came."""
        said = b""
        for _ in range(round(seconds * 100)):
            self.now_ns += 10 * MS
            said += self.device.step(self.now_ns)
        return said.decode().split("\r\n")[:-1]

    def put(self, grams: float) -> None:
        """Put something on the pan, or take it away, and wait until it has settled."""
        self.device.put(round(grams * 1_000_000))
        self.pass_time(5)

    def inject(self, fault: str, count: int = 1, ms: int | None = None) -> None:
        """Arm a fault now."""
        self.device.inject(fault, count, ms, self.now_ns)


@pytest.fixture
def host() -> Host:
    """A host with a balance without noise."""
    return Host()


def test_it_says_its_serial_when_the_power_comes_and_after_a_cancel(host: Host) -> None:
    """`I4 A "serial"` comes unasked at power-up and answers `@`, which also forgets the tare."""
    assert host.greeting == b'I4 A "SIM-0005"\r\n'
    host.put(10)
    host.ask("T")
    assert host.ask("@") == ['I4 A "SIM-0005"']
    assert host.ask("TA") == ["TA A     0.0000 g"]


def test_a_weight_is_ten_characters_a_space_and_the_unit(host: Host) -> None:
    """A stable weight in the manual's form: status, right-aligned in ten, unit; `SI` answers as `S`."""
    host.put(100)
    assert host.ask("S") == ["S S   100.0000 g"]
    assert host.ask("SI") == ["S S   100.0000 g"]


def test_the_unit_can_be_milligrams() -> None:
    """Shown in milligrams the same weight has one decimal."""
    host = Host(shown_unit="mg")
    host.put(2.5)
    assert host.ask("SI") == ["S S     2500.0 mg"]


def test_a_moving_weight_is_dynamic_and_waited_for(host: Host) -> None:
    """While the weight settles `SI` says D, and `S` answers only when it is stable."""
    host.device.put(5_000_000)
    host.pass_time(0.1)
    assert host.ask("SI")[0].startswith("S D ")
    assert host.ask("S") == []
    assert host.pass_time(5) == ["S S     5.0000 g"]


@pytest.mark.parametrize("command", ["S", "T", "Z"])
def test_no_stability_in_time_is_i(host: Host, command: str) -> None:
    """What waits for a stable weight in vain answers `I` after ten seconds, and changes nothing."""
    host.inject("shakes")
    assert host.ask(command) == []
    assert host.pass_time(9.9) == []
    assert host.pass_time(0.2) == [f"{command} I"]
    assert host.ask("TA") == ["TA A     0.0000 g"]


def test_a_cancel_ends_the_waiting(host: Host) -> None:
    """`@` ends what waits: its answer never comes."""
    host.inject("shakes")
    host.ask("S")
    assert host.ask("@") == ['I4 A "SIM-0005"']
    assert host.pass_time(11) == []


def test_over_and_under_load_have_their_signs(host: Host) -> None:
    """Above the range every weight answers `+`, below it `-`; within nine steps above capacity it still weighs."""
    host.put(220.0009)
    assert host.ask("SI") == ["S S   220.0009 g"]
    host.put(0.0002)
    assert [host.ask(command) for command in ("S", "SI", "T", "TI", "Z", "ZI")] == [
        ["S +"], ["S +"], ["T +"], ["TI +"], ["Z +"], ["ZI +"],
    ]  # fmt: skip
    host.put(-220.0011)
    host.inject("no_pan")
    host.pass_time(5)
    assert [host.ask(command) for command in ("S", "SI", "TI", "ZI")] == [["S -"], ["S -"], ["TI -"], ["ZI -"]]


def test_tare_and_zero(host: Host) -> None:
    """T, TI, TA, TAC and Z do what they say, and each answers under its own name."""
    host.put(3)
    assert host.ask("T") == ["T S     3.0000 g"]
    assert host.ask("S") == ["S S     0.0000 g"]
    assert host.ask("TAC") == ["TAC A"]
    assert host.ask("TA 1.5 g") == ["TA A     1.5000 g"]
    assert host.ask("S") == ["S S     1.5000 g"]
    assert host.ask("Z") == ["Z A"]
    assert host.ask("S") == ["S S     0.0000 g"]
    assert host.ask("TA") == ["TA A     0.0000 g"]
    host.device.put(1_000_000)
    host.pass_time(0.1)
    assert host.ask("TI")[0].startswith("TI D ")
    assert host.ask("ZI") == ["ZI D"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("s", "ES"),
        ("si", "ES"),
        ("X", "ES"),
        (" S", "ES"),
        ("S 1", "S L"),
        ("SI 1", "S L"),
        ("TA 1e2 g", "TA L"),
        ("TA 10,0 g", "TA L"),
        ("TA 10 lb", "TA L"),
        ("TA 221 g", "TA L"),
        ("SR x", "S L"),
        ("\xff\xfe", "ES"),
    ],
)
def test_bad_lines_have_their_errors(host: Host, line: str, answer: str) -> None:
    """Lower case and unknown words are ES, a wrong parameter is L under the answer's own name."""
    assert host.ask(line) == [answer]
    assert host.ask("TA") == ["TA A     0.0000 g"]


def test_the_stream_repeats_until_it_is_ended(host: Host) -> None:
    """SIR sends at once and ten times a second; other commands answer in between; each of S, SI, SR and @ ends it."""
    assert host.ask("SIR") == ["S S     0.0000 g"]
    assert host.pass_time(1) == ["S S     0.0000 g"] * 10
    assert host.ask("TA") == ["TA A     0.0000 g"]
    assert len(host.pass_time(1)) == 10
    for command in ("S", "SI", "SR", "@"):
        host.ask("SIR")
        assert host.ask(command)
        assert host.pass_time(1) == []


def test_on_change_tells_the_change_and_then_the_stable_weight(host: Host) -> None:
    """SR sends the stable weight, then after a step of at least 30 steps a dynamic and the next stable one."""
    assert host.ask("SR") == ["S S     0.0000 g"]
    host.device.put(2_000)
    assert host.pass_time(5) == []
    host.device.put(1_000_000)
    first, second = host.pass_time(5)
    assert first.startswith("S D ")
    assert second == "S S     1.0020 g"


def test_it_says_what_it_is(host: Host) -> None:
    """I1 to I4 and I11 answer with texts, I0 with a line a command of which the last has an A."""
    assert host.ask("I2") == ['I2 A "SIM-BALANCE 220.0000 g"']
    assert host.ask("I4") == ['I4 A "SIM-0005"']
    assert host.ask("I11") == ['I11 A "SIM-BALANCE"']
    listed = host.ask("I0")
    assert [line for line in listed[:-1] if not line.startswith("I0 B ")] == []
    assert listed[-1] == 'I0 A 2 "I11"'
    named = [line.split('"')[1] for line in listed]
    assert [name for name in named if name != "@" and host.ask(name) == ["ES"]] == []


def test_an_adjustment_keeps_it_busy(host: Host) -> None:
    """C3 begins with B, refuses other commands with I for a minute, and ends with A."""
    assert host.ask("C3") == ["C3 B"]
    assert host.ask("SI") == ["S I"]
    assert host.pass_time(61) == ["C3 A"]
    assert host.ask("SI") == ["S S     0.0000 g"]


def test_noise_is_in_steps_and_small() -> None:
    """With its own noise readings scatter by a few steps of 0.1 mg, the same for the same seed."""
    told = []
    for _ in range(2):
        host = Host(make=Make())
        told.append([line for _ in range(200) for line in [*host.ask("SI"), *host.pass_time(0.1)]])
    assert told[0] == told[1]
    weights = {float(line.split()[2]) for line in told[0]}
    assert 2 <= len(weights) <= 6
    assert max(abs(weight) for weight in weights) < 0.0003


def test_a_drift_is_stable_and_wrong(host: Host) -> None:
    """A slow drift is called stable although the weight moves."""
    host.inject("drifts")
    host.pass_time(60)
    assert host.ask("SI") == ["S S     0.0012 g"]


def test_drips_fall_on_the_pan(host: Host) -> None:
    """Every three seconds 20 mg fall on the pan and stay there."""
    host.inject("drips", ms=9_500)
    host.pass_time(12)
    assert host.ask("S") == ["S S     0.0600 g"]


def test_the_weight_follows_a_plant() -> None:
    """A cup that empties at 6.4 mg/s is shown lighter, dynamic while it loses and stable when it is done."""
    cup = {"ug": 3_000_000}
    host = Host(load=lambda: cup["ug"])
    assert host.ask("SI") == ["S S     0.0000 g"]
    for _ in range(100):
        cup["ug"] -= 64_000
        host.pass_time(0.01)
        cup["ug"] = max(0, cup["ug"])
    assert host.ask("SI")[0].startswith("S D ")
    host.pass_time(4)
    assert host.ask("SI") == ["S S    -3.0000 g"]


def test_poured_liquid_weighs(host: Host) -> None:
    """A microlitre weighs a milligram, and what is drawn is gone."""
    host.device.pour(3_000_000)
    host.pass_time(5)
    assert host.ask("S") == ["S S     3.0000 g"]
    assert host.device.empty_cup() == 3_000_000
    host.pass_time(5)
    assert host.ask("S") == ["S S     0.0000 g"]


def test_power_up_is_a_new_zero(host: Host) -> None:
    """After a loss of power what lies on the pan is zero and the tare is gone: readings of before do not compare."""
    host.put(4)
    host.ask("T")
    host.inject("brownout")
    assert host.pass_time(0.1) == ['I4 A "SIM-0005"']
    host.put(1)
    assert host.ask("S") == ["S S     1.0000 g"]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [("syntax_error", "ES"), ("transmission_error", "ET"), ("logical_error", "EL"), ("busy", "S I")],
)
def test_errors_can_be_had_on_demand(host: Host, fault: str, answer: str) -> None:
    """An armed error stands in the place of the answer once."""
    host.inject(fault)
    assert host.ask("SI") == [answer]
    assert host.ask("SI") == ["S S     0.0000 g"]


def test_faults_of_the_display(host: Host) -> None:
    """Another unit, an answer named SI as one emulator has it, and a frozen weight come out as such."""
    host.put(1)
    host.inject("wrong_id")
    assert host.ask("SI") == ["SI S     1.0000 g"]
    host.inject("frozen")
    host.put(5)
    assert host.ask("SI") == ["S S     1.0000 g"]
    host.inject("other_unit")
    assert host.ask("SI") == ["S S     1000.0 mg"]


def test_somebody_left_it_repeating(host: Host) -> None:
    """Left repeating by somebody, only the host ends it."""
    host.inject("left_repeating")
    host.device.clear(host.now_ns)
    assert len(host.pass_time(1)) >= 9
    host.ask("@")
    assert host.pass_time(1) == []
