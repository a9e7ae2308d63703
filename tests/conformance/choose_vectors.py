"""Choose vectors of which each wrong implementation fails one.

``python tests/conformance/choose_vectors.py FOLDER SECONDS`` chooses of the full set, and looks for
one for so many seconds. It writes conformance/vectors/chosen.json, the chosen ids by call, and
tests/conformance/vectors_found.json, by wrong implementation the one that finds it.
"""

from __future__ import annotations

import collections
import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent), str(ROOT / "examples" / "implementations")]

import consumer  # noqa: E402

import wrong_implementations  # noqa: E402
from conformance.pipe.serve import Server  # noqa: E402
from conformance.protocol.claims import claims_of  # noqa: E402
from conformance.vectors.files import CHOSEN, is_claimed  # noqa: E402
from wrong_implementations import WRONG  # noqa: E402

FIRST_FAILED = Path(__file__).parent / "vectors_found.json"
MOST = 80_000
"""No longer vector is chosen."""


def read(folder):
    """All vectors of a folder, each with its call and factor, the shortest first."""
    vectors = []
    for path in sorted(Path(folder).glob("*.json.gz")):
        file = json.loads(gzip.decompress(path.read_bytes()))
        vectors += [(file["call"], file["factors"], vector) for vector in file["vectors"]]
    return sorted(vectors, key=lambda entry: (len(json.dumps(entry[2])), entry[2]["id"]))


def fails(adapter, call, factors, vector):
    """Whether an implementation fails a vector."""
    server = Server(lambda precision: adapter)
    server.answer('{"id":0,"call":"start","args":{"protocol":1,"spec":"","precision":64}}')
    question = {"id": 1, "call": call, "args": vector["given"]}
    with np.errstate(all="ignore"):
        answer = json.loads(server.answer(json.dumps(question)))
    return not consumer.is_right(answer, vector["expected"], factors[str(adapter.precision)])


def main(folder, seconds):
    """Look for a vector that finds each; what was found before is tried first."""
    vectors = [entry for entry in read(folder) if len(json.dumps(entry[2])) < MOST]
    before = json.loads(FIRST_FAILED.read_text("utf-8"))["found"] if FIRST_FAILED.exists() else {}
    chosen, first_failed, missed = {}, {}, []
    for name in sorted(WRONG, key=lambda name: name not in before):
        adapter, end = getattr(wrong_implementations, name), time.monotonic() + float(seconds)
        claims, clause = claims_of(adapter), WRONG[name].clauses[0]
        mine = [entry for entry in vectors if is_claimed(entry[0], entry[2], claims)]
        mine.sort(key=lambda entry: clause not in entry[2]["clauses"])
        mine.sort(key=lambda entry: entry[2]["id"] not in chosen)
        mine.sort(key=lambda entry: entry[2]["id"] != before.get(name))
        for call, factors, vector in mine:
            if fails(adapter, call, factors, vector):
                first_failed[name] = vector["id"]
                chosen[vector["id"]] = call
                break
            if time.monotonic() > end:
                break
        if mine and name not in first_failed:
            missed.append(name)
        print(name, first_failed.get(name), len(chosen), file=sys.stderr, flush=True)
    ids = collections.defaultdict(list)
    for id, call in sorted(chosen.items()):
        ids[call].append(id)
    CHOSEN.write_text(json.dumps(ids, indent=1, sort_keys=True) + "\n", "utf-8")
    of_all = {"found": first_failed, "missed": missed}
    FIRST_FAILED.write_text(json.dumps(of_all, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
