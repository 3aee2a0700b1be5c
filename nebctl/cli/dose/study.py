"""The study protocol that a verdict goes by, with the site's default rules."""

from dataclasses import dataclass
from pathlib import Path

import click

from nebctl.core.regimen import Regimen, SiteRules
from nebctl.core.verify import Limits
from nebctl_protocols import UnknownArmError, builtin, load_protocol, names


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLimits:
    """One arm's regimen and what counts as a whole dose of it."""

    regimen: Regimen
    limits: Limits


def find_study(source: str, arm: str | None) -> StudyLimits:
    """Return the study protocol in a file, or one that comes with nebctl by its name.

    Raises: `click.UsageError` where there is none, or it is faulty.
    """
    study = load_protocol(_text(source), source)
    if isinstance(study, tuple):
        raise click.UsageError("\n".join(map(str, study)))
    try:
        regimen = study.regimen(arm)
    except UnknownArmError as error:
        raise click.BadParameter(str(error), param_hint="--arm") from None
    rules = SiteRules()
    return StudyLimits(
        regimen=regimen, limits=Limits(lower_nl=rules.lower_nl(regimen), upper_nl=rules.upper_nl(regimen))
    )


def _text(source: str) -> str:
    path = Path(source)
    if path.is_file():
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{source} cannot be read: {error}; give a study protocol in UTF-8") from None
    if source in names():
        return builtin(source)
    known = ", ".join(names())
    raise click.UsageError(f"{source} is neither a file nor a study protocol that comes with nebctl ({known})")
