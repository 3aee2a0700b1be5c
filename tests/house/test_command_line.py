"""The command `nebctl` itself: its table, its exit codes, and that asking for help costs nothing."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

import nebctl
from nebctl.cli import COMMANDS, INTERRUPTED, Entry, main


def test_help_imports_no_command() -> None:
    """`nebctl --help` names every command and imports none of them, nor anything heavy."""
    script = (
        "import sys; from nebctl.cli import COMMANDS, main; main(['--help'], standalone_mode=False);"
        "homes = {entry.target.partition(':')[0] for entry in COMMANDS.values()};"
        "heavy = {'asyncio', 'pydantic', 'cryptography', 'sqlite3', 'aiomqtt', 'rich'};"
        "print('imported:', sorted((homes | heavy) & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True).stdout
    assert said.endswith("imported: []\n")
    assert [name for name, entry in COMMANDS.items() if f"  {name}" not in said or entry.help not in said] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_loads(name: str) -> None:
    """Each line of the table leads to a click command whose --help works."""
    done = CliRunner().invoke(main, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert f"{name} " in done.output


def every_command(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the words of a command and of all below it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from every_command(inner, (*path, name))


def test_every_command_and_every_group_shows_an_example() -> None:
    """`--help` of each command, however deep, has a line that can be typed, and it begins with that command's words."""
    found = list(every_command(main, ()))
    assert len(found) > 30
    for words in found:
        done = CliRunner().invoke(main, [*words, "--help"])
        assert done.exit_code == 0, words
        said = " ".join(done.output.split())
        assert f"Example: {' '.join(('nebctl', *words))}" in said, words


def test_version_is_the_package_version() -> None:
    """`nebctl --version` prints the version that the records carry."""
    assert CliRunner().invoke(main, ["--version"]).output == f"nebctl, version {nebctl.__version__}\n"


@pytest.mark.parametrize("words", [["bogus"], ["--bogus"], []])
def test_a_wrong_call_exits_2(words: list[str]) -> None:
    """A wrong call is exit code 2, so that a script never takes it for a finding."""
    assert CliRunner().invoke(main, words).exit_code == 2


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command whose package is absent says what to install, in one line, without a traceback."""

    @click.command()
    def hungry() -> None:
        raise ModuleNotFoundError("No module named 'amqtt'", name="amqtt.broker")

    monkeypatch.setitem(COMMANDS, "demo", Entry("anywhere:hungry", "Needs more than is here."))
    monkeypatch.setattr(Entry, "load", lambda _entry: hungry)
    done = CliRunner().invoke(main, ["demo"])
    assert (done.exit_code, done.output) == (
        2,
        "Error: `nebctl demo` needs the package amqtt.broker, which is not installed. "
        "Install it with: pip install 'nebctl[demo]'\n",
    )


def test_an_unknown_missing_module_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing module that no extra brings is a fault of ours, and stays visible as one."""
    monkeypatch.setitem(COMMANDS, "demo", Entry("nebctl.no_such_module:demo", "Leads nowhere."))
    assert isinstance(CliRunner().invoke(main, ["demo"]).exception, ModuleNotFoundError)


def test_a_target_that_is_no_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of the table that leads to something else says where and what it found."""
    monkeypatch.setitem(COMMANDS, "demo", Entry("nebctl:SOFTWARE", "Leads to a text."))
    assert "nebctl:SOFTWARE is str" in str(CliRunner().invoke(main, ["demo"]).exception)


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with one word and the shell's own exit code, without a traceback."""

    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Entry, "load", lambda _entry: interrupted)
    done = CliRunner().invoke(main, ["demo"])
    assert (done.exit_code, done.output) == (INTERRUPTED, "interrupted\n")
