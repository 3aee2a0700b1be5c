"""What the jet driver goes by: units, flows and times of its profile."""

from dataclasses import dataclass

from nebctl_drivers.profiles import read_profile

PROFILE = "jet-modbus"
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JetProfile:
    """Unit ids, flows in sccm, shares in percent or millionths, and times in ns; the profile file says what each is."""

    gas_unit: int
    relay_unit: int
    setpoint_sccm: int
    flowing_sccm: int
    low_percent: int
    no_flow_ns: int
    rough_ppm: int
    smooth_readings: int
    calm_ns: int
    least_rough: int
    confirm_ns: int


def read_jet_profile() -> JetProfile:
    """Return the profile of the driver."""
    table = read_profile(PROFILE)
    units, gas, sputter = table["units"], table["gas"], table["sputter"]
    return JetProfile(
        gas_unit=units["gas_controller"],
        relay_unit=units["relay"],
        setpoint_sccm=gas["setpoint_sccm"],
        flowing_sccm=gas["flowing_sccm"],
        low_percent=gas["low_percent"],
        no_flow_ns=gas["no_flow_ms"] * NS_PER_MS,
        rough_ppm=sputter["rough_ppm"],
        smooth_readings=sputter["smooth_readings"],
        calm_ns=sputter["calm_ms"] * NS_PER_MS,
        least_rough=sputter["least_rough"],
        confirm_ns=sputter["confirm_ms"] * NS_PER_MS,
    )
