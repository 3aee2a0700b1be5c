"""A copy put back over a rotation: what `rejoin` says of each receipt, and what of the lost records may be believed."""

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nebctl.cli.ledger import ledger as command
from nebctl.core.ledger import head, note
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.head import kid
from nebctl.core.ledger.hello import Answer
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Entry
from nebctl.keys import Ed25519Signer, verify
from nebctl.store.audit import Auditor
from nebctl.store.backup import back_up, restore
from nebctl.store.faults import StoreFault
from nebctl.store.outbox import ReceiptRefused, Refusal
from nebctl.store.reader import LedgerFile
from nebctl.store.sealing import Sealer
from nebctl.store.writer import Writer

pytestmark = pytest.mark.req("S34")
OLD, NEW, OTHER = (Ed25519Signer.from_seed(letter * 32) for letter in (b"u", b"n", b"x"))
ORDERS = Vkey("sim.mexcovid.example/nebctl-orders", note.ED25519, Ed25519Signer.from_seed(b"o" * 32).public)
NONCE = "0" * 32


@dataclass
class Card:
    """A unit's card: 3 records, a copy of them, 1 record more, the handover, and 2 records of the new key."""

    bench: Any
    copy: Path
    receipts: dict[int, str] = field(default_factory=dict)

    def open(self, signer: Ed25519Signer, *, may_lack_key: bool = True) -> Writer:
        """Open the ledger with a key."""
        stamp = Stamp(unit="neb-0001", epoch=1, software="test", config_sha256="0" * 64, simulated=True)
        bench = self.bench
        sealer = Sealer(
            site="sim.mexcovid.example",
            stamp=stamp,
            signer=signer,
            verify=verify,
            witness=bench.pharmacy_vkey,
            random=bench.random,
        )
        writer = Writer(bench.path, sealer)
        writer.open(bench.at(), may_lack_key=may_lack_key)
        return writer

    def live(self) -> None:
        """Let the records come, and keep the pharmacy's receipt over each size."""
        with contextlib.closing(self.open(OLD)) as writer:
            for _ in range(2):
                self.add(writer)
            back_up(self.bench.path, self.copy, lambda *_: None, lambda _: None)
            self.add(writer)
            writer.rotate(NEW, self.bench.at())
            self.note(writer)
            for _ in range(2):
                self.add(writer)
            self.kept = head.Checkpoint.parse(note.parse_note(writer.tip.head_note).text)
            self.lost = writer.entries(2)
        self.whole = Path(shutil.copy(self.bench.path, self.copy.with_name("whole.db")))

    def add(self, writer: Writer) -> None:
        """Append a record."""
        writer.append([Draft(typ="clock")], self.bench.at())
        self.note(writer)

    def note(self, writer: Writer) -> None:
        """Keep the receipt over what is there, by the newest key's line alone."""
        parsed = note.parse_note(writer.tip.head_note)
        checkpoint = head.Checkpoint.parse(parsed.text)
        line = head.cosign(checkpoint, 1_771_081_300, self.bench.pharmacy_vkey.name, self.bench.pharmacy)
        self.receipts[checkpoint.size] = note.assemble_note(parsed.text, [parsed.lines[-1].text(), line])

    def put_back(self, copy: Path) -> None:
        """Put a copy in the place of what is there, by the way that marks it."""
        for path in self.bench.folder.glob("unit.db*"):
            path.unlink()
        restore(copy, self.bench.path, "2026-02-16T08:00:00.000Z", lambda *_: None, lambda _: None)

    def rejoin(self, size: int) -> Result:
        """Hold the ledger against the receipt over so many records."""
        path = self.bench.folder / "receipt.note"
        path.write_text(self.receipts[size], "utf-8")
        words = ["rejoin", self.bench.path, "--receipt", path, "--trust", self.bench.trust]
        return CliRunner().invoke(command, [str(word) for word in words])

    def texts(self, entries: list[Entry] | None = None) -> list[tuple[str, tuple[str, ...]]]:
        """Return lost records as the pharmacy sends them."""
        return [(entry.jws, entry.disclosures) for entry in entries or self.lost]

    def findings(self) -> list[str]:
        """Return what an auditor who trusts the first key alone finds."""
        auditor = Auditor(unit_key=lambda *_: self.bench.unit_vkey, pharmacy=self.bench.pharmacy_vkey, verify=verify)
        with LedgerFile.open(self.bench.path) as file:
            return [found.sentence() for found in auditor.audit(file) if isinstance(found, Finding)]


@pytest.fixture
def card(bench: Any, tmp_path: Path) -> Card:
    """A card that has lived, with the copy from before its rotation put back."""
    bench.write_trust()
    card = Card(bench, tmp_path / "copy.db")
    card.live()
    card.put_back(card.copy)
    return card


def signs_nothing(writer: Writer, card: Card, why: str) -> None:
    """Check that everything which would be written or signed is refused for this reason."""
    size, at = writer.tip.size, card.bench.at()
    calls: tuple[Callable[[], object], ...] = (
        lambda: writer.append([Draft(typ="boot")], at),
        lambda: writer.rotate(OTHER, at),
        lambda: writer.save_rows("2026-02-14-7f3a9c", "0,0"),
        lambda: writer.take_receipt(card.receipts[3]),
    )
    for call in calls:
        with pytest.raises(StoreFault, match=why):
            call()
    assert writer.tip.size == size == len(writer.entries(-1))


def test_a_receipt_from_after_the_rotation_says_what_the_copy_lacks(card: Card) -> None:
    """The old copy has no key to check the unit's line by; the pharmacy's signature alone tells what is lost."""
    for size in (4, 5, 6, 7):
        said = card.rejoin(size)
        assert said.exit_code == 1
        assert f"(rollback): saw {size} records, expected at most the copy's 3" in said.stdout
        assert "Start the unit where it reaches the pharmacy" in said.stdout
        assert "its key file must hold the new key" in said.stdout


def test_a_copy_from_after_the_rotation_rejoins_by_a_receipt_of_the_new_key(card: Card) -> None:
    """The keys are followed from the trusted one through the copy's own records; the one that signs now is named."""
    for size in (3, 5, 7):
        card.put_back(card.whole)
        said = card.rejoin(size)
        assert (said.exit_code, f"holds the first {size} records, the same" in said.stdout) == (0, True), said.stdout
        assert f"may start, with key {kid(Vkey(card.bench.unit_vkey.name, 1, NEW.public))} in" in said.stdout
    with contextlib.closing(card.open(NEW)) as writer:
        assert writer.append([Draft(typ="boot")], card.bench.at())[0].seq == 8
    assert card.findings() == []


def test_another_log_under_the_new_key_is_a_fork(card: Card) -> None:
    """Where the copy went on by itself past the handover's place, `rejoin` says fork, not that the receipt is bad."""
    assert card.rejoin(3).exit_code == 0
    with contextlib.closing(card.open(OLD)) as writer:
        for _ in range(3):
            writer.append([Draft(typ="clock")], card.bench.at())
    back_up(card.bench.path, card.copy.with_name("forked.db"), lambda *_: None, lambda _: None)
    card.put_back(card.copy.with_name("forked.db"))
    said = card.rejoin(6)
    assert (said.exit_code, "(fork): saw another root at size 6" in said.stdout) == (1, True), said.stdout


def test_a_unit_is_restored_a_second_time(card: Card) -> None:
    """A copy that was taken after a restoration is marked anew, waits anew, and each is told of by its own record."""
    for turn in ("first", "second"):
        with contextlib.closing(card.open(OLD)) as writer:
            signs_nothing(writer, card, "restored at")
        assert card.rejoin(3).exit_code == 0
        with contextlib.closing(card.open(OLD)) as writer:
            writer.append([Draft(typ="clock")], card.bench.at())
            told = [entry.seq for entry in writer.entries(2) if entry.payload["typ"] == "incident"]
            back_up(card.bench.path, card.copy.with_name(f"{turn}.db"), lambda *_: None, lambda _: None)
        card.put_back(card.copy.with_name(f"{turn}.db"))
    assert told == [3, 5]


def test_a_receipt_from_before_the_rotation_lets_no_unnamed_key_sign(card: Card) -> None:
    """`rejoin` lifts the mark by a receipt that the copy covers; the new key is still one that no record names."""
    with contextlib.closing(card.open(NEW)) as writer:
        signs_nothing(writer, card, "no record names key .* of the key file")
    assert f"may start, with key {kid(card.bench.unit_vkey)} in its key file" in card.rejoin(3).stdout
    with contextlib.closing(card.open(NEW)) as writer:
        signs_nothing(writer, card, "Start the unit where it reaches the pharmacy")


def test_whoever_cannot_fetch_records_does_not_open_it(card: Card) -> None:
    """Commands that speak to no pharmacy are told at once which key is expected, and what is done first."""
    own, newest = kid(Vkey(card.bench.unit_vkey.name, 1, NEW.public)), kid(card.bench.unit_vkey)
    with pytest.raises(StoreFault, match=f"holds key {own}, expected key {newest}.*start that unit first") as caught:
        card.open(NEW, may_lack_key=False)
    assert caught.value.lasting


@pytest.mark.parametrize("size", [5, 6, 7])
def test_the_lost_records_come_back_over_the_handover(card: Card, size: int) -> None:
    """Records of both keys come back byte for byte; what the receipt covers is receipted, and the rest waits."""
    with contextlib.closing(card.open(NEW)) as writer:
        assert writer.restore(card.texts(), card.kept, card.bench.at(), card.receipts[size]) == 4
        assert writer.entries(2)[:4] == card.lost
        assert [each.seq for each in writer.waiting(100)] == list(range(size, 8))
        assert writer.append([Draft(typ="boot")], card.bench.at())[0].seq == 8
    assert card.findings() == []
    with contextlib.closing(card.open(NEW, may_lack_key=False)) as writer:
        assert writer.tip.size == 9


def test_without_a_receipt_over_the_handover_nothing_comes_back(card: Card) -> None:
    """The old key's heads cannot be signed again: no receipt, one too early, another's or another log's is refused."""
    foreign = card.bench.receipt(card.receipts[7].rpartition("\u2014")[0], signer=OTHER)
    with contextlib.closing(card.open(NEW)) as writer:
        for receipt in (None, "nonsense", card.receipts[3], card.receipts[4], foreign):
            with pytest.raises(StoreFault, match=r"no receipt of the pharmacy over the records .* 5 records or more"):
                writer.restore(card.texts(), card.kept, card.bench.at(), receipt)
        signs_nothing(writer, card, "no record names key")


def test_a_key_that_the_lost_records_do_not_name_gets_nothing_back(card: Card) -> None:
    """The old key file, and another unit's: each is told which key signs by now, and the file stays as it is."""
    for signer, own in ((OLD, "the old"), (OTHER, "another")):
        with contextlib.closing(card.open(signer)) as writer:
            newest = kid(Vkey(card.bench.unit_vkey.name, 1, NEW.public))
            with pytest.raises(StoreFault, match=f"expected key {newest}, to which record 4 at the pharmacy"):
                writer.restore(card.texts(), card.kept, card.bench.at(), card.receipts[7])
            signs_nothing(writer, card, "restored at" if own == "the old" else "no record names key")


def test_records_without_a_handover_do_not_serve_an_unnamed_key(card: Card) -> None:
    """Where the pharmacy holds a record more but no handover, the unit is told that nobody holds one."""
    before = head.Checkpoint.parse(note.parse_note(card.receipts[4]).text)
    with contextlib.closing(card.open(NEW)) as writer:
        with pytest.raises(StoreFault, match=r"and no record that the pharmacy holds names it.*begin a new epoch"):
            writer.restore(card.texts(card.lost[:1]), before, card.bench.at(), card.receipts[4])
        signs_nothing(writer, card, "no record names key")


def test_an_answer_that_both_logs_agree_does_not_serve_an_unnamed_key(card: Card) -> None:
    """The mark of the restoration stays too: a key that is put right later asks anew."""
    kept = head.Checkpoint.parse(note.parse_note(card.receipts[3]).text)
    answer = Answer(nonce=NONCE, kept=kept).note(ORDERS.name, Ed25519Signer.from_seed(b"o" * 32))
    never = pytest.raises(StoreFault, match="and no record that the pharmacy holds names it")
    with contextlib.closing(card.open(NEW)) as writer, never:
        writer.take_answer(answer, NONCE, ORDERS)
    with contextlib.closing(card.open(OLD)) as writer:
        signs_nothing(writer, card, "restored at")


def test_a_handover_of_another_log_is_not_followed(card: Card) -> None:
    """Records that do not end in the tree which the pharmacy keeps bring no key with them."""
    with contextlib.closing(card.open(NEW)) as writer:
        for lost in (card.lost[:-1], card.lost[1:]):
            refused = writer.restore(card.texts(lost), card.kept, card.bench.at(), card.receipts[7])
            assert isinstance(refused, ReceiptRefused)
            assert refused.kind is Refusal.FORK
        signs_nothing(writer, card, "no record names key")
