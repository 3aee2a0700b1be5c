"""The picture of a run: what it is drawn from, what it shows, and what it refuses."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from nebctl_simulators.cli import sim
from nebctl_simulators.mesh.codec import encode_line
from nebctl_simulators.mesh.device import Device
from nebctl_simulators.mesh.memory import Memory
from nebctl_simulators.plot import plot_files
from nebctl_simulators.plot.run import read_injections, read_run, steps
from nebctl_simulators.plot.scales import thinned, time_ticks, time_unit, value_ticks
from nebctl_simulators.presets import build_unit
from nebctl_simulators.serve import TruthLog
from nebctl_simulators.simtime import ScaledTime

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "simulated-run.svg"
HEAD = "t_s,emitted_nl,cup_nl,output\n"
SVG = "{http://www.w3.org/2000/svg}"
STEP_NS = 10_000_000


class Played:
    """A mesh controller and its host, played in a time that nothing waits for; truth and faults go to files."""

    def __init__(self, folder: Path) -> None:
        unit = build_unit("mesh.solo", 7)
        self.now_ns = 0
        self.device = Device(unit=unit, serial="SIM-0001", sim_time=ScaledTime(0), memory=Memory(), real_ns=self.now_ns)
        self.truth = folder / "run.csv"
        self.injections = folder / "injections.jsonl"
        self._stream = self.truth.open("w", encoding="utf-8")
        self._log = TruthLog(self._stream)
        self._asked = 0

    def say(self, words: str) -> None:
        """Send a request."""
        self._asked += 1
        self.device.feed(encode_line(f"C,{self._asked},{words}"), self.now_ns)

    def live(self, seconds: float) -> None:
        """Beat twice a second for so long."""
        for number in range(round(seconds * 100)):
            self.now_ns += STEP_NS
            if number % 50 == 0:
                self.say("BEAT")
            self.device.step(self.now_ns)
            self._log.note(self.device.truth())

    def inject(self, fault: str, count: int = 1, ms: int | None = None) -> None:
        """Arm a fault."""
        self.device.inject(fault, count, ms, self.now_ns)

    def close(self) -> None:
        """Write the faults that have happened."""
        self._stream.close()
        told = ({"fault": item.fault, "t_ns": item.t_ns} for item in self.device.injections())
        self.injections.write_text("".join(f"{json.dumps(item)}\n" for item in told), encoding="utf-8")


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    """Return a bench with 1 mL in its cup."""
    bench = Played(tmp_path)
    bench.device.pour(1_000_000)
    yield bench
    bench._stream.close()


def texts(picture: Path) -> list[str]:
    """Return what is written in a picture."""
    return [element.text or "" for element in ElementTree.parse(picture).iter(f"{SVG}text")]


def lines(picture: Path, style: str) -> list[str]:
    """Return the curves of a style, without their mark in the legend."""
    found = (element for element in ElementTree.parse(picture).iter(f"{SVG}path"))
    return [
        path.get("d", "") for path in found if path.get("class") == f"line {style}" and "h" not in path.get("d", "")
    ]


def test_a_dose_with_faults_is_drawn_by_the_command(played: Played) -> None:
    """`nebctl sim plot` draws rate, volumes, output and each kind of fault of a run; the picture in docs is made so."""
    played.live(5)
    played.say("START,0badcafe,600000")
    played.live(30)
    for fault, count in (("late", 3), ("bad_crc", 2), ("drop_reply", 1)):
        played.inject(fault, count, 60 if fault == "late" else None)
        played.live(12)
    played.inject("brownout")
    played.live(15)
    played.say("START,0badcafe,600000")
    played.live(200)
    played.close()
    target = PICTURE if os.environ.get("NEBCTL_SCREENS") == "1" else played.truth.with_suffix(".svg")
    done = CliRunner().invoke(
        sim, ["plot", str(played.truth), "--injections", str(played.injections), "-o", str(target)]
    )
    assert (done.exit_code, done.output) == (0, f"{target}\n")
    said = texts(target)
    assert {"Output rate, mL/min", "Volume, mL", "Output", "Faults", "late x 3", "bad_crc x 2", "drop_reply"} <= set(
        said
    )
    assert {"Drive current, mA", "emitted", "in the cup", "plant time, min", "OFF", "SWEEP", "RUN"} <= set(said)
    assert [len(lines(target, style)) for style in ("rate", "emitted", "cup")] == [1, 1, 1]


def test_the_picture_in_the_documents_is_for_everybody() -> None:
    """The documents' picture is well formed, titled, described, and has a dark side; it runs nothing."""
    assert PICTURE.is_file(), "docs/pictures/simulated-run.svg is missing: set NEBCTL_SCREENS=1"
    text = PICTURE.read_text(encoding="utf-8")
    names = {element.tag for element in ElementTree.fromstring(text).iter()}
    assert {f"{SVG}title", f"{SVG}desc", f"{SVG}style"} <= names
    assert "prefers-color-scheme: dark" in text
    assert "<script" not in text


def test_current_and_vapour_are_drawn_where_the_truth_has_them(tmp_path: Path) -> None:
    """Columns past the first four are taken by their names; a device that has no current gets no panel for one."""
    rows = "t_s,emitted_nl,cup_nl,output,vapour_nl,residual_nl,rate_nl_s,current_dma\n"
    rows += "0.000,0,1000000,OFF,0,,,0\n1.000,0,1000000,RUN,0,,,834\n9.000,40000,950000,OFF,10000,,,0\n"
    (tmp_path / "run.csv").write_text(rows, encoding="utf-8")
    drawn = plot_files(tmp_path / "run.csv", None, tmp_path / "run.svg")
    assert {"Drive current, mA", "current of the mesh", "vapour"} <= set(texts(drawn))
    (tmp_path / "jet.csv").write_text(rows.replace(",834", ",").replace(",0\n", ",\n"), encoding="utf-8")
    assert "vapour" not in texts(plot_files(tmp_path / "run.csv", None, tmp_path / "run.svg", (0.0, 2.0)))
    assert "Drive current, mA" not in texts(plot_files(tmp_path / "jet.csv", None, tmp_path / "jet.svg"))


def test_a_current_jumps_where_the_output_changes(tmp_path: Path) -> None:
    """Between a row that is OFF and one that runs the current is not drawn as if it had risen all the while."""
    rows = "t_s,emitted_nl,cup_nl,output,current_dma\n0,0,9,OFF,0\n90,0,9,RUN,1000\n100,9,0,OFF,0\n"
    (tmp_path / "run.csv").write_text(rows, encoding="utf-8")
    drawn = plot_files(tmp_path / "run.csv", None, tmp_path / "run.svg")
    (path,) = lines(drawn, "current")
    spots = [tuple(map(float, spot.split())) for spot in path.removeprefix("M").split("L")]
    assert [x for x, _ in spots] == [spots[0][0], spots[1][0], spots[1][0], spots[3][0], spots[3][0]]
    assert [y == spots[0][1] for _, y in spots] == [True, True, False, False, True]


def test_the_rate_is_what_was_emitted_over_the_time_it_took(tmp_path: Path) -> None:
    """Each stretch has the mean rate of its rows; a last one of 4 ms joins the one before."""
    rows = (
        HEAD + "0.000,0,3000,OFF\n2.000,0,3000,RUN\n3.000,5000,0,RUN\n4.000,10000,0,RUN\n"
        "4.004,10021,0,OFF\n9.000,10021,0,OFF\n"
    )
    (tmp_path / "run.csv").write_text(rows, encoding="utf-8")
    made = steps(read_run(tmp_path / "run.csv").rows)
    assert [(step.from_s, step.to_s, step.output) for step in made] == [
        (0.0, 2.0, "OFF"),
        (2.0, 3.0, "RUN"),
        (3.0, 4.004, "RUN"),
        (4.004, 9.0, "OFF"),
    ]
    assert [step.rate_ml_min for step in made] == pytest.approx([0.0, 0.3, 0.005021 / (1.004 / 60), 0.0])


def test_a_part_of_a_run_begins_in_the_state_that_was(tmp_path: Path) -> None:
    """`--from` in mid-run shows the output that was on then, and only the faults of that part."""
    (tmp_path / "run.csv").write_text(HEAD + "0,0,9,OFF\n1,0,9,RUN\n9,9,0,OFF\n20,9,0,OFF\n", encoding="utf-8")
    faults = "".join(f'{{"fault": "late", "t_ns": {at}000000000}}\n' for at in (2, 7))
    (tmp_path / "faults").write_text(faults, encoding="utf-8")
    run = read_run(tmp_path / "run.csv", read_injections(tmp_path / "faults"), (5.0, 10.0))
    assert [(row.t_s, row.output) for row in run.rows] == [(5.0, "RUN"), (9.0, "OFF")]
    assert [fault.t_s for fault in run.faults] == [7.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "run.csv:1: there is no column 't_s'"),
        ("t_s,emitted_nl\n", "run.csv:1: there is no column 'output'"),
        (HEAD + "0,0,0,OFF\n", "there are 1 rows, expected two or more"),
        (HEAD + "0,0,0,OFF\n1,many,0,RUN\n", "run.csv:3: emitted_nl: 'many' is no number"),
        (HEAD + "0,0,0,OFF\n1,0\n", "run.csv:3: output: the row ends before it"),
        (HEAD + "0,0,0,OFF\nnan,0,0,OFF\n", "run.csv:3: t_s: 'nan' is no number"),
        (HEAD + "5,0,0,OFF\n1,0,0,RUN\n", "run.csv:3: t_s: 1 is before the row above it, 5"),
    ],
)
def test_a_file_that_is_no_truth_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """A wrong truth ends in one line with file, line, column and value, and draws nothing."""
    (tmp_path / "run.csv").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(sim, ["plot", str(tmp_path / "run.csv")])
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "run.svg").exists()


@pytest.mark.parametrize("source", ["t1.csv", "faults"])
def test_a_picture_never_overwrites_what_it_is_drawn_from(tmp_path: Path, source: str) -> None:
    """An output that is the truth or the injections, even by a link, is a wrong call and leaves the file as it was."""
    for name, text in (("t1.csv", HEAD + "0,0,0,OFF\n9,9,0,OFF\n"), ("faults", "")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    before = (tmp_path / source).read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / source)
    for name in (source, "link"):
        arguments = [str(tmp_path / "t1.csv"), "--injections", str(tmp_path / "faults"), "-o", str(tmp_path / name)]
        done = CliRunner().invoke(sim, ["plot", *arguments])
        assert done.exit_code == 2
        assert "the picture would overwrite the" in " ".join(done.output.split())
        assert (tmp_path / source).read_bytes() == before


def test_a_truth_with_the_name_of_a_picture_is_not_overwritten(tmp_path: Path) -> None:
    """Without -o the picture of run.svg would be run.svg itself: refused too."""
    truth = tmp_path / "run.svg"
    truth.write_text(HEAD + "0,0,0,OFF\n9,9,0,OFF\n", encoding="utf-8")
    assert CliRunner().invoke(sim, ["plot", str(truth)]).exit_code == 2
    assert truth.read_text(encoding="utf-8").startswith(HEAD)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "/nowhere/run.svg"), "--output: /nowhere/run.svg: there is no folder /nowhere; make it"),
        (("-o", "/"), "--output: /: this is a folder; add the name of a file"),
        (("--from", "nan"), "--from: got nan, expected a plant time in seconds"),
        (("--to", "inf"), "--to: got inf, expected a plant time in seconds"),
        (("--from", "10", "--to", "5"), "--to: got 5 s, expected a time after --from, which is 10 s"),
    ],
)
def test_a_wrong_call_names_its_option(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    """An output that cannot be written, or a span that is none, ends with exit code 2, the option and the cure."""
    (tmp_path / "run.csv").write_text(HEAD + "0,0,0,OFF\n20,9,0,OFF\n", encoding="utf-8")
    done = CliRunner().invoke(sim, ["plot", str(tmp_path / "run.csv"), *arguments])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert not (tmp_path / "run.svg").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("run.csv", "run.csv: byte 0 is no UTF-8 text; expected the truth of a simulator (--truth FILE)"),
        ("faults", "faults: byte 0 is no UTF-8 text; expected what --injections or GET /injections gives"),
    ],
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, wrong: str, message: str) -> None:
    """A binary file in the place of truth or injections ends in one line with its name and what is expected."""
    for name, text in (("run.csv", HEAD + "0,0,0,OFF\n9,9,0,OFF\n"), ("faults", "")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / wrong).write_bytes(b"\xff\xfe\x00")
    done = CliRunner().invoke(sim, ["plot", str(tmp_path / "run.csv"), "--injections", str(tmp_path / "faults")])
    assert done.exit_code == 1
    assert message in " ".join(done.output.split())


def test_a_field_past_all_measure_is_no_table(tmp_path: Path) -> None:
    """What the CSV reader gives up on is one line with the file, not a traceback."""
    (tmp_path / "run.csv").write_text(HEAD + "0" * 200_000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"run\.csv: no CSV \(field larger"):
        read_run(tmp_path / "run.csv")


@pytest.mark.parametrize(
    "text", ["{", '{"fault": "late"}', '[{"fault": 3, "t_ns": 1}]', '{"fault": "late", "t_ns": true}', "3"]
)
def test_a_file_that_has_no_injections_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    """What is no injection is named with its line."""
    (tmp_path / "faults").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"faults:1: no (JSON|injection)"):
        read_injections(tmp_path / "faults")


def test_an_answer_of_the_control_interface_is_read_as_well(tmp_path: Path) -> None:
    """The list that GET /injections answers says as much as the lines of a file."""
    item = {"fault": "late", "t_ns": 1_500_000_000, "unit": 40, "function": 3, "address": None}
    (tmp_path / "list").write_text(json.dumps([item]), encoding="utf-8")
    (tmp_path / "lines").write_text(json.dumps(item) + "\n", encoding="utf-8")
    assert read_injections(tmp_path / "list") == read_injections(tmp_path / "lines")
    (fault,) = read_injections(tmp_path / "list")
    assert (fault.t_s, fault.said) == (1.5, "unit 40, function 3")


@pytest.mark.parametrize(
    ("highest", "ticks"), [(0, [0, 1]), (0.31, [0, 0.1, 0.2, 0.3, 0.4]), (3, [0, 1, 2, 3]), (5, [0, 1, 2, 3, 4, 5])]
)
def test_an_axis_has_round_values(highest: float, ticks: list[float]) -> None:
    """An axis goes from 0 past the highest value in steps of 1, 2 or 5."""
    assert value_ticks(highest) == pytest.approx(ticks)


@pytest.mark.parametrize(("length_s", "name"), [(0.4, "s"), (179, "s"), (400, "min"), (40_000, "h"), (432_000, "d")])
def test_an_axis_of_time_is_in_a_unit_that_fits(length_s: float, name: str) -> None:
    """From milliseconds to a course of days, at most 13 times are written, and at least three."""
    assert time_unit(length_s)[1] == name
    assert 3 <= len(time_ticks(0.0, length_s)) <= 13


def test_thinning_keeps_what_can_be_seen() -> None:
    """Of ten thousand points on one pixel there remain the first, the extremes and the last, in their order."""
    points = [(5.0 + number / 100_000, float(number % 97)) for number in range(10_000)]
    points[500], points[700] = (points[500][0], -40.0), (points[700][0], 400.0)
    assert list(thinned(points)) == [points[0], points[500], points[700], points[-1]]
    assert list(thinned([(1.0, 1.0), (2.0, 2.0)])) == [(1.0, 1.0), (2.0, 2.0)]


def test_names_are_text_and_no_markup(tmp_path: Path) -> None:
    """A file's name, an output or a fault with < in it neither breaks the picture nor becomes a part of it."""
    (tmp_path / "a<b.csv").write_text(HEAD + "0,0,0,<OFF\n9,9,0,OFF\n", encoding="utf-8")
    (tmp_path / "faults").write_text('{"fault": "<script>", "t_ns": 1}\n', encoding="utf-8")
    drawn = plot_files(tmp_path / "a<b.csv", tmp_path / "faults", tmp_path / "a.svg")
    assert {"Simulated run a<b.csv", "<script>", "<OFF"} <= set(texts(drawn))
