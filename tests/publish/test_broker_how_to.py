"""The page about setting up a broker: its commands, typed in order, lead to a broker that lets the right ones in."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nebctl.pharmacy.check import MOST_BYTES, Reason
from nebctl.publish import steady, unit
from nebctl.publish.connection import BrokerFault, Message, MqttSettings, connect
from nebctl.publish.topics import INBOUND, OUTBOUND, topic

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "set-up-a-broker.md").read_text("utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "streaming.md").read_text("utf-8")
BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
THERE = "/etc/mosquitto/nebctl"


def commands() -> list[str]:
    """Return the page's commands in order."""
    return [line for block in BLOCK.findall(PAGE) for line in block.splitlines() if line.startswith("openssl ")]


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Return the folder in which the page's commands were typed."""
    if shutil.which("openssl") is None:
        pytest.fail("openssl is missing") if os.environ.get("CI") == "true" else pytest.skip("openssl is missing")
    for line in commands():
        here = line.replace("DNS:broker.mexcovid.example", "IP:127.0.0.1")
        done = subprocess.run(here, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    return tmp_path


@pytest.mark.parametrize("broker", ["mosquitto"], indirect=True)
async def test_the_page_leads_to_a_broker_that_keeps_units_apart(broker: Any, certificates: Path) -> None:
    """With the certificates that the page makes a unit comes in under its name, and writes on its own topics alone."""
    shutil.copy(ROOT / "broker" / "acl", certificates / "acl")
    text = (ROOT / "broker" / "mosquitto.conf").read_text().replace(THERE, str(certificates))
    broker.write_configuration(text.replace("listener 8883", f"listener {broker.port} 127.0.0.1"))
    await broker.start()
    url = f"mqtts://127.0.0.1:{broker.port}"
    ca, cert, key = (certificates / name for name in ("ca.crt", "neb-0001.crt", "neb-0001.key"))
    async with connect(MqttSettings(url=url, client_id="neb-0001", ca=ca, cert=cert, key=key)) as live:
        await live.publish(Message(topic("mexcovid.example", "neb-0001", "record"), b"x"))
        with pytest.raises(BrokerFault, match="Not authorized"):
            await live.publish(Message(topic("mexcovid.example", "neb-0002", "record"), b"x"))


def test_every_line_that_the_page_explains_is_in_the_file() -> None:
    """Each setting of the page's table stands in the shipped configuration."""
    table = PAGE.split("| line of the file |")[1].split("\n\n")[0]
    settings = re.findall(r"`([a-z_]+)[ a-z]*`", table)
    shipped = (ROOT / "broker" / "mosquitto.conf").read_text().splitlines()
    assert len(settings) >= 6
    assert [name for name in settings if not any(line.startswith(f"{name} ") for line in shipped)] == []


def test_the_reference_has_every_topic_reason_and_number() -> None:
    """Topics, reasons and the numbers of windows and pauses on the page are those of the code."""
    topics = re.findall(r"^\| `(\w+)` \| (?:unit|pharmacy) \|", REFERENCE, re.MULTILINE)
    assert set(topics) == {*OUTBOUND, *INBOUND, "telemetry"}
    table = REFERENCE.split("| reason | the message |\n|---|---|\n")[1].split("\n\n")[0]
    told = {name for row in table.splitlines() for name in re.findall(r"`([\w-]+)`", row.split("|")[1])}
    assert told == {reason.value for reason in Reason}
    for number in (
        f"{MOST_BYTES:,} bytes",
        f"more than {unit.LIMIT} records ahead",
        f"nothing for {unit.RESEND_S:g} s",
        f"after {unit.NUDGE_S:g} s",
        f"every {unit.STATE_S:g} s",
        f"from {steady.FIRST_PAUSE_S:g} s to {steady.LONGEST_PAUSE_S:g} s",
        f"stood for {steady.STOOD_S:g} s",
        f"waited {unit.SILENT_S:g} s",
    ):
        assert number in REFERENCE, number
