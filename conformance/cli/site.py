"""Make a site of verdicts: implementations by clauses, with a page and a badge of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from conformance.cli.arguments import Parser
from conformance.verdicts import read_verdicts, write_badge, write_index, write_page

__all__ = ["main", "make_site"]


def main(arguments: list[str]) -> int:
    """Write the site of some files of verdicts into a folder."""
    parser = Parser("site", "Make a site of verdicts.")
    parser.add_argument("verdicts", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    namespace = parser.parse_args(arguments)
    try:
        verdicts = [v for path in namespace.verdicts for v in read_verdicts(path).values()]
        files = make_site(verdicts)
    except ValueError as error:
        parser.error(str(error))
    namespace.output.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (namespace.output / name).write_text(text, "utf-8")
    print(f"{namespace.output / 'index.html'}: {len(verdicts)} verdicts")
    return 0


def make_site(verdicts: list[dict[str, Any]]) -> dict[str, str]:
    """Make the files of a site, by their names.

    Raises
    ------
    ValueError
        Two verdicts are on one implementation, at one precision.
    """
    pages: dict[str, dict[str, Any]] = {}
    files: dict[str, str] = {}
    for verdict in verdicts:
        name = _name_file(verdict)
        if f"{name}.html" in pages:
            raise ValueError(f"two verdicts on {verdict['name']} are of one name, {name}")
        pages[f"{name}.html"] = verdict
        files[f"{name}.html"] = write_page({verdict["name"]: verdict})
        files[f"{name}.svg"] = write_badge({verdict["name"]: verdict})
    return {"index.html": write_index(pages), **files}


def _name_file(verdict: dict[str, Any]) -> str:
    """A name of letters, digits and '-' for what was judged."""
    measure = verdict["resolution"] or verdict["precision"]
    return re.sub(r"[^a-z0-9]+", "-", f"{verdict['name']} {measure}".lower()).strip("-")
