"""What the pages about tests in CI tell people to type and to copy does what they say."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from nebctl.cli import main
from tests.plugin.conftest import PytestRun

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "docs" / name
    for name in (
        "how-to/test-your-firmware-in-ci.md",
        "how-to/test-your-host-program.md",
        "reference/pytest-plugin.md",
    )
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^ *|`)(nebctl (?:sim|conform) [^`\n]+)", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return a page's blocks of a language."""
    return [text for name, text in BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def commands() -> Iterator[str]:
    """Return every command of nebctl that stands in the pages."""
    for page in PAGES:
        yield from COMMAND.findall(page.read_text(encoding="utf-8").replace("KIND", "mesh"))


@pytest.mark.parametrize("command", sorted(set(commands())))
def test_a_command_of_a_page_has_only_options_that_there_are(command: str) -> None:
    """Each command that a page shows is taken by the program, word for word, up to its help."""
    words = shlex.split(command)[1:]
    done = CliRunner().invoke(main, [*words, "--help"])
    assert done.exit_code == 0, done.output


def test_the_pages_have_commands() -> None:
    """The search finds the commands of each page, so that the test above has something to try."""
    assert len(set(commands())) >= 6


def test_the_tests_of_the_c_host_pass_as_they_stand(run_pytest: PytestRun, compiler: str, tmp_path: Path) -> None:
    """The page's compiler line builds the page's program, and the page's test file passes on it."""
    page = PAGES[1]
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "tests" / "plugin" / "mesh_host.c", project)
    (line,) = [text.strip() for text in blocks(page, "") if text.startswith("cc ")]
    assert f"run: {line}" in PAGES[0].read_text(encoding="utf-8"), "both pages build it alike"
    subprocess.run([compiler, *shlex.split(line)[1:]], cwd=project, check=True, timeout=30)
    (text,) = blocks(page, "python")
    done = run_pytest(text, alone=True)
    assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_the_job_is_whole() -> None:
    """The workflow has what a runner needs: a trigger, both jobs, a bound on their time, and reports that stay."""
    (text,) = blocks(PAGES[0], "yaml")
    assert "\t" not in text
    assert re.findall(r"^(\w+):", text, re.MULTILINE) == ["name", "on", "permissions", "jobs"]
    assert re.findall(r"^  (\w+):$", text, re.MULTILINE) == ["controller", "host"]
    for part in ("runs-on: ubuntu-latest", "timeout-minutes: 10", "if: always()", "pip install nebctl pytest"):
        assert text.count(part) == 2, part
    written = re.findall(r"--junit(?:xml)?[ =](\S+)", text)
    assert written == ["conform.xml", "host.xml"]
    assert all(text.count(name) == 2 for name in written), "each report that is written is kept"


def test_the_reference_names_every_fixture_and_member() -> None:
    """The page of the plugin has every fixture, and every public member of a device."""
    from nebctl_lab import plugin as lab
    from nebctl_simulators.testing import plugin
    from nebctl_simulators.testing.simulator import Plant, Simulator

    text = PAGES[2].read_text(encoding="utf-8")
    fixtures = {name for module in (plugin, lab) for name in vars(module) if name.endswith(("_sim", "_sims", "_bench"))}
    assert len(fixtures) == 8
    assert {name for name in fixtures if f"| `{name}` |" not in text} == set()
    members = {name for kind in (Simulator, Plant) for name in vars(kind) if not name.startswith("_")}
    untold = {name for name in members if not re.search(rf"`(?:plant\.)?{name}[`(]", text)}
    assert untold <= {"start", "close"}
