"""What the output does when nobody is left to stop it, on a whole site in virtual time."""

import pytest

from nebctl_lab.system import VirtualSite

SMALL_NL = 700_000


@pytest.mark.virtual
@pytest.mark.req("S22")
@pytest.mark.req("S23")
async def test_a_host_that_is_killed_leaves_its_device_off() -> None:
    """2 s after the last beat of a host that died at once the controller is OFF, stays off after the restart, and the
    log gets an interval that is not certain.
    """
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.until_emitted(200_000)
        await site.crash()
        await site.advance(1)
        assert site.truth().output == "RUN"
        await site.advance(1.5)
        assert site.truth().output == "OFF"
        await site.start_unit()
        await site.advance(10)
        assert site.truth().output == "OFF"
        [dose] = site.records("dose")
        assert dose["end"] == "uncertain"
        assert dose["low_nl"] < dose["high_nl"]


@pytest.mark.virtual
@pytest.mark.req("S23")
async def test_a_power_cut_of_both_is_off_at_once_and_stays_off() -> None:
    """A device without power is OFF; when device and host have it back, nothing runs by itself."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.until_emitted(200_000)
        await site.power_cut(3)
        await site.advance(10)
        assert site.truth().output == "OFF"
        assert [dose["end"] for dose in site.records("dose")] == ["uncertain"]
