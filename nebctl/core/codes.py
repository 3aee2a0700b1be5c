"""Closed sets of words that a person chooses from."""

NOT_DONE_REASONS = (
    "subject-declined",
    "subject-unwell",
    "subject-discharged",
    "subject-died",
    "physician-decision",
    "device-unavailable",
    "kit-unavailable",
    "staff-unavailable",
)
"""Why a dose was not done; what else there is to say is free text."""

GRADES = ("1", "2", "3", "4", "5")
"""How severe an adverse event was. Source: CTCAE v5.0, "Grades"."""

RELATIONS = ("unrelated", "unlikely", "possible", "probable", "definite")
"""How an adverse event relates to the study treatment, as the investigator judges it."""

ACTIONS = ("none", "interrupted", "withdrawn", "not-applicable", "unknown")
"""What was done with the study treatment because of an adverse event."""

BREATH_SOUNDS = ("clear", "wheeze", "crackles", "decreased", "absent")
POSITIONS = ("upright", "semi-recumbent", "supine", "prone", "side")
INTERFACES = ("mouthpiece", "mask", "in-line")
TOLERANCES = ("good", "cough", "breathless", "agitated", "not-tolerated")
PLACEMENTS = ("before-humidifier", "inspiratory-limb", "at-y-piece", "after-y-piece")
"""Where in the breathing circuit an in-line nebulizer sits."""

PAUSE_REASONS = ("cough", "asked", "care", "device", "other")
STOP_REASONS = ("adverse-event", "asked", "device", "mistake", "other")
"""Why a person paused or stopped a dose; what else there is to say is free text."""
