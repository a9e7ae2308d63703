"""Check a program by vectors: ``python consumer.py "./my_chip --flag" VECTORS.json.gz...``.

It needs NumPy, docs/pipe.md and docs/vectors.md, and neither the judge nor a reference.
"""

import base64
import gzip
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

POWERS = {"p": -12, "n": -9, "u": -6, "m": -3, "c": -2, "k": 3, "M": 6, "G": 9}


def scale(unit):
    """The power of ten of a unit's name: -3 of mV."""
    symbols = [symbol.partition("^") for symbol in (unit or "").split()]
    powers = [
        (1 if s == "10" else 0 if len(s) == 1 or s in ("Hz", "ohm") else POWERS[s[0]], p or "1")
        for s, _, p in symbols
    ]
    return sum(power * int(exponent) for power, exponent in powers)


def numbers(x):
    return np.frombuffer(base64.b64decode(x["data"]), x["dtype"]).reshape(x["shape"])


def agrees(got, expected, factor):
    """Whether an answer is what is expected, to a factor of each array's size."""
    if isinstance(expected, list):
        pairs = zip(got, expected, strict=False)
        return len(got) == len(expected) and all(agrees(g, e, factor) for g, e in pairs)
    if isinstance(expected, dict) and "dtype" not in expected:
        return set(got) == set(expected) and all(agrees(got[k], expected[k], factor) for k in got)
    if not isinstance(expected, dict) or "size" not in expected:
        return got == expected
    ratio = 10.0 ** (scale(got.get("unit")) - scale(expected.get("unit")))
    is_alike = got["shape"] == expected["shape"] and ("unit" in got) == ("unit" in expected)
    return is_alike and np.all(
        np.abs(numbers(got) * ratio - numbers(expected)) <= factor * numbers(expected["size"])
    )


def is_right(answer, expected, factor):
    if "refused" in expected:
        return expected["refused"] == answer.get("error", {}).get("name")
    try:
        return any(agrees(answer["ok"], either, factor) for either in expected["either"])
    except (KeyError, TypeError, ValueError):  # it is of another form
        return False


def main(command, *paths, precision=64):
    program = subprocess.Popen(
        shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    answers = iter(program.stdout or ())

    def ask(call, args):
        print(json.dumps({"id": 0, "call": call, "args": args}), file=program.stdin, flush=True)
        return json.loads(next(answers))

    ask("start", {"protocol": 1, "spec": "0", "precision": precision})
    wrong = []
    for path in paths:
        file = json.loads(gzip.decompress(Path(path).read_bytes()))
        for vector in file["vectors"]:
            answer = ask(file["call"], vector["given"])
            if not is_right(answer, vector["expected"], file["factors"][str(precision)]):
                wrong.append(f"{file['call']} {vector['id']}: {', '.join(vector['flags'])}")
    print("\n".join(wrong) or "right")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(main(*sys.argv[1:]), 1))
