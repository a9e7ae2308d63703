"""brainscale beside braintrace and backpropagation through time: a table and a plot.

    python benchmarks/run.py [--lengths 100 1000] [--neurons 200] [--inputs 100] [--rounds 5]

Each library has a process of its own, and their runs alternate. Gradients are compared first.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
KINDS = {"LIF": 1, "ALIF": 2, "GIF": 4}

OURS = ["d_rtrl:1", "d_rtrl:10", "d_rtrl:50", "d_rtrl:0", "es_d_rtrl:1", "es_d_rtrl:50", "bptt"]
THEIRS = ["d_rtrl:1", "d_rtrl:10", "d_rtrl:50", "pp_prop:1"]


class Worker:
    """A process of one library, one kind of neuron and one length."""

    def __init__(self, library: str, *arguments: object):
        command = [sys.executable, HERE / "worker.py", library, *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words: object) -> float:
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker failed at {words}")
        return float(answer)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def measured(kind: str, T: int, sizes: tuple[int, int], rounds: int) -> dict[str, float]:
    """Milliseconds a step of each mode, "ours d_rtrl:10" and so on: medians of alternating runs."""
    pairs = [("ours", "brainscale", OURS), ("theirs", "braintrace", THEIRS)]
    workers = {name: Worker(library, kind, T, *sizes) for name, library, _ in pairs}
    modes = [(name, mode) for name, _, own in pairs for mode in own]
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name, mode in modes:
            path = Path(folder) / f"{name}-{mode}.npz"
            workers[name].ask("gradient", mode, path)
            found[name, mode] = list(np.load(path).values())
    reference = found["ours", "d_rtrl:1"]
    for (name, mode), gradients in found.items():
        if mode.startswith("d_rtrl"):
            pairs_of = zip(gradients, reference, strict=True)
            apart = max(np.abs(g - r).max() / np.abs(r).max() for g, r in pairs_of)
            print(f"  {kind} T={T} {name} {mode}: gradients {apart:.1e} apart", flush=True)
    times = {mode: [] for mode in modes}
    for _ in range(rounds):
        for name, mode in modes:
            times[name, mode].append(workers[name].ask("time", mode))
    for worker in workers.values():
        worker.close()
    return {f"{n} {m}": 1e3 * statistics.median(x) / T for (n, m), x in times.items()}


def memory(kind: str, T: int, sizes: tuple[int, int], mode: str) -> float:
    """Peak resident memory of a process that does one run, MB."""
    worker = Worker("brainscale", kind, T, *sizes)
    with tempfile.TemporaryDirectory() as folder:
        found = worker.ask("gradient", mode, Path(folder) / "g.npz")
    worker.close()
    return found / 1024


def table(rows: dict[tuple[str, int], dict[str, float]]) -> str:
    """Milliseconds a step, and ratios."""
    head = ["neuron", "T", *(f"ours {m}" for m in OURS), *(f"theirs {m}" for m in THEIRS)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for (kind, T), row in rows.items():
        numbers = [f"{row[key]:.3f}" for key in head[2:]]
        lines.append("| " + " | ".join([f"{kind} ({KINDS[kind]})", str(T), *numbers]) + " |")
    lines += ["", "| neuron | T | best chunk over their default | over their best window |"]
    lines += ["|---|---|---|---|"]
    for (kind, T), row in rows.items():
        best = min(row[f"ours {m}"] for m in OURS if m.startswith("d_rtrl"))
        windows = min(row[f"theirs {m}"] for m in THEIRS if m.startswith("d_rtrl"))
        default = row["theirs d_rtrl:1"]
        lines.append(f"| {kind} | {T} | {default / best:.1f}× | {windows / best:.1f}× |")
    return "\n".join(lines)


def plot(rows: dict[tuple[str, int], dict[str, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(rows), figsize=(3.2 * len(rows), 3.4), sharey=True)
    for ax, ((kind, T), row) in zip(np.atleast_1d(axes), rows.items(), strict=True):
        names = list(row)
        colours = ["tab:blue" if n.startswith("ours") else "tab:orange" for n in names]
        ax.barh(names, [row[n] for n in names], color=colours)
        ax.set(xscale="log", xlabel="ms a step", title=f"{kind}, T = {T}")
        ax.invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--neurons", type=int, default=200)
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--out", type=Path, default=HERE)
    given = parser.parse_args()
    sizes = given.inputs, given.neurons
    rows = {
        (kind, T): measured(kind, T, sizes, given.rounds)
        for T in given.lengths
        for kind in given.kinds
    }
    text = table(rows)
    text += "\n\n| neuron | T | chunk of 10: peak MB | BPTT: peak MB |\n|---|---|---|---|\n"
    for kind in given.kinds:
        for T in given.lengths:
            chunked, bptt = (memory(kind, T, sizes, mode) for mode in ("d_rtrl:10", "bptt"))
            text += f"| {kind} | {T} | {chunked:.0f} | {bptt:.0f} |\n"
    (given.out / "results.md").write_text(text, "utf-8")
    plot(rows, given.out / "results.png")
    print(text)


if __name__ == "__main__":
    main()
