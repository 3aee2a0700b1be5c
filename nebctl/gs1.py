"""GS1 contents taken apart: the only module that imports biip; what the fields mean is judged in `core.scan`."""

import re

from biip import ParseError
from biip.gs1_messages import GS1Message

from nebctl.core.guard import Refusal
from nebctl.core.scan.kit_code import KitCode, read_kit
from nebctl.core.scan.message import LONGEST, Code, Element, Unread, split

_AI = re.compile(r"AI \((\d{2,4})\)")


def elements_of(code: Code) -> tuple[Element, ...] | Unread:
    """Return the GS1 fields of a code; of one that is no GS1 code, or too long, nothing."""
    if not code.is_gs1 or len(code.content) > LONGEST:
        return ()
    try:
        message = GS1Message.parse(code.content)
    except ParseError as fault:
        found = _AI.search(str(fault))
        return Unread(ai=found[1] if found else "")
    return tuple(
        Element(ai=each.ai.ai, value=each.value, variable=each.ai.separator_required, day=each.date)
        for each in message.element_strings
    )


def kit_of(raw: str, study: str) -> KitCode | Refusal:
    """Return what a scan says of a kit of this study, or why it is no such code."""
    code = split(raw)
    return read_kit(code, elements_of(code), study)
