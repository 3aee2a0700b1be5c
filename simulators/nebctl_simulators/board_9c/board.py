"""The 9C board's program: its states, interlocks and clocks, with the mesh plant that it drives; no I/O, no clock.

Plant time, which may be scaled, drives treatment and plant; the host's heartbeat and the board's own boot run on real
time. Source: docs/HostProtocolReference.md, docs/PreheatKeepWarmProtocol.md, src/state_machine and src/safety of
https://github.com/zq9278/9C-Nebulizer-main; what they leave open is said here.
"""

from dataclasses import replace

from nebctl_simulators.board_9c.settings import (
    COLD,
    HOT,
    MIST_BROKEN,
    MIST_DRY,
    RUNNING,
    STARTABLE,
    Event,
    Fault,
    Firmware,
    Refusal,
    Settings,
    State,
    World,
)
from nebctl_simulators.plant import NS_PER_S, Drive, Plant, advance, wet_ns

HEARTBEAT_NS = 3 * NS_PER_S
SAVE_NS = NS_PER_S
BOOT_NS, SELF_TEST_NS = 200_000_000, 100_000_000
"""The first is assumed, the second the source's."""
LEVEL_PERCENT = (0, 40, 70, 100)
"""Assumed: the share of the full rate at each mist level; the source has no figure."""
PREHEATED_DC, AMBIENT_DC, HOT_DC, KETTLE_DC = 300, 220, 490, 650
WARM_NS = 60 * NS_PER_S
COARSE_NS = NS_PER_S // 10


class Board:
    """A board from power-up on; a fault may hold its mist on."""

    def __init__(self, *, firmware: Firmware, dry_confirm_ns: int, plant: Plant, real_ns: int) -> None:
        self.firmware = firmware
        self.plant = plant
        self.world = World()
        self._dry_confirm_ns = dry_confirm_ns
        self._saved = Settings()
        self.boots = 0
        self.restart(real_ns)

    def restart(self, real_ns: int) -> None:
        """Come up after a reset or loss of power: not running; the settings are those that were saved in time."""
        self.boots += 1
        self._real_ns = self._boot_ns = self._beat_ns = real_ns
        self.settings = self._saved
        self._save_at_ns: int | None = None
        self.state = State.BOOT
        self.fault = Fault.NONE
        self.mist_on = self._mist_seen = False
        self._poll_at_ns = real_ns
        self.low_water = False
        self.left_ns = 0
        self.outlet_dc = self.kettle_dc = float(AMBIENT_DC)
        self.maintenance: tuple[int, int, int] | None = None
        self._resume_when_good = False
        self.events: list[Event] = []
        self.changed = False

    @property
    def runs(self) -> bool:
        """Whether a treatment is under way."""
        return self.state in RUNNING

    @property
    def mist_seen(self) -> bool:
        """Whether the mist board was running when it was last asked."""
        return self._mist_seen if self.firmware.poll_ms else self.mist_on

    @property
    def heart_beats(self) -> bool:
        """Whether the host was heard in time."""
        return self._real_ns - self._beat_ns < HEARTBEAT_NS

    @property
    def uptime_ms(self) -> int:
        """Real time since the power came, in ms."""
        return (self._real_ns - self._boot_ns) // 1_000_000

    @property
    def mist_fault(self) -> int:
        """What the mist board reports."""
        return MIST_BROKEN if self.world.mist_broken else MIST_DRY if self.low_water else 0

    def coast(self, real_ns: int, dt_ns: int) -> None:
        """Let time pass without power."""
        self._real_ns = real_ns
        self.plant = advance(self.plant, dt_ns, Drive.OFF)

    def freeze(self, real_ns: int, dt_ns: int) -> None:
        """Let time pass while the program hangs: the mist stays as it is, and no rule is kept."""
        self._real_ns = real_ns
        left_ns = self.left_ns
        self._flow(dt_ns)
        self.left_ns = left_ns

    def advance(self, real_ns: int, dt_ns: int, world: World) -> None:
        """Let `dt_ns` of plant time pass up to the real moment `real_ns`, in this world."""
        since_ns, self._real_ns, self.world = self._real_ns, real_ns, world
        self._boot_up()
        if real_ns >= self._poll_at_ns:
            self._mist_seen = self.mist_on
            self._poll_at_ns = real_ns + self.firmware.poll_ms * 1_000_000
        deadline_ns = self._beat_ns + HEARTBEAT_NS
        if self.runs and real_ns >= deadline_ns:
            share_ns = dt_ns * max(0, deadline_ns - since_ns) // max(1, real_ns - since_ns)
            self._pass(share_ns)
            dt_ns -= share_ns
            self._interrupt(Fault.HOST_LOST, resumes=False)
        self._pass(dt_ns)
        if self._save_at_ns is not None and real_ns >= self._save_at_ns:
            self._saved, self._save_at_ns = self.settings, None

    def beat(self) -> None:
        """Hear the host's heartbeat."""
        self._beat_ns = self._real_ns

    def change(self, settings: Settings) -> None:
        """Take new settings; they are saved a second later."""
        self.settings = settings
        self._save_at_ns = self._real_ns + SAVE_NS
        self._set_mist()

    def change_run(self, settings: Settings) -> None:
        """Take another mode or time, which also winds the clock up anew, in the middle of a run too."""
        self.change(settings)
        self.left_ns = settings.duration_s * NS_PER_S

    def keep_warm(self, on: bool) -> None:
        """Switch the kettle's keeping warm, which begins and ends at once where nothing runs."""
        self.change(replace(self.settings, keep_warm=on))
        if on and self.state in STARTABLE:
            self._warm_up()
        elif not on and self.state is State.KEEP_WARM:
            self.events.append(Event.KEEP_WARM_STOPPED)
            self.go(State.READY)

    def start(self) -> Refusal:
        """Begin a treatment with the present settings."""
        if self.state not in STARTABLE or self.fault or self.hindrance() is not Refusal.NONE:
            return Refusal.STATE
        self.left_ns = self.settings.duration_s * NS_PER_S
        self._set_going(announce=True)
        return Refusal.NONE

    def hindrance(self) -> Refusal:
        """Return why a START is refused at once, before the mist board's reset; NONE: for nothing."""
        world = self.world
        if self.maintenance is not None:
            return Refusal.IN_MAINTENANCE
        if not world.cover_closed:
            return Refusal.COVER
        if not world.mist_online:
            return Refusal.MIST_OFFLINE
        if self.low_water or not world.has_liquid:
            return Refusal.DRY
        if world.mist_locked:
            return Refusal.MIST_LOCKED
        return Refusal.NONE if world.otp_good else Refusal.OTP_RESET

    def resume(self) -> Refusal:
        """Go on with a paused treatment."""
        if self.maintenance is not None:
            return Refusal.IN_MAINTENANCE
        if self.state is not State.PAUSED or self.fault or self.hindrance() is not Refusal.NONE:
            return Refusal.STATE
        self._set_going(announce=False)
        return Refusal.NONE

    def pause(self) -> Refusal:
        """Interrupt a treatment."""
        if not self.runs:
            return Refusal.STATE
        self._resume_when_good = False
        self.go(State.PAUSED)
        return Refusal.NONE

    def stop(self) -> Refusal:
        """End a treatment; nothing but booting refuses it."""
        if self.state in (State.BOOT, State.SELF_TEST):
            return Refusal.STATE
        self._resume_when_good = False
        self.rest()
        return Refusal.NONE

    def clear_fault(self) -> Refusal:
        """Forget a latched fault; it comes back while its reason lasts."""
        if self.state is not State.FAULT and not self.fault:
            return Refusal.STATE
        self.fault = Fault.NONE
        self.go(State.READY)
        return Refusal.NONE

    def rest(self) -> None:
        """Go to the state in which nothing runs."""
        if self.settings.keep_warm and self.settings.mode == HOT:
            self._warm_up()
        else:
            self.go(State.READY)

    def go(self, state: State) -> None:
        """Enter a state."""
        self.changed |= state is not self.state
        self.state = state
        self._set_mist()

    def _warm_up(self) -> None:
        if self.state is not State.KEEP_WARM:
            self.events.append(Event.KEEP_WARM_STARTED)
        self.go(State.KEEP_WARM)

    def _set_going(self, *, announce: bool) -> None:
        self._resume_when_good = False
        cold = self.settings.mode == COLD
        preheat = not cold and self.outlet_dc < PREHEATED_DC
        self.go(State.RUN_COLD if cold else State.PREHEAT if preheat else State.RUN_HOT)
        if announce:
            self.events.append(Event.PREHEAT_STARTED if preheat else Event.TREATMENT_STARTED)

    def _boot_up(self) -> None:
        up_ns = self._real_ns - self._boot_ns
        if self.state is State.BOOT and up_ns >= BOOT_NS:
            self.go(State.SELF_TEST)
        if self.state is State.SELF_TEST and up_ns >= BOOT_NS + SELF_TEST_NS:
            if self.settings.keep_warm:  # in either mode
                self._warm_up()
            else:
                self.go(State.READY)

    def _pass(self, dt_ns: int) -> None:
        self._keep_rules()
        while dt_ns > 0:
            step_ns = max(1, min(dt_ns, self._next_change_ns()))
            self._flow(step_ns)
            dt_ns -= step_ns
            self._keep_rules()

    def _next_change_ns(self) -> int:
        left = [COARSE_NS if self._heats else self.left_ns or NS_PER_S]
        if self.runs and self.state is not State.PREHEAT:
            left.append(self.left_ns)
        if self.mist_on and not self.low_water:
            plant = self._driven()
            left.append(wet_ns(plant) + self._dry_confirm_ns - plant.dry_ns)
        return min(left)

    @property
    def _heats(self) -> bool:
        return self.state in (State.RUN_HOT, State.PREHEAT, State.KEEP_WARM)

    def _flow(self, dt_ns: int) -> None:
        driven = advance(self._driven(), dt_ns, Drive.ON if self.mist_on else Drive.OFF)
        self.plant = replace(driven, load=self.plant.load)
        part = min(1.0, dt_ns / WARM_NS)
        treats = self.state in (State.RUN_HOT, State.PREHEAT)
        outlet_dc = HOT_DC if self.world.outlet_hot else self.settings.target_dc if treats else AMBIENT_DC
        self.outlet_dc += (outlet_dc - self.outlet_dc) * (1.0 if self.world.outlet_hot else part)
        self.kettle_dc += ((KETTLE_DC if self._heats else AMBIENT_DC) - self.kettle_dc) * part
        if self.runs and self.state is not State.PREHEAT:
            self.left_ns = max(0, self.left_ns - dt_ns)

    def _driven(self) -> Plant:
        level = self.settings.mist if self.maintenance is None else self.maintenance[1]
        rate = max(1, self.plant.load.rate_nl_s * LEVEL_PERCENT[level] // 100)
        return replace(self.plant, load=replace(self.plant.load, rate_nl_s=rate))

    def _keep_rules(self) -> None:
        dry = self.plant.dry_ns >= self._dry_confirm_ns
        self.low_water = not self.world.has_liquid or dry or (self.low_water and not self.plant.available_al)
        self._keep_interlocks()
        if self.state is State.PREHEAT and self.outlet_dc >= PREHEATED_DC:
            self.events.append(Event.TREATMENT_STARTED)
            self.go(State.RUN_HOT)
        if self.runs and self.state is not State.PREHEAT and not self.left_ns:
            self.events.append(Event.TREATMENT_FINISHED)
            self.go(State.DONE)
            if self.settings.keep_warm:
                self.rest()
        self._set_mist()

    def _keep_interlocks(self) -> None:
        world = self.world
        if self.state in (State.BOOT, State.SELF_TEST, State.DONE):
            return
        for fault, is_there in (
            (Fault.OUTLET_HOT, world.outlet_hot),
            (Fault.NTC_OPEN, world.ntc_open),
            (Fault.MIST_FAULT, world.mist_broken),
            (Fault.MIST_OFFLINE, not world.mist_online),
        ):
            if is_there:
                self._trip(fault)
        if self.runs and not world.cover_closed:
            self._interrupt(Fault.COVER_OPEN, resumes=True)
        elif self.runs and self.low_water:
            self._interrupt(Fault.LIQUID_EMPTY, resumes=True)
        elif self._resume_when_good and self.hindrance() is Refusal.NONE and not self.fault:
            self._set_going(announce=False)

    def _interrupt(self, fault: Fault, *, resumes: bool) -> None:
        if not self.runs:
            return
        if self.firmware.pauses:
            self._resume_when_good = resumes
            self.go(State.PAUSED)
        else:
            self._trip(fault)

    def _trip(self, fault: Fault) -> None:
        if not self.fault:
            self.fault = fault
            self._resume_when_good = False
            self.maintenance = None
            self.go(State.FAULT)

    def _set_mist(self) -> None:
        level = self.settings.mist if self.maintenance is None else self.maintenance[1]
        wanted = (self.runs or self.maintenance is not None) and level > 0 and self.world.mist_online
        self.mist_on = wanted or (self.mist_on and self.world.stuck_on)
