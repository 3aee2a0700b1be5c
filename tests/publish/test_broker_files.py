"""The broker's files as they ship, on a real mosquitto: who is let in, and who may say and hear what."""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nebctl.publish.connection import BrokerFault, Live, Message, MqttSettings, connect
from nebctl.publish.topics import topic
from nebctl_lab.authority import Authority, Files

SITE, UNIT, OTHER, PHARMACY = "sim.mexcovid.example", "neb-0001", "neb-0002", "pharmacy"
SHIPPED = Path(__file__).resolve().parents[2] / "broker"
THERE = "/etc/mosquitto/nebctl"
OUT, IN = ("record", "state", "hello", "telemetry"), ("receipt", "worklist")

pytestmark = pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)


def install(broker: Any, authority: Authority, folder: Path) -> None:
    """Put the shipped files where the broker of a test reads them: another folder, port, site and user."""
    files = authority.give("broker")
    names = {"ca.crt": authority.ca, "broker.crt": files.cert, "broker.key": files.key, "acl": folder / "acl"}
    (folder / "acl").write_text((SHIPPED / "acl").read_text().replace("mexcovid.example", SITE))
    text = (SHIPPED / "mosquitto.conf").read_text()
    for name, path in names.items():
        assert f"{THERE}/{name}\n" in text
        text = text.replace(f"{THERE}/{name}\n", f"{path}\n")
    broker.write_configuration(text.replace("listener 8883\n", f"listener {broker.port} 127.0.0.1\n"))


class Site:
    """A broker with the shipped files, and the certificates of those who may come."""

    def __init__(self, broker: Any, folder: Path) -> None:
        self.broker = broker
        self.authority = Authority(folder)

    def settings(self, name: str, files: Files | None = None, client_id: str = "") -> MqttSettings:
        """Return how somebody of this name connects; `files` are another certificate."""
        mine = files or self.authority.give(name)
        url = f"mqtts://127.0.0.1:{self.broker.port}"
        return MqttSettings(
            url=url, client_id=client_id or name, ca=self.authority.ca, cert=mine.cert, key=mine.key, answer_s=2
        )


@pytest.fixture
async def site(broker: Any, tmp_path: Path) -> Site:
    """Return a running broker with the shipped files."""
    found = Site(broker, tmp_path / "tls")
    install(broker, found.authority, tmp_path)
    await broker.start()
    return found


@contextlib.asynccontextmanager
async def three(site: Site) -> AsyncIterator[dict[str, Live]]:
    """Connect two units and the pharmacy."""
    async with contextlib.AsyncExitStack() as stack:
        names = (UNIT, OTHER, PHARMACY)
        yield {name: await stack.enter_async_context(connect(site.settings(name))) for name in names}


async def heard(live: Live, last: bytes) -> list[tuple[str, bytes]]:
    """Return what arrives, up to the message with this payload."""
    found = []
    async with asyncio.timeout(10):
        async for message in live.messages():
            found.append((message.topic, message.payload))
            if message.payload == last:
                break
    return found


async def test_a_unit_is_heard_by_the_pharmacy_and_answered(site: Site) -> None:
    """What a unit says on its own topics reaches the pharmacy, and the pharmacy's answers reach the unit."""
    async with three(site) as live:
        await live[PHARMACY].subscribe(topic(SITE, "+", kind) for kind in OUT)
        await live[UNIT].subscribe(topic(SITE, UNIT, kind) for kind in IN)
        for kind in OUT:
            await live[UNIT].publish(Message(topic(SITE, UNIT, kind), kind.encode()))
        assert await heard(live[PHARMACY], OUT[-1].encode()) == [
            (topic(SITE, UNIT, kind), kind.encode()) for kind in OUT
        ]
        for kind in IN:
            await live[PHARMACY].publish(Message(topic(SITE, UNIT, kind), kind.encode(), retain=True))
        answered = [(topic(SITE, UNIT, kind), kind.encode()) for kind in IN]
        assert await heard(live[UNIT], IN[-1].encode()) == answered


@pytest.mark.parametrize("kind", [*OUT, *IN])
@pytest.mark.parametrize("speaker", [OTHER, PHARMACY])
async def test_nobody_writes_what_is_not_theirs(site: Site, speaker: str, kind: str) -> None:
    """On a unit's topics no other unit writes, and the pharmacy receipts and worklists alone; who tries is told."""
    async with connect(site.settings(speaker)) as live:
        message = Message(topic(SITE, UNIT, kind), b"x")
        if (speaker, kind) in {(PHARMACY, each) for each in IN}:
            await live.publish(message)
        else:
            with pytest.raises(BrokerFault, match=f"refused a publish on {message.topic}: Not authorized"):
                await live.publish(message)


@pytest.mark.parametrize("kind", IN)
async def test_no_unit_writes_its_own_receipts_or_worklists(site: Site, kind: str) -> None:
    """A unit cannot answer itself."""
    async with connect(site.settings(UNIT)) as live:
        with pytest.raises(BrokerFault, match="Not authorized"):
            await live.publish(Message(topic(SITE, UNIT, kind), b"x"))


async def test_no_unit_hears_what_is_for_another(site: Site) -> None:
    """A unit that asks for another's topics, or for all, gets its own alone."""
    async with three(site) as live:
        wishes = [topic(SITE, "+", kind) for kind in (*OUT, *IN)] + [topic(SITE, UNIT, "receipt"), "#"]
        with contextlib.suppress(BrokerFault):
            await live[OTHER].subscribe(wishes)
        for kind in OUT:
            await live[UNIT].publish(Message(topic(SITE, UNIT, kind), b"not yours"))
        for kind in IN:
            await live[PHARMACY].publish(Message(topic(SITE, UNIT, kind), b"not yours"))
        await live[PHARMACY].publish(Message(topic(SITE, OTHER, "worklist"), b"yours"))
        assert {payload for _, payload in await heard(live[OTHER], b"yours")} == {b"yours"}


async def test_another_sites_topics_are_closed(site: Site) -> None:
    """A certificate of this site opens no topic of another."""
    async with connect(site.settings(UNIT)) as live:
        with pytest.raises(BrokerFault, match="Not authorized"):
            await live.publish(Message(topic("other.example", UNIT, "record"), b"x"))


@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket")  # the library leaves it to the collector
async def test_who_has_no_good_certificate_is_refused(site: Site, tmp_path: Path) -> None:
    """Without a certificate, or with one of another authority, there is no connection, and it says why."""
    foreign = Authority(tmp_path / "foreign", "another authority")
    mine = site.settings(UNIT)
    for wrong, why in (
        (replace(mine, cert=None, key=None), "certificate required"),
        (site.settings(UNIT, foreign.give(UNIT)), "unknown ca"),
        (replace(mine, ca=foreign.ca), "certificate verify failed"),
        (replace(mine, url=f"mqtt://127.0.0.1:{site.broker.port}"), "connection: "),
    ):
        with pytest.raises(BrokerFault, match=why):
            async with connect(wrong):
                pass
    async with connect(mine):
        pass


async def test_a_withdrawn_certificate_is_refused(broker: Any, tmp_path: Path) -> None:
    """With the list of revoked certificates in place, one that stands on it is refused and the others are not."""
    site = Site(broker, tmp_path / "tls")
    install(broker, site.authority, tmp_path)
    lost, kept = site.authority.give(UNIT), site.authority.give(OTHER)
    revoked = site.authority.revoke(lost)
    text = broker.configuration.read_text().rpartition("user ")[0]
    assert f"#crlfile {THERE}/revoked.pem\n" in text
    broker.write_configuration(text.replace(f"#crlfile {THERE}/revoked.pem\n", f"crlfile {revoked}\n"))
    await broker.start()
    with pytest.raises(BrokerFault):
        async with connect(site.settings(UNIT, lost)):
            pass
    async with connect(site.settings(OTHER, kept)):
        pass


async def test_older_tls_is_refused(site: Site) -> None:
    """A client that speaks TLS 1.2 at most is refused by the broker, and ours does not speak it."""
    files = site.authority.give(UNIT)
    context = ssl.create_default_context(cafile=site.authority.ca)
    context.load_cert_chain(files.cert, files.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, OSError)):
        await asyncio.open_connection("127.0.0.1", site.broker.port, ssl=context)
    async with connect(site.settings(UNIT)) as live:
        assert live._client._client._sock.version() == "TLSv1.3"


async def test_nobody_takes_over_anothers_session(site: Site) -> None:
    """A unit that connects under another's client id is known by its own certificate; the other stays connected."""
    async with connect(site.settings(UNIT)) as mine:
        await mine.subscribe([topic(SITE, UNIT, "receipt")])
        async with connect(site.settings(OTHER, client_id=UNIT)), connect(site.settings(PHARMACY)) as pharmacy:
            await pharmacy.publish(Message(topic(SITE, UNIT, "receipt"), b"still here"))
            assert await heard(mine, b"still here") == [(topic(SITE, UNIT, "receipt"), b"still here")]


async def test_a_stream_runs_over_mutual_tls(site: Site, stream: Any) -> None:
    """With the shipped files in place records are receipted, in order, as over plain TCP."""
    stream.publisher._settings = site.settings(UNIT)
    stream.run_pharmacy(site.settings(PHARMACY))
    stream.run_unit()
    await stream.append(20)
    await stream.until(stream.all_receipted, "everything is receipted")
    assert stream.kept() == await stream.written()


async def test_a_unit_with_anothers_certificate_says_so(site: Site, stream: Any) -> None:
    """A unit whose certificate bears another name is told that the broker refused it, and closes nothing."""
    stream.publisher._settings = site.settings(OTHER)
    stream.run_unit()
    await stream.append(1)
    await stream.until(lambda: "Not authorized" in (stream.publisher.fault or ""), "the refusal is told")
    assert not await stream.all_receipted()


async def test_both_ends_send_without_delay(site: Site) -> None:
    """Nagle's algorithm is off at the client's socket and in the shipped configuration of the broker."""
    async with connect(site.settings(UNIT)) as live:
        assert live._client._client._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert re.search(r"^set_tcp_nodelay true$", (SHIPPED / "mosquitto.conf").read_text(), re.MULTILINE)
