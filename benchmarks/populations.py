"""A population of GIF neurons beside brainpy's, and what importing each package takes.

    python benchmarks/populations.py [--neurons 100000] [--steps 100] [--rounds 7]

Runs alternate in one process, compiled, in 32 bits; a ratio is the median of those of its rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import brainpy.state
import brainstate
import brainunit as u
import jax

import brainscale

IMPORT = "import time; begin = time.process_time(); import {}; print(time.process_time() - begin)"


def make_run(neuron: brainstate.nn.Module, unit: u.Unit, steps: int) -> Callable[[], Any]:
    """Make a compiled run of some steps, the current of each another, which counts the spikes."""
    neuron.init_state()
    currents = (1 + brainstate.random.rand(steps)) * unit

    @brainstate.transform.jit
    def run() -> Any:
        return brainstate.transform.for_loop(lambda I: (neuron(I) > 0).sum(), currents)

    return run


def measure(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Measure the seconds of each run, in rounds."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        jax.block_until_ready(run())
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            jax.block_until_ready(run())
            times[name].append(time.perf_counter() - begin)
    return times


def measure_imports(rounds: int) -> dict[str, list[float]]:
    """Measure the CPU seconds of importing each package, its bytecode being there, in rounds."""
    times: dict[str, list[float]] = {"brainscale": [], "brainpy": []}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(rounds + 1):
        for name, seconds in times.items():
            command = [sys.executable, "-c", IMPORT.format(name)]
            run = subprocess.run(command, capture_output=True, check=True, env=environment)
            seconds.append(float(run.stdout))
    return {name: seconds[1:] for name, seconds in times.items()}


def describe(what: str, ours: list[float], theirs: list[float]) -> str:
    """Say how long ours takes, and how that compares."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return f"{what}: {statistics.median(ours):.3g} s, {ratio:.2f} times brainpy's"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--neurons", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    n = options.neurons
    brainstate.environ.set(dt=0.1 * u.ms)
    ours, theirs = brainscale.nn.GIF(n), brainpy.state.Gif(n)
    runs = {
        "brainscale": make_run(ours, u.nA, options.steps),
        "brainpy": make_run(theirs, u.mA, options.steps),
    }
    times = measure(runs, options.rounds)
    what = f"{options.steps} steps of {n} GIF neurons"
    print(describe(what, times["brainscale"], times["brainpy"]))
    times = measure_imports(options.rounds)
    print(describe("import, CPU time", times["brainscale"], times["brainpy"]))


if __name__ == "__main__":
    main()
