"""The transition table: the only place that says what may happen when. The documented diagram is printed from it."""

from typing import TypeAlias

from nebctl.core.alarms import Condition
from nebctl.core.session import actions as do
from nebctl.core.session import closing, cutting
from nebctl.core.session.moment import Action, see_end
from nebctl.core.session.state import Kind, State
from nebctl.core.verify import Deviation

Row: TypeAlias = tuple[State, Action]

_K, _S = Kind, State
_cannot_stop = do.stop_because(Condition.CANNOT_STOP)
_unresolved = do.stop_because(Condition.COMMAND_UNRESOLVED, "a command was not resolved")
_no_report = do.stop_because(Condition.TELEMETRY_LOST, "the device no longer reported")
_no_records = do.stop_because(Condition.RECORDS_FAIL)
_keep_failing = do.raise_alarm(Condition.RECORDS_FAIL)
_cut_off = do.raise_alarm(Condition.CUT_OFF)
_self_stopped = do.pause_with(Condition.STOPPED_ITSELF)
_dry_early = do.pause_with(Condition.PREMATURE_DRY, Deviation.PREMATURE_DRY)


def _quiet(state: State) -> dict[Kind, Row]:
    """Return what a state in which the output must be off does with everything that is not its own business."""
    ignored = (_K.TICK, _K.OFF, _K.RESET, _K.OVERDUE, _K.LINK_LOST, _K.LINK_BACK)
    stay: dict[Kind, Row] = dict.fromkeys(ignored, (state, do.nothing))
    return stay | {
        _K.STOP: (state, do.only_stop),
        _K.UNASKED: (state, do.unasked),
        _K.CUT_OFF: (state, _cut_off),
        _K.NOT_DONE: (state, do.stop_again),
        _K.UNKNOWN: (state, do.stop_again),
        _K.STORE_FAILED: (state, _keep_failing),
    }


def _before_start(state: State) -> dict[Kind, Row]:
    """Return what a session does that has not yet intended a start."""
    return _quiet(state) | {
        _K.STOP: (_S.IDLE, do.abort("cancelled by STOP")),
        _K.EXPIRED: (_S.IDLE, do.abort("authorisation expired")),
    }


def _commanded(state: State) -> dict[Kind, Row]:
    """Return what a session does whose device may be running, beside its own rows."""
    return {
        _K.TICK: (state, do.nothing),
        _K.HANDED_OVER: (state, closing.hand_over),
        _K.STOP: (_S.STOPPING, do.press_stop),
        _K.UNKNOWN: (_S.STOPPING, _unresolved),
        _K.UNASKED: (_S.STOPPING, do.unasked),
        _K.OVERDUE: (_S.STOPPING, _no_report),
        _K.STORE_FAILED: (_S.STOPPING, _no_records),
        _K.LINK_LOST: (_S.LOST, do.lose),
        _K.LINK_BACK: (_S.RESIDUAL, do.find_again),
        _K.RESET: (_S.RESIDUAL, do.end_reset),
        _K.CUT_OFF: (_S.RESIDUAL, cutting.end_cut),
    }


def _expecting(state: State) -> dict[Kind, Row]:
    """Return what a session does that expects its device to run, beside its own rows."""
    return _commanded(state) | {
        _K.RUNS: (_S.RUNNING, do.follow),
        _K.DRY_END: (_S.RESIDUAL, do.end),
        _K.DRY_EARLY: (_S.PAUSED, _dry_early),
        _K.SPENT: (_S.RESIDUAL, do.end_spent),
        _K.SELF_STOPPED: (_S.PAUSED, _self_stopped),
    }


TABLE: dict[State, dict[Kind, Row]] = {
    _S.IDLE: _quiet(_S.IDLE) | {_K.AUTHORISED: (_S.AUTHORISED, do.authorise)},
    _S.AUTHORISED: _before_start(_S.AUTHORISED) | {_K.CHARGED: (_S.CHARGED, do.charge)},
    _S.CHARGED: _before_start(_S.CHARGED)
    | {
        _K.TEST_PASSED: (_S.READY, do.note_test),
        _K.TEST_FAILED: (_S.CHARGED, do.note_test),
    },
    _S.READY: _before_start(_S.READY)
    | {
        _K.START: (_S.INTENDED, do.intend),
        _K.LINK_LOST: (_S.CHARGED, do.nothing),
        _K.UNASKED: (_S.CHARGED, do.unasked),
        _K.CUT_OFF: (_S.CHARGED, _cut_off),
    },
    _S.INTENDED: _quiet(_S.INTENDED)
    | {
        _K.INTENT_RECORDED: (_S.STARTING, do.start),
        _K.STORE_FAILED: (_S.IDLE, do.forget),
        _K.STOP: (_S.ABORTING, do.press_stop),
        _K.LINK_LOST: (_S.ABORTING, do.press_stop),
        _K.RESET: (_S.ABORTING, do.press_stop),
        _K.UNASKED: (_S.ABORTING, do.unasked),
        _K.CUT_OFF: (_S.ABORTING, do.stop_because(Condition.CUT_OFF)),
    },
    _S.ABORTING: _quiet(_S.ABORTING)
    | {
        _K.INTENT_RECORDED: (_S.IDLE, do.abort("stopped before the device was commanded")),
        _K.STORE_FAILED: (_S.IDLE, do.forget),
    },
    _S.STARTING: _expecting(_S.STARTING)
    | {
        _K.NOT_DONE: (_S.PAUSED, do.not_started),
        _K.GATED: (_S.IDLE, do.gate_start),
    },
    _S.RUNNING: _expecting(_S.RUNNING)
    | {
        _K.PAUSE: (_S.PAUSING, do.press_pause),
        _K.CUP_CHANGED: (_S.PAUSING, do.pause_for_cup),
        _K.END_SEEN: (_S.STOPPING, see_end),
        _K.NOT_DONE: (_S.STOPPING, _unresolved),
        _K.SESSION_LONG: (_S.STOPPING, do.long_session),
    },
    _S.PAUSING: _commanded(_S.PAUSING)
    | {
        _K.RUNS: (_S.PAUSING, do.still_runs),
        _K.OFF: (_S.PAUSED, do.paused),
        _K.NOT_DONE: (_S.STOPPING, _cannot_stop),
        _K.UNKNOWN: (_S.STOPPING, _cannot_stop),
    },
    _S.PAUSED: _quiet(_S.PAUSED)
    | {
        _K.RESUME: (_S.RESUME_INTENDED, do.intend_resume),
        _K.HANDED_OVER: (_S.PAUSED, closing.hand_over),
        _K.STOP: (_S.STOPPING, do.press_stop),
        _K.PAUSE_LONG: (_S.PAUSED, do.remind),
        _K.SESSION_LONG: (_S.STOPPING, do.long_session),
        _K.LINK_LOST: (_S.PAUSED, do.raise_alarm(Condition.LINK_LOST)),
        _K.RESET: (_S.RESIDUAL, do.end_reset_paused),
        _K.CUT_OFF: (_S.RESIDUAL, cutting.end_cut),
        _K.STORE_FAILED: (_S.STOPPING, _no_records),
    },
    _S.RESUME_INTENDED: _quiet(_S.RESUME_INTENDED)
    | {
        _K.INTENT_RECORDED: (_S.RESUMING, do.go_on),
        _K.STOP: (_S.STOPPING, do.press_stop),
        _K.STORE_FAILED: (_S.STOPPING, _no_records),
        _K.LINK_LOST: (_S.LOST, do.lose),
        _K.RESET: (_S.RESIDUAL, do.end_reset_paused),
        _K.CUT_OFF: (_S.RESIDUAL, cutting.end_cut),
    },
    _S.RESUMING: _expecting(_S.RESUMING)
    | {
        _K.NOT_DONE: (_S.PAUSED, do.not_started),
        _K.GATED: (_S.PAUSED, do.gate_resume),
    },
    _S.STOPPING: _commanded(_S.STOPPING)
    | {
        _K.RUNS: (_S.STOPPING, do.still_runs),
        _K.OFF: (_S.RESIDUAL, do.end),
        _K.NOT_DONE: (_S.STOPPING, _cannot_stop),
        _K.UNKNOWN: (_S.STOPPING, _cannot_stop),
        _K.OVERDUE: (_S.STOPPING, _cannot_stop),
        _K.STORE_FAILED: (_S.STOPPING, _no_records),
        _K.ABANDONED: (_S.RESIDUAL, do.abandon),
        _K.INTENT_RECORDED: (_S.STOPPING, do.nothing),
    },
    _S.LOST: _commanded(_S.LOST)
    | {
        _K.RUNS: (_S.STOPPING, do.still_runs),
        _K.OFF: (_S.RESIDUAL, do.end),
        _K.STOP: (_S.LOST, do.press_stop),
        _K.NOT_DONE: (_S.LOST, do.nothing),
        _K.UNKNOWN: (_S.LOST, do.nothing),
        _K.OVERDUE: (_S.LOST, do.nothing),
        _K.STORE_FAILED: (_S.LOST, _keep_failing),
        _K.LINK_LOST: (_S.LOST, do.nothing),
        _K.ABANDONED: (_S.RESIDUAL, do.abandon),
        _K.INTENT_RECORDED: (_S.LOST, do.nothing),
    },
    _S.RESIDUAL: _quiet(_S.RESIDUAL)
    | {
        _K.HANDED_OVER: (_S.RESIDUAL, closing.hand_over),
        _K.CUT_OFF: (_S.RESIDUAL, cutting.hear_of_cut),
        _K.RESIDUAL_GIVEN: (_S.SIGNING, closing.settle),
        _K.RESIDUAL_REFUSED: (_S.SIGNING, closing.settle),
        _K.RESIDUAL_LATE: (_S.SIGNING, closing.settle),
        _K.INTENT_RECORDED: (_S.RESIDUAL, do.nothing),
    },
    _S.SIGNING: _quiet(_S.SIGNING)
    | {
        _K.SIGNED: (_S.IDLE, closing.sign),
        _K.DEFERRED: (_S.IDLE, closing.leave),
    },
}
