"""The rules that the controller keeps by itself, seen from the wire and checked against the truth behind it."""

from collections.abc import Callable

import pytest

from nebctl_simulators.mesh.codec import LineReader, encode_line
from nebctl_simulators.mesh.controller import State
from nebctl_simulators.mesh.device import Device
from nebctl_simulators.mesh.memory import Memory

MS = 1_000_000
MakeDevice = Callable[..., Device]
RUN = "0badcafe"
LONG_MS = 600_000


def ask(device: Device, payload: str, at_ms: float = 0) -> list[str]:
    """Send one line and return the payloads that come back at once."""
    return LineReader().feed(device.feed(encode_line(payload), int(at_ms * MS)))


def running(make_device: MakeDevice, scale: int = 1, fill_nl: int = 3_000_000) -> Device:
    """Return a device that was started as request 1 at time 0."""
    device = make_device(scale=scale)
    device.pour(fill_nl)
    device.step(0)
    assert ask(device, f"C,1,START,{RUN},{LONG_MS}") == [f"A,1,START,{RUN},{LONG_MS}"]
    return device


def step(device: Device, at_ms: float) -> list[str]:
    """Let time pass and return the payloads that come unasked or late."""
    return LineReader().feed(device.step(int(at_ms * MS)))


def keep_beating(device: Device, from_ms: int, to_ms: int) -> None:
    """Send a beat every 500 ms."""
    for number, at_ms in enumerate(range(from_ms, to_ms, 500), start=1000):
        ask(device, f"C,{number},BEAT", at_ms)


@pytest.mark.req("S22")
def test_output_ends_2000_ms_after_the_last_beat(make_device: MakeDevice) -> None:
    """The watchdog counts from the last beat, not earlier and not later, and says BEAT."""
    device = running(make_device)
    ask(device, "C,2,BEAT", 1500)
    assert step(device, 3499) == []
    assert device.truth().output is State.RUN
    assert step(device, 3500) == [f"E,END,{RUN},3500,BEAT"]
    assert device.truth().output is State.OFF


@pytest.mark.req("S22")
def test_a_stalled_simulator_still_stops_at_the_watchdog(make_device: MakeDevice) -> None:
    """One long step, as after a frozen process, emits no more than the 2000 ms allow."""
    device = running(make_device, scale=10)
    step(device, 60_000)
    assert (device.truth().on_ms, device.truth().end) == (20_000, "BEAT")
    assert device.truth().emitted_nl == (20_000 - 2400) * 6400 // 1000


@pytest.mark.req("S22")
def test_the_watchdog_runs_on_real_time(make_device: MakeDevice) -> None:
    """At 100 times real time the watchdog still gives the host 2000 ms of its own time."""
    device = running(make_device, scale=100)
    step(device, 1999)
    assert device.truth().output is State.RUN
    step(device, 2000)
    assert (device.truth().output, device.truth().on_ms) == (State.OFF, 200_000)


def test_reading_does_not_feed_the_watchdog(make_device: MakeDevice) -> None:
    """STAT, LAST and a refused START are no beats."""
    device = running(make_device)
    ask(device, "C,2,STAT", 1900)
    ask(device, "C,3,LAST", 1900)
    assert ask(device, f"C,4,START,{RUN},1000", 1900) == ["N,4,START,STATE"]
    assert step(device, 2000) == [f"E,END,{RUN},2000,BEAT"]


@pytest.mark.req("S24")
def test_output_ends_when_the_granted_time_is_used_up(make_device: MakeDevice) -> None:
    """The run stops by itself at granted_ms, also when the host beats on."""
    device = make_device()
    device.pour(3_000_000)
    ask(device, f"C,1,START,{RUN},3000")
    keep_beating(device, 500, 5000)
    assert (device.truth().on_ms, device.truth().end) == (3000, "MAXON")


@pytest.mark.req("S24")
def test_a_run_cannot_be_stretched(make_device: MakeDevice) -> None:
    """Neither STOP and START nor a restart gives a run more on-time than was granted."""
    device = make_device(scale=100)
    device.pour(3_000_000)
    ask(device, f"C,1,START,{RUN},3000")
    step(device, 100)
    assert ask(device, f"C,2,START,{RUN},3000", 100) == ["N,2,START,MAXON"]
    device.inject("brownout", 1, None, 110 * MS)
    step(device, 110)
    assert ask(device, f"C,1,START,{RUN},3000", 120) == ["N,1,START,MAXON"]
    assert ask(device, f"C,2,START,{RUN},4000", 130) == [f"A,2,START,{RUN},4000"]
    step(device, 200)
    assert (device.truth().on_ms, device.truth().end) == (4000, "MAXON")


@pytest.mark.req("S24")
def test_maxon_only_lowers(make_device: MakeDevice) -> None:
    """MAXON lowers what is granted from then on and for the present run, and refuses a higher value."""
    device = running(make_device)
    assert ask(device, "C,2,MAXON,2000", 100) == ["A,2,MAXON,2000"]
    assert ask(device, "C,3,MAXON,2001", 100) == ["N,3,MAXON,ARG"]
    ask(device, "C,4,BEAT", 1000)
    assert step(device, 2500) == [f"E,END,{RUN},2000,MAXON"]
    assert ask(device, "C,5,START,00000001,9000", 2500) == ["A,5,START,00000001,2000"]


@pytest.mark.req("S29")
def test_a_dry_mesh_is_off_within_5_s(make_device: MakeDevice) -> None:
    """The output goes OFF with DRY at most 5 s after the last liquid left; the dry flag stays until the next START."""
    device = running(make_device, scale=100, fill_nl=64_000)
    wet_ms = 2400 + 10_000
    events = [event for at_ms in range(10, 400, 10) for event in step(device, at_ms)]
    truth = device.truth()
    assert events == [f"E,END,{RUN},{truth.on_ms},DRY"]
    assert wet_ms < truth.on_ms <= wet_ms + 5000
    assert (truth.emitted_nl, truth.cup_nl) == (64_000, 0)
    assert ask(device, "C,2,STAT", 400)[0].endswith(",1,-")
    ask(device, "C,3,START,00000001,9000", 400)
    assert ask(device, "C,4,STAT", 400)[0].endswith(",0,-")


@pytest.mark.req("S29")
def test_an_empty_cup_is_found_in_5_s_after_the_start(make_device: MakeDevice) -> None:
    """A mesh that is dry from the start is OFF within 5 s, the sweep included."""
    device = make_device(scale=100)
    ask(device, f"C,1,START,{RUN},{LONG_MS}")
    step(device, 50)
    assert device.truth().end == "DRY"


@pytest.mark.req("S14")
def test_a_repeated_start_is_answered_and_not_acted_on(make_device: MakeDevice) -> None:
    """The same line again gets the same answer, also after the run ended by itself, and starts nothing."""
    device = running(make_device)
    step(device, 2500)
    assert ask(device, f"C,1,START,{RUN},{LONG_MS}", 2600) == [f"A,1,START,{RUN},{LONG_MS}"]
    assert device.truth().output is State.OFF


@pytest.mark.req("S14")
def test_a_number_used_for_something_else_is_refused(make_device: MakeDevice) -> None:
    """The last request's number with another payload gets SEQ and changes nothing."""
    device = running(make_device)
    assert ask(device, "C,1,STAT") == ["N,1,STAT,SEQ"]
    assert device.truth().output is State.SWEEP
    assert ask(device, f"C,1,START,{RUN},{LONG_MS}") == [f"A,1,START,{RUN},{LONG_MS}"]


@pytest.mark.req("S20")
def test_stop_passes_whatever_its_number(make_device: MakeDevice) -> None:
    """STOP under a number that is used already turns the output off and is acknowledged."""
    device = running(make_device)
    assert ask(device, "C,1,STOP")[0].startswith("A,1,STOP,OFF,")
    assert device.truth().output is State.OFF


@pytest.mark.req("S14")
def test_hello_is_acted_on_whatever_its_number(make_device: MakeDevice) -> None:
    """HELLO empties the cache: a new host that counts from 1 is answered, and the output is OFF."""
    device = running(make_device)
    answer = "nebctl,mesh-sim,SIM-0001,0.1.0,7,1800000,S"
    assert ask(device, "C,1,HELLO,00000000", 100) == [f"A,1,HELLO,00000000,0.1.0,{answer}"]
    assert (device.truth().output, device.truth().end) == (State.OFF, "HOST")


@pytest.mark.req("S23")
@pytest.mark.parametrize("way", ["brownout", "power", "hang"])
def test_every_restart_comes_up_off(make_device: MakeDevice, way: str) -> None:
    """After brown-out, loss of power or a hang the output is OFF, the boot counted and the run remembered."""
    device = running(make_device)
    if way == "power":
        device.switch_power(False, 500 * MS)
        assert ask(device, "C,2,STAT", 600) == []
        device.switch_power(True, 700 * MS)
    else:
        device.inject(way, 1, 200 if way == "hang" else None, 500 * MS)
    assert step(device, 700) == ["E,BOOT,8"]
    on_ms = 700 if way == "hang" else 500
    assert ask(device, "C,1,STAT", 700) == ["A,1,STAT,OFF,-,0,POWER,8,0.0,0,0,220,0,-"]
    assert ask(device, "C,2,LAST", 700) == [f"A,2,LAST,{RUN},{on_ms},POWER,7"]


@pytest.mark.req("S23")
def test_nothing_resumes_after_the_cable_returns(make_device: MakeDevice) -> None:
    """While unplugged the controller keeps its watchdog; plugged in again, it is OFF and silent until asked."""
    device = running(make_device)
    device.inject("unplug", 1, 5000, 100 * MS)
    assert not device.is_plugged
    step(device, 5100)
    assert device.is_plugged
    assert (device.truth().output, device.truth().end, device.truth().on_ms) == (State.OFF, "BEAT", 2000)


def test_the_memory_outlives_the_process(make_device: MakeDevice) -> None:
    """A controller built on the memory of one that died in mid-run is OFF and remembers that run as cut by power."""
    device = running(make_device)
    step(device, 1234)
    revived = make_device(memory=device.memory)
    revived.step(0)
    assert revived.truth().output is State.OFF
    assert ask(revived, "C,1,LAST") == [f"A,1,LAST,{RUN},1234,POWER,7"]


def test_no_run_to_remember(make_device: MakeDevice) -> None:
    """LAST without any run says so with a dash and zeros."""
    device = make_device(memory=Memory())
    device.step(0)
    assert ask(device, "C,1,LAST") == ["A,1,LAST,-,0,-,0"]


def test_stop_is_acknowledged_when_off(make_device: MakeDevice) -> None:
    """STOP never runs into an error: twice in a row both are acknowledged with OFF."""
    device = running(make_device)
    assert ask(device, "C,2,STOP", 1000) == ["A,2,STOP,OFF,1000"]
    assert ask(device, "C,3,STOP", 1100) == ["A,3,STOP,OFF,1000"]


def test_a_stuck_output_says_that_it_runs(make_device: MakeDevice) -> None:
    """With stuck_on the next STOPs leave the output on and admit it; the device's own rules still end it."""
    device = running(make_device)
    device.inject("stuck_on", 1, None, 0)
    assert device.faults() == {"stuck_on": 1}
    assert ask(device, "C,2,STOP", 1000) == ["A,2,STOP,SWEEP,1000"]
    assert ask(device, "C,3,STOP", 1100) == ["A,3,STOP,OFF,1100"]


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [("no_cup", "CUP", "CUP"), ("lost_resonance", "RES", "FAULT"), ("hardware", "HW", "FAULT")],
)
def test_a_latched_fault_ends_and_forbids(make_device: MakeDevice, fault: str, code: str, reason: str) -> None:
    """A fault ends the run with FAULT, is named in STAT, and refuses START until it is cleared."""
    device = running(make_device)
    device.inject(fault, 1, None, 500 * MS)
    assert step(device, 500) == [f"E,END,{RUN},500,FAULT"]
    assert ask(device, "C,2,STAT", 500)[0].endswith(f",{code}")
    assert ask(device, f"C,3,START,{RUN},{LONG_MS}", 500) == [f"N,3,START,{reason}"]
    device.clear(500 * MS)
    assert ask(device, f"C,4,START,{RUN},{LONG_MS}", 500) == [f"A,4,START,{RUN},{LONG_MS}"]


def test_a_mute_controller_keeps_its_own_rules(make_device: MakeDevice) -> None:
    """Mute, it hears no beat and says nothing, and its watchdog ends the run all the same."""
    device = running(make_device)
    device.inject("mute", 1, 3000, 0)
    for number, at_ms in enumerate(range(500, 3000, 500), start=2):
        assert ask(device, f"C,{number},BEAT", at_ms) == []
    assert ask(device, "C,9,STAT", 3000)[0].startswith(f"A,9,STAT,OFF,{RUN},2000,BEAT")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("C,1,JUMP", "CMD"),
        ("C,1,start,0badcafe,1", "CMD"),
        ("C,1,START", "ARG"),
        ("C,1,START,0badcafe", "ARG"),
        ("C,1,START,0BADCAFE,1000", "ARG"),
        ("C,1,START,0badcafe,01000", "ARG"),
        ("C,1,START,0badcafe,-1", "ARG"),
        ("C,1,START,0badcafe,0", "ARG"),
        ("C,1,START,0badcafe,99999999999", "ARG"),
        ("C,1,START,0badcafe,1000,1", "ARG"),
        ("C,1,HELLO", "ARG"),
        ("C,1,HELLO,xyz", "ARG"),
        ("C,1,BEAT,1", "ARG"),
        ("C,1,STAT,1", "ARG"),
        ("C,1,LAST,1", "ARG"),
        ("C,1,MAXON,", "ARG"),
    ],
)
def test_bad_requests_are_refused_and_do_nothing(make_device: MakeDevice, payload: str, reason: str) -> None:
    """Each bad request gets its reason, and the output stays OFF."""
    device = make_device()
    device.step(0)
    command = payload.split(",")[2]
    assert ask(device, payload) == [f"N,1,{command},{reason}"]
    assert device.truth().output is State.OFF


def test_the_sweep_is_short_once_resonance_is_known(make_device: MakeDevice) -> None:
    """The first start sweeps 2400 ms and a later one 150 ms; neither emits, and both count as on-time."""
    device = running(make_device)
    keep_beating(device, 500, 2400)
    assert device.truth().output is State.SWEEP
    step(device, 2400)
    assert (device.truth().output, device.truth().emitted_nl, device.truth().on_ms) == (State.RUN, 0, 2400)
    ask(device, "C,2,STOP", 2400)
    ask(device, f"C,3,START,{RUN},{LONG_MS}", 2400)
    step(device, 2550)
    assert (device.truth().output, device.truth().on_ms) == (State.RUN, 2550)


def test_an_unknown_fault_is_refused_with_the_known_ones(make_device: MakeDevice) -> None:
    """A fault that does not exist is answered with those that do."""
    with pytest.raises(ValueError, match=r"no fault 'fire'; choose one of: drop_reply, late"):
        make_device().inject("fire", 1, None, 0)


@pytest.mark.req("S22")
def test_a_start_counts_as_a_beat(make_device: MakeDevice) -> None:
    """A start long after the last beat runs for 2000 ms without another."""
    device = make_device()
    device.pour(3_000_000)
    step(device, 5000)
    ask(device, f"C,1,START,{RUN},{LONG_MS}", 5000)
    step(device, 6999)
    assert (device.truth().output, device.truth().on_ms) == (State.SWEEP, 1999)
    assert step(device, 7000) == [f"E,END,{RUN},2000,BEAT"]


def test_dryness_is_confirmed_anew_after_each_start(make_device: MakeDevice) -> None:
    """A dry mesh stopped and started in the same moment is driven for the whole confirmation again."""
    device = make_device(scale=10)
    device.step(0)
    ask(device, f"C,1,START,{RUN},{LONG_MS}")
    device.feed(encode_line("C,2,STOP") + encode_line(f"C,3,START,{RUN},{LONG_MS}"), 300 * MS)
    assert step(device, 649) == []
    assert step(device, 650) == [f"E,END,{RUN},6500,DRY"]


def test_a_missing_cup_is_still_missing_after_a_restart(make_device: MakeDevice) -> None:
    """A restart clears a fault of the electronics and not a cup that is not there."""
    device = make_device()
    for fault, code in (("no_cup", "CUP"), ("hardware", "-")):
        device.clear(0)
        device.inject(fault, 1, None, 0)
        device.inject("brownout", 1, None, 0)
        device.step(0)
        assert ask(device, "C,1,STAT")[0].endswith(f",{code}")
