"""Made-up runs with every kind of trouble, whose figures stand in figures.json: arithmetic, a row or two a second.

They are no model of a nebulizer and show nothing of how true the estimate is (`nebctl bench dose` does); they show
whether it says today what it said under the same name before.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

from nebctl.core.dose import By, Calibration, Charge, DeviceModel, Doing, Interval, Method, with_calibration
from nebctl.core.dose.reading import Reading
from nebctl_drivers.priors import PRESETS

ML = 1_000_000
SOLO, INNOSPIRE, EFLOW, OMRON = (PRESETS[f"mesh.{name}"] for name in ("solo", "innospire", "eflow", "omron"))
LC = PRESETS["jet.lc"]
TIMED = with_calibration(SOLO, Calibration(rate_nl_per_s=6_000, sigma_nl_per_s=240, method=By.TIME))
AGED = with_calibration(
    SOLO, Calibration(rate_nl_per_s=6_000, sigma_nl_per_s=240, method=By.TIME, age_days=40, drift_ppm=2_000)
)
LC_RATE = with_calibration(LC, Calibration(rate_nl_per_s=4_300, sigma_nl_per_s=250, method=By.BALANCE))
LC_SHARE = with_calibration(
    LC, Calibration(rate_nl_per_s=4_300, sigma_nl_per_s=250, method=By.BALANCE, share_ppm=620_000)
)
DECLARED = Charge(
    volume=Interval(low_nl=2_940_000, best_nl=3 * ML, high_nl=3_060_000), method=Method.DECLARED, vial_emptied=True
)
SHORT = Charge(
    volume=Interval(low_nl=2_480_000, best_nl=2_500_000, high_nl=2_520_000), method=Method.WEIGHED, vial_emptied=True
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. `emits` is the true rate of aerosol in nL/s and `from_s` what share of it holds from a moment on;
    `keeps` is what the cup keeps in nL. `off` are spans without driving and what they are; `unheard` ones have no rows.

    `balance` is (scatter, step) in ug, None for none; `jumps` are what the pan shows less from a moment on. `dry_s` are
    spans in which the device says dry, None where it has no such sign; `current` is the wet current in uA. `warms` are
    the first temperature and the room's in millidegrees. `gas` is a jet's flow and pressure. `seen`: a person sees the
    end.
    """

    model: DeviceModel
    seconds: float
    charge: Charge = DECLARED
    hz: int = 1
    emits: float = 6_000.0
    from_s: tuple[tuple[float, float], ...] = ()
    keeps: int = 100_000
    share: float = 1.0
    off: tuple[tuple[float, float, Doing], ...] = ()
    unheard: tuple[tuple[float, float], ...] = ()
    balance: tuple[int, int] | None = None
    weighed_from_s: float = 0.0
    every: int = 1
    jumps: tuple[tuple[float, int], ...] = ()
    dry_s: tuple[tuple[float, float], ...] | None = ()
    current: int | None = None
    current_from_s: tuple[tuple[float, float], ...] = ()
    warms: tuple[int, int] | None = None
    gas: tuple[int, int] | None = None
    gas_from_s: tuple[tuple[float, float], ...] = ()
    rough_from_s: float = math.inf
    starts_s: float = 4.0
    seen: bool = False


def readings(run: Run, seed: int) -> Iterator[Reading]:
    """Yield the rows of a run; the same seed gives the same rows."""
    chance, gone, filled = Random(seed), 0.0, run.charge.volume.best_nl
    for number in range(round(run.seconds * run.hz)):
        at_s = number / run.hz
        doing = _doing(run, at_s)
        if doing is Doing.RUNNING and gone < filled - run.keeps:
            gone += run.emits / run.share / run.hz * _from(run.from_s, at_s) * (at_s > run.starts_s + 2)
        row = _row(run, number, doing, gone, chance)
        hidden = [span for span in run.unheard if span[0] <= at_s < span[1]]
        if not hidden:
            yield row
        elif at_s - hidden[0][0] < 1 / run.hz:
            yield Reading(at_ms=row.at_ms, doing=Doing.LOST)


def _doing(run: Run, at_s: float) -> Doing:
    if at_s < run.starts_s:
        return Doing.OFF
    return next((doing for begin, end, doing in run.off if begin <= at_s < end), Doing.RUNNING)


def _from(steps: tuple[tuple[float, float], ...], at_s: float) -> float:
    return next((share for begin, share in reversed(steps) if at_s >= begin), 1.0)


def _row(run: Run, number: int, doing: Doing, gone: float, chance: Random) -> Reading:
    at_s, runs = number / run.hz, doing is Doing.RUNNING
    row = Reading(at_ms=round(at_s * 1000), doing=doing)
    if run.balance is not None and at_s >= run.weighed_from_s and number % run.every == 0:
        scatter, step = run.balance
        less = sum(jump for begin, jump in run.jumps if at_s >= begin)
        shown = 54_321_000 - gone - less + chance.gauss(0, scatter)
        row = replace(row, weight_ug=round(shown / step) * step)
    if run.dry_s is not None:
        row = replace(row, dry=any(begin <= at_s < end for begin, end in run.dry_s))
    if run.current is not None:
        wet = run.current * _from(run.current_from_s, at_s) * chance.gauss(1, 0.02)
        row = replace(row, drive_ua=round(wet) if runs else 0)
    if run.warms is not None:
        first, room = run.warms
        row = replace(row, temp_mc=round(room + (first - room) * math.exp(-at_s / 300)))
    if run.gas is not None:
        rough = 0.08 if at_s >= run.rough_from_s else 0.01
        flow, pressure = (each * _from(run.gas_from_s, at_s) * chance.gauss(1, rough) * runs for each in run.gas)
        row = replace(row, gas_sccm=round(flow), pressure_pa=round(pressure))
    return row


def _ends(at_s: float, until_s: float = math.inf) -> tuple[tuple[float, float, Doing], ...]:
    return ((at_s, until_s, Doing.OFF),)


def _dry(at_s: float, until_s: float = math.inf) -> tuple[tuple[float, float], ...]:
    return ((at_s, until_s),)


PAUSES = tuple((60.0 * n, 60.0 * n + 25, Doing.PAUSED) for n in (1, 3, 5))
JET = Run(
    model=LC, seconds=520, emits=4_100, share=0.65, keeps=1_000_000, dry_s=None, gas=(6_000, 130_000), off=_ends(510)
)
RUNS: Mapping[str, Run] = {
    "class rate": Run(model=SOLO, seconds=520, warms=(22_000, 22_000), off=_ends(499), dry_s=_dry(498)),
    "pauses": Run(model=TIMED, seconds=580, off=(*PAUSES, *_ends(570)), dry_s=_dry(569)),
    "cold, aged": Run(model=AGED, seconds=560, warms=(4_000, 22_500), emits=5_300, off=_ends(551), dry_s=_dry(550)),
    "early": Run(model=TIMED, seconds=300, off=_ends(260), dry_s=_dry(257)),
    "early, resumed": Run(
        model=TIMED, seconds=540, off=(*_ends(200, 230), *_ends(521)), dry_s=(*_dry(198, 230), *_dry(520))
    ),
    "unheard": Run(
        model=TIMED, seconds=540, unheard=((90, 120), (300, 303), (400, 460)), off=_ends(430), dry_s=_dry(470)
    ),
    "unheard first": Run(model=TIMED, seconds=200, unheard=((0, 40),), off=_ends(190)),
    "flickers": Run(model=TIMED, seconds=525, hz=2, dry_s=((100, 100.5), (250, 252), (515, 600)), off=_ends(517)),
    "runs on": Run(model=TIMED, seconds=800, off=_ends(780)),
    "past the charge": Run(model=TIMED, seconds=760, off=_ends(741), dry_s=_dry(740)),
    "current alone": Run(
        model=TIMED, seconds=530, dry_s=None, current=80_000, current_from_s=((515, 0.4),), off=_ends(525)
    ),
    "current goes": Run(
        model=TIMED, seconds=530, dry_s=None, current=80_000, current_from_s=((300, 0.02),), off=_ends(525)
    ),
    "short charge": Run(model=TIMED, seconds=440, charge=SHORT, off=_ends(420), dry_s=_dry(419)),
    "read seldom": Run(model=TIMED, seconds=520, unheard=tuple((n * 5 + 1, n * 5 + 5) for n in range(110))),
    "fine balance": Run(
        model=TIMED,
        seconds=520,
        balance=(400, 1_000),
        jumps=((150, -30_000), (300, 25_000)),
        off=_ends(499),
        dry_s=_dry(498),
    ),
    "coarse balance": Run(
        model=TIMED, seconds=560, hz=2, balance=(4_000, 10_000), from_s=((200, 0.7),), off=_ends(550)
    ),
    "display of 50 mg": Run(model=TIMED, seconds=515, balance=(5_000, 50_000), off=_ends(510), dry_s=_dry(509)),
    "faster": Run(model=SOLO, seconds=400, hz=2, balance=(1_000, 1_000), from_s=((150, 1.6),), off=_ends(390)),
    "spilled": Run(
        model=TIMED,
        seconds=360,
        balance=(1_000, 1_000),
        jumps=((150, 1_000_000),),
        keeps=1_100_000,
        off=_ends(355),
        dry_s=_dry(352),
    ),
    "topped up": Run(
        model=SOLO,
        seconds=600,
        balance=(1_000, 1_000),
        jumps=((150, -800_000),),
        keeps=-700_000,
        off=_ends(595),
        dry_s=_dry(592),
    ),
    "lifted": Run(
        model=SOLO,
        seconds=520,
        balance=(1_000, 1_000),
        jumps=((150, 90_000_000), (162, -90_000_000), (300, 40_000_000)),
        off=_ends(510),
        dry_s=_dry(508),
    ),
    "weighed late": Run(
        model=TIMED,
        seconds=520,
        balance=(1_000, 1_000),
        weighed_from_s=120,
        unheard=((200, 240),),
        off=(*PAUSES[:2], *_ends(510)),
        dry_s=None,
    ),
    "weighed seldom": Run(model=TIMED, seconds=520, balance=(2_000, 10_000), every=30, off=_ends(505), dry_s=_dry(503)),
    "stuck": Run(model=TIMED, seconds=520, emits=1_500, balance=(500, 1_000), off=_ends(505), dry_s=_dry(503)),
    "scatters more": Run(model=TIMED, seconds=520, balance=(25_000, 1_000), off=_ends(505), dry_s=_dry(503)),
    "leaves a third": Run(
        model=EFLOW, seconds=260, emits=8_300, keeps=1_000_000, balance=(1_000, 1_000), off=_ends(252), dry_s=_dry(250)
    ),
    "innospire": Run(model=INNOSPIRE, seconds=330, emits=9_300, off=_ends(320), dry_s=_dry(318)),
    "omron": Run(model=OMRON, seconds=760, emits=4_000, off=(*PAUSES, *_ends(750)), dry_s=_dry(748)),
    "no sign": Run(model=TIMED, seconds=800, dry_s=None, off=_ends(790)),
    "no sign, unheard": Run(model=SOLO, seconds=700, dry_s=None, unheard=((300, 360),)),
    "no sign, weighed": Run(model=TIMED, seconds=560, dry_s=None, balance=(2_000, 1_000), off=_ends(555)),
    "dry in a gap": Run(model=TIMED, seconds=320, unheard=((60, 250),), off=_ends(300), dry_s=_dry(298)),
    "denied by its clock": Run(model=TIMED, seconds=120, emits=24_000, off=_ends(110), dry_s=_dry(108)),
    "empty at once": Run(model=TIMED, seconds=30, off=_ends(8), dry_s=_dry(6)),
    "far past": Run(model=TIMED, seconds=2_400, off=_ends(2_390), dry_s=_dry(2_380)),
    "weighs more than it held": Run(
        model=TIMED, seconds=620, keeps=-500_000, balance=(1_000, 1_000), off=_ends(600), dry_s=_dry(598)
    ),
    "jet seen": replace(JET, gas=None, seen=True, seconds=400, off=_ends(390)),
    "jet sputters early": replace(JET, model=LC_RATE, balance=(1_000, 1_000), rough_from_s=120, seen=True),
    "jet by gas": replace(JET, rough_from_s=325),
    "jet loses gas": replace(JET, gas_from_s=((150, 0.72),), rough_from_s=440, unheard=((200, 215),)),
    "jet by its sign": replace(JET, gas=None, dry_s=_dry(360), off=(*PAUSES[:1], *_ends(370)), seconds=380),
    "jet stopped": replace(JET, off=_ends(120), seconds=130),
    "jet stopped at once": replace(JET, dry_s=_dry(60), off=_ends(64), seconds=70),
    "weak compressor": replace(JET, model=LC_RATE, gas=(4_200, 70_000), emits=3_000, rough_from_s=460),
    "jet weighed": replace(JET, hz=2, balance=(1_000, 1_000), rough_from_s=325),
    "jet fades": replace(JET, balance=(1_000, 1_000), gas=None, from_s=((300, 0.4),)),
    "jet of a share": replace(JET, model=LC_SHARE, balance=(1_000, 10_000), rough_from_s=325, jumps=((90, -20_000),)),
    "jet of no share": replace(JET, model=LC_RATE, balance=(1_000, 1_000), share=0.2, rough_from_s=100),
    "jet blocked": replace(JET, model=LC_RATE, gas=None, seconds=900, off=_ends(890)),
}
