"""The examination as a whole: who conforms, what is never sent, and how it ends."""

import asyncio
import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from nebctl_drivers.conform.examine import Choice, examine
from nebctl_drivers.conform.report import closing_lines, finding_lines, rule_line, to_json, to_junit
from nebctl_drivers.conform.rules import RULES
from nebctl_drivers.conform.verdicts import Need, Verdict
from nebctl_simulators.mesh.controller import Controller, State

EVERYTHING = Choice(skipped={})


def quiet(_rule: object, _result: object) -> None:
    """Tell nobody."""


def verdicts(report) -> dict[str, Verdict]:
    """Return each rule's verdict."""
    return {result.rule.id: result.verdict for result in report.results}


@pytest.mark.virtual
async def test_the_simulated_controller_conforms(examine_board) -> None:
    """With a load and every command at hand, the simulated controller keeps every rule, and is OFF afterwards."""
    report, board = await examine_board()
    assert [rule_line(result) for result in report.results if result.verdict is not Verdict.PASSED] == []
    assert report.conforms
    assert closing_lines(report)[-1].startswith("CONFORMS to docs/wire-protocol.md. 63 rules: 63 passed")
    assert board.device.truth().output is State.OFF
    assert report.identity is not None
    assert report.identity.simulated


@pytest.mark.virtual
async def test_without_a_load_no_start_is_ever_sent(examine_board) -> None:
    """Without --load not one byte of a START goes out, and the rules that need it are not tested."""
    report, board = await examine_board(load=None)
    assert b"START" not in board.heard
    needy = {rule.id for rule in RULES if Need.LOAD in rule.needs}
    untested = {rule for rule, verdict in verdicts(report).items() if verdict is Verdict.NOT_TESTED}
    assert needy <= untested
    assert untested - needy == {"W53"}  # no run was ever there whose outcome could survive
    assert not report.conforms
    assert closing_lines(report)[-1].startswith("NOT PROVEN")


@pytest.mark.virtual
async def test_without_commands_the_restarts_are_not_tested(examine_board) -> None:
    """Without the three commands just the rules that need them are not tested, each with the option to give."""
    report, _ = await examine_board(commands=False)
    untested = {result.rule.id: result.seen for result in report.results if result.verdict is Verdict.NOT_TESTED}
    assert set(untested) == {rule.id for rule in RULES if set(rule.needs) - {Need.LOAD}}
    assert "--dry-cmd" in untested["W57"]
    assert "--power-cmd" in untested["W52"]
    assert "--reset-cmd" in untested["W48"]


@pytest.mark.virtual
async def test_a_dry_mesh_is_not_started(examine_board) -> None:
    """Once STAT says dry, no further START is sent, though a load was named."""

    class Dry(Controller):
        def _stat(self, arguments: tuple[str, ...]) -> object:
            fields = super()._stat(arguments)
            return (*fields[:-2], "1", fields[-1]) if isinstance(fields, tuple) else fields

    report, board = await examine_board(controller=Dry)
    assert b"START" not in board.heard
    assert "found dry" in {result.rule.id: result.seen for result in report.results}["W42"]


@pytest.mark.virtual
async def test_after_the_load_ran_dry_nothing_is_started(examine_board) -> None:
    """The rule that lets the load run dry is the last that sends START."""
    report, board = await examine_board()
    last = next(result for result in report.results if result.rule.id == "W57")
    sent = [passage.data for passage in last.exchange if passage.to_device]
    assert board.heard.count(b",START,") > 10
    assert [rule.id for rule in RULES if Need.LOAD in rule.needs][-1] == "W57"
    assert sum(b",START," in data for data in sent) == 1


@pytest.mark.virtual
async def test_an_output_that_stays_on_ends_the_starts(examine_board) -> None:
    """A controller that cannot be stopped fails the rule, gets no further START, and the report says what to do."""

    class Stuck(Controller):
        def _stop(self, _arguments: tuple[str, ...]) -> object:
            return (self.state, str(self.on_ms))

        def _hello(self, arguments: tuple[str, ...]) -> object:
            state, end = self.state, self.end
            fields = super()._hello(arguments)
            self.state, self.end = state, end
            return fields

    report, _ = await examine_board("W30 W31 W35 W39", controller=Stuck)
    found = {result.rule.id: result for result in report.results}
    assert found["W31"].verdict is Verdict.FAILED
    assert "use the device's own switch" in found["W31"].seen
    assert found["W35"].verdict is Verdict.NOT_TESTED
    assert found["W39"].verdict is Verdict.NOT_TESTED


@pytest.mark.virtual
async def test_a_cancelled_examination_leaves_off(bench_of, means_for) -> None:
    """Cancelled in mid-run, as by Ctrl-C, the examination sends STOP and reads back OFF before it ends."""
    async with bench_of() as (board, talker):
        only = Choice(only=("W43",), skipped={})
        task = asyncio.create_task(examine(talker, means_for(board), only, quiet))
        await asyncio.sleep(0.5)
        assert board.device.truth().output is not State.OFF
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert board.device.truth().output is State.OFF
        assert board.device.truth().end == "STOP"


@pytest.mark.virtual
async def test_silence_is_one_finding(bench_of, means_for) -> None:
    """A port where nobody answers is said once, in one sentence, and no rule is called broken for it."""

    class Mute:
        def hear(self, _data: bytes) -> bytes:
            return b""

    async with bench_of(hear=Mute.hear) as (board, talker):
        report = await examine(talker, means_for(board), EVERYTHING, quiet)
    assert set(verdicts(report).values()) == {Verdict.NOT_TESTED}
    assert "nobody answered HELLO and STAT" in (report.trouble or "")
    assert "Check power, cable" in closing_lines(report)[0]
    assert not report.conforms


@pytest.mark.virtual
async def test_a_cut_wire_ends_the_examination(bench_of, means_for) -> None:
    """When the wire goes, what was not tested is called so, and the examination does not conform."""
    async with bench_of() as (board, talker):

        def cut(rule: object, result: object) -> None:
            if rule.id == "W05" and result is not None:
                board.link.cut()

        report = await examine(talker, means_for(board), EVERYTHING, cut)
    found = verdicts(report)
    assert found["W05"] is Verdict.PASSED
    assert {found[rule.id] for rule in RULES[5:]} == {Verdict.NOT_TESTED}
    assert "the wire is gone" in (report.trouble or "")


@pytest.mark.virtual
async def test_a_port_that_goes_with_the_power_is_opened_again(bench_of, means_for) -> None:
    """Where the port vanishes with the power and returns, the rules go on; BOOT alone cannot be tested there."""
    again = []
    async with bench_of() as (board, talker):

        async def power() -> None:
            board.link.cut()
            await asyncio.sleep(0.1)
            await board.link.open()
            board.restart(power=True)
            board.device.step(
                round(asyncio.get_running_loop().time() * 1e9)
            )  # what it says before the host has opened the port is lost
            again.append(asyncio.create_task(board.serve()))

        means = replace(means_for(board), power=power, reset=None)
        choice = Choice(only=("W47", "W48", "W49", "W50", "W52", "W53"), skipped={})
        report = await examine(talker, means, choice, quiet)
    await asyncio.wait(again)
    found = {result.rule.id: result for result in report.results}
    assert found["W49"].verdict is Verdict.NOT_TESTED
    assert "the port went away with the controller" in found["W49"].seen
    assert {found[rule].verdict for rule in ("W48", "W50", "W52", "W53")} == {Verdict.PASSED}
    assert report.trouble is None


@pytest.mark.virtual
async def test_a_command_that_fails_leaves_its_rules_untested(bench_of, means_for) -> None:
    """A power command that ends badly is said as the reason; it makes no rule broken."""

    async def power() -> str:
        return "--power-cmd: 'relay off' ended with 127 (relay: not found)"

    async with bench_of() as (board, talker):
        means = replace(means_for(board), power=power, reset=None)
        report = await examine(talker, means, Choice(only=("W48", "W52"), skipped={}), quiet)
    found = {result.rule.id: result for result in report.results}
    for rule in ("W48", "W52"):
        assert (found[rule].verdict, found[rule].seen) == (Verdict.NOT_TESTED, await power())


@pytest.mark.virtual
async def test_a_skipped_rule_is_not_tested_for_its_reason(bench_of, means_for) -> None:
    """A skipped rule counts as not tested, with the engineer's reason, and nothing then conforms."""
    async with bench_of() as (board, talker):
        choice = Choice(skipped={"W49": "our port is USB of its own"})
        report = await examine(talker, means_for(board), choice, quiet)
    result = next(result for result in report.results if result.rule.id == "W49")
    assert (result.verdict, result.seen) == (Verdict.NOT_TESTED, "skipped: our port is USB of its own")
    assert [rule for rule, verdict in verdicts(report).items() if verdict is not Verdict.PASSED] == ["W49"]
    assert not report.conforms


class NoStopNumber(Controller):
    """It refuses STOP under a used number."""

    def receive(self, payload: str) -> str | None:
        """Look for SEQ before STOP."""
        used = self._answered is not None and payload.startswith(f"C,{self._answered.seq},STOP")
        return f"N,{self._answered.seq},STOP,SEQ" if used else super().receive(payload)


@pytest.mark.virtual
async def test_a_finding_has_bytes_and_a_remedy(examine_board) -> None:
    """A broken rule is told with the bytes sent and seen, what was expected, where it stands and how to mend it."""
    report, _ = await examine_board("W20", controller=NoStopNumber)
    result = next(result for result in report.results if result.rule.id == "W20")
    told = "\n".join(finding_lines(result))
    assert "an answer to STOP under the used number" in told
    assert "mend      Look for STOP before SEQ. (docs/wire-protocol.md section 2)" in told
    assert "host       > $C," in told
    assert ",STOP,SEQ*" in told
    assert closing_lines(report)[-1].startswith("DOES NOT CONFORM. 63 rules: 0 passed, 1 failed, 62 not tested")


@pytest.mark.virtual
async def test_the_json_report(examine_board) -> None:
    """The JSON report has every rule, its bytes as text and as hex, and says that nothing conforms."""
    report, _ = await examine_board("W20 W22", controller=NoStopNumber)
    told = json.loads(json.dumps(to_json(report, "tcp://127.0.0.1:1", None)))
    assert (told["conforms"], told["format"], told["load"]) == (False, 1, None)
    assert told["device"]["serial"] == "SIM-0001"
    assert told["counts"] == {"PASSED": 1, "FAILED": 1, "NOT TESTED": 61}
    found = {rule["id"]: rule for rule in told["rules"]}
    assert len(found) == len(RULES)
    assert found["W22"]["mend"] is None
    assert found["W20"]["mend"] == "Look for STOP before SEQ."
    for passage in found["W20"]["exchange"]:
        assert passage["from"] in {"host", "controller"}
        assert bytes.fromhex(passage["hex"]).decode() == passage["text"].replace("\\r\\n", "\r\n")


@pytest.mark.virtual
async def test_the_junit_report(examine_board) -> None:
    """JUnit has one case a rule: failures with the finding, skipped ones with the reason, and counts that agree."""
    report, _ = await examine_board("W20 W22", controller=NoStopNumber)
    suite = ET.fromstring(to_junit(report, "tcp://127.0.0.1:1").split("\n", 1)[1])
    assert [suite.get(name) for name in ("tests", "failures", "skipped", "errors")] == ["63", "1", "61", "0"]
    assert len(suite.findall("testcase/failure")) == 1
    assert "mend" in (suite.findall("testcase/failure")[0].text or "")
    assert len(suite.findall("testcase/skipped")) == 61


@pytest.mark.virtual
async def test_control_characters_do_not_spoil_junit(bench_of, means_for) -> None:
    """Whatever bytes a controller sends, the JUnit file stays well formed, and trouble is an error in it."""
    async with bench_of(hear=lambda self, data: self.link.write(b"\x00\x01\xff<&\x1b") or b"") as (board, talker):
        report = await examine(talker, means_for(board), EVERYTHING, quiet)
    suite = ET.fromstring(to_junit(report, "/dev/\x07x").split("\n", 1)[1])
    assert suite.get("errors") == "1"
    assert "bytes that are no answer" in suite.findall("testcase/error")[0].get("message", "")


@pytest.mark.virtual
@pytest.mark.parametrize("only", ["W38", "W42", "W43", "W44"])
async def test_a_slow_host_blames_nobody(examine_board, only: str) -> None:
    """Answers that are 90 ms late on the host's side do not make a sound controller's times look wrong."""
    report, _ = await examine_board(only, delay_s=0.09)
    assert verdicts(report)[only] is Verdict.PASSED


def test_the_numbers_are_each_rules_own() -> None:
    """Numbers are unique and without a gap, and each rule says where it stands and how it is mended."""
    assert sorted(rule.id for rule in RULES) == [f"W{number:02}" for number in range(1, len(RULES) + 1)]
    assert all(rule.title and rule.mend and rule.section for rule in RULES)
