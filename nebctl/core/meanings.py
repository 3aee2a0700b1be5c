"""What a signature under a dose record can mean: the words that a person read and signed, in the page's languages."""

from typing import Final

GAVE: Final = ("I gave this dose and observed the subject.", "我实施了本次给药，并观察了受试者。")
PART: Final = ("I observed this dose while I answered for it.", "我在负责期间观察了本次给药。")
"""Where others answered for the same dose too: what is signed is a part of it."""
OLDER: Final = ("我已给予本次剂量，并观察了受试者。",)
"""As once offered in place of `GAVE`: it could be read as if the whole dose had been given."""
MEANINGS: Final = (*GAVE, *PART, *OLDER)
"""Every sentence that a page has ever shown above a signature: one that is reworded stays here, for older records."""
EXPECTED: Final = f"one of the meanings that nebctl offers: {' / '.join(MEANINGS)}"
