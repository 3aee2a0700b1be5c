"""What the site has accepted of its device, as every record of a session repeats it (S22, S24)."""

from collections.abc import Iterable
from dataclasses import replace

from nebctl.core.ledger.records import Draft, Json
from nebctl.core.session.state import Rules


def with_acceptances(drafts: Iterable[Draft], rules: Rules) -> tuple[Draft, ...]:
    """Return the drafts, each of a session with the site's numbered deviation for what its device does not keep.

    Null stands for a promise that nobody accepted, as on a simulated unit. A record outside a session, and one of a
    device that keeps both promises, stays as it is.
    """
    accepted: dict[str, Json] = {each: rules.site.acceptance(each) for each in rules.declaration.missing()}
    return tuple(
        replace(draft, facts={**draft.facts, "site_acceptances": accepted}) if accepted and draft.session else draft
        for draft in drafts
    )
