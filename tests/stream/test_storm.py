"""The stream under a storm: everything is killed again and again, and nothing is lost, doubled or invented."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.stream import mosquitto
from nebctl_lab.stream.check import check_all
from nebctl_lab.stream.storm import Storm, Weathered, weather

SEED, BLOWS, UNITS = 11, 7, 2
NAMES = ("neb-0001", "neb-0002")

pytestmark = pytest.mark.timeout(180)


def check_mosquitto() -> None:
    """Fail where CI=true and skip elsewhere, where there is no broker."""
    if (missing := mosquitto.missing()) is not None:
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Weathered]:
    """Return the folder that a storm has left, and what came of it."""
    check_mosquitto()
    folder = tmp_path_factory.mktemp("storm")
    return folder, weather(Storm(seed=SEED, blows=BLOWS, units=UNITS), folder, lambda _: None)


def broken(folder: Path, tmp_path: Path, database: str, *statements: str) -> list[str]:
    """Return what the checker says of a copy of the site, one of whose databases was changed."""
    copies = {}
    for source in (folder / "neb-0001.db", folder / "neb-0002.db", folder / "pharmacy" / "pharmacy.db"):
        copies[source.name] = tmp_path / source.name
        with (
            contextlib.closing(sqlite3.connect(source)) as old,
            contextlib.closing(sqlite3.connect(copies[source.name])) as new,
        ):
            old.backup(new)
    for name in NAMES:
        (tmp_path / f"{name}.journal").write_bytes((folder / f"{name}.journal").read_bytes())
    with contextlib.closing(sqlite3.connect(copies[database], isolation_level=None)) as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            db.execute(statement)
    return check_all(tmp_path, folder / "trust", copies["pharmacy.db"], NAMES)


@pytest.mark.req("S40")
def test_a_storm_loses_doubles_and_invents_nothing(aftermath: tuple[Path, Weathered], say: Any) -> None:
    """After kill -9 of units, broker and pharmacy under load, with messages repeated out of order by a third party,
    each committed record is receipted once and in order, and the pharmacy holds nothing else.
    """
    _, weathered = aftermath
    say(f"storm: seed {SEED}, {sum(weathered.kills.values())} kills, {weathered.records} records")
    assert weathered.findings == []
    assert weathered.records > 100
    assert sum(weathered.kills.values()) >= BLOWS


@pytest.mark.soak
def test_longer_storms(tmp_path: Path, soak: int, say: Any) -> None:
    """The same holds for longer storms over more units, each from another seed."""
    check_mosquitto()
    for seed in range(1, soak + 1):
        (tmp_path / str(seed)).mkdir()
        weathered = weather(Storm(seed=seed, blows=60, units=4), tmp_path / str(seed), lambda _: None)
        say(f"storm: seed {seed}, {sum(weathered.kills.values())} kills, {weathered.records} records")
        assert weathered.findings == [], seed


@pytest.mark.parametrize(
    ("database", "statement", "finding"),
    [
        ("pharmacy.db", "DELETE FROM rec WHERE unit = 'neb-0001' AND seq = 3", "numbered"),
        (
            "pharmacy.db",
            "DELETE FROM rec WHERE unit = 'neb-0001' AND seq = (SELECT max(seq) FROM rec WHERE unit = 'neb-0001')",
            "1 records never arrived",
        ),
        (
            "pharmacy.db",
            "UPDATE rec SET jws = jws || 'A' WHERE unit = 'neb-0001' AND seq = 5",
            "record 5 is another one",
        ),
        (
            "pharmacy.db",
            "INSERT INTO rec SELECT unit, ep, seq + 1, leaf, jws, got_at FROM rec WHERE unit = 'neb-0001'"
            " ORDER BY seq DESC LIMIT 1",
            "were invented",
        ),
        ("pharmacy.db", "UPDATE witness SET size = size - 1 WHERE unit = 'neb-0001'", "over another tree"),
        ("neb-0001.db", "DELETE FROM log WHERE seq = (SELECT max(seq) FROM log)", "was acknowledged and is not there"),
        ("neb-0001.db", "UPDATE receipt SET note = replace(note, 'A', 'B')", "a receipt over"),
        ("neb-0001.db", "DELETE FROM receipt WHERE size = (SELECT max(size) FROM receipt)", "the newest receipt"),
        ("neb-0001.db", "INSERT INTO outbox VALUES (1, 2, 'line')", "1 records still wait"),
    ],
)
def test_the_checker_finds_what_is_wrong(
    aftermath: tuple[Path, Weathered], tmp_path: Path, database: str, statement: str, finding: str
) -> None:
    """A record lost, altered, invented or left waiting is found, and a receipt that is missing or over another log."""
    found = broken(aftermath[0], tmp_path, database, statement)
    assert any(each.startswith("neb-0001: ") and finding in each for each in found), found
    assert not any(each.startswith("neb-0002") for each in found)


def test_the_checker_is_content_with_an_untouched_copy(aftermath: tuple[Path, Weathered], tmp_path: Path) -> None:
    """A copy of which nothing was changed has no finding."""
    assert broken(aftermath[0], tmp_path, "pharmacy.db") == []
