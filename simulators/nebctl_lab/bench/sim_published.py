"""What was published about nebulizers, and the range in which a figure drawn from the presets agrees with it.

A range is the published one where there is one. Of a mean or a share it is else that of 95 % of samples as large as the
published one; of a figure that is only commonly quoted it is a margin around it. `published` is the text for the table.
"""

from dataclasses import dataclass

SMALDONE = "[Respir Care 62(1):65](https://rc.rcjournal.com/content/62/1/65)"
DETUNED = "[Appl Sci 11(3):1296](https://doi.org/10.3390/app11031296)"
BATCHES = "[abstract](https://aerosol-soc.com/abstracts/ensuring-consistency-performance-mesh-nebulizers/)"
REVIEW = "[review, table](http://wjgnet.com/2307-8960/full/v2/i12/742-T1.htm)"
SHARES = (
    "[two cups](https://pmc.ncbi.nlm.nih.gov/articles/PMC462714/), "
    "[another](https://scilit.com/publications/92dee3cb845dbe4dc8778a860316cff0)"
)
FIELD = "[Respir Care 66(5):829](https://rc.rcjournal.com/content/66/5/829)"
QUOTED = "commonly quoted, not checked"
DERIVED = "worked out from the rows above"


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure by its key: whose, which, its least and most, what was published, where, and decimals to show."""

    key: str
    preset: str
    figure: str
    low: float
    high: float
    published: str
    source: str
    digits: int = 1


FACTS = (
    Fact("solo_rate", "mesh.solo", "rate, mean of units, mL/min", 0.36, 0.40, "about 0.38", QUOTED, 3),
    Fact("solo_above", "mesh.solo", "units above 0.2 mL/min, %", 99, 100, "all", QUOTED),
    Fact("solo_unit_cv", "mesh.solo", "rate, spread between units, %", 10, 23, "10 to 20; planned with 20", QUOTED),
    Fact("solo_run_cv", "mesh.solo", "rate, spread between runs of a unit, %", 3, 8, "3 to 8", QUOTED),
    Fact("left", "mesh.solo", "residual of runs that complete, mean, % of charge", 2.8, 3.6, "3.2", SMALDONE),
    Fact("left_sd", "mesh.solo", "the same, standard deviation", 1.2, 1.8, "1.5", SMALDONE),
    Fact("stopped", "+premature", "runs that stop early, %", 25, 30, "25 of 55 runs, 30 of 40", SMALDONE),
    Fact("kept", "+premature", "retained by them, mean, % of charge", 27.8, 44.2, "36", SMALDONE),
    Fact("kept_sd", "+premature", "the same, standard deviation", 15.5, 27.1, "21.3", SMALDONE),
    Fact("course", "+premature", "courses of 5 with at least one, %", 76, 83, "76 to 83 if independent", DERIVED),
    Fact("off_least", "mesh.solo", "1 % off resonance: loss of output, least, %", 11.0, 13.0, "11.0", DETUNED),
    Fact("off_most", "mesh.solo", "the same, most", 28.1, 30.1, "30.1", DETUNED),
    Fact("power_least", "mesh.solo", "1 % off resonance: gain of power, least, %", 6.5, 7.3, "6.6", DETUNED),
    Fact("power_most", "mesh.solo", "the same, most", 12.9, 13.6, "13.6", DETUNED),
    Fact("cold", "mesh.solo", "cold liquid: loss of output a °C below 22, %", 1, 3, "1 to 3", QUOTED),
    Fact("thick_3", "mesh.solo", "3 times as viscous as water: loss, %", 30, 60, "30 to 60 at 3 to 4", QUOTED),
    Fact("thick_4", "mesh.solo", "4 times as viscous as water: loss, %", 30, 60, "30 to 60 at 3 to 4", QUOTED),
    Fact(
        "go_rate", "mesh.innospire", "rate, mean of units, mL/min", 0.52, 0.56, "0.55, batches 0.52 to 0.56", BATCHES, 3
    ),
    Fact(
        "go_batch_sd",
        "mesh.innospire",
        "rate, spread of batch means, mL/min",
        0.0095,
        0.0327,
        "0.015 where 7 lie so",
        BATCHES,
        4,
    ),
    Fact("go_left", "mesh.innospire", "residual, mean, mL", 0.05, 0.20, "below 0.2", REVIEW, 2),
    Fact("flow_rate", "mesh.eflow", "rate, mean of units, mL/min", 0.4, 0.7, "0.4 to 0.7", QUOTED, 3),
    Fact("flow_left", "mesh.eflow", "residual, mean, mL", 0.9, 1.1, "about 1.0", QUOTED, 2),
    Fact("jet_rate", "jet.lc", "aerosol, mean, mL/min", 0.20, 0.35, "0.20 to 0.35", QUOTED, 3),
    Fact("jet_share_low", "jet.lc", "aerosol as a share of the weight loss, least, %", 45, 54, "45 to 61", SHARES),
    Fact("jet_share_high", "jet.lc", "the same, most", 54, 86, "86 (vapour of 14)", SHARES),
    Fact("jet_left", "jet.lc", "residual, mean, mL", 0.8, 2.0, "0.8 to 2.0", REVIEW, 2),
    Fact("jet_emitted", "jet.lc", "emitted of 3 mL, mean, % of the solute", 46, 57, "46 to 57", DERIVED),
    Fact(
        "jet_thicker", "jet.lc", "concentration at the end, mean, times the first", 1.29, 1.63, "1.3 to 1.6", DERIVED, 2
    ),
    Fact("jet_colder", "jet.lc", "liquid colder after 5 min, mean, °C", 8, 15, "8 to 15", QUOTED),
    Fact("weak", "+field", "units with a weak compressor, %", 31.1, 47.0, "39 (57 of 146)", FIELD),
    Fact("weak_slower", "+field", "their aerosol a minute, % of the others'", 50, 90, "less with less pressure", FIELD),
    Fact("weak_left", "+field", "their residual, mL above the others'", 0.05, 0.6, "more with less pressure", FIELD, 2),
)
