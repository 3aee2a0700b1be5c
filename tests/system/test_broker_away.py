"""Without broker or pharmacy the dose is given all the same, and everything is receipted once they are back."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nebctl.store.prove import read
from nebctl.store.reader import LedgerFile
from nebctl_lab.bench_site import BRISK, Bench, until
from nebctl_lab.processes import Child

pytestmark = pytest.mark.timeout(60)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Network:
    """A bench with a broker on a fixed port and a pharmacy, each of which can be away."""

    def __init__(self, bench: Bench, port: int) -> None:
        self.bench = bench
        log = bench.site.log
        self.broker = Child("broker", ["-m", "nebctl_lab.broker", "--port", str(port)], log("broker"))
        arguments = ["-m", "nebctl", "pharmacy", "run", "--config", str(bench.site.pharmacy)]
        self.pharmacy = Child("pharmacy", arguments, log("pharmacy"))

    def finish(self) -> dict[str, Any]:
        """Let the dose run to its end, and sign off its outcome."""
        self.bench.pace(BRISK)
        self.bench.until_state("residual")
        self.bench.pace(1)
        outcome = dict(self.bench.measure())
        self.bench.api.post("/api/leave")
        return outcome

    def until_receipted(self) -> None:
        """Wait until nothing waits for a receipt, and find the same records on both sides."""
        until(lambda: self.bench.view()["stream"]["waiting"] == 0, "everything is receipted", 40)
        both = self.bench.site.pharmacy_db, self.bench.folder / "unit.db"  # a new worklist may be one record more
        until(lambda: len({tuple(texts(database)) for database in both}) == 1, "the same records on both sides", 40)


def texts(database: Any) -> list[str]:
    """Return the texts of all records in a database."""
    with LedgerFile.open(database) as file:
        return [entry.jws for _, entry in read(file)]


@pytest.fixture
def network(make_bench: Callable[..., Bench]) -> Iterator[Network]:
    """A bench whose broker and pharmacy are configured and not yet there; its worklist came earlier."""
    port = free_port()
    bench = make_bench(broker=f"mqtt://127.0.0.1:{port}", calibrated=True)
    bench.put_worklist()
    network = Network(bench, port)
    yield network
    network.bench.unit.stop()
    network.pharmacy.stop()
    network.broker.stop()


@pytest.mark.req("S39")
def test_nothing_is_there_at_the_start(network: Network) -> None:
    """A dose is given with neither broker nor pharmacy, and is receipted after both have come."""
    bench = network.bench.start()
    bench.begin()
    assert network.finish()["end"] == "complete"
    stream = bench.view()["stream"]
    assert stream["connected"] is False
    assert stream["fault"]
    assert stream["waiting"] == len(bench.records())
    network.broker.start()
    network.pharmacy.start()
    network.until_receipted()


@pytest.mark.req("S39")
@pytest.mark.parametrize("victim", ["broker", "pharmacy"])
def test_one_goes_away_in_mid_dose(network: Network, victim: str, nebctl: Callable[..., Any]) -> None:
    """Killed in mid-dose, broker or pharmacy is not missed by the dose, and loses nothing once it is back."""
    network.broker.start()
    network.pharmacy.start()
    bench = network.bench.start()
    until(lambda: bench.view()["stream"]["connected"], "the unit's connection")
    bench.begin()
    child: Child = getattr(network, victim)
    child.kill()
    assert network.finish()["end"] == "complete"
    assert bench.view()["stream"]["waiting"] > 0
    child.start()
    network.until_receipted()
    done = nebctl("ledger", "verify", bench.site.pharmacy_db, "--trust", bench.site.trust)
    assert done.returncode == 0
