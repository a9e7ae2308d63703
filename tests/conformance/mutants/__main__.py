"""`python -m tests.conformance.mutants --sample 300 --seed 1`: judge mutants, list the survivors.

`--all` judges all of them. `--table` writes docs/mutants.md.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import tempfile
import time
from pathlib import Path

# Before Numba is imported: processes are forked after it has run.
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

from .judging import SURVIVES, Judge, Judged, killed_by_tests_of_the_reference
from .places import ROOT, Place, places
from .table import write_table

KNOWN = Path(__file__).parent / "known.json"
#: What `known.json` says of a survivor that is no fault of the suite.
EQUIVALENT, JUDGE_ALONE = "equivalent", "used by the judge alone"


def main() -> None:
    """Judge as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--sample", type=int, default=100, help="how many, drawn at random")
    which.add_argument("--all", action="store_true")
    which.add_argument("--name", action="append", help="of a place, as it is listed")
    parser.add_argument("--module", help="of the reference, to which places are restricted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", default="quick", choices=("quick", "full"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--limit", type=int, default=120, help="seconds for a mutant")
    parser.add_argument(
        "--reference-tests", action="store_true", help="run tests/reference on those that survive"
    )
    parser.add_argument("--table", action="store_true", help="write docs/mutants.md")
    options = parser.parse_args()

    chosen = _chosen(options)
    start = time.perf_counter()
    results = _judged(Judge(options.profile, options.limit), chosen, options.processes)
    known = json.loads(KNOWN.read_text("utf-8"))
    survivors = [judged.place for judged in results if judged.outcome == SURVIVES]
    by_the_judge = _of_the_judge(survivors, known) if options.reference_tests else set()
    unknown = [p for p in survivors if p.name not in known and p not in by_the_judge]
    for place in unknown:
        print(f"survives: {place.name} (line {place.line})")
    for place in by_the_judge:
        print(f"survives, but fails tests/reference: {place.name} (line {place.line})")
    print(f"{len(results)} mutants, {len(survivors)} survive, {len(unknown)} of them unexplained")
    if options.table:
        seconds = time.perf_counter() - start
        write_table(results, known, options.profile, options.seed, seconds, len(places()))


def _chosen(options: argparse.Namespace) -> list[Place]:
    """The places that the command line asks for."""
    chosen = [p for p in places() if options.module in (None, p.module)]
    if options.name:
        return [place for place in chosen if place.name in options.name]
    if options.all:
        return chosen
    return random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))


def _judged(judge: Judge, chosen: list[Place], processes: int) -> list[Judged]:
    results = []
    for judged in judge.judge_all(chosen, processes):
        results.append(judged)
        shown = f"{judged.outcome} {judged.test}".strip()
        print(f"[{len(results)}/{len(chosen)}] {judged.place.name}: {shown}", flush=True)
    outcomes = collections.Counter(judged.outcome for judged in results)
    print(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    return results


def _of_the_judge(survivors: list[Place], known: dict[str, dict[str, str]]) -> set[Place]:
    """The survivors that `tests/reference` rejects."""
    names = set()
    with tempfile.TemporaryDirectory() as folder:
        for i, place in enumerate(survivors):
            is_open = place.name not in known
            if is_open and killed_by_tests_of_the_reference(place, Path(folder) / str(i)):
                names.add(place)
    return names


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
