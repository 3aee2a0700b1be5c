"""A peer that is missing is never taken for one that agrees."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_peer_fails_on_the_build_machine(
    needing: Callable[[object, str, str], None], monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    """Without a peer the build machine's test fails, and another machine's is skipped, each naming the cure."""
    monkeypatch.setenv("CI", ci)
    needing(True, "a peer", "make peers")
    with pytest.raises(outcome, match=r"a peer is not here \(make peers\)"):
        needing(False, "a peer", "make peers")
