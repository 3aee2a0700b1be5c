"""The code of a cup: a label of the site's own that begins with CUP-, in any symbol that is not a GS1 one (S49)."""

import re

from nebctl.core.guard import Refusal
from nebctl.core.scan.message import Code

_LABEL = re.compile(r"CUP-[A-Z0-9][A-Z0-9-]{0,27}", re.ASCII)


def is_cup(code: Code) -> bool:
    """Return whether a scan is of a cup's label."""
    return bool(code.symbol) and not code.is_gs1 and _LABEL.fullmatch(code.content) is not None


def read_cup(code: Code, typed_because: str | None) -> str | Refusal:
    """Return the cup's number, or why this is none; `typed_because` is the reason for typing it, None for a scan."""
    if not code.symbol and typed_because is None:
        sentence = "A cup is scanned. If its code cannot be read, type its number and say why."
        return Refusal(code="cup-typed", sentence=sentence)
    if not _LABEL.fullmatch(code.content) or code.is_gs1:
        return Refusal(code="cup-code", sentence="This is not the code of a cup, which begins with CUP-. Scan the cup.")
    return code.content
