"""`nebctl pharmacy`: its commands by topic, each of which imports what it needs when it runs."""

import click

from nebctl.cli.pharmacy import audit, course, dose, erase, export, keys, service, stock


@click.group()
def pharmacy() -> None:
    """Take records in, countersign them, and lease doses and kits to units.

    Who acts is told by --by, a staff code of pharmacy.toml; every change is a signed record in pharmacy-log.db.

    Example: nebctl pharmacy show --config pharmacy.toml --subject MEX-001
    """


for command in (
    *(service.init, service.run, service.enrol_unit),
    *(
        stock.lot,
        stock.kit,
        course.enrol,
        course.link_,
        course.lease,
        course.show,
        course.calendar,
        course.extra_dose,
        audit.audit,
    ),
    *(keys.revoke, keys.epoch),
    *(dose.notdone, dose.resolve, dose.adverse, export.export, erase.erase),
):
    pharmacy.add_command(command)
