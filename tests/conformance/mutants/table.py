"""The table of docs/mutants.md: how many mutants of each module the suite rejects."""

from __future__ import annotations

import collections
import re

from .judging import SURVIVES, Judged
from .places import ROOT

DOCUMENT = ROOT / "docs" / "mutants.md"
BEGIN, END = "<!-- begin: {profile} -->", "<!-- end: {profile} -->"


def write_table(
    results: list[Judged],
    known: dict[str, dict[str, str]],
    profile: str,
    seed: int,
    seconds: float,
    count: int,
) -> None:
    """Put the table of a profile in the place of the one that the document has."""
    begin, end = BEGIN.format(profile=profile), END.format(profile=profile)
    table = _table(results, known)
    shown = [judged for judged in results if judged.place.name not in known]
    rejected = sum(judged.outcome != SURVIVES for judged in shown)
    title = (
        f"{len(results)} of {count} mutants, seed {seed}, in {seconds:.0f} s: of the {len(shown)} "
        f"that an implementation can show, {rejected} are rejected "
        f"({100 * rejected / max(len(shown), 1):.1f} %)."
    )
    text = DOCUMENT.read_text("utf-8")
    made = f"{begin}\n{title}\n\n{table}\n{end}"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    DOCUMENT.write_text(pattern.sub(lambda match: made, text), "utf-8")


def _table(results: list[Judged], known: dict[str, dict[str, str]]) -> str:
    rows: dict[str, collections.Counter] = {}
    for judged in results:
        row = rows.setdefault(judged.place.module, collections.Counter())
        if judged.outcome != SURVIVES:
            row["rejected"] += 1
        elif judged.place.name in known:
            row[known[judged.place.name]["is"]] += 1
        else:
            row["survives"] += 1
    columns = ("rejected", "equivalent", "used by the judge alone", "survives")
    lines = [f"| module | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for module in sorted(rows):
        cells = [str(rows[module][column] or "") for column in columns]
        lines.append(f"| `{module}` | {' | '.join(cells)} |")
    return "\n".join(lines)
