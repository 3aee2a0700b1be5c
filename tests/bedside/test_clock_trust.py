"""How long a clock is trusted by itself, and a person's check of it: two readings, 12 h, one boot, no step."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.clock_trust import CHECK_HOLDS_NS, DRIFT_PPM, TRUSTED_NS, Fix, Trust, bound_ns, is_trusted, looked
from nebctl.core.instant import NS_PER_S, ClockState, Instant
from nebctl_lab.bedside import Answer
from nebctl_lab.system import VirtualSite

SYNCED = Instant(mono_ns=10**12, wall_ns=10**18, boot="one", clock=ClockState(sync=True, source=1, max_error_us=40_000))
FREE = replace(SYNCED, clock=ClockState(sync=False, source=0))


def later(seconds: float, step_s: float = 0, boot: str = "one") -> Instant:
    """Return a moment without synchronisation, so many seconds after the last one."""
    passed = round(seconds * NS_PER_S)
    return replace(
        FREE, mono_ns=FREE.mono_ns + passed, wall_ns=FREE.wall_ns + passed + round(step_s * NS_PER_S), boot=boot
    )


@pytest.mark.req("S32")
def test_the_bound_grows_by_500_ppm_and_by_every_step() -> None:
    """Error at the last synchronisation, 500 ppm of the time since, and each move of the wall clock: together."""
    fix = looked(Trust(), SYNCED).synchronised
    assert bound_ns(fix, SYNCED) == 40_000_000
    assert bound_ns(fix, later(10_000)) == 40_000_000 + 5 * NS_PER_S
    assert bound_ns(fix, later(10_000, step_s=-7)) == 40_000_000 + 12 * NS_PER_S
    assert bound_ns(fix, later(10_000, boot="two")) is None
    assert bound_ns(None, SYNCED) is None


@pytest.mark.req("S32")
def test_trust_ends_in_the_nanosecond_of_the_bound() -> None:
    """A clock that nothing synchronises any more is trusted for some 33 h, not a nanosecond of its bound longer."""
    trust = looked(looked(Trust(), SYNCED), later(5))
    assert trust.synchronised == Fix.at(SYNCED, 40_000_000)
    last_s = (TRUSTED_NS - 40_000_000) * 1_000_000 // DRIFT_PPM // NS_PER_S
    assert last_s == 119_920
    assert is_trusted(trust, later(last_s - 0.001))
    assert not is_trusted(trust, later(last_s))
    assert not is_trusted(trust, later(1, step_s=60))
    assert not is_trusted(trust, later(1, boot="two"))
    assert not is_trusted(Trust(), FREE)


@pytest.mark.req("S32")
def test_a_check_holds_twelve_hours_of_one_boot() -> None:
    """A person's check ends after 12 h, with a reboot, and where the clock was moved by more than a second."""
    trust = Trust(checked=Fix.at(FREE))
    hours_s = CHECK_HOLDS_NS // NS_PER_S
    assert is_trusted(trust, later(hours_s - 0.001))
    assert not is_trusted(trust, later(hours_s))
    assert not is_trusted(trust, later(60, boot="two"))
    assert is_trusted(trust, later(60, step_s=1))
    assert not is_trusted(trust, later(60, step_s=1.001))


def shown(view: dict[str, Any]) -> str:
    """Return date and time as the unit shows them."""
    return f"{view['local']['date']} {view['local']['time']}"


async def read(site: VirtualSite, text: str, operator: str = "RT-07") -> dict[str, Any]:
    """Type a reading of another clock."""
    return await site.post("/api/clock-check", operator=operator, reading=text)


@pytest.mark.virtual
@pytest.mark.req("S32")
async def test_a_person_checks_a_clock_that_is_no_longer_trusted() -> None:
    """After two days without NTP nothing starts; two readings that agree let doses start again, and are on record."""
    async with VirtualSite() as site:
        site.trust_clock(False)
        await site.skip(3600)
        assert (await site.view())["clock_trusted"]
        await site.skip(2 * 24 * 3600)
        view = await site.view()
        assert not view["clock_trusted"]
        await site.scan(day=3)
        assert (await site.charge())["state"] == "charged"
        with pytest.raises(Answer, match="409 self-test"):
            await site.press("start")
        await read(site, shown(await site.view()))
        with pytest.raises(Answer, match="409 clock-too-soon"):
            await read(site, shown(await site.view()))
        assert "person-check" not in {each["reason"] for each in site.records("clock")}
        await site.advance(11)
        assert (await read(site, shown(await site.view())))["clock_trusted"]
        (record,) = (each for each in site.records("clock") if each["reason"] == "person-check")
        assert (len(record["readings"]), record["operator"]) == (2, "RT-07")
        await site.press("self-test")
        assert (await site.press("start"))["state"] == "running"
        await site.press("stop")


@pytest.mark.virtual
@pytest.mark.req("S32")
async def test_a_check_survives_the_daemon_and_not_the_machine() -> None:
    """A restart of the daemon in the same boot keeps the check; a reboot ends it at once."""
    async with VirtualSite() as site:
        site.trust_clock(False)
        await site.skip(3 * 24 * 3600)
        for _ in range(2):
            await read(site, shown(await site.view()))
            await site.advance(11)
        assert (await site.view())["clock_trusted"]
        await site.stop_unit()
        await site.hosts["neb-0001"].start()
        assert (await site.view())["clock_trusted"]
        await site.stop_unit()
        await site.start_unit()
        assert not (await site.view())["clock_trusted"]


@pytest.mark.virtual
@pytest.mark.req("S32")
async def test_a_synchronisation_survives_the_daemon_and_not_the_machine() -> None:
    """A daemon that restarts where NTP is lost knows from its log when the clock was right; a reboot knows nothing."""
    async with VirtualSite() as site:
        await site.skip(3700)
        site.trust_clock(False)
        await site.skip(3600)
        await site.stop_unit()
        await site.hosts["neb-0001"].start()
        assert (await site.view())["clock_trusted"]
        site.step_clock(61)
        assert not (await site.view())["clock_trusted"]
        site.step_clock(-61)
        assert (await site.view())["clock_trusted"]
        await site.skip(2 * 24 * 3600)
        assert not (await site.view())["clock_trusted"]
        site.trust_clock(True)
        assert (await site.view())["clock_trusted"]
        site.trust_clock(False)
        assert (await site.view())["clock_trusted"]
        await site.stop_unit()
        await site.start_unit()
        assert not (await site.view())["clock_trusted"]


@pytest.mark.virtual
@pytest.mark.req("S32")
async def test_a_reading_that_differs_says_so_and_checks_nothing() -> None:
    """A reading that is none, one that is off, and the readings of two persons leave the clock as it was."""
    async with VirtualSite() as site:
        site.trust_clock(False)
        await site.skip(3 * 24 * 3600)
        for text, code in (("9:03", "clock-reading"), ("2026-02-14 09:03", "clock-differs")):
            with pytest.raises(Answer, match=f"409 {code}"):
                await read(site, text)
        await read(site, shown(await site.view()))
        await site.advance(11)
        await read(site, shown(await site.view()), "RT-08")
        assert not (await site.view())["clock_trusted"]
