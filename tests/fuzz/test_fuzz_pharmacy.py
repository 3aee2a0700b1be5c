"""The pharmacy's register against messages that nobody well-behaved sends; the long form is `make soak`."""

from pathlib import Path
from typing import Any

import pytest

from nebctl_lab.stream.fuzz import fuzz, read_corpus

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.soak
@pytest.mark.req("S34")
def test_nothing_unsigned_is_kept_and_nothing_breaks(soak: int, say: Any) -> None:
    """Whatever arrives, nothing raises, nothing is kept without the unit's signature, and all else is counted."""
    corpus = read_corpus(CORPUS)
    for seed in range(1, 20 * soak or 6):
        tried = fuzz(seed, 2000 if soak else 150, corpus)
        say(f"fuzz: seed {seed}, {tried.messages} messages, {tried.kept} kept")
        assert tried.messages > 200
        assert 10 < tried.kept < tried.messages  # good records get through between the bad ones


def test_a_register_that_checks_no_signature_is_found() -> None:
    """The target can fail: with a check that says yes to everything it ends in an assertion."""
    with pytest.raises(AssertionError, match="without the unit's signature"):
        fuzz(1, batches=2000, corpus=read_corpus(CORPUS), verify=lambda *_: True)


def test_a_good_record_of_the_corpus_may_be_the_first_that_is_kept() -> None:
    """Where it comes before all others the register keeps it, and it does carry the unit's signature."""
    assert fuzz(10, 2000, read_corpus(CORPUS)).kept > 10


def test_the_same_seed_does_the_same() -> None:
    """A seed that found something finds it again."""
    corpus = read_corpus(CORPUS)
    assert fuzz(7, 100, corpus) == fuzz(7, 100, corpus)


def test_a_folder_without_a_corpus_is_told(tmp_path: Path) -> None:
    """Without a corpus the fuzzer says so."""
    with pytest.raises(ValueError, match="corpus of record messages"):
        read_corpus(tmp_path)
