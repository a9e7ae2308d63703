"""CPU time by part: measured as the parts of `.ci/run` run, and held against `.ci/budgets.json`.

`budget.py run NAME COMMAND...` runs a command and notes what it took; `budget.py table` prints all
parts, and fails where one took half as much again as its budget.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
TIMES = FOLDER / "times.json"
BUDGETS = FOLDER / "budgets.json"
SLACK = 1.5


def run(name: str, command: list[str]) -> int:
    """Run a part, note its seconds, and return its exit status."""
    begin = time.perf_counter()
    status = subprocess.run(command, check=False).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = json.loads(TIMES.read_text()) if TIMES.exists() else {}
    times[name] = [used.ru_utime + used.ru_stime, time.perf_counter() - begin]
    TIMES.write_text(json.dumps(times))
    return status


def table() -> int:
    """Print each part's seconds and its budget; the exit status says whether all keep theirs."""
    budgets, times = (json.loads(path.read_text()) for path in (BUDGETS, TIMES))
    print(f"{'part':32}{'CPU s':>8}{'budget':>8}{'wall s':>8}")
    over = [name for name in times if name not in budgets]
    for name, (cpu, wall) in times.items():
        budget = budgets.get(name, 0)
        print(f"{name:32}{cpu:8.0f}{budget:8.0f}{wall:8.0f}")
        if name in budgets and cpu > SLACK * budget:
            over.append(name)
    total = [sum(column) for column in zip(*times.values(), strict=True)]
    print(f"{'all':32}{total[0]:8.0f}{sum(budgets.values()):8.0f}{total[1]:8.0f}")
    for name in over:
        print(f"{name}: over its budget by half or more, or without one (.ci/budgets.json)")
    return 1 if over else 0


if __name__ == "__main__":
    if sys.argv[1] == "table":
        sys.exit(table())
    sys.exit(run(sys.argv[2], sys.argv[3:]))
