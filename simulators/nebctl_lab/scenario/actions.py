"""What a scenario does: each sentence as steps at the bed, around the device, at the host or at the pharmacy."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nebctl.core.instant import NS_PER_S
from nebctl_lab.codes import cup_code, scans
from nebctl_lab.scenario import pharmacy
from nebctl_lab.scenario.stage import Play
from nebctl_lab.scenario.words import Sentence

ALIQUOT_NL = 3_000_000
HALF_WIDTH_NL = 20_000
"""What the scenarios' balance states: 20 mg to each side, as a balance of 10 mg does."""
POWER_CUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing to do: in which play, at which unit, and what its sentence named."""

    play: Play
    unit: str
    given: Mapping[str, Any]

    @property
    def operator(self) -> str:
        """Return who does it."""
        return str(self.given.get("operator") or self.play.operator())

    @property
    def subject(self) -> str:
        """Return whom it is done for."""
        return str(self.given.get("subject") or self.play.subject(self.unit))

    @property
    def seconds(self) -> float | None:
        """Return the duration that was named; None where none was."""
        duration_ns = self.given.get("duration")
        return None if duration_ns is None else duration_ns / NS_PER_S

    async def post(self, path: str, **body: Any) -> None:
        """Press at the unit."""
        await self.play.site.post(f"/api/{path}", self.unit, **body)

    async def post_own(self, path: str, **body: Any) -> None:
        """Press at the unit, as the person who does it."""
        await self.post(path, operator=self.operator, **body)


async def perform(play: Play, unit: str, sentence: Sentence) -> None:
    """Do what a sentence says.

    Raises: `nebctl_lab.bedside.Answer` where the unit refuses it, `PharmacyFault` where the pharmacy does.
    """
    await _DEEDS[sentence.name](Deed(play, unit, sentence.given))


def _ml(nl: int) -> str:
    return f"{nl // 1_000_000}.{nl % 1_000_000:06d} mL"


def _weighed(nl: int) -> dict[str, str]:
    """Return a volume as the balance gives it, which errs by nothing and states 20 mg all the same."""
    return {"volume": _ml(nl), "low": _ml(max(0, nl - HALF_WIDTH_NL)), "high": _ml(nl + HALF_WIDTH_NL)}


async def _scan(deed: Deed) -> None:
    day = int(deed.given.get("day") or deed.play.study_day)
    kit = deed.given.get("kit") or deed.play.kit(deed.subject, day)
    await deed.post_own("scan", **scans(deed.subject, kit))


async def _pour(deed: Deed) -> None:
    deed.play.site.pour(deed.unit, int(deed.given.get("volume") or ALIQUOT_NL), deed.given.get("temperature"))


async def _charge(deed: Deed) -> None:
    if deed.given.get("method") == "declared":
        volume = {"method": "declared", "volume": _ml(ALIQUOT_NL)}
    else:
        volume = {"method": "weighed", **_weighed(deed.play.site.truth(deed.unit).cup_nl)}
    await deed.post("charge", cup=cup_code(), vial_emptied=True, **volume)


async def _start(deed: Deed) -> None:
    review = (await deed.play.site.view(deed.unit)).get("review") or {}
    deed.play.note_start(deed.unit)
    await deed.post("start", auth=str(review.get("auth", "none")))


async def _begin(deed: Deed) -> None:
    for step in (_scan, _pour, _charge, _start):
        await step(deed)


async def _pause(deed: Deed) -> None:
    await deed.post("pause", reason=deed.given["reason"])


async def _residual(deed: Deed) -> None:
    await deed.post_own("residual", measured=_weighed(deed.play.site.draw(deed.unit)), method="weighed")


async def _refuse_residual(deed: Deed) -> None:
    await deed.post_own("residual", refused=deed.given["reason"])


async def _sign(deed: Deed) -> None:
    await deed.play.site.sign(deed.unit, deed.operator)


async def _hand_over(deed: Deed) -> None:
    await deed.post_own("handover")


async def _finish(deed: Deed) -> None:
    await _residual(deed)
    await _sign(deed)


async def _give_back(deed: Deed) -> None:
    await deed.post_own("give-back", subject=deed.subject)
    shown = await deed.play.site.view(deed.unit)
    deed.play.codes.update({each["subject"]: each["code"] for each in shown["given_back"]})


async def _top_up(deed: Deed) -> None:
    deed.play.site.pour(deed.unit, int(deed.given["volume"]))


async def _spill(deed: Deed) -> None:
    left_nl = deed.play.site.draw(deed.unit) - int(deed.given["volume"])
    if left_nl > 0:
        deed.play.site.pour(deed.unit, left_nl)


async def _swap(deed: Deed) -> None:
    deed.play.site.draw(deed.unit)
    deed.play.site.pour(deed.unit, int(deed.given["volume"]))


async def _unplug(deed: Deed) -> None:
    site, unit = deed.play.site, deed.unit
    site.unplug(unit)
    if deed.seconds is not None:
        deed.play.in_time(deed.seconds, "the cable is back", lambda: site.plug(unit))


async def _plug(deed: Deed) -> None:
    deed.play.site.plug(deed.unit)


async def _device_power(deed: Deed) -> None:
    site, unit = deed.play.site, deed.unit
    site.switch_device(False, unit)
    if deed.seconds is not None:
        deed.play.in_time(deed.seconds, "the device has power again", lambda: site.switch_device(True, unit))


async def _inject(deed: Deed) -> None:
    asked = deed.given["fault"]
    deed.play.site.inject(deed.unit, asked.fault, asked.count, asked.ms, asked.terms)


async def _clear(deed: Deed) -> None:
    deed.play.site.clear(deed.unit)


async def _power_cut(deed: Deed) -> None:
    await deed.play.site.power_cut(deed.seconds or POWER_CUT_S, deed.unit)


async def _hang(deed: Deed) -> None:
    await deed.play.site.hang_host(deed.seconds or 0, deed.unit)


async def _restart(deed: Deed) -> None:
    await deed.play.site.stop_unit(deed.unit)
    await deed.play.site.start_unit(deed.unit)


async def _switch_off(deed: Deed) -> None:
    await deed.play.site.crash(deed.unit)


async def _switch_on(deed: Deed) -> None:
    await deed.play.site.start_unit(deed.unit)


async def _broker_down(deed: Deed) -> None:
    deed.play.site.broker_down()
    if deed.seconds is not None:
        deed.play.in_time(deed.seconds, "the broker is back", deed.play.site.broker_up)


async def _broker_up(deed: Deed) -> None:
    deed.play.site.broker_up()


async def _clock(deed: Deed) -> None:
    step_s = deed.seconds or 0
    deed.play.site.step_clock(step_s if deed.given["way"] == "forward" else -step_s, deed.unit)


def _press(path: str) -> Callable[[Deed], Awaitable[None]]:
    return lambda deed: deed.post(path)


def _press_own(path: str) -> Callable[[Deed], Awaitable[None]]:
    return lambda deed: deed.post_own(path)


def _book(work: Callable[[Play, Mapping[str, Any]], None]) -> Callable[[Deed], Awaitable[None]]:
    """Return a deed that is done at the pharmacy's desk."""

    async def do(deed: Deed) -> None:
        work(deed.play, deed.given)

    return do


_DEEDS: Mapping[str, Callable[[Deed], Awaitable[None]]] = {
    "begin": _begin,
    "scan": _scan,
    "pour": _pour,
    "charge": _charge,
    "self_test": _press("self-test"),
    "start": _start,
    "pause": _pause,
    "resume": _press_own("resume"),
    "stop": _press("stop"),
    "see_end": _press_own("end-seen"),
    "abandon": _press_own("abandon"),
    "residual": _residual,
    "refuse_residual": _refuse_residual,
    "sign": _sign,
    "hand_over": _hand_over,
    "leave": _press("leave"),
    "finish": _finish,
    "give_back": _give_back,
    "top_up": _top_up,
    "spill": _spill,
    "swap": _swap,
    "unplug": _unplug,
    "plug": _plug,
    "device_power": _device_power,
    "inject": _inject,
    "clear": _clear,
    "power_cut": _power_cut,
    "hang": _hang,
    "restart": _restart,
    "switch_off": _switch_off,
    "switch_on": _switch_on,
    "broker_down": _broker_down,
    "broker_up": _broker_up,
    "clock": _clock,
    "thaw": _book(pharmacy.thaw),
    "not_done": _book(pharmacy.note_not_done),
    "return_kit": _book(pharmacy.return_kit),
    "lose_kit": _book(pharmacy.destroy_kit),
    "dispense": _book(pharmacy.dispense),
    "move": _book(pharmacy.move),
}
