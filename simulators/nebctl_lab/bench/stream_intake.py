"""How fast a pharmacy takes records in from memory, beside the bare signature check of one core."""

import contextlib
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from nebctl import keys
from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import head, jws
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.ledger.records import Draft, Json, SessionDay
from nebctl.pharmacy.cores import Cores
from nebctl.pharmacy.database import own
from nebctl.pharmacy.enrolment import enrol_unit
from nebctl.pharmacy.inbox import TOGETHER
from nebctl.pharmacy.ingest import Arrival, Ingest
from nebctl.pharmacy.intake import Accepted
from nebctl.publish.topics import format_record
from nebctl.store.outbox import Outgoing
from nebctl.store.sealing import EMPTY, Sealer, seal
from nebctl_lab.stream.site import SITE

AT = Instant(
    mono_ns=86_400_000_000_000,
    wall_ns=1_771_063_200_000_000_000,
    boot="5f6c6f0e-5a0e-4a57-9d0c-6d1f4f8e2b11",
    clock=ClockState(sync=True, source="sim", scale=60),
)
CONFIG = "a3f1" + "5e9b7c2d" * 7 + "08c4"
KINDS = ("authorisation", "selftest", "charge", "start", "pause", "resume", "dose", "residual", "signature")
"""The records of one session with a pause, in their order."""


def session_drafts(number: int) -> list[Draft]:
    """Return the records of one session, each with facts of the usual size and the subject as a private fact."""
    volumes: dict[str, Json] = {"low_nl": 2_800_000, "best_nl": 2_950_000, "high_nl": 3_000_000}
    facts: dict[str, Json] = {
        **volumes,
        "kit": f"KIT-{number % 10_000:04}",
        "lot": "EXO2020A",
        "dose": 1,
        "charge": {"low_nl": 2_900_000, "best_nl": 3_000_000, "high_nl": 3_050_000},
        "limits": {"lower_nl": 2_700_000, "upper_nl": 3_150_000},
        "started": "2026-02-14T10:00:00.000Z",
        "ended": "2026-02-14T10:10:00.000Z",
        "end": "complete",
        "verdict": "WITHIN",
        "witnesses": ["dry", "balance"],
    }
    day = SessionDay(session=f"2026-02-14-{number:06x}", day=1, tz="America/Mexico_City", date_local="2026-02-14")
    return [Draft(typ=kind, facts=facts, private={"subject": "MEX-001"}, session=day) for kind in KINDS]


def make_records(unit: str, signer: keys.Ed25519Signer, count: int) -> list[Outgoing]:
    """Return a unit's first records, signed, each with its head."""
    stamp = Stamp(unit=unit, epoch=1, software="nebctl 0.1.0", config_sha256=CONFIG, simulated=True)
    sealer = Sealer(site=SITE, stamp=stamp, signer=signer, verify=keys.verify, witness=None, random=secrets.token_bytes)
    drafts = [draft for number in range(count // len(KINDS) + 1) for draft in session_drafts(number)]
    sealed, _ = seal(sealer, EMPTY, drafts[:count], AT)
    return [
        Outgoing(
            epoch=1,
            seq=each.entry.seq,
            jws=each.entry.jws,
            disclosures=each.entry.disclosures,
            head_line=each.head_line,
        )
        for each in sealed
    ]


def measure_intake(core: int | None, rounds: int, records: int) -> dict[str, float]:
    """Return rates in turns: the bare check on one core, the pharmacy on that core alone, the pharmacy on all cores.

    `core` None leaves the place to the system. The ratios are to the bare rate of one core, and medians.
    Raises: `RuntimeError` where a record is not taken: every one of them is good.
    """
    everywhere = os.sched_getaffinity(0)
    bare, alone, taken = [], [], []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nebctl-bench-")))
        db = stack.enter_context(own(folder / "pharmacy.db"))
        cores = Cores(keys.verify, alone=False)
        stack.callback(cores.close)
        one = Ingest(db, simulated=True, verify=keys.verify)
        many = Ingest(db, simulated=True, verify=keys.verify, cores=cores)
        for number in range(rounds + 1):
            signer, unit = keys.Ed25519Signer.from_seed(secrets.token_bytes(32)), f"neb-{number:04}"
            enrol_unit(db, SITE, unit, Vkey(head.origin(SITE, unit, 1), ED25519, signer.public), AT.wall_ns)
            made = make_records(unit, signer, 2 * records)
            if core is not None:
                os.sched_setaffinity(0, {core})
            bare.append(verify_bare(signer.public, made[:records]))
            alone.append(take(one, unit, made[:records]))
            os.sched_setaffinity(0, everywhere)
            taken.append(take(many, unit, made[records:]))
    return _sum_up(bare[1:], alone[1:], taken[1:])  # the first round starts the other cores' processes


def _sum_up(bare: Sequence[float], alone: Sequence[float], taken: Sequence[float]) -> dict[str, float]:
    ratios = [ours / theirs for ours, theirs in zip(taken, bare, strict=True)]
    return {
        "bare_per_s": round(statistics.median(bare), 1),
        "taken_per_s": round(statistics.median(taken), 1),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
        "one_core_per_s": round(statistics.median(alone), 1),
        "one_core_ratio": round(statistics.median(ours / its for ours, its in zip(alone, bare, strict=True)), 3),
    }


def verify_bare(public: bytes, records: Sequence[Outgoing]) -> float:
    """Return how many of the records' signatures are checked in a second, with nothing else done."""
    key, parsed = Ed25519PublicKey.from_public_bytes(public), [jws.parse(each.jws) for each in records]
    began = time.perf_counter()
    for each in parsed:
        key.verify(each.signature, each.signing_input)
    return len(parsed) / (time.perf_counter() - began)


def take(ingest: Ingest, unit: str, records: Sequence[Outgoing]) -> float:
    """Return how many records the pharmacy checks and keeps in a second, by handfuls, each durable at its end."""
    arrivals = [Arrival(unit, format_record(each.jws, each.disclosures, each.head_line)) for each in records]
    handfuls = [arrivals[first : first + TOGETHER] for first in range(0, len(arrivals), TOGETHER)]
    began = time.perf_counter()
    for handful, following in zip(handfuls, [*handfuls[1:], []], strict=True):
        answers = ingest.take_all(handful, AT.wall_ns, following)
        if not all(isinstance(answer, Accepted) for answer in answers):
            raise RuntimeError(f"a good record was not taken: {answers}")
    return len(arrivals) / (time.perf_counter() - began)
