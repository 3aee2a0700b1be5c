"""The text of a fault, and when a fault happens: count, chance, window, request."""

from collections.abc import Callable

import pytest

from nebctl_simulators.armed import ALWAYS, Moment, Tag, Terms, Window
from nebctl_simulators.catalogue import CATALOGUE, Group
from nebctl_simulators.faults import KEYS, FaultAsked, parse_fault, read_fault
from nebctl_simulators.mesh.codec import LineReader, encode_line
from nebctl_simulators.mesh.device import Device
from nebctl_simulators.shim import Shim
from nebctl_simulators.spoiling import mishear

MS, S = 1_000_000, 1_000_000_000
LINE = encode_line("A,1,BEAT")
RUN = "0badcafe"


class Clocks:
    """A target whose clocks a test sets, and which notes what happens to it."""

    def __init__(self) -> None:
        self.at = Moment(plant_ns=0)
        self.happened: list[tuple[str, str, int | None]] = []

    def moment(self) -> Moment:
        """Return the clocks."""
        return self.at

    def strike(self, fault: str, _count: int, ms: int | None, _real_ns: int) -> None:
        """Note a beginning."""
        self.happened.append(("begins", fault, ms))

    def release(self, fault: str, _real_ns: int) -> None:
        """Note an end."""
        self.happened.append(("ends", fault, None))


def answers(shim: Shim, count: int, now_ns: int = 0, tag: Tag | None = None) -> list[bytes]:
    """Return what becomes of so many answers, each on its own."""
    heard = []
    for _ in range(count):
        shim.answer(LINE, now_ns, tag)
        heard.append(shim.due(now_ns))
    return heard


def test_a_text_says_everything() -> None:
    """Each key of the text reaches the fault, with times in ns."""
    text = "late:ms=20..80,count=3,device=40,unit=40,function=3,address=0x3f1,probability=0.2,from=10s,until=1.5min"
    assert parse_fault(text) == FaultAsked(
        fault="late",
        count=3,
        ms=20,
        device="40",
        terms=Terms(
            unit=40,
            function=3,
            address=0x3F1,
            probability=0.2,
            most_ms=80,
            window=Window(from_ns=10 * S, until_ns=90 * S),
        ),
    )
    assert parse_fault("drift:command=STAT,point=current,value=-0.5,until=500ms,time=run") == FaultAsked(
        fault="drift",
        count=ALWAYS,
        terms=Terms(command="STAT", point="current", value=-0.5, window=Window(until_ns=500 * MS, of_run=True)),
    )
    assert parse_fault("exception:code=6,count=all") == FaultAsked(fault="exception", count=ALWAYS, terms=Terms(code=6))


def test_json_says_the_same() -> None:
    """Numbers of JSON and the text's digits mean the same."""
    body = {"fault": "jump", "count": 2, "point": "mass", "value": 1.5, "probability": 0.5, "from": "2 s"}
    assert read_fault(body) == parse_fault("jump:count=2,point=mass,value=1.5,probability=0.5,from=2s")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fire", "the fault 'fire': there is no fault 'fire'; choose one of: noise_before"),
        ("late:mss=3", "the fault 'late:mss=3': 'mss': there is no such key; choose one of: ms, count"),
        ("late:ms=-3", "ms: expected a whole number of milliseconds, or a range such as 20..80, got '-3'"),
        ("delay:ms=80..20", "ms: expected a whole number of milliseconds, or a range such as 20..80, got '80..20'"),
        ("late:count=0", "count: expected a whole number from 1 on, or all, got '0'"),
        ("late:count=many", "count: expected a whole number from 1 on, or all, got 'many'"),
        ("late:probability=1.5", "probability: expected a number above 0 and at most 1, got '1.5'"),
        ("late:probability=0", "probability: expected a number above 0 and at most 1, got '0'"),
        ("late:from=10", 'from: expected a time such as "10s", "500ms" or "2min", got \'10\''),
        ("late:from=10s,until=10s", "until: it is not after from"),
        ("late:time=wall", "time: expected plant or run, got 'wall'"),
        ("late:unit=x", "unit: expected a number from 1 to 255, also as 0x, got 'x'"),
        ("late:ms", "got 'ms', write KEY=VALUE with one of the keys ms, count"),
        ("late:ms=1,ms=2", "ms: it is there twice"),
        ("late:value=2", "value: only a fault of a value has one, and late is none"),
        ("jump:value=nan", "value: expected a number from -1000000000 to 1000000000, got 'nan'"),
        ("", "there is no fault ''"),
    ],
)
def test_a_wrong_text_is_explained(text: str, message: str) -> None:
    """The message names the text, the key, the value and what there could be."""
    with pytest.raises(ValueError, match="the fault ") as caught:
        parse_fault(text)
    assert str(caught.value).startswith(f"the fault {text!r}: ")
    assert message in str(caught.value)


def test_json_has_no_other_kinds_of_values() -> None:
    """True, null, lists and objects are none of a fault's values."""
    for value in (True, None, [1], {"ms": 1}, 1.5):
        with pytest.raises(ValueError, match="ms: expected a whole number"):
            read_fault({"fault": "late", "ms": value})


def test_every_key_is_known_to_the_reader() -> None:
    """The list of keys in the messages is the list of keys that are read."""
    samples = {"device": "40", "command": "S", "point": "mass", "from": "1s", "until": "2s", "time": "run"}
    for key in KEYS:
        assert read_fault({"fault": "stuck", key: samples.get(key, "1")}).fault == "stuck"


def test_the_catalogue_has_every_group() -> None:
    """Line, timing, protocol, value and device faults are there, each with a text."""
    assert {entry.group for entry in CATALOGUE.values()} == set(Group)
    assert all(entry.text and "." not in entry.text for entry in CATALOGUE.values())


def test_chance_comes_from_the_seed() -> None:
    """With a probability of 0.2 about a fifth of 1000 answers are lost, the same ones for the same seed."""

    def lost(seed: int) -> list[int]:
        shim = Shim(seed)
        shim.arm("drop_reply", ALWAYS, 0, Terms(probability=0.2))
        return [place for place, data in enumerate(answers(shim, 1000)) if not data]

    assert 150 < len(lost(1)) < 250
    assert lost(1) == lost(1) != lost(2)


def test_chance_counts_only_what_happens() -> None:
    """A count is of faults, not of draws: three answers are lost, however many it takes."""
    shim = Shim(3)
    shim.arm("drop_reply", 3, 0, Terms(probability=0.1))
    assert answers(shim, 200).count(b"") == 3
    assert shim.armed() == {}


def test_one_faults_chance_does_not_move_anothers() -> None:
    """A second fault that takes no answer leaves the draws of the first as they were."""

    def lost(*, other: bool) -> list[bytes]:
        shim = Shim(1)
        shim.arm("drop_reply", ALWAYS, 0, Terms(probability=0.3))
        if other:
            shim.arm("late", ALWAYS, 0, Terms(probability=0.3, unit=9))
        return answers(shim, 50, tag=Tag(unit=1))

    assert lost(other=False) == lost(other=True)


def test_a_window_opens_and_closes() -> None:
    """Answers are lost from the window's beginning up to its end, which is outside; then the fault is gone."""
    shim, clocks = Shim(1), Clocks()
    shim.arm("drop_reply", ALWAYS, 0, Terms(window=Window(from_ns=10 * S, until_ns=20 * S)), target=clocks)
    lost = []
    for second in (0, 9, 10, 15, 19, 20, 30):
        clocks.at = Moment(plant_ns=second * S)
        shim.pass_time(second)
        lost += [second] if answers(shim, 1) == [b""] else []
    assert lost == [10, 15, 19]
    assert shim.armed() == {}


def test_a_window_of_the_run_waits_for_the_output() -> None:
    """On the run's clock nothing happens while the output is off, and it happens again in the next run."""
    shim, clocks = Shim(1), Clocks()
    window = Window(from_ns=S, until_ns=2 * S, of_run=True)
    shim.arm("drop_reply", ALWAYS, 0, Terms(window=window), target=clocks)
    seen = []
    for run_ns in (None, 0, S, 3 * S, None, S):
        clocks.at = Moment(plant_ns=100 * S, run_ns=run_ns)
        shim.pass_time(0)
        seen.append(answers(shim, 1) == [b""])
    assert seen == [False, False, True, False, False, True]


def test_a_range_of_ms_is_drawn_anew() -> None:
    """A delay of 20 to 80 ms is never outside of them, and seldom the same twice."""
    shim = Shim(1)
    shim.arm("delay", 50, 20, Terms(most_ms=80))
    delays = set()
    for place in range(50):
        shim.answer(LINE, place * S)
        delays.add((shim.next_ns() or 0) - place * S)
        shim.due((place + 1) * S - 1)
    assert min(delays) >= 20 * MS
    assert max(delays) <= 80 * MS
    assert len(delays) > 20


def test_a_planned_fault_begins_and_ends_with_its_window() -> None:
    """A fault of the device waits for its window, happens once, and is released where the window closes."""
    shim, clocks = Shim(1), Clocks()
    shim.plan("mute", 1, None, Terms(window=Window(from_ns=S, until_ns=2 * S)), clocks, 0)
    assert (clocks.happened, shim.armed()) == ([], {"mute": 1})
    for plant_ns in (S, S + 1, 2 * S, 3 * S):
        clocks.at = Moment(plant_ns=plant_ns)
        shim.pass_time(plant_ns)
    assert [(what, fault) for what, fault, _ in clocks.happened] == [("begins", "mute"), ("ends", "mute")]
    assert [(one.fault, one.t_ns) for one in shim.injections()] == [("mute", S)]


def test_a_planned_fault_has_its_own_time() -> None:
    """With ms it lasts so long, and its window says only when it may begin."""
    shim, clocks = Shim(1), Clocks()
    shim.plan("unplug", 1, 300, Terms(window=Window(from_ns=S, until_ns=9 * S)), clocks, 0)
    clocks.at = Moment(plant_ns=S)
    shim.pass_time(1)
    clocks.at = Moment(plant_ns=10 * S)
    shim.pass_time(2)
    assert clocks.happened == [("begins", "unplug", 300)]


def test_a_planned_fault_waits_for_its_request() -> None:
    """One that names a command happens at that request, as often as it is asked for."""
    shim, clocks = Shim(1), Clocks()
    shim.plan("brownout", 2, None, Terms(command="START"), clocks, 0)
    for word in ("STAT", "START", "STAT", "START", "START"):
        shim.heard(b"", 0, Tag(command=word))
    assert clocks.happened == [("begins", "brownout", None)] * 2


def test_a_cleared_plan_never_happens() -> None:
    """What was planned and cleared does not begin."""
    shim, clocks = Shim(1), Clocks()
    shim.plan("mute", 1, None, Terms(window=Window(from_ns=S)), clocks, 0)
    shim.clear()
    clocks.at = Moment(plant_ns=2 * S)
    shim.pass_time(0)
    assert clocks.happened == []


def test_an_adapter_holds_back_what_does_not_fill_a_packet() -> None:
    """Of 70 bytes 62 come at once and eight 16 ms later."""
    shim = Shim(1)
    shim.arm("latency_timer", 1, 16)
    shim.answer(bytes(70), 0)
    assert [len(shim.due(0)), len(shim.due(15 * MS)), len(shim.due(16 * MS))] == [62, 0, 8]


def test_an_old_answer_comes_unasked() -> None:
    """The answer before this one is said again on the idle line, and holds nothing up."""
    shim = Shim(1)
    shim.arm("unsolicited", 1, 50, Terms(command="STAT"))
    shim.answer(LINE, 0, Tag(command="BEAT"))
    shim.answer(b"second", 0, Tag(command="STAT"))
    shim.answer(b"third", 0, Tag(command="STAT"))
    assert shim.due(0) == LINE + b"secondthird"
    assert shim.due(50 * MS) == LINE


def test_another_baud_rate_is_nonsense() -> None:
    """0x55 at half the rate, sampled by hand, is a byte without its stop bit and 0xE6; a line is never good."""
    assert mishear(b"\x55") == b"\x00\xe6"
    assert LineReader().feed(mishear(LINE)) == []
    assert mishear(LINE) != LINE


def test_a_mesh_unplugs_in_the_run(make_device: Callable[..., Device]) -> None:
    """The cable goes 5 s into the run whenever that is, and is back a second later."""
    device = make_device()
    device.pour(3_000_000)
    parse_fault("unplug:ms=1000,from=5s,time=run").arm(device, 0)
    seen = {}
    for step in range(1200):
        real_ns = step * 10 * MS
        if step == 100:
            device.feed(encode_line(f"C,1,START,{RUN},600000"), real_ns)
        device.feed(encode_line(f"C,{step + 2},BEAT"), real_ns)
        device.step(real_ns)
        seen[step] = device.is_plugged
    gone = [step for step, plugged in seen.items() if not plugged]
    assert (gone[0], gone[-1]) == (600, 699)
    assert device.truth().output == "RUN"


def test_a_mesh_fault_ends_with_its_window(make_device: Callable[..., Device]) -> None:
    """A cup that is missing from 1 s to 2 s of plant time is missing then alone, at 100 times real time too."""
    device = make_device(100)
    parse_fault("no_cup:from=1s,until=2s").arm(device, 0)
    there = []
    for step in range(30):
        device.step(step * MS)
        there.append("no_cup" in device.faults() and step >= 10)
    assert [step for step, is_there in enumerate(there) if is_there] == list(range(10, 20))


def test_a_mesh_hangs_at_a_command(make_device: Callable[..., Device]) -> None:
    """A program that hangs at STOP does not obey it: the output stays on until the hardware watchdog resets it."""
    device = make_device()
    device.pour(3_000_000)
    parse_fault("hang:command=STOP,ms=400").arm(device, 0)
    device.feed(encode_line(f"C,1,START,{RUN},600000"), 0)
    assert device.feed(encode_line("C,2,STOP"), 100 * MS) == b""
    device.step(499 * MS)
    assert device.truth().output == "SWEEP"
    device.step(500 * MS)
    assert (device.truth().output, device.truth().end) == ("OFF", "POWER")


def test_a_reset_speaks_in_no_dialect(make_device: Callable[..., Device]) -> None:
    """A boot loader's banner comes on the line before the controller's own word, and no reader takes it for a line."""
    device = make_device()
    device.step(0)
    device.inject("reset", 1, None, 0)
    said = device.step(0)
    assert said.startswith(b"\r\nboot")
    assert LineReader().feed(said) == ["E,BOOT,8"]
