"""What a session is: its states, the kinds of thing that can happen in them, and what it remembers."""

from dataclasses import dataclass
from enum import Enum

from nebctl.core.authorisation import Authorisation
from nebctl.core.device import Declaration, Identity
from nebctl.core.dose import NOTHING, Charge, DeviceModel, DoseEstimate, Interval
from nebctl.core.dose.reading import Reading
from nebctl.core.instant import NS_PER_MS
from nebctl.core.regimen import SiteRules
from nebctl.core.resonance import UNHEARD, Resonance
from nebctl.core.verify import Deviation, Limits


class State(Enum):
    """Where a session stands. Between INTENDED and RESIDUAL the device may have been commanded."""

    IDLE = "idle"
    AUTHORISED = "authorised"
    CHARGED = "charged"
    READY = "ready"
    INTENDED = "intended"
    ABORTING = "aborting"
    STARTING = "starting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    RESUME_INTENDED = "resume-intended"
    RESUMING = "resuming"
    STOPPING = "stopping"
    LOST = "lost"
    RESIDUAL = "residual"
    SIGNING = "signing"


LIVE = frozenset((State.STARTING, State.RUNNING, State.PAUSING, State.RESUMING, State.STOPPING, State.LOST))
"""States in which the output may be on because this session asked for it."""

BEGUN = LIVE | {State.PAUSED, State.RESUME_INTENDED, State.RESIDUAL}
"""States of a dose that was begun and is not settled."""


class Kind(Enum):
    """What an event means in the state that it meets; the table is written in these."""

    AUTHORISED = "authorised"
    CHARGED = "charged"
    TEST_PASSED = "self-test passed"
    TEST_FAILED = "self-test failed"
    EXPIRED = "authorisation expired"
    START = "START held"
    INTENT_RECORDED = "intent recorded"
    GATED = "guard refused"
    RUNS = "device runs"
    NOT_DONE = "command certainly not done"
    UNKNOWN = "command may have been done"
    PAUSE = "PAUSE pressed"
    RESUME = "RESUME held"
    STOP = "STOP pressed"
    END_SEEN = "end seen by the operator"
    OFF = "device is off"
    CUP_CHANGED = "cup changed"
    DRY_END = "dry at the end"
    DRY_EARLY = "dry too early"
    SPENT = "maximum on-time"
    SELF_STOPPED = "device stopped itself"
    RESET = "device restarted"
    CUT_OFF = "cut-off opened"
    UNASKED = "device runs unasked"
    OVERDUE = "no report"
    LINK_LOST = "link lost"
    LINK_BACK = "link back"
    ABANDONED = "switched off by hand"
    STORE_FAILED = "record failed"
    PAUSE_LONG = "paused too long"
    SESSION_LONG = "session too long"
    RESIDUAL_GIVEN = "residual given"
    RESIDUAL_REFUSED = "residual refused"
    RESIDUAL_LATE = "residual not given in time"
    SIGNED = "signed"
    DEFERRED = "signature deferred"
    HANDED_OVER = "handed over"
    TICK = "time passes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a session is judged and limited by: the dose's limits, the site's rules, and what is known of the device.

    `prior` is what is known of the device's class alone; None means that `model` says no more. `mesh` is the name of
    the mesh in use, "" where nobody names it.
    """

    limits: Limits
    site: SiteRules
    model: DeviceModel
    declaration: Declaration
    prior: DeviceModel | None = None
    mesh: str = ""

    @property
    def max_on_ms(self) -> int:
        """Return a run's maximum on-time in milliseconds, as the site set it."""
        return self.site.max_on_ns // NS_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One attempt to give one dose; everything is None or empty until it has happened.

    `run` is the device's run id. `started_wall_ns` labels the start, `started_ns` and `waiting_ns` are monotonic: the
    start, and the beginning of the present pause or of the wait for the residual. `doubts` say why the outcome is
    uncertain; an empty tuple means that it is not. `last_device_ms` is the run's on-time as the device's own memory
    gives it after the link came back. `go_ns` and `off_ns` are when aerosol, and when OFF, was last asked for: an older
    reading says nothing of what came of it. `heard` is the newest reading. `cup_asked` says that a step of the cup's
    weight has been asked about, `mesh_asked` about how many steps of the mesh's `resonance`; `cup_off` that the cup was
    away at the newest report. `topped_up` is what a person says came into the cup in mid-dose, None for nothing.
    `observers` are those who have answered for the dose, the newest one last.
    """

    state: State = State.IDLE
    authorisation: Authorisation | None = None
    charge: Charge | None = None
    cup: str = ""
    device: Identity | None = None
    run: str | None = None
    start_seq: int | None = None
    started_ns: int | None = None
    started_wall_ns: int | None = None
    ended_wall_ns: int | None = None
    waiting_ns: int | None = None
    go_ns: int | None = None
    off_ns: int | None = None
    estimate: DoseEstimate = NOTHING
    pauses: int = 0
    pause_reason: str = ""
    stopped_by: str = ""
    long_pause_raised: bool = False
    findings: tuple[Deviation, ...] = ()
    doubts: tuple[str, ...] = ()
    last_device_ms: int | None = None
    heard: Reading | None = None
    cup_asked: bool = False
    cup_off: bool = False
    resonance: Resonance = UNHEARD
    mesh_asked: int = 0
    topped_up: Interval | None = None
    observers: tuple[str, ...] = ()


IDLE = Session()
