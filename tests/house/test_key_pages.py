"""The pages on keys and on restored units: every command that they tell exists, with the options that they give it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nebctl.cli import main

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^ *```\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def told() -> Iterator[str]:
    """Return the command lines of both pages."""
    for page in ("keys.md", "restored-or-cloned-unit.md"):
        for block in BLOCK.findall((PAGES / page).read_text("utf-8")):
            yield from (line.strip() for line in block.splitlines() if line.strip().startswith("nebctl "))


@pytest.mark.parametrize("line", list(told()))
def test_a_command_of_the_page_can_be_called_so(line: str) -> None:
    """The words lead to a command, which knows each option and misses none that it needs."""
    words = shlex.split(line)[1:]
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    given = {word for word in words if word.startswith("-")}
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    needed = {
        parameter.opts[0] for parameter in command.params if parameter.required and isinstance(parameter, click.Option)
    }
    assert given <= known
    assert needed <= given | {"--output"} if "-o" in given else needed <= given


def test_the_pages_have_commands() -> None:
    """There is something for the test above to look at."""
    assert len(list(told())) >= 8
