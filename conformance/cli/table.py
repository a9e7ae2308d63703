"""Make the table of who conforms, from verdicts or from what is kept of them."""

from __future__ import annotations

from pathlib import Path

from conformance.cli.arguments import Parser
from conformance.verdicts import read_rows, write_rows, write_table

__all__ = ["BEGIN", "END", "main", "put_between"]

BEGIN, END = "<!-- table of verdicts -->\n", "<!-- end of the table -->\n"
"""The lines between which a page has the table."""


def main(arguments: list[str]) -> int:
    """Print the table, or write it into a page; write its rows as data where that is asked for."""
    parser = Parser("table", "Make the table of who conforms.")
    parser.add_argument("verdicts", nargs="+", type=Path, help="files of verdicts, or of rows")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="a page that has the two marks")
    parser.add_argument("--rows", type=Path, metavar="FILE", help="where rows are kept, as data")
    namespace = parser.parse_args(arguments)
    try:
        rows = read_rows(namespace.verdicts)
        table = write_table(rows)
        page = namespace.into and put_between(namespace.into.read_text("utf-8"), table)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if namespace.rows:
        namespace.rows.write_text(write_rows(rows), "utf-8")
    if namespace.into:
        namespace.into.write_text(page, "utf-8")
    if not namespace.rows and not namespace.into:
        print(table, end="")
    return 0


def put_between(page: str, table: str) -> str:
    """Put a table between the two marks of a page.

    Raises
    ------
    ValueError
        The page has not both of them, once and in order.
    """
    around = page.split(BEGIN)
    rest = around[-1].split(END)
    if len(around) != 2 or len(rest) != 2:
        raise ValueError(f"the page needs a line {BEGIN.strip()} and then a line {END.strip()}")
    return f"{around[0]}{BEGIN}{table}{END}{rest[1]}"
