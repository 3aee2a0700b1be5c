#!/usr/bin/env python3
"""Writes docs/reference/session.md from the session's transition table; `--check` only compares."""

import sys
from pathlib import Path

from nebctl.core.session import LIVE, Kind, State
from nebctl.core.session.table import TABLE

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "session.md"
BEGIN = """# The states of a session

One session is one attempt to give one dose. This page is printed from the transition table,
`nebctl/core/session/table.py`, by `scripts/state_diagram.py`; a test compares the two. An event that has no row in a
state is refused there and changes nothing.

## Diagram
Events that leave the state as it is are left out; the tables below have them all. A thick border marks the states in
which the output may be on because this session asked for it.

"""
TABLES = """
## Every row
"""


def name(state: State) -> str:
    """Return a state's name as the diagram's language allows it."""
    return state.value.replace("-", "_")


def moves(state: State) -> dict[State, list[Kind]]:
    """Return where a state can lead, with the kinds of event that lead there, in the order of the kinds."""
    found: dict[State, list[Kind]] = {}
    for kind in Kind:
        if kind in TABLE[state]:
            found.setdefault(TABLE[state][kind][0], []).append(kind)
    return found


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction TB", f"    [*] --> {name(State.IDLE)}"]
    for state in State:
        for target, kinds in moves(state).items():
            if target is not state:
                words = ", ".join(kind.value for kind in kinds)
                lines.append(f"    {name(state)} --> {name(target)}: {words}")
    live = ",".join(name(state) for state in State if state in LIVE)
    lines += ["    classDef live stroke-width:4px", f"    class {live} live", "```", ""]
    return "\n".join(lines)


def table(state: State) -> str:
    """Return one state's rows as a table."""
    lines = [f"### {state.value}", "| event | next state |", "|---|---|"]
    for target, kinds in moves(state).items():
        told = "stays" if target is state else target.value
        lines += [f"| {kind.value} | {told} |" for kind in kinds]
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the whole page."""
    return BEGIN + diagram() + TABLES + "\n" + "\n".join(table(state) for state in State)


def main() -> int:
    """Write the page, or compare it; return the exit code."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE}: not what the table says; run scripts/state_diagram.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
