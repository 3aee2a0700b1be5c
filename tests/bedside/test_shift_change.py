"""A shift change in mid-dose, and signatures: each for the own part, by badge and PIN again, never for another."""

from typing import Any

import pytest

from nebctl.contact import LOOK_S
from nebctl.core.ledger import jws
from nebctl_lab.bedside import Answer
from nebctl_lab.people import PIN
from nebctl_lab.system import VirtualSite

pytestmark = pytest.mark.virtual
SMALL_NL = 700_000
MEANING = "I observed this dose while I answered for it."
WHOLE = "I gave this dose and observed the subject."


def refused(code: str) -> Any:
    """Expect a refusal with this code and a sentence."""
    return pytest.raises(Answer, match=rf"^(409|401) {code}: .{{12,}}\.$")


async def handed_over(site: VirtualSite) -> None:
    """Let RT-07 start a small dose, RT-08 take it over, and the nebulizer run it dry."""
    await site.begin(poured_nl=SMALL_NL)
    await site.advance(10)
    await site.post("/api/handover", operator="RT-08")
    await site.finish()
    await site.residual(operator="RT-08")


@pytest.mark.req("S55")
async def test_the_device_does_not_notice_a_handover() -> None:
    """Nothing goes to the device but what goes anyway; the record has who, from whom, and what was emitted."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.advance(10)
        before = site.truth()
        view = await site.post("/api/handover", operator="RT-08")
        assert (view["state"], view["observers"]) == ("running", ["RT-07", "RT-08"])
        assert site.truth().output == before.output
        (record,) = site.records("handover")
        assert (record["from_operator"], record["operator"]) == ("RT-07", "RT-08")
        assert record["low_nl"] <= site.truth().emitted_nl <= record["high_nl"] + 100_000
        assert [each["typ"] for each in site.records()][-1] == "handover"
        with refused("handed-over"):
            await site.post("/api/handover", operator="RT-08")
        with refused("operator-not-therapist"):
            await site.post("/api/handover", operator="PH-01")
        await site.press("stop")


@pytest.mark.req("S03")
@pytest.mark.req("S55")
async def test_who_answers_for_the_dose_resumes_it() -> None:
    """Another therapist does not resume a paused dose before she has taken it over; then she does."""
    async with VirtualSite() as site:
        await site.begin()
        await site.press("pause")
        await site.until_state("paused")
        with refused("resume-other"):
            await site.press("resume", operator="RT-08")
        await site.post("/api/handover", operator="RT-08")
        assert (await site.press("resume", operator="RT-08"))["state"] in ("resuming", "running")
        assert site.records("authorisation")[-1]["operator"] == "RT-08"
        await site.press("stop")


@pytest.mark.req("S35")
@pytest.mark.req("S55")
async def test_each_signs_the_own_part_and_nobody_for_another() -> None:
    """Both parts are signed by their own observers; nobody signs for the whole, for another, or a part twice."""
    async with VirtualSite() as site:
        await handed_over(site)
        with refused("not-observed"):
            await site.post("/api/sign", operator="PI-01", meaning=MEANING)
        with refused("gave-part"):
            await site.post("/api/sign", operator="RT-07", meaning=WHOLE)
        view = await site.post("/api/sign", operator="RT-07", meaning=MEANING)
        assert (view["state"], [part["operator"] for part in view["unsigned"]]) == ("signing", ["RT-08"])
        with refused("not-observed"):
            await site.post("/api/sign", operator="RT-07", meaning=MEANING)
        view = await site.post("/api/sign", operator="RT-08", meaning=MEANING)
        assert (view["state"], view["unsigned"]) == ("idle", [])
        (dose,), signatures = site.records("dose"), site.records("signature")
        assert [record["operator"] for record in signatures] == ["RT-07", "RT-08"]
        assert {record["ref_seq"] for record in signatures} == {dose["seq"]}


@pytest.mark.req("S35")
async def test_a_signature_asks_for_badge_and_pin_again() -> None:
    """Signed in or not, each signature has its own PIN; the record has name, time, meaning and the dose's hash."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.finish()
        await site.residual()
        host = site.hosts["neb-0001"]
        with pytest.raises(Answer, match="400 body"):
            await host.ask("POST", "/api/sign", {"operator": "RT-07", "meaning": MEANING, "pin": ""})
        with refused("pin-wrong"):
            await host.ask("POST", "/api/sign", {"operator": "RT-07", "meaning": MEANING, "pin": "730519"})
        assert site.records("signature") == []
        await host.ask("POST", "/api/sign", {"operator": "RT-07", "meaning": MEANING, "pin": PIN})
        (dose,), (signature,) = site.records("dose"), site.records("signature")
        assert (signature["printed"], signature["meaning"]) == ("Demo therapist", MEANING)
        assert (signature["credential"], signature["ref_seq"]) == ("badge+pin", dose["seq"])
        assert signature["utc"].endswith("Z")


@pytest.mark.req("S35")
async def test_the_printed_name_is_a_private_fact() -> None:
    """The signed text names nobody; name and code stand beside it, and can be withheld."""
    async with VirtualSite() as site:
        await site.give(poured_nl=SMALL_NL)
        (signature,) = site.records("signature")
        public = next(entry for text in site.raw_records() if (entry := payload(text))["typ"] == "signature")
        assert {"printed", "operator"} <= set(signature)
        assert {"printed", "operator"} & set(public) == set()


@pytest.mark.req("S55")
async def test_an_unsigned_part_is_raised_after_an_hour_and_holds_nobody_up() -> None:
    """59 min after the dose nothing is alarmed, after 60 it is, over a restart too; a signature ends it."""
    async with VirtualSite() as site:
        await handed_over(site)
        await site.post("/api/sign", operator="RT-08", meaning=MEANING)
        await site.skip(59 * 60)
        await site.advance(LOOK_S + 1)
        assert alarms(await site.view()) == set()
        await site.stop_unit()
        await site.start_unit()
        await site.skip(70)
        await site.advance(LOOK_S + 1)
        view = await site.view()
        assert "unsigned" in alarms(view)
        assert [part["operator"] for part in view["unsigned"]] == ["RT-07"]
        assert (await site.press("stop"))["state"] == "idle"
        with refused("kit-other-day"):  # the unit goes on working: a scan is judged by itself
            await site.scan(day=2)
        await site.post("/api/sign", operator="RT-07", meaning=MEANING)
        await site.advance(LOOK_S + 1)
        assert "unsigned" not in alarms(await site.view())


def payload(text: str) -> dict[str, Any]:
    """Return what a record's signed text says by itself."""
    return dict(jws.parse(text.split("~", maxsplit=1)[0]).payload)


def alarms(view: dict[str, Any]) -> set[str]:
    """Return what is alarmed."""
    return {alarm["condition"] for alarm in view["alarms"]}
