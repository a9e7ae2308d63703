"""A program that answers always the same, and misbehaves in one of some ways at `gif_step`.

It is given the way, and after how many such calls. One that is started again begins again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

VALUE = {"unit": "mV", "dtype": "<f8", "shape": [3], "data": "A" * 32}
SPIKES = {"dtype": "|b1", "shape": [3], "data": "AAAA"}
STATE = {"I1": {**VALUE, "unit": "nA"}, "I2": {**VALUE, "unit": "nA"}, "V": VALUE, "V_th": VALUE}

OK = {
    "start": {"name": "rogue", "version": "1", "capabilities": ["gif", "states"]},
    "gif_step": [STATE, SPIKES],
    "gif_defaults": {"R1": {"$float": 0.9}},
    "read": VALUE,
    "free": None,
}


def hang(line, answer):
    time.sleep(3600)


def hang_with_a_child(line, answer):
    """What it has started keeps the pipes open."""
    subprocess.run(["sleep", "3600"], check=False)


def die(line, answer):
    print("out of neurons", file=sys.stderr, flush=True)
    os._exit(3)


def abort(line, answer):
    os.abort()


def die_midway(line, answer):
    sys.stdout.write(answer[: len(answer) // 2])
    sys.stdout.flush()
    os._exit(0)


def chatter(line, answer):
    """Says something else before it answers."""
    print("computing ...")
    print(answer, flush=True)


def go_on_talking(line, answer):
    print(answer + "\nthat was a good one", flush=True)


def say_nothing_of_json(line, answer):
    print("{'id': 1}", flush=True)


def answer_no_object(line, answer):
    print("[1, 2, 3]", flush=True)


def answer_nan(line, answer):
    print(f'{{"id": {json.loads(line)["id"]}, "ok": NaN}}', flush=True)


def answer_another_question(line, answer):
    print(json.dumps({**json.loads(answer), "id": 10**6}), flush=True)


def answer_twice_at_once(line, answer):
    print(json.dumps({**json.loads(answer), "error": {"name": "UnitError", "message": "no"}}))
    sys.stdout.flush()


def flood(line, answer):
    """A line without an end."""
    while True:
        sys.stdout.write("0" * 2**20)
        sys.stdout.flush()


def flood_errors(line, answer):
    """More on the standard error than a pipe holds: no fault."""
    sys.stderr.write("warning: " * 2**20)
    print(answer, flush=True)


def _changed(change):
    def misbehave(line, answer):
        whole = json.loads(answer)
        change(whole["ok"])
        print(json.dumps(whole), flush=True)

    return misbehave


def _pop_variable(ok):
    del ok[0]["I2"]


WAYS = {
    f.__name__: f
    for f in (
        *(hang, hang_with_a_child, die, abort, die_midway, chatter, go_on_talking),
        *(say_nothing_of_json, answer_no_object, answer_nan, answer_another_question),
        *(answer_twice_at_once, flood, flood_errors),
    )
} | {
    "short_data": _changed(lambda ok: ok[0]["V"].update(data="AAAA")),
    "another_shape": _changed(lambda ok: ok[0]["V"].update(shape=[1])),
    "negative_shape": _changed(lambda ok: ok[0]["V"].update(shape=[-3])),
    "huge_shape": _changed(lambda ok: ok[0]["V"].update(shape=[10**12, 10**12])),
    "unknown_dtype": _changed(lambda ok: ok[0]["V"].update(dtype="float64")),
    "no_base64": _changed(lambda ok: ok[0]["V"].update(data="?!")),
    "number_as_unit": _changed(lambda ok: ok[0]["V"].update(unit=3)),
    "no_unit": _changed(lambda ok: ok[0]["V"].pop("unit")),
    "no_spikes": _changed(lambda ok: ok.pop()),
    "spikes_of_twos": _changed(lambda ok: ok[1].update(data="AgIC")),
    "null_state": _changed(lambda ok: ok.__setitem__(0, None)),
    "no_I2": _changed(_pop_variable),
}


def main(way: str, after: str = "0") -> None:
    """Answer until the standard input ends."""
    left, states = int(after), 0
    for line in sys.stdin:
        question = json.loads(line)
        call, ok = question["call"], OK.get(question["call"])
        if call == "make":
            states += 1
            ok = {"$state": states}
        answer = json.dumps({"id": question["id"], "ok": ok})
        if call == "gif_step":
            left -= 1
        if call == "gif_step" and left < 0:
            WAYS[way](line, answer)
        else:
            print(answer, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
