"""The check digit that GTINs, GSRNs and their like share."""


def check_digit(digits: str) -> str:
    """Return the check digit that belongs behind these digits: weights 3 and 1 from the right.

    Source: GS1 General Specifications, section 7.9.1.
    """
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def is_checked(text: str, length: int) -> bool:
    """Return whether a text has so many digits, of which the last is the right check digit."""
    return len(text) == length and text.isascii() and text.isdigit() and check_digit(text[:-1]) == text[-1]
