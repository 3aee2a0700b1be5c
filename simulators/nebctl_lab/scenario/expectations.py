"""What a scenario expects: each sentence as a look at the site, which answers with what it saw instead."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nebctl.core.units import format_ml
from nebctl_lab.scenario.stage import Play, Record
from nebctl_lab.scenario.vocabulary import OF_THE_DOSE, OF_THE_RECORDS
from nebctl_lab.scenario.words import Sentence
from nebctl_lab.system import SiteFault

SLOW = frozenset(form.name for form in (*OF_THE_DOSE, *OF_THE_RECORDS)) | {"was_alarmed"}
"""What is read from the ledger, and so not looked at ten times a second."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look: in which play, at which unit, what its sentence named, and the code of a refusal in this step."""

    play: Play
    unit: str
    given: Mapping[str, Any]
    refused: str | None

    def records(self, typ: str) -> list[Record]:
        """Return the unit's records of a type."""
        return list(self.play.site.records(typ, unit=self.unit))

    @property
    def dose(self) -> Record:
        """Return the newest dose record.

        Raises: `Unseen` where there is none.
        """
        doses = self.records("dose")
        if not doses:
            raise Unseen("no dose record")
        return doses[-1]


class Unseen(Exception):  # noqa: N818 - an answer, not a failure of the program
    """What stood there instead of what was expected."""


async def look(play: Play, unit: str, sentence: Sentence, refused: str | None = None) -> str | None:
    """Return what is there instead of what a sentence expects; None where it is as expected."""
    at = Look(play, unit, sentence.given, refused)
    try:
        if sentence.name in _VIEWED:
            return _VIEWED[sentence.name](await play.site.view(unit))
        return _LOOKS[sentence.name](at)
    except (Unseen, SiteFault) as seen:
        return str(seen)


def _unless(good: bool, seen: object) -> str | None:
    return None if good else str(seen)


def _ml(nl: int) -> str:
    return f"{format_ml(nl, 3)} mL"


def _listed(names: object) -> str:
    return ", ".join(map(str, names)) or "none" if isinstance(names, list | tuple) else str(names)


_VIEWED: Mapping[str, Callable[[Record], str | None]] = {
    "no_volume": lambda view: _unless(view["emitted"] is None, f"emitted {view['emitted']}"),
    "device": lambda view: _unless(bool(view["device"]), "no device"),
    "no_device": lambda view: _unless(not view["device"], f"device {view['device']}"),
}


def _state(at: Look) -> str | None:
    state = at.play.site.state(at.unit)
    return _unless(state in at.given["states"], f"state {state}")


def _refused(at: Look) -> str | None:
    seen = "nothing was refused" if at.refused is None else f"refused {at.refused}"
    return _unless(at.refused == at.given["code"], seen)


def _alarmed(at: Look) -> str | None:
    alarms = tuple(at.play.site.alarms(at.unit))
    return _unless(at.given["alarm"] in alarms, f"alarms: {_listed(alarms)}")


def _not_alarmed(at: Look) -> str | None:
    alarms = tuple(at.play.site.alarms(at.unit))
    wanted = at.given.get("alarm")
    return _unless(not alarms if wanted is None else wanted not in alarms, f"alarms: {_listed(alarms)}")


def _was_alarmed(at: Look) -> str | None:
    recorded = [record["condition"] for record in at.records("alarm")]
    return _unless(at.given["alarm"] in recorded, f"recorded alarms: {_listed(recorded)}")


def _covers(at: Look) -> str | None:
    dose, truth = at.dose, at.play.emitted_nl(at.unit)
    seen = f"{_ml(truth)} emitted, recorded {_ml(dose['low_nl'])} to {_ml(dose['high_nl'])}"
    return _unless(dose["low_nl"] <= truth <= dose["high_nl"], seen)


def _high_is_charge(at: Look) -> str | None:
    high, charged = at.dose["high_nl"], at.dose["charge"]["high_nl"]
    return _unless(high == charged, f"high {_ml(high)}, charged at most {_ml(charged)}")


def _of_dose(member: str, given: str) -> Callable[[Look], str | None]:
    """Return a look that compares a member of the newest dose record with what the sentence names."""
    return lambda at: _unless(at.dose[member] == at.given[given], f"{member} {at.dose[member]}")


def _in_dose(member: str, given: str) -> Callable[[Look], str | None]:
    """Return a look for a name in a list of the newest dose record."""
    return lambda at: _unless(at.given[given] in at.dose[member], f"{member}: {_listed(at.dose[member])}")


def _none_in_dose(member: str, *, wanted: bool) -> Callable[[Look], str | None]:
    """Return a look at whether a list of the newest dose record is empty, as `wanted`."""
    return lambda at: _unless((not at.dose[member]) is wanted, f"{member}: {_listed(at.dose[member])}")


def _least(measure: Callable[[Look], int]) -> Callable[[Look], str | None]:
    return lambda at: _unless(measure(at) >= at.given["volume"], _ml(measure(at)))


def _most(measure: Callable[[Look], int]) -> Callable[[Look], str | None]:
    return lambda at: _unless(measure(at) <= at.given["volume"], _ml(measure(at)))


def _signers(at: Look) -> list[str]:
    seq = at.dose["seq"]
    return [str(record.get("operator")) for record in at.records("signature") if record["ref_seq"] == seq]


def _signed(at: Look) -> str | None:
    signers = _signers(at)
    return _unless(at.given["operator"] in signers, f"signed by {_listed(signers)}")


def _records(at: Look) -> str | None:
    count = len(at.records(at.given["record"]))
    return _unless(count == at.given.get("count", 0), f"{count} of them")


def _verifies(at: Look) -> str | None:
    findings = tuple(at.play.site.verified(at.unit))
    return _unless(not findings, "; ".join(findings))


def _waiting(at: Look) -> str | None:
    return _unless(at.play.site.waiting(at.unit) > 0, "none waits")


def _receipted(at: Look) -> str | None:
    waiting = at.play.site.waiting(at.unit)
    return _unless(waiting == 0, f"{waiting} records wait")


def _outcome(at: Look) -> str:
    """Return what the pharmacy's own course says of a dose."""
    sheet = at.play.site.course(at.given["subject"])
    ends = [line.end for line in sheet.lines if line.day == at.given["day"]] if sheet else []
    return _listed(ends)


def _pharmacy(at: Look) -> str | None:
    return _unless(_outcome(at) == at.given["outcome"], _outcome(at))


def _pharmacy_open(at: Look) -> str | None:
    return _unless(_outcome(at) in ("due", "late"), _outcome(at))


def _output(at: Look) -> str | None:
    output = at.play.site.truth(at.unit).output
    return _unless((output != "OFF") == (at.given["output"] == "on"), f"output {output}")


def _emitted(at: Look) -> int:
    return at.play.emitted_nl(at.unit)


def _cup(at: Look) -> int:
    return at.play.site.truth(at.unit).cup_nl


def _best(at: Look) -> int:
    return int(at.dose["best_nl"])


_LOOKS: Mapping[str, Callable[[Look], str | None]] = {
    "state": _state,
    "refused": _refused,
    "no_alarm": _not_alarmed,
    "not_alarmed": _not_alarmed,
    "alarm": _alarmed,
    "was_alarmed": _was_alarmed,
    "verdict": _of_dose("verdict", "verdict"),
    "end": _of_dose("end", "end"),
    "covers": _covers,
    "high_is_charge": _high_is_charge,
    "recorded_least": _least(_best),
    "recorded_most": _most(_best),
    "no_deviation": _none_in_dose("deviations", wanted=True),
    "deviation": _in_dose("deviations", "deviation"),
    "doubted": _none_in_dose("doubts", wanted=False),
    "sure": _none_in_dose("doubts", wanted=True),
    "witness": _in_dose("witnesses", "witness"),
    "day": _of_dose("day", "day"),
    "date": _of_dose("date_local", "date"),
    "signed": _signed,
    "unsigned": lambda at: _unless(not _signers(at), f"signed by {_listed(_signers(at))}"),
    "no_records": _records,
    "records": _records,
    "records_many": _records,
    "verifies": _verifies,
    "waiting": _waiting,
    "receipted": _receipted,
    "pharmacy": _pharmacy,
    "pharmacy_open": _pharmacy_open,
    "output": _output,
    "emitted_least": _least(_emitted),
    "emitted_most": _most(_emitted),
    "cup_least": _least(_cup),
    "cup_most": _most(_cup),
}
