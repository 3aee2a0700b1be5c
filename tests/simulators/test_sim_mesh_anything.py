"""Whatever a host sends, in whatever order, the controller keeps its promises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nebctl_simulators.mesh.codec import LineReader, encode_line
from nebctl_simulators.mesh.controller import State
from nebctl_simulators.mesh.device import Device
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.presets import build_unit
from nebctl_simulators.simtime import ScaledTime

MS = 1_000_000
runs = st.sampled_from(["0badcafe", "00000001"])
commands = st.one_of(
    st.tuples(st.just("START"), runs, st.integers(0, 20_000).map(str)),
    st.tuples(st.just("HELLO"), st.sampled_from(["a1b2c3d4", "nonsense"])),
    st.tuples(st.just("MAXON"), st.integers(0, 2_000_000).map(str)),
    st.sampled_from([("STOP",), ("BEAT",), ("STAT",), ("LAST",), ("JUMP",), ("STOP", "now")]),
)
actions = st.one_of(
    st.tuples(st.just("ask"), commands),
    st.tuples(st.just("clash"), commands),
    st.tuples(st.just("repeat"), st.none()),
    st.tuples(st.just("wait"), st.integers(0, 2500)),
    st.tuples(st.just("noise"), st.binary(max_size=20)),
    st.tuples(st.just("brownout"), st.none()),
    st.tuples(st.just("pour"), st.integers(1, 100_000)),
)


class Witness:
    """A host that remembers what was granted and when it last gave a sign of life, apart from the controller."""

    def __init__(self, scale: int) -> None:
        unit = build_unit("mesh.solo", 1)
        time = ScaledTime(0, scale * 1000)
        self.device = Device(unit=unit, serial="SIM-1", sim_time=time, memory=Memory(), real_ns=0)
        self.reader = LineReader()
        self.now_ns = self.alive_ns = 0
        self.seq = 0
        self.last: tuple[str, str] | None = None
        self.granted: dict[str, int] = {}

    def do(self, action: str, value: object) -> None:
        """Carry out one action and check every promise after it."""
        before = self.device.truth()
        getattr(self, f"do_{action}")(value)
        truth = self.device.truth()
        assert truth.filled_nl == truth.emitted_nl + truth.drawn_nl + truth.cup_nl
        assert truth.emitted_nl >= before.emitted_nl
        assert truth.run is None or truth.on_ms <= self.granted[truth.run]
        assert truth.output is State.OFF or self.now_ns - self.alive_ns < 2000 * MS
        if before.output is State.OFF and action != "ask":
            assert truth.output is State.OFF
            assert truth.emitted_nl == before.emitted_nl

    def do_ask(self, command: tuple[str, ...]) -> None:
        """Send a new request; it is answered or refused, never dropped."""
        self.seq += 1
        payload = ",".join(("C", str(self.seq), *command))
        answer = self.send(payload)
        assert answer[:2] in ("A,", "N,")
        self.last = (payload, answer)
        self.note(command, answer.split(","))

    def note(self, command: tuple[str, ...], answer: list[str]) -> None:
        """Check what the answer promises and remember what it granted."""
        truth = self.device.truth()
        done = answer[0] == "A"
        if command[0] == "STOP" or (command[0] == "HELLO" and done):
            assert done
            assert truth.output is State.OFF
        if command[0] in ("START", "BEAT") and done:
            self.alive_ns = self.now_ns
        if command[0] == "START" and done:
            assert truth.output is State.SWEEP
            self.granted[command[1]] = int(answer[4])
            assert int(answer[4]) <= int(command[2])

    def do_repeat(self, _value: None) -> None:
        """Send the last line again; HELLO alone is acted on each time."""
        if self.last is None or ",HELLO," in self.last[0]:
            return
        before = self.device.truth()
        assert self.send(self.last[0]) == self.last[1]
        assert self.device.truth() == before

    def do_clash(self, command: tuple[str, ...]) -> None:
        """Use the last number for another request; STOP passes all the same."""
        payload = ",".join(("C", str(self.seq), *command))
        if self.last is None or payload == self.last[0] or command[0] == "HELLO":
            return
        if command[0] == "STOP":
            answer = self.send(payload)
            self.last = (payload, answer)
            self.note(command, answer.split(","))
            return
        before = self.device.truth()
        assert self.send(payload) == f"N,{self.seq},{command[0]},SEQ"
        assert self.device.truth() == before

    def do_wait(self, ms: int) -> None:
        """Let real time pass in one long step."""
        self.now_ns += ms * MS
        self.reader.feed(self.device.step(self.now_ns))

    def do_noise(self, data: bytes) -> None:
        """Send bytes that begin no line."""
        assert self.device.feed(data.replace(b"$", b""), self.now_ns) == b""

    def do_brownout(self, _value: None) -> None:
        """Reset the controller."""
        boot = self.device.truth().boot
        self.device.inject("brownout", 1, None, self.now_ns)
        self.last = None
        assert self.device.step(self.now_ns).startswith(b"$E,BOOT,%d*" % (boot + 1))
        assert self.device.truth().output is State.OFF

    def do_pour(self, volume_nl: int) -> None:
        """Pour, if there is room."""
        if volume_nl <= self.device.unit.mesh.cup_nl - self.device.truth().cup_nl:
            self.device.pour(volume_nl)

    def send(self, payload: str) -> str:
        """Send a line and return its one answer."""
        lines = self.reader.feed(self.device.feed(encode_line(payload), self.now_ns))
        (answer,) = [line for line in lines if not line.startswith("E,")]
        return answer


@pytest.mark.req("S14")
@pytest.mark.req("S22")
@pytest.mark.req("S23")
@pytest.mark.req("S24")
@settings(deadline=None, max_examples=150)
@given(st.lists(actions, max_size=40), st.sampled_from([1, 7, 60]))
def test_any_sequence_keeps_the_promises(steps: list[tuple[str, object]], scale: int) -> None:
    """STOP and HELLO mean OFF, repeats do nothing, watchdog and on-time limits hold, a restart is OFF, volume stays."""
    witness = Witness(scale)
    witness.device.step(0)
    for action, value in steps:
        witness.do(action, value)
