"""Fsck against the bare signature check: the same records, as many processes, one run.

Ledgers of two units are written by the unit's own writer, receipted, and verified from their raw records; between the
rounds as many processes check nothing but the signatures. One gives dose after dose, so that the records of sessions
dominate; the other stands idle between two doses a day and records its clock every hour, which are small records.
"""

import hashlib
import itertools
import resource
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from nebctl.core.instant import ClockState, Instant
from nebctl.core.ledger import head, jws, note
from nebctl.core.ledger.check import Finding
from nebctl.core.ledger.envelope import Stamp
from nebctl.core.ledger.note import Vkey
from nebctl.core.ledger.records import Draft, Json, SessionDay
from nebctl.core.meanings import GAVE
from nebctl.core.trace import Trace
from nebctl.keys import Ed25519Signer, verify
from nebctl.store.audit import Auditor
from nebctl.store.cores import cores, on_cores
from nebctl.store.reader import LedgerFile
from nebctl.store.sealing import Sealer
from nebctl.store.writer import Append, Writer

LEAST_RATIO = 0.7
SITE, UNIT = "sim.bench.example", "neb-0001"
START_NS = 1_771_081_200_000_000_000
MIXES = {"sessions": 1, "clocks": 12}
"""Clock records for each dose, one an hour."""
IN_SESSION = 8
"""Records of one dose beside those."""
GROUP = 25
BARE_S = 2.0

Message = tuple[bytes, bytes]


def measure_fsck(folder: Path, records: int, rounds: int = 3, processes: int | None = None) -> dict[str, Any]:
    """Return the figures of each mix, and the lower of their ratios, which is the one to be judged.

    `records` are rounded up to whole sessions; `processes` None takes one for each core. Seconds and MiB.
    Raises: `RuntimeError` where fsck finds anything: the ledger is whole.
    """
    jobs = processes or cores()
    mixes = {
        name: _measure(_Bench(folder / f"{name}.db", hours), records, rounds, jobs) for name, hours in MIXES.items()
    }
    return {
        "processes": jobs,
        "ratio": min(mix["ratio"] for mix in mixes.values()),
        "ratio_limit": LEAST_RATIO,
        "mixes": mixes,
        "process_rss_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1),
    }


def _measure(bench: "_Bench", records: int, rounds: int, jobs: int) -> dict[str, float]:
    """Return fsck's and the bare check's records a second, and the median and least of their ratios."""
    began = time.perf_counter()
    bench.write(records)
    written_s = time.perf_counter() - began
    messages = bench.messages(5000)
    ours, bare = [], [_check_bare(bench.unit.public, messages, jobs)]
    for _ in range(rounds):
        ours.append(bench.fsck(jobs))  # while no thread of another pool is left, as when a person verifies
        bare.append(_check_bare(bench.unit.public, messages, jobs))
    # Against the bare checks before and after it: a machine that others share is not equally quick all the time.
    ratios = [one / statistics.mean(around) for one, around in zip(ours, itertools.pairwise(bare), strict=True)]
    return {
        "records": bench.size,
        "record_bytes": round(bench.path.stat().st_size / bench.size),
        "written_s": round(written_s, 1),
        "fsck_per_s": round(statistics.median(ours)),
        "bare_per_s": round(statistics.median(bare)),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_least": round(min(ratios), 3),
    }


def _check_bare(public: bytes, messages: list[Message], jobs: int) -> float:
    """Return how many signatures so many processes check in a second, each of which has started before."""
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        list(pool.map(_count_bare, [(public, messages[:50], 0.0)] * jobs))
        return sum(pool.map(_count_bare, [(public, messages, BARE_S)] * jobs))


def _count_bare(work: tuple[bytes, list[Message], float]) -> float:
    """Return how many of the messages' signatures are checked in a second, trying for so many seconds."""
    public, messages, seconds = work
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds or not count:
        for message, signature in messages[count % len(messages) :][:100]:
            if not verify(public, message, signature):
                raise RuntimeError("a good signature was refused")
            count += 1
    return count / passed if passed else 0.0


class _Bench:
    """A unit whose ledger is written in one go, and the pharmacy that receipts all of it."""

    def __init__(self, path: Path, hours: int) -> None:
        self.path = path
        self.hours = hours
        self.unit = Ed25519Signer.from_seed(b"u" * 32)
        self.pharmacy = Ed25519Signer.from_seed(b"p" * 32)
        self.vkey = Vkey(head.origin(SITE, UNIT, 1), note.ED25519, self.unit.public)
        self.witness = Vkey(f"{SITE}/nebctl-pharmacy", note.COSIGNATURE, self.pharmacy.public)
        self.size = 0
        self._salts = 0

    def write(self, records: int) -> None:
        """Write genesis and whole sessions until there are at least so many records, and take a receipt for all."""
        stamp = Stamp(
            unit=UNIT,
            epoch=1,
            software="nebctl bench",
            config_sha256=hashlib.sha256(b"bench").hexdigest(),
            simulated=True,
        )
        sealer = Sealer(
            site=SITE, stamp=stamp, signer=self.unit, verify=verify, witness=self.witness, random=self._random
        )
        writer = Writer(self.path, sealer)
        writer.open(_at(0))
        while writer.tip.size < records:
            together = self.hours + IN_SESSION
            sessions = range(writer.tip.size // together, -(-records // together))[:GROUP]
            appends = list(_appends(sessions, writer.tip.size, self.hours))
            for outcome in writer.append_group(appends):
                if isinstance(outcome, Exception):
                    raise outcome
        checkpoint = head.Checkpoint.parse(note.parse_note(writer.tip.head_note).text)
        line = head.cosign(checkpoint, START_NS // 10**9, self.witness.name, self.pharmacy)
        writer.take_receipt(writer.tip.head_note + line)
        writer.close()
        self.size = writer.tip.size

    def messages(self, most: int) -> list[Message]:
        """Return what is signed, and the signatures, of records spread over the ledger."""
        found: list[Message] = []
        with LedgerFile.open(self.path) as file:
            (log,) = file.logs()
            for row in file.rows(log):
                if row.seq % max(1, self.size // most) == 0:
                    parsed = jws.parse(row.text)
                    found.append((parsed.signing_input, parsed.signature))
        return found

    def fsck(self, jobs: int) -> float:
        """Return how many records a second the whole ledger is verified at, the processes' start included."""
        auditor = Auditor(unit_key=lambda *_: self.vkey, pharmacy=self.witness, verify=verify, each=on_cores(jobs))
        began = time.perf_counter()
        with LedgerFile.open(self.path) as file:
            (tally,) = auditor.audit(file)
        passed = time.perf_counter() - began
        if isinstance(tally, Finding) or tally.records != self.size:
            raise RuntimeError(f"a whole ledger was not verified: {tally}")
        return self.size / passed

    def _random(self, count: int) -> bytes:
        self._salts += 1
        return hashlib.sha256(self._salts.to_bytes(8, "big")).digest()[:count]


def _at(seq: int) -> Instant:
    clock = ClockState(sync=True, source="sim", scale=60)
    return Instant(mono_ns=seq * 10**9, wall_ns=START_NS + seq * 10**9, boot="bench", clock=clock)


def _appends(sessions: range, seq: int, hours: int) -> Iterator[Append]:
    for number in sessions:
        session = f"2026-02-14-{number:06x}"
        day = SessionDay(session=session, day=1, tz="America/Mexico_City", date_local="2026-02-14")
        trace = Trace(session=session, csv="".join(f"{ms},{ms},{ms * 6}\n" for ms in range(0, 100_000, 1000)))
        clocks = [Draft(typ="clock", facts={"reason": "hourly"})] * hours
        drafts = [*clocks, *_session(f"MEX-{number % 1000:03}", day, seq + hours + 4, trace.sha256)]
        yield Append(drafts=drafts, at=_at(seq), traces=(trace,))
        seq += len(drafts)


def _session(subject: str, day: SessionDay, start_seq: int, trace: str) -> list[Draft]:
    """Return the records of one dose, of the types and about the sizes that a unit writes."""
    who: dict[str, Json] = {"subject": subject, "operator": "RT-07"}
    kit: dict[str, Json] = {"kit": "KIT-0401", "lot": "EXO2020A", "dose": 1, "device": "SIM-0001"}
    charge = _interval(2_999_855)
    limits: dict[str, Json] = {"lower_nl": 2_700_000, "upper_nl": 3_150_000}
    checks: dict[str, Json] = dict.fromkeys(("sound", "display", "stop", "storage", "clock", "keys"), "passed")
    judged: dict[str, Json] = {"verdict": "WITHIN", "witnesses": ["dry", "residual"], "deviations": [], "doubts": []}
    ended: dict[str, Json] = {"end": "complete", "stopped_by": "", "start_seq": start_seq, "trace": trace}
    return [
        Draft(typ="order", facts={**kit, "version": 3}),
        Draft(typ="authorisation", facts={**kit, "planned_nl": 3_000_000}, private=who, session=day),
        Draft(typ="charge", facts={**kit, "charge": {**charge}}, private=who, session=day),
        Draft(typ="selftest", facts={**kit, **checks}, session=day),
        Draft(typ="start", facts={**kit, "charge": {**charge}, **limits}, private=who, session=day),
        Draft(typ="residual", facts={**_interval(55_526)}, private={"operator": "RT-07"}, session=day),
        Draft(
            typ="dose",
            facts={**kit, **_interval(2_944_329), **judged, **ended, "charge": {**charge}, "limits": limits},
            private=who,
            session=day,
        ),
        Draft(typ="signature", facts={"ref_seq": start_seq + 2, "meaning": GAVE[0]}, private=who, session=day),
    ]


def _interval(best_nl: int) -> dict[str, Json]:
    return {"low_nl": best_nl - 20_000, "best_nl": best_nl, "high_nl": best_nl + 20_000}
