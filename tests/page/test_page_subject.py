"""Who is in the bed, as the page asks it: two codes of one subject, or a typed one that two persons answer for."""

from dataclasses import replace
from typing import Any

import pytest

from nebctl.core.orders import Operator
from nebctl_lab.codes import band, card, kit_code
from nebctl_lab.demo.site import THERAPIST

from .lists import Pharmacy, first_dose

pytestmark = pytest.mark.timeout(80)

SECOND = "RT-08"
BY_PAGE = """async (body) => {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch('/api/scan', { method: 'POST', headers, body: JSON.stringify(body) });
  return (await answer.json()).code;
}"""


@pytest.fixture(scope="module")
def pharmacy(ward: Any) -> Pharmacy:
    """Give whoever sends lists in the ward's own pharmacy's place."""
    return Pharmacy(ward)


@pytest.fixture
def therapist(panel: Any, ward: Any, pharmacy: Pharmacy) -> Any:
    """Give a page at which the therapist is logged in; another one is on the list."""
    listed = first_dose()
    other = Operator(code=SECOND, name="Another therapist", roles=("therapist",))
    pharmacy.holds(replace(listed, operators=(*listed.operators, other)), panel.until)
    ward.skip(3)
    panel.log_in()
    panel.on("idle")
    return panel


def slots(panel: Any) -> list[str]:
    """Return what stands in the three slots."""
    return [str(text) for text in panel.page.locator(".slot strong").all_text_contents()]


@pytest.mark.req("S12")
def test_one_code_twice_and_two_subjects_are_nobody(therapist: Any, ward: Any) -> None:
    """The same band twice, or another subject's card, is a sentence and never a button; nor can a page give a code."""
    ward.scan(band("MEX-001"), kit_code("KIT-0401"))
    therapist.on("scan")
    therapist.until(lambda: slots(therapist) == ["MEX-001", "", "KIT-0401"])
    assert not therapist.page.locator("button:visible", has_text="Check").count()
    ward.skip(3)
    ward.scan(band("MEX-001"))
    assert therapist.refused() == (
        "The same code was scanned twice. Scan the wristband, then the study card or the bed label."
    )
    ward.scan(card("MEX-008"))
    said = "The first code is MEX-001's and the second MEX-008's. Find out who this is, then scan both again."
    assert therapist.refused() == said
    therapist.until(lambda: slots(therapist) == ["", "", "KIT-0401"])
    codes = {"operator": THERAPIST[0], "band": band("MEX-001"), "card": card("MEX-001"), "kit": kit_code("KIT-0401")}
    assert therapist.page.evaluate(BY_PAGE, codes) == "page-code"
    assert ward.records("identification") == []
    ward.scan(band("MEX-001"), card("MEX-001"))
    therapist.tap("Check")
    therapist.on("cup")
    [identification] = ward.records("identification")
    assert (identification["how"], identification["subject"]) == ("scanned", "MEX-001")


@pytest.mark.req("S12")
def test_a_typed_subject_has_a_reason_and_a_second_person(therapist: Any, ward: Any) -> None:
    """A missing wristband is a touch, the pseudonym is typed, and a second badge with its PIN vouches; not her own.

    The record has reason and both persons.
    """
    before = len(ward.records("identification"))
    ward.scan(kit_code("KIT-0401"))
    therapist.on("scan")
    therapist.tap("No wristband?")
    therapist.on("vouch")
    therapist.tap("Wristband or card is missing")
    therapist.on("typed")
    therapist.keys("001")
    therapist.tap("Next")
    therapist.on("second")
    assert "I know this person to be MEX-001." in therapist.text("#main")
    therapist.prove(THERAPIST[0])
    therapist.tap("Vouch")
    assert therapist.refused() == "A second person vouches for a typed subject. Let another person scan a badge."
    assert len(ward.records("identification")) == before
    therapist.prove(SECOND)
    therapist.tap("Vouch")
    therapist.on("cup")
    record = ward.records("identification")[-1]
    assert (record["how"], record["subject"], record["text"]) == ("typed", "MEX-001", "Wristband or card is missing")
    assert (record["operator"], record["second"]) == (THERAPIST[0], SECOND)
    assert therapist.faults == []
