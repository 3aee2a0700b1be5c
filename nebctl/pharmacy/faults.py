"""How the pharmacy says no to what a person asked of it."""


class PharmacyFault(Exception):  # noqa: N818 - a fault is of the world, not of the program
    """Something that is not done: what was seen, what was expected, what to do. Nothing was changed."""

    def __init__(self, seen: str, expected: str, advice: str) -> None:
        super().__init__(f"saw {seen}, expected {expected}. {advice}")
