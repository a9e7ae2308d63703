"""brainscale beside backpropagation through time and braintrace: tables and a plot.

    python benchmarks/run.py [--lengths 100 1000] [--batch 16] [--inputs 100] [--neurons 200]

Each library has a process of its own, and their runs alternate. Gradients are compared first.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).parent
STATES = {"LIF": 1, "ALIF": 2, "GIF": 4}

OURS = [
    *("bptt", "d_rtrl:whole", "d_rtrl:50", "d_rtrl:10", "d_rtrl:1"),
    *("es_d_rtrl:whole", "es_d_rtrl:50", "es_d_rtrl:1"),
]
THEIRS = ["d_rtrl:50", "d_rtrl:10", "d_rtrl:1", "pp_prop:1"]


class Sizes(NamedTuple):
    """B, K and N: of the batch, the inputs and the recurrent neurons."""

    batch: int
    inputs: int
    neurons: int


class Worker:
    """A process of one library, one kind of neuron and one length."""

    def __init__(self, library: str, kind: str, T: int, sizes: Sizes):
        command = [sys.executable, HERE / "worker.py", library, kind, *map(str, (T, *sizes))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, *words: object) -> str:
        """Ask for a line."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker failed at {words}")
        return answer.strip()

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


class Row(NamedTuple):
    """What was measured of a kind of neuron and a length, by mode: "ours d_rtrl:10" and so on."""

    milliseconds: dict[str, float]
    """A step."""
    ratios: dict[str, float]
    """A mode's time over that of BPTT in the same round: the median of all rounds."""
    first: dict[str, float]
    """Seconds from a net to its first gradient."""


def measure(kind: str, T: int, sizes: Sizes, rounds: int, *, alone: bool) -> Row:
    """Measure all modes, in rounds."""
    pairs = [("ours", "brainscale", OURS)]
    pairs += [] if alone else [("theirs", "braintrace", THEIRS)]
    workers = {name: Worker(library, kind, T, sizes) for name, library, _ in pairs}
    modes = [(name, mode) for name, _, of_library in pairs for mode in of_library]
    compare_gradients(kind, T, workers, modes)
    times = {mode: [] for mode in modes}
    for _ in range(rounds):
        for name, mode in modes:
            times[name, mode].append(float(workers[name].ask("time", mode)))
    first = {(name, mode): float(workers[name].ask("first", mode)) for name, mode in modes}
    for worker in workers.values():
        worker.close()
    bptt = times["ours", "bptt"]

    def ratio(x: list[float]) -> float:
        return statistics.median(a / b for a, b in zip(x, bptt, strict=True))

    return Row(
        {f"{n} {m}": 1e3 * statistics.median(x) / T for (n, m), x in times.items()},
        {f"{n} {m}": ratio(x) for (n, m), x in times.items()},
        {f"{n} {m}": seconds for (n, m), seconds in first.items()},
    )


def compare_gradients(
    kind: str, T: int, workers: dict[str, Worker], modes: list[tuple[str, str]]
) -> None:
    """Print how far each D-RTRL gradient is from ours, one step at a time."""
    with tempfile.TemporaryDirectory() as folder:
        gradients = {}
        for name, mode in modes:
            path = Path(folder) / f"{name}-{mode.replace(':', '-')}.npz"
            workers[name].ask("gradient", mode, path)
            gradients[name, mode] = list(np.load(path).values())
    ours = gradients["ours", "d_rtrl:1"]
    for (name, mode), others in gradients.items():
        if mode.startswith("d_rtrl"):
            pairs = zip(others, ours, strict=True)
            distances = (np.abs(g - r).max() / np.abs(r).max() for g, r in pairs)
            print(f"  {kind} T={T} {name} {mode}: {max(distances):.1e} from ours", flush=True)


def measure_memory(kind: str, T: int, sizes: Sizes, mode: str) -> float:
    """Measure the memory, in MB, of a process that does one run, at its peak."""
    worker = Worker("brainscale", kind, T, sizes)
    with tempfile.TemporaryDirectory() as folder:
        kibibytes = float(worker.ask("gradient", mode, Path(folder) / "g.npz"))
    worker.close()
    return kibibytes / 1024


def make_table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Write a table in Markdown; numbers have three digits."""

    def write(x: Any) -> str:
        return f"{x:.3g}" if isinstance(x, float) else str(x)

    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(write, line)) + " |" for line in lines)


def make_report(rows: dict[tuple[str, int], Row], sizes: Sizes, machine: dict[str, str]) -> str:
    """Write what was measured."""
    modes = list(next(iter(rows.values())).milliseconds)
    triad, matrix = float(machine["triad"]), float(machine["matrix"])
    names = {key: [f"{key[0]} ({STATES[key[0]]})", key[1]] for key in rows}
    sections = [
        f"{machine['name']}: {triad / 1e9:.3g} GB/s read and written, "
        f"{matrix / 1e9:.4g} GFLOP/s of matrix products. Batch {sizes.batch}, "
        f"{sizes.inputs} inputs, {sizes.neurons} neurons, 32 bits.",
    ]
    for title, values in (
        ("Milliseconds a step", {k: row.milliseconds for k, row in rows.items()}),
        ("Times of BPTT's", {k: row.ratios for k, row in rows.items()}),
        ("Seconds from a net to its first gradient", {k: row.first for k, row in rows.items()}),
    ):
        lines = [[*names[key], *(of_row[m] for m in modes)] for key, of_row in values.items()]
        sections.append(f"**{title}**\n\n" + make_table(["neuron (states)", "T", *modes], lines))
    lines = []
    for (kind, T), row in rows.items():
        numbers = STATES[kind] * sizes.batch * (sizes.inputs + sizes.neurons) * sizes.neurons
        share = 2 * 4 * numbers / triad / (1e-3 * row.milliseconds["ours d_rtrl:1"])
        lines.append([*names[kind, T], 4e-6 * numbers, share])
    head = ["neuron (states)", "T", "traces, MB", "once over the triad's bandwidth"]
    sections.append(
        "**One step at a time: reading and writing the traces**\n\n" + make_table(head, lines)
    )
    if any(mode.startswith("theirs") for mode in modes):
        lines = []
        for key, row in rows.items():
            x = row.milliseconds
            plain_time = min(x[f"ours {m}"] for m in OURS if m.startswith("d_rtrl"))
            window = min(x[f"theirs {m}"] for m in THEIRS if m.startswith("d_rtrl"))
            one = x["theirs d_rtrl:1"] / x["ours d_rtrl:1"]
            es = x["theirs pp_prop:1"] / x["ours es_d_rtrl:50"]
            lines.append([*names[key], one, window / x["ours d_rtrl:50"], window / plain_time, es])
        head = ["neuron (states)", "T", "one step", "chunks of 50", "whole", "ES-D-RTRL"]
        sections.append("**How many times faster than braintrace**\n\n" + make_table(head, lines))
    return "\n\n".join(sections)


def plot(rows: dict[tuple[str, int], Row], path: Path) -> None:
    """Draw milliseconds a step."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(rows), figsize=(3.2 * len(rows), 3.4), sharey=True)
    for ax, ((kind, T), row) in zip(np.atleast_1d(axes), rows.items(), strict=True):
        names = list(row.milliseconds)
        colours = ["tab:blue" if n.startswith("ours") else "tab:orange" for n in names]
        ax.barh(names, list(row.milliseconds.values()), color=colours)
        ax.set(xscale="log", xlabel="ms a step", title=f"{kind}, T = {T}")
        ax.invert_yaxis()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 1000])
    for name, size in Sizes(16, 100, 200)._asdict().items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=STATES, default=list(STATES))
    parser.add_argument("--alone", action="store_true", help="without braintrace")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    sizes = Sizes(options.batch, options.inputs, options.neurons)
    worker = Worker("brainscale", "LIF", 1, Sizes(1, 1, 1))
    machine = {name: worker.ask("machine", name) for name in ("name", "triad", "matrix")}
    worker.close()
    rows = {
        (kind, T): measure(kind, T, sizes, options.rounds, alone=options.alone)
        for T in options.lengths
        for kind in options.kinds
    }
    lines = [
        [kind, T, *(measure_memory(kind, T, sizes, mode) for mode in ("d_rtrl:whole", "bptt"))]
        for kind in options.kinds
        for T in options.lengths
    ]
    text = make_report(rows, sizes, machine)
    head = ["neuron", "T", "whole sequence, MB", "BPTT, MB"]
    text += "\n\n**Memory at its peak, of the process**\n\n" + make_table(head, lines) + "\n"
    (options.out / "results.md").write_text(text, "utf-8")
    plot(rows, options.out / "results.png")
    print(text)


if __name__ == "__main__":
    main()
