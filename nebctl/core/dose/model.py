"""What is known of a device before the dose: its class, its own calibration, and what it usually leaves in the cup."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum

from nebctl.core.units import WHOLE_PPM, Nanolitres, PartsPerMillion


class Kind(Enum):
    """How a nebulizer works, which decides what can be known of it."""

    MESH = "mesh"
    JET = "jet"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceModel:
    """What is known of a device before the dose.

    `rate_nl_per_s` is the rate of its aerosol, `sigma_ppm` the standard deviation of ln(rate) for this device in
    millionths, `run_sigma_ppm` what one run differs from the next. `calibration` is the seq of the calibration record
    that the rate comes from; None means the prior of the device class, or a calibration from a file where `calibrated`.

    A completed run leaves `leaves_best_ppm` of the charge and `leaves_nl` besides, with the standard deviations
    `leaves_sigma_ppm` and `leaves_sigma_nl`; it counts as completed with at most `complete_left_ppm` of the charge,
    or `complete_left_nl` where that is more, left. `premature_ppm` is how many runs in a million stop early.

    `aerosol_share_*_ppm` is the aerosol's share f of what leaves the cup, the whole for a mesh; `share_sigma_ppm` its
    standard deviation where it was calibrated, 0 where only the range is known. `operator_ends` says that a person's
    word counts as end-of-dose evidence, as it does for a jet. `gas_sccm` is a jet's usual flow, 0 for a mesh.
    """

    name: str
    rate_nl_per_s: int
    sigma_ppm: PartsPerMillion
    kind: Kind = Kind.MESH
    run_sigma_ppm: PartsPerMillion = 55_000
    complete_left_ppm: PartsPerMillion = 100_000
    complete_left_nl: Nanolitres = 0
    leaves_best_ppm: PartsPerMillion = 32_000
    leaves_sigma_ppm: PartsPerMillion = 15_000
    leaves_nl: Nanolitres = 0
    leaves_sigma_nl: Nanolitres = 0
    premature_ppm: PartsPerMillion = 270_000
    aerosol_share_low_ppm: PartsPerMillion = WHOLE_PPM
    aerosol_share_best_ppm: PartsPerMillion = WHOLE_PPM
    aerosol_share_high_ppm: PartsPerMillion = WHOLE_PPM
    share_sigma_ppm: PartsPerMillion = 0
    operator_ends: bool = False
    gas_sccm: int = 0
    calibration: int | None = None
    calibrated: bool = False

    @property
    def dries(self) -> bool:
        """Return whether part of what leaves the cup is vapour."""
        return self.kind is Kind.JET

    def as_json(self) -> dict[str, str | int | bool]:
        """Return the members that a dose record carries, so that anybody can estimate again what the unit estimated."""
        told = {name: getattr(self, name) for name in self.__slots__ if name not in {"kind", "calibration"}}
        return {**told, "kind": self.kind.value}

    def most_left_nl(self, filled_nl: Nanolitres) -> Nanolitres:
        """Return the most that a completed run of `filled_nl` may leave."""
        return min(filled_nl, max(filled_nl * self.complete_left_ppm // WHOLE_PPM, self.complete_left_nl))

    def usual_left_nl(self, filled_nl: Nanolitres) -> Nanolitres:
        """Return what a completed run of `filled_nl` usually leaves in the cup."""
        return min(filled_nl, filled_nl * self.leaves_best_ppm // WHOLE_PPM + self.leaves_nl)

    def usually_emits_nl(self, filled_nl: Nanolitres) -> Nanolitres:
        """Return what a completed run usually emits of `filled_nl`, in nanolitres of the solution as filled."""
        left = self.usual_left_nl(filled_nl)
        if self.kind is Kind.MESH or filled_nl <= 0:
            return filled_nl - left
        return int(filled_nl * (1 - (left / filled_nl) ** (self.aerosol_share_best_ppm / WHOLE_PPM)))


def model_of(told: Mapping[str, object], calibration: int | None) -> DeviceModel:
    """Return the model that a dose record tells.

    Raises: `ValueError` naming the member that is missing, unknown or of another kind.
    """
    wanted = {field.name for field in fields(DeviceModel)} - {"calibration"}
    if set(told) != wanted:
        odd = ", ".join(sorted(set(told) ^ wanted))
        raise ValueError(f"the model's members are not those of this estimator: {odd}")
    values = dict(told)
    for name, value in values.items():
        right = str if name in {"name", "kind"} else (bool if name in {"operator_ends", "calibrated"} else int)
        if type(value) is not right:
            raise ValueError(f"member {name} of the model: saw {value!r}, expected {right.__name__}")
    if values["kind"] not in {kind.value for kind in Kind}:
        raise ValueError(f"member kind of the model: saw {values['kind']!r}, expected mesh or jet")
    values["kind"] = Kind(values["kind"])
    return DeviceModel(**values, calibration=calibration)  # type: ignore[arg-type]
