"""What is sealed can be read: the writer does not read its records back, so whatever it signs must be readable."""

import hashlib
import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import envelope, jws, tree
from nebctl.core.ledger.encoding import FormatError
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.records import Draft, SessionDay
from nebctl.keys import Ed25519Signer, verify
from nebctl.store.sealing import EMPTY, Sealer, seal

KEY = Ed25519Signer.from_seed(b"u" * 32)
TEXTS = st.text(max_size=6) | st.sampled_from(["", "salt", "_sd", "...", "typ", "session", "\ud800", "é", "a\n"])
NUMBERS = st.integers(-5, 5) | st.sampled_from([2**53, 2**53 - 1, -(2**53), 10**30]) | st.floats(-1, 1)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.integers(), inner, max_size=3),
    max_leaves=6,
)
DAYS = st.none() | st.builds(SessionDay, session=TEXTS, day=NUMBERS, tz=TEXTS, date_local=TEXTS)
DRAFTS = st.builds(
    Draft,
    typ=st.sampled_from(["chart", "dose", "no such", ""]) | TEXTS,
    facts=st.dictionaries(TEXTS, JSON, max_size=3),
    private=st.dictionaries(TEXTS, JSON, max_size=3),
    session=DAYS,
)
MOMENTS = st.builds(
    Instant,
    mono_ns=st.sampled_from([0, 1, -1, 2**53]),
    wall_ns=st.sampled_from([0, 1_771_081_200_000_000_000, -1, 10**21]),
    boot=TEXTS,
    clock=st.builds(ClockState, sync=st.booleans(), source=st.just("sim") | NUMBERS, scale=st.none() | NUMBERS),
)


AT = Instant(mono_ns=1, wall_ns=1_771_081_200_000_000_000, boot="b", clock=ClockState(sync=True, source="sim"))
NAMES = st.text("abcdef_", min_size=1, max_size=6)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
ORDINARY = st.builds(
    Draft,
    typ=st.just("chart"),
    facts=st.dictionaries(NAMES, VALUES, max_size=3),
    private=st.dictionaries(NAMES | TEXTS, VALUES, max_size=2),
)


@given(st.one_of(st.tuples(ORDINARY, st.just(AT)), st.tuples(DRAFTS, st.just(AT)), st.tuples(DRAFTS, MOMENTS)))
def test_what_is_sealed_is_read_back_as_it_was(tried: tuple[Draft, Instant]) -> None:
    """Whatever a draft and a clock hold, the seal refuses it, or the strict reader reads the very same entry."""
    drafts, at = tried[:1], tried[1]
    stamp = Stamp(unit="neb-0001", epoch=1, software="nebctl test", config_sha256="0" * 64, simulated=True)
    salts = itertools.count()
    sealer = Sealer(
        site="sim.mexcovid.example", stamp=stamp, signer=KEY, verify=verify, witness=None,
        random=lambda count: hashlib.sha256(b"%d" % next(salts)).digest()[:count],
    )  # fmt: skip
    good = Draft(typ="chart", facts={"code": "spo2"}, private={"text": "97 %"})
    try:
        sealed, tip = seal(sealer, EMPTY, [good, *drafts], at)
    except FormatError:
        return
    for record in sealed:
        entry = record.entry
        assert envelope.parse_entry(entry.jws, entry.disclosures) == entry
        parsed = jws.parse(entry.jws)
        assert verify(KEY.public, parsed.signing_input, parsed.signature)
    assert tip.root == tree.root_of(record.entry.leaf for record in sealed)


def test_a_good_draft_is_sealed() -> None:
    """The test above tries drafts that are not refused, too: an ordinary one is sealed."""
    stamp = Stamp(unit="neb-0001", epoch=1, software="nebctl test", config_sha256="0" * 64, simulated=True)
    sealer = Sealer(
        site="sim.mexcovid.example", stamp=stamp, signer=KEY, verify=verify, witness=None, random=lambda n: b"r" * n
    )  # fmt: skip
    (record,), tip = seal(sealer, EMPTY, [Draft(typ="chart", private={"text": "97 %"})], AT)
    assert (record.entry.seq, tip.size) == (0, 1)
    assert envelope.parse_entry(record.entry.jws, record.entry.disclosures) == record.entry
