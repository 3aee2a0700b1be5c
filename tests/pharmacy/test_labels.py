"""Kits carry a code: the maker's, or the site's own; the worklist tells the units, and labels are printed from it."""

import json
import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from nebctl.cli.pharmacy import pharmacy as command
from nebctl.core.scan.digits import check_digit
from nebctl.core.scan.kit_code import KitCode
from nebctl.core.scan.label import own_gtin
from nebctl.gs1 import kit_of
from nebctl.pharmacy import stock
from nebctl.pharmacy.faults import PharmacyFault
from nebctl.pharmacy.labels import label_of, why_bad
from nebctl.pharmacy.orders import Desk, renew_worklists

STUDY = "NCT04276987"
MAKERS = "04006381333931"


def receive(pharmacy: Any, *kits: stock.NewKit) -> None:
    """Receive kits of the lot that the register knows."""
    stock.import_kits(pharmacy.books, kits, "PH-01")


def new(kit: str, gtin: str = "", serial: str = "", lot: str = "EXO2020A") -> stock.NewKit:
    """Return a kit of a delivery."""
    return stock.NewKit(kit=kit, lot=lot, expires=date(2026, 12, 31), gtin=gtin, serial=serial)


@pytest.mark.req("S08")
def test_a_kit_without_a_code_gets_the_sites_own(pharmacy: Any) -> None:
    """Its label is in the range for use inside one company, numbered as the kit, and read by the same rule."""
    label = label_of(pharmacy.db, "KIT-0401", STUDY)
    code = KitCode(gtin=own_gtin(STUDY), serial="KIT-0401", lot="EXO2020A", expires=date(2026, 12, 31))
    assert kit_of(label.scanned, STUDY) == code
    assert label.readable == f"(01){own_gtin(STUDY)}(17)261231(10)EXO2020A(21)KIT-0401(7240){STUDY}"
    assert label.zint == label.readable.replace("(", "[").replace(")", "]")
    assert f"_101{own_gtin(STUDY)}1726123110EXO2020A_121KIT-0401_17240{STUDY}^FS" in label.zpl


@pytest.mark.req("S08")
def test_a_makers_code_is_kept(pharmacy: Any) -> None:
    """A delivery with product and serial numbers keeps them, and its record says them."""
    receive(pharmacy, new("KIT-0501", MAKERS, "S/77"))
    assert kit_of(label_of(pharmacy.db, "KIT-0501", STUDY).scanned, STUDY) == KitCode(
        gtin=MAKERS, serial="S/77", lot="EXO2020A", expires=date(2026, 12, 31)
    )
    assert pharmacy.said("kit")[-1]["received"][0]["serial"] == "S/77"


@pytest.mark.req("S09")
def test_no_two_kits_have_one_code(pharmacy: Any) -> None:
    """A code that another kit has, or that stands twice in a delivery, imports nothing."""
    receive(pharmacy, new("KIT-0501", MAKERS, "77"))
    for again in ((new("KIT-0502", MAKERS, "77"),), (new("KIT-0503", MAKERS, "78"), new("KIT-0504", MAKERS, "78"))):
        with pytest.raises(PharmacyFault, match="each code on one kit"):
            receive(pharmacy, *again)
    with pytest.raises(PharmacyFault, match="each code on one kit"):
        receive(pharmacy, new("KIT-0505", own_gtin(STUDY), "KIT-0401"))
    assert pharmacy.rows("SELECT count(*) FROM kit WHERE kit LIKE 'KIT-05%'") == [(1,)]


@pytest.mark.req("S09")
def test_the_worklist_says_each_kits_code(pharmacy: Any) -> None:
    """Also that of a kit which the tables know from before codes were kept: it is the site's own."""
    pharmacy.db.execute("UPDATE kit SET gtin = NULL, serial = NULL WHERE kit = 'KIT-0401'")
    receive(pharmacy, new("KIT-0501", MAKERS, "77"))
    desk = Desk(site="sim.mexcovid.example", study=STUDY, operators=(), key_name="k", signer=pharmacy.witness)
    note = renew_worklists(pharmacy.db, desk, pharmacy.books.at.wall_ns)["neb-0001"]
    said = {kit["kit"]: (kit["gtin"], kit["serial"]) for kit in json.loads(note.split("\n")[2])["kits"]}
    assert said["KIT-0401"] == (own_gtin(STUDY), "KIT-0401")
    assert said["KIT-0501"] == (MAKERS, "77")


@pytest.mark.parametrize(
    ("kit", "lot", "gtin", "serial", "why"),
    [
        ("KIT-1", "L1", MAKERS, "", "both"),
        ("KIT-1", "L1", "04006381333932", "1", "check digit"),
        ("KIT-1", "L1", "4006381333931", "1", "14 digits"),
        ("KIT-1", "L1", MAKERS, "1" * 21, "1 to 20"),
        ("KIT-1", "L1", MAKERS, "a b", "1 to 20"),
        ("KIT-" + "1" * 20, "L1", "", "", "1 to 20"),
        ("KIT-1", "L" * 21, "", "", "at most 20"),
    ],
)
def test_numbers_that_fit_in_no_code_are_not_received(
    pharmacy: Any, kit: str, lot: str, gtin: str, serial: str, why: str
) -> None:
    """Half a code, a wrong check digit, a serial or lot that is too long: named, and nothing is imported."""
    stock.add_lot(pharmacy.books, lot, "PH-01")
    with pytest.raises(PharmacyFault, match=why):
        receive(pharmacy, new(kit, gtin, serial, lot))


@given(st.from_regex(r"[0-9]{13}", fullmatch=True), st.integers(1, 9))
def test_a_product_number_needs_its_check_digit(body: str, step: int) -> None:
    """Each number passes with its own check digit and with no other."""
    right = check_digit(body)
    assert why_bad("K-1", "L1", body + right, "1") is None
    assert why_bad("K-1", "L1", body + str((int(right) + step) % 10), "1") is not None


def test_labels_are_printed_by_command(pharmacy: Any, tmp_path: Path) -> None:
    """A kit that nobody knows is named; what is known comes one line a kit."""
    with pytest.raises(PharmacyFault, match="a known kit"):
        label_of(pharmacy.db, "KIT-0999", STUDY)
    answer = CliRunner().invoke(command, ["kit", "label", "--help"])
    assert "--form" in answer.output


def test_an_older_kit_with_a_long_number_is_told_apart(pharmacy: Any) -> None:
    """A kit from before codes were kept, whose number fits in none, has no label, and it is said why."""
    with sqlite3.connect(pharmacy.db.execute("PRAGMA database_list").fetchone()[2]) as db:
        db.execute("UPDATE kit SET kit = ?, serial = NULL, gtin = NULL WHERE kit = 'KIT-0405'", ("K" * 32,))
    with pytest.raises(PharmacyFault, match="at most 20 signs"):
        label_of(pharmacy.db, "K" * 32, STUDY)
