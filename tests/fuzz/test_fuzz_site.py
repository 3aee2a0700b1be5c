"""A whole site under messages that nobody should send: no network message starts, resumes or raises a dose."""

import random
from pathlib import Path

import pytest

from nebctl.publish.connection import Message
from nebctl.publish.topics import topic
from nebctl_lab.demo.site import SITE
from nebctl_lab.stream.fuzz import Mutator, read_corpus
from nebctl_lab.system import VirtualSite

UNIT = "neb-0001"
CORPUS = Path(__file__).parent / "corpus"
KINDS = ("receipt", "worklist", "record", "hello", "state", "telemetry")
WISHES = ("start", "resume", "dose", "command", "order", "set", "receipt/start", "worklist/+", "")
"""Topics that somebody might hope for; none of them exists."""
PRESSES = (b'{"press":"start"}', b'{"state":"running","volume_nl":9000000}', b"START", b"\x00" * 64, b"[" * 2000)
SMALL_NL = 700_000


class Heckler:
    """Speaks to a site's broker: what was heard, changed and unchanged, on every topic, from a seed."""

    def __init__(self, site: VirtualSite, seed: int) -> None:
        self._site = site
        self._chance = random.Random(seed)
        self._mutator = Mutator(self._chance)
        heard = [message.payload for message in site.broker.retained_for(topic(SITE, UNIT, kind) for kind in KINDS)]
        assert len(heard) >= 3  # a receipt, a worklist and a state at least
        self._known = [*heard, *read_corpus(CORPUS), *PRESSES]

    async def speak(self, count: int) -> None:
        """Send so many messages, each on one of the unit's topics, true or made up."""
        for _ in range(count):
            body = self._chance.choice(self._known)
            if self._chance.random() < 0.7:
                body = self._mutator.change(body, self._known)
            self._site.broker.spread(Message(topic(SITE, UNIT, self._chance.choice((*KINDS, *WISHES))), body))
            await self._site.advance(0.01)


async def settle(site: VirtualSite) -> None:
    """Wait until unit and pharmacy have found each other again."""
    await site.until(lambda: site.waiting() == 0, "every receipt", 60)


@pytest.mark.virtual
@pytest.mark.req("S39")
@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_on_the_network_starts_a_dose(seed: int) -> None:
    """At an idle unit any message leaves the device off and the session where it is, and both sides go on."""
    async with VirtualSite() as site:
        await settle(site)
        before = {record["typ"] for record in site.records()}
        await Heckler(site, seed).speak(400)
        assert (site.state(), site.truth().output) == ("idle", "OFF")
        assert {record["typ"] for record in site.records()} - before <= {"order", "incident", "alarm"}
        outcome = await site.give(poured_nl=SMALL_NL)
        await settle(site)
        assert outcome["end"] == "complete"


@pytest.mark.virtual
@pytest.mark.req("S39")
async def test_nothing_on_the_network_resumes_a_dose() -> None:
    """In a pause any message leaves the device off and the session paused."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        await site.until_emitted(200_000)
        await site.press("pause")
        await site.advance(1)  # the last of the mist leaves
        emitted_nl = site.truth().emitted_nl
        await Heckler(site, 3).speak(400)
        assert (site.state(), site.truth().output) == ("paused", "OFF")
        assert site.truth().emitted_nl == emitted_nl
        assert not site.records("resume")


@pytest.mark.virtual
@pytest.mark.req("S39")
async def test_nothing_on_the_network_changes_a_running_dose() -> None:
    """Between start and end any message changes neither the planned volume nor the end of the dose."""
    async with VirtualSite() as site:
        await site.begin(poured_nl=SMALL_NL)
        planned_nl = site.records("start")[0]["planned_nl"]
        await Heckler(site, 4).speak(300)
        assert site.state() == "running"
        await site.until_state("residual")
        (started,) = site.records("start")
        assert site.truth().output == "OFF"
        assert site.truth().emitted_nl <= SMALL_NL
        assert started["planned_nl"] == planned_nl


@pytest.mark.virtual
@pytest.mark.req("S40")
async def test_replayed_records_never_count_twice() -> None:
    """A dose whose records are sent again and again is one dose in its subject's course."""
    async with VirtualSite() as site:
        heard: list[Message] = []
        spread = site.broker.spread

        def listen(message: Message) -> None:
            if message.topic.endswith("/record"):
                heard.append(message)
            spread(message)

        site.broker.spread = listen  # type: ignore[method-assign]
        await site.give(poured_nl=SMALL_NL)
        await settle(site)
        before = site.course()
        assert heard
        chance = random.Random(5)
        for message in chance.choices(heard, k=200):
            spread(message)
            await site.advance(0.01)
        await site.advance(1)
        assert site.course() == before
