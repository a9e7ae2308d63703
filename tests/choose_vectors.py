"""Choose vectors of which each wrong implementation fails one: ``python tests/choose_vectors.py``.

It writes conformance/vectors/chosen.json, the chosen ids by call, and tests/vectors_found.json, by
wrong implementation the one that finds it.
"""

from __future__ import annotations

import collections
import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "examples" / "implementations")]

from consumer import is_right  # noqa: E402

import wrong_implementations  # noqa: E402
from conformance.pipe.serve import Server  # noqa: E402
from conformance.protocol.claims import claims_of  # noqa: E402
from conformance.vectors.files import CHOSEN, is_claimed  # noqa: E402
from wrong_implementations import WRONG  # noqa: E402

FOUND = Path(__file__).parent / "vectors_found.json"
LIMIT = 5.0
"""For how many seconds a vector is looked for that finds one of them."""


def read(folder):
    """All vectors of a folder, each with its call and factor, the shortest first."""
    found = []
    for path in sorted(Path(folder).glob("*.json.gz")):
        file = json.loads(gzip.decompress(path.read_bytes()))
        found += [(file["call"], file["factors"], vector) for vector in file["vectors"]]
    return sorted(found, key=lambda entry: (len(json.dumps(entry[2])), entry[2]["id"]))


def fails(adapter, call, factors, vector):
    """Whether an implementation fails a vector."""
    server = Server(lambda precision: adapter)
    server.answer('{"id":0,"call":"start","args":{"protocol":1,"spec":"","precision":64}}')
    question = {"id": 1, "call": call, "args": vector["given"]}
    with np.errstate(all="ignore"):
        answer = json.loads(server.answer(json.dumps(question)))
    return not is_right(answer, vector["expected"], factors[str(adapter.precision)])


def main(folder):
    vectors, chosen, found, missed = read(folder), [], {}, []
    for name, wrong in WRONG.items():
        adapter, end = getattr(wrong_implementations, name), time.monotonic() + LIMIT
        claims = claims_of(adapter)
        mine = [entry for entry in vectors if is_claimed(entry[0], entry[2], claims)]
        known = {entry[2]["id"] for entry in chosen}
        first = [entry for entry in mine if entry[2]["id"] in known]
        second = [entry for entry in mine if wrong.clauses[0] in entry[2]["clauses"]]
        for entry in [*first, *second, *mine]:
            if fails(adapter, *entry):
                found[name] = entry[2]["id"]
                chosen += [entry] if entry[2]["id"] not in known else []
                break
            if time.monotonic() > end:
                break
        if mine and name not in found:
            missed.append(name)
        print(name, found.get(name), len(chosen), file=sys.stderr, flush=True)
    ids = collections.defaultdict(list)
    for call, _, vector in chosen:
        ids[call].append(vector["id"])
    CHOSEN.write_text(json.dumps({call: sorted(of) for call, of in sorted(ids.items())}, indent=1))
    FOUND.write_text(json.dumps({"found": found, "missed": missed}, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main(sys.argv[1])
