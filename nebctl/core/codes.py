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
