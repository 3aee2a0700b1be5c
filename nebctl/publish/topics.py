"""Topic names, and the text of the messages that travel on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

ROOT = "nebctl/v1"
INBOUND = ("receipt", "worklist")
OUTBOUND = ("record", "state", "hello")


@dataclass(frozen=True, slots=True)
class UnitTopic:
    """A topic taken apart: which unit of which site, and what about it."""

    site: str
    unit: str
    kind: str


def topic(site: str, unit: str, kind: str) -> str:
    """Return the topic of `kind`, such as "record"; `unit` "+" means every unit of the site."""
    return f"{ROOT}/{site}/{unit}/{kind}"


@lru_cache(maxsize=1024)
def parse_topic(text: str) -> UnitTopic | None:
    """Return the parts of one of our topics; None means that it is not one."""
    parts = text.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or not all(parts):
        return None
    return UnitTopic(*parts[2:])


@dataclass(frozen=True, slots=True)
class RecordBody:
    """What a `record` message carries: the record's text, all its disclosures, and the head's signature line.

    Over a `key` record the head is signed by two keys; then `head_line` holds both lines, the old key's first.
    """

    jws: str
    disclosures: tuple[str, ...]
    head_line: str


def format_record(jws: str, disclosures: Sequence[str], head_line: str) -> bytes:
    """Return the message: `jws~disclosure~...~`, then the head's signature line over the tree that ends with it."""
    first = "~".join((jws, *disclosures, ""))
    return f"{first}\n{head_line.rstrip()}\n".encode()


def parse_record(body: bytes) -> RecordBody | None:
    """Return the parts of a `record` message; None means that it is not one, to the byte."""
    try:
        lines = body.decode().split("\n")
    except UnicodeDecodeError:
        return None
    if len(lines) not in (3, 4) or lines[-1] or not all(lines[1:-1]) or not lines[0].endswith("~"):
        return None
    jws, *disclosures = lines[0][:-1].split("~")
    if not all((jws, *disclosures)):
        return None
    return RecordBody(jws, tuple(disclosures), "\n".join(lines[1:-1]))
