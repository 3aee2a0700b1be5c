"""The stream over real brokers: nothing is lost, nothing counts twice, and delivery waits for none of it."""

import contextlib
import signal
import sqlite3
import time
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from nebctl.core.kits import KitState, LotState
from nebctl.core.ledger.note import ED25519, Vkey
from nebctl.core.orders import Worklist, parse_worklist
from nebctl.keys import Ed25519Signer, verify
from nebctl.pharmacy import stock
from nebctl.pharmacy.check import HARMLESS
from nebctl.pharmacy.database import beside
from nebctl.pharmacy.enrolment import Enrolment, enrol_subject
from nebctl.pharmacy.leases import Dispensing, dispense
from nebctl.publish.connection import BrokerFault, Message, MqttSettings, connect
from nebctl.publish.topics import topic
from nebctl.store.faults import StoreFault

SITE, UNIT = "sim.mexcovid.example", "neb-0001"
ORDERS = Vkey(f"{SITE}/nebctl-pharmacy/orders", ED25519, Ed25519Signer.from_seed(b"\x03" * 32).public)


async def check_same(stream: Any) -> None:
    """Everything written is receipted and lies at the pharmacy, once each, in order."""
    await stream.until(stream.all_receipted, "everything is receipted")
    assert stream.kept() == await stream.written()


async def test_records_are_receipted_in_order(stream: Any) -> None:
    """With everything up, each record reaches the pharmacy once and in order, and comes back receipted."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.append(40)
    await check_same(stream)
    assert stream.publisher.connected
    assert stream.publisher.fault is None


@pytest.mark.req("S39")
async def test_an_absent_broker_costs_nothing_but_time(stream: Any) -> None:
    """Records are written at once while no broker answers, and are all receipted when it comes."""
    stream.run_unit()
    stream.run_pharmacy()
    await stream.until(lambda: stream.publisher.fault, "the unit says why it is not connected")
    began = time.monotonic()
    await stream.append(10)
    assert time.monotonic() - began < 1
    assert not stream.publisher.connected
    await stream.broker.start()
    await check_same(stream)


@pytest.mark.req("S40")
async def test_a_killed_broker_loses_nothing(stream: Any) -> None:
    """The broker dies in mid-stream with all it held; after its return everything is receipted, once and in order."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.append(10)
    await stream.until(lambda: len(stream.kept()) > 3, "some records arrived")
    await stream.append(5)
    await stream.broker.kill()
    await stream.append(10)
    await stream.broker.start()
    await stream.append(5)
    await check_same(stream)


@pytest.mark.req("S39")
async def test_a_hung_broker_never_holds_an_append_up(stream: Any) -> None:
    """While the broker accepts bytes and answers nothing, records and telemetry are taken without delay."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.append(1)
    await check_same(stream)
    stream.broker.signal(signal.SIGSTOP)
    began = time.monotonic()
    for _ in range(10):
        await stream.append(1)
        stream.publisher.send_telemetry({"on_ms": 1})
    assert time.monotonic() - began < 1
    await stream.until(lambda: not stream.publisher.connected, "the unit gives the silent broker up")
    stream.broker.signal(signal.SIGCONT)
    await check_same(stream)


async def test_a_late_pharmacy_asks_for_what_it_missed(stream: Any) -> None:
    """Records sent while no pharmacy listened are sent again until it has them all."""
    await stream.broker.start()
    stream.run_unit()
    await stream.append(3)
    await stream.until(lambda: stream.publisher.connected, "the unit is connected")
    stream.run_pharmacy()
    await check_same(stream)
    await stream.stop("pharmacy")
    await stream.append(3)
    stream.run_pharmacy()
    await check_same(stream)


async def test_an_enrolment_reaches_the_unit_while_the_pharmacy_runs(stream: Any) -> None:
    """A course enrolled by another process arrives at the unit as a signed worklist of a higher version."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.until(lambda: stream.worklists, "the first worklist")
    with beside(stream.folder / "pharmacy.db") as db:
        books = stream.books(db)
        stock.add_lot(books, "EXO2020A", "PH-01")
        stock.change_lot(books, "EXO2020A", LotState.RELEASED, "PH-01", "test")
        stock.import_kits(books, [stock.NewKit(kit="KIT-0401", lot="EXO2020A", expires=date(2030, 1, 1))], "PH-01")
        stock.change_kits(books, ("KIT-0401",), KitState.RELEASED, "PH-01", "test")
        day1 = date(2027, 1, 1)
        enrol_subject(books, Enrolment(subject="MEX-001", day1=day1, unit=UNIT, by="PH-01", second="PH-02"))
        dispense(books, Dispensing(subject="MEX-001", day=1, dose=1, kits=("KIT-0401",), by="PH-01"))
    await stream.until(lambda: "MEX-001" in stream.worklists[-1], "the course")
    first, last = (
        parse_worklist(text, ORDERS, SITE, UNIT, verify) for text in stream.worklists[:: len(stream.worklists) - 1]
    )
    assert isinstance(first, Worklist)
    assert isinstance(last, Worklist)
    assert (first.orders, last.version > first.version) == ((), True)
    assert last.order_of("MEX-001") is not None


async def test_nonsense_on_the_topics_ends_nothing(stream: Any) -> None:
    """Malformed receipts, worklists, records and hellos are refused and the stream goes on."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.append(1)
    await check_same(stream)  # both listen from here on
    async with connect(MqttSettings(url=stream.broker.url, client_id="stranger")) as live:
        for kind in ("receipt", "worklist", "record", "hello", "state"):
            await live.publish(Message(topic(SITE, UNIT, kind), b"\xff nonsense"))
    await stream.append(2)
    await check_same(stream)
    with contextlib.closing(sqlite3.connect(stream.folder / "pharmacy.db")) as db:
        counts = dict(db.execute("SELECT reason, count FROM refusal").fetchall())
    assert counts.pop("format") == 2  # a record and a hello
    assert counts.keys() <= {reason.value for reason in HARMLESS}  # what was sent before both listened


async def test_the_state_tells_whether_the_unit_is_there(stream: Any) -> None:
    """The retained state says online with the unit's own words, and offline once the unit leaves."""
    await stream.broker.start()
    stream.run_unit()
    states: list[bytes] = []
    async with connect(MqttSettings(url=stream.broker.url, client_id="watcher")) as live:
        await stream.until(lambda: stream.publisher.connected, "the unit is connected")
        await live.subscribe([topic(SITE, UNIT, "state")])
        async for message in live.messages():
            states.append(message.payload)
            if len(states) == 1:
                await stream.stop("unit")
            if states[-1] == b'{"online":false}':
                break
    assert states[0] == b'{"online":true,"phase":"idle"}'


async def test_a_broker_that_is_not_there_is_one_clear_fault(broker: Any) -> None:
    """Connecting to a closed port fails as a `BrokerFault`, and an address of another kind as a `ValueError`."""
    settings = MqttSettings(url=broker.url, client_id="x")
    with pytest.raises(BrokerFault, match="refused"):
        async with connect(settings):
            pass
    for url in ("http://x", "mqtt://", "mqtt://u@x", "mqtt://x/y"):
        with pytest.raises(ValueError, match="broker address"):
            replace(settings, url=url).address()


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_a_refused_publish_is_a_fault_and_no_success(broker: Any) -> None:
    """Where the broker's access list denies a topic, publishing there fails; only MQTT 5 has a word for it."""
    acl = broker.folder / "acl"
    acl.write_text("topic readwrite allowed/#\n")
    broker.extra = f"acl_file {acl}\n"
    await broker.start()
    said: list[str] = []
    async with connect(MqttSettings(url=broker.url, client_id="x")) as live:
        for name in ("allowed/a", "denied/a"):
            try:
                await live.publish(Message(name, b"x"))
            except BrokerFault as fault:
                said.append(str(fault))
    assert said == ["the broker refused a publish on denied/a: Not authorized"]


async def test_a_restored_card_is_told_by_the_receipt(stream: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A unit that comes back with fewer records than were receipted gets an answer that its ledger refuses."""
    await stream.broker.start()
    stream.run_pharmacy()
    stream.run_unit()
    await stream.append(3)
    await check_same(stream)
    await stream.stop("unit")
    await stream.restore_empty_card()
    stream.run_unit()
    await stream.until(lambda: "it holds other records" in caplog.text, "the pharmacy's log")
    await stream.until(lambda: any("rollback" in getattr(a, "reason", "") for a in stream.answers), "the refusal")
    assert len(stream.kept()) == 4


async def test_a_broken_database_ends_the_service(stream: Any) -> None:
    """When the database can take nothing more the service ends with the fault, instead of losing records quietly."""
    await stream.broker.start()
    stream.run_pharmacy()
    with sqlite3.connect(stream.folder / "pharmacy.db") as db:
        db.execute("DROP TABLE tip")
    stream.run_unit()
    await stream.until(stream.tasks["pharmacy"].done, "the service ends")
    with pytest.raises(StoreFault, match=r"pharmacy\.db"):
        await stream.tasks.pop("pharmacy")


@pytest.mark.parametrize("broker", ["amqtt"], indirect=True)
async def test_the_embedded_broker_ends_cleanly(broker: Any) -> None:
    """SIGTERM ends the embedded broker with exit code 0 even while a client is connected."""
    await broker.start()
    with contextlib.suppress(BrokerFault):
        async with connect(MqttSettings(url=broker.url, client_id="x", answer_s=1)):
            broker.signal(signal.SIGTERM)
            assert await broker.process.wait() == 0
