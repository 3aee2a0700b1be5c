"""Either kind of file by what its `format` says, and what a person reads back before approving it."""

from nebctl.core.faults import Fault
from nebctl.core.regimen import SiteRules
from nebctl.core.toml_text import read_toml
from nebctl.core.units import format_fraction
from nebctl_protocols import site, study
from nebctl_protocols.protocol import StudyProtocol


def load(text: str, file: str) -> StudyProtocol | SiteRules | tuple[Fault, ...]:
    """Read a study protocol or a site's rules; a file that names neither format is read as a study protocol."""
    table = read_toml(text, file).table or {}
    if table.get("format") == site.FORMAT:
        return site.load_site_rules(text, file)
    return study.load_protocol(text, file)


def read_backs(document: StudyProtocol | SiteRules) -> tuple[tuple[str, str], ...]:
    """Return what a person types before approving: each question with its one right answer."""
    if isinstance(document, SiteRules):
        low, high = format_fraction(document.completeness_low_ppm), format_fraction(document.completeness_high_ppm)
        return (("the completeness limits of a dose", f"{low} to {high}"),)
    return tuple((f"the content of one dose, arm {arm}", r.content_text()) for arm, r in document.arms.items())
