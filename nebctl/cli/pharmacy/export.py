"""`nebctl pharmacy export`: the doses of a cut as CSV, and the dictionary of its columns."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nebctl.cli.pharmacy.common import FILE, faults, print_json, read

if TYPE_CHECKING:
    from nebctl.pharmacy.config import PharmacyConfig
    from nebctl.pharmacy.cut import Cut

NOW = "now"


@click.command()
@click.option("--config", "config_file", type=FILE, help="The pharmacy's pharmacy.toml.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV, the only form so far.")
@click.option("--at", "head", metavar="HEAD", help="A file of `nebctl pharmacy show --heads`, or `now`.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write. [default: output]"
)
@click.option("--dictionary", is_flag=True, help="Print what every column means, and no doses.")
@click.option("--json", "as_json", is_flag=True, help="With --dictionary: print one JSON object a column.")
def export(
    config_file: Path | None, as_csv: bool, head: str | None, output: Path | None, dictionary: bool, as_json: bool
) -> None:
    """Write the doses of a cut as CSV, recomputed from the signed records up to HEAD.

    The same HEAD gives the same bytes; a later correction appears only at a later HEAD. It goes with the table: keep
    both. Exit code 1: the kept records are not those of HEAD, or one of them does not say what a row needs.

    Example: nebctl pharmacy export --config pharmacy.toml --csv --at heads.txt -o doses.csv
    """
    if dictionary:
        _print_dictionary(as_json)
        return
    if not (config_file and as_csv and head):
        raise click.UsageError("give --config, --csv and --at HEAD, or --dictionary")
    config = read(config_file)
    cut = _cut(config, head)
    rows, text = _table(config, cut)
    if output is None:
        click.echo(text, nl=False)
    else:
        with faults():
            output.write_bytes(text.encode())
    click.echo(f"{rows} rows at cut {cut.digest()}", err=True)


def _cut(config: "PharmacyConfig", head: str) -> "Cut":
    from nebctl.pharmacy.cut import newest_cut, parse_cut

    if head == NOW:
        with faults():
            return newest_cut(config.database)
    try:
        return parse_cut(Path(head).read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise click.UsageError(f"--at {head}: {fault}; write one: nebctl pharmacy show --heads") from None


def _table(config: "PharmacyConfig", cut: "Cut") -> tuple[int, str]:
    from nebctl.core.ledger.encoding import FormatError
    from nebctl.pharmacy.cut import entries_of
    from nebctl.pharmacy.export import TYPES, csv_text, table

    with faults():
        try:
            rows = table(cut, entries_of(config.database, cut, TYPES))
        except FormatError as fault:
            raise click.ClickException(f"{fault}. Run nebctl ledger verify {config.database}.") from None
        return len(rows), csv_text(rows)


def _print_dictionary(as_json: bool) -> None:
    import csv
    import io

    from nebctl.pharmacy.dictionary import as_rows

    heading, *lines = as_rows()
    if as_json:
        for line in lines:
            print_json(dict(zip(heading, line, strict=True)))
        return
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([heading, *lines])
    click.echo(out.getvalue(), nl=False)
