"""A simulated device as a test holds it: where to connect, what is really so, the cup, and faults."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from nebctl_simulators.testing.control import Body, ControlClient
from nebctl_simulators.testing.options import check_kind, check_options, command_line, url_of
from nebctl_simulators.testing.process import SimulatorFault, SimulatorProcess

LOOK_S = 0.01
MS_PER_S = 1000


class Truth(Mapping[str, Any]):
    """What was really so when it was asked: a mapping whose members are attributes too, such as `.emitted_nl`.

    Volumes are in nL, plant times in ns. Which members there are depends on the kind of device.
    """

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = dict(members)

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._members:
            raise AttributeError(f"the truth has no {name!r}; it has: {', '.join(self._members)}")
        return self._members[name]

    def __repr__(self) -> str:
        return f"Truth({', '.join(f'{name}={value!r}' for name, value in self._members.items())})"


class Plant:
    """The bench around the device: its cup, its power, and its time where that stands still."""

    def __init__(self, ask: Callable[[str, Body], Any], truth: Callable[[], Truth]) -> None:
        self._ask = ask
        self._truth = truth

    @property
    def preset(self) -> str:
        """The name of the preset that the unit was drawn from."""
        return str(self._truth().preset)

    @property
    def seed(self) -> int:
        """The seed that drew it; the same preset and seed give the same unit and fillings."""
        return int(self._truth().seed)

    @property
    def serial(self) -> str:
        """The serial number; it begins with SIM-."""
        return str(self._truth().serial)

    @property
    def cup_nl(self) -> int:
        """What is in the cup now, in nL."""
        return int(self._truth().cup_nl)

    def fill(self, volume: int | str) -> int:
        """Pour into the cup, such as "3 mL" or 3_000_000 for nL, and return what is in it in nL.

        Raises: ValueError for what is no volume or does not fit.
        """
        return int(self._ask("/fill", {"nl": _nanolitres(volume)})["cup_nl"])

    def empty(self) -> int:
        """Draw what is in the cup and return it in nL; 0: it was empty."""
        return int(self._ask("/empty", {})["drawn_nl"])

    def cut_power(self) -> None:
        """Take the device's power away; the cable stays in."""
        self._ask("/power", {"on": False})

    def give_power(self) -> None:
        """Give the device its power; its output stays OFF."""
        self._ask("/power", {"on": True})

    def advance(self, seconds: float) -> None:
        """Let time pass for a simulator with clock="lockstep"; in whole milliseconds.

        Raises: ValueError where its time runs by itself.
        """
        self._ask("/advance", {"ms": round(seconds * MS_PER_S)})


class Simulator:
    """One simulated device in a process of its own; a context manager that starts and ends it.

    `kind` is one of mesh, jet, balance, modbus, alicat, board_9c. The options are those of `nebctl sim KIND`, with `_`
    for `-`, and `wire`: "tcp" (a free port on loopback) or "pty" (a pseudo-terminal). Files go to `folder`; None: to a
    temporary one that is removed at the end. A relative path among the options is seen from `start_folder`.
    Raises: ValueError for a kind or an option that there is not.
    """

    def __init__(
        self, kind: str, folder: Path | None = None, start_folder: Path | None = None, **options: object
    ) -> None:
        self.kind = check_kind(kind)
        check_options(self.kind, options)
        self.options = options
        self._borrowed = folder is None
        self.folder = folder if folder is not None else Path(tempfile.mkdtemp(prefix=f"nebctl-{kind}-"))
        arguments = command_line(self.kind, options, self.folder)
        self._process = SimulatorProcess(arguments, self.log, start_folder or Path.cwd())
        self._control = ControlClient("")
        self.address = ""
        self.plant = Plant(self._post, lambda: self.truth)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Simulator({self.kind!r} at {self.url!r})" if self.address else f"Simulator({self.kind!r}, not started)"

    def start(self) -> Self:
        """Start the device and wait until a host can connect.

        Raises: SimulatorFault with the simulator's own words where it does not start, RuntimeError where it runs.
        """
        if self.pid:
            raise RuntimeError(f"the simulator runs already, as process {self.pid}")
        try:
            self.address, _, base = self._process.start().partition(" control ")
        except BaseException:
            self.close()
            raise
        self._control = ControlClient(base)
        return self

    def close(self) -> None:
        """End the device and take its pseudo-terminal away; its truth and log stay where the folder was given."""
        self._process.end()
        (self.folder / "line").unlink(missing_ok=True)
        self._remove_folder()

    @property
    def url(self) -> str:
        """The device URL, such as "tcp://127.0.0.1:40123" or "serial:///tmp/…/line"."""
        return url_of(self.kind, self.options, self.address)

    @property
    def host(self) -> str:
        """The address on loopback of a wire "tcp"; "" for a pseudo-terminal."""
        return self.address.rpartition(":")[0] if self.url.startswith(("tcp:", "rtu+tcp:")) else ""

    @property
    def port(self) -> int:
        """The port of a wire "tcp"; 0 for a pseudo-terminal."""
        return int(self.address.rpartition(":")[2]) if self.host else 0

    @property
    def path(self) -> str:
        """The path of a pseudo-terminal, for programs that open serial ports; "" for a wire "tcp"."""
        return "" if self.host else self.address

    @property
    def control_url(self) -> str:
        """The base URL of the control interface, for programs that are no Python."""
        return self._control.base

    @property
    def pid(self) -> int:
        """The id of the simulator's process."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """The file with what the simulator said on stderr."""
        return self.folder / "simulator.log"

    @property
    def truth_file(self) -> Path:
        """The CSV file with the truth so far: what `nebctl sim plot` draws."""
        return self.folder / "truth.csv"

    @property
    def injections_file(self) -> Path:
        """The file with the faults that have happened so far, a JSON object a line."""
        return self.folder / "injections.jsonl"

    @property
    def truth(self) -> Truth:
        """What is really so now, asked anew each time."""
        return Truth(self._reach(lambda: self._control.get("/state")))

    @property
    def faults(self) -> dict[str, int]:
        """The faults that are armed or active: how many answers they will still take, 1 for those that last."""
        return dict(self.truth.faults)

    @property
    def injections(self) -> list[dict[str, Any]]:
        """The faults that have happened, oldest first."""
        return list(self._reach(lambda: self._control.get("/injections")))

    def inject(self, fault: str, **terms: object) -> dict[str, int]:
        """Arm a fault and return all that are armed or active.

        Either a name with its terms, `inject("late", ms=350, count=3)`, or a text, `inject("late:ms=350,count=3")`. A
        term that is a word of Python is written with `_` behind it: `from_="10s"`.
        Raises: ValueError for a fault or term that the device does not have, with those that it has.
        """
        name, _, text = fault.partition(":")
        body: Body = {"fault": name, **_terms_of(text), **{key.rstrip("_"): value for key, value in terms.items()}}
        return dict(self._post("/inject", body)["faults"])

    def clear(self) -> None:
        """End every fault."""
        self._post("/clear", {})

    def wait_for(self, condition: Callable[[Truth], object], seconds: float = 5.0) -> Truth:
        """Return the first truth for which the condition holds.

        Raises: TimeoutError with the last truth where that takes more than `seconds` of real time.
        """
        # Counted, not timed: a test may have stopped its own clock.
        for _ in range(max(1, round(seconds / LOOK_S))):
            if condition(truth := self.truth):
                return truth
            time.sleep(LOOK_S)
        raise TimeoutError(f"{self.kind}: not within {seconds} s; the last truth was {truth!r}")

    def plot(self, path: Path | str) -> Path:
        """Draw the run so far as SVG and return the file's path."""
        from nebctl_simulators.plot import plot_files  # noqa: PLC0415 - few tests draw

        return plot_files(self.truth_file, self.injections_file, Path(path))

    def _post(self, path: str, body: Body) -> Any:
        return self._reach(lambda: self._control.post(path, body))

    def _reach(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except OSError as error:
            code = self._process.exit_code
            state = "does not answer" if code is None else f"has ended with exit code {code}"
            raise SimulatorFault(
                f"the simulated {self.kind} {state} ({error}); it said: {self._process.tail()}"
            ) from error

    def _remove_folder(self) -> None:
        if self._borrowed:
            shutil.rmtree(self.folder, ignore_errors=True)


def _nanolitres(volume: int | str) -> int:
    if isinstance(volume, int):
        return volume
    import click  # noqa: PLC0415 - as above

    from nebctl_simulators.cli.options import Volume  # noqa: PLC0415

    try:
        return Volume().convert(volume, None, None)
    except click.UsageError as error:
        raise ValueError(error.format_message()) from error


def _terms_of(text: str) -> Body:
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return {key.strip(): value for key, _, value in pairs}
