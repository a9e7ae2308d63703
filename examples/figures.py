"""What the examples draw alike: curves over iterations, and rasters."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from braintools import visualize

__all__ = ["COLOURS", "curves", "folder", "new", "parser_of", "raster", "save"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Of Okabe and Ito, which the colour-blind tell apart."""


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """What a script of this docstring can be told: how much to do, and where to draw."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a small run, of a minute or less")
    parser.add_argument(
        "--out",
        type=Path,
        help="the folder of figures; default: that of this file, or of temporary files if --quick",
    )
    return parser


def folder(options: argparse.Namespace) -> Path:
    """Where figures go: a quick run leaves those of the repository alone."""
    if options.out is None:
        return Path(tempfile.gettempdir()) if options.quick else Path(__file__).parent
    return options.out


def new(*shape: int, width: float = 7.0, height: float = 5.0, **options: Any) -> tuple[Any, Any]:
    """A figure and its axes, as `matplotlib.pyplot.subplots` has them."""
    return plt.subplots(*shape, figsize=(width, height), layout="constrained", **options)


def curves(
    ax: Any,
    series: Mapping[str, Any],
    ylabel: str,
    *,
    smooth: int = 1,
    level: float | None = None,
    xlabel: str = "iteration",
    log: bool = False,
    legend: bool = True,
) -> None:
    """One line for each of `series`, each a number for each iteration, by its name.

    `smooth` iterations are averaged into one number; a dotted line is drawn at `level`.
    """
    for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
        values = np.asarray(values, float)
        window = max(1, min(smooth, len(values)))
        mean = np.convolve(values, np.ones(window) / window, "valid")
        ax.plot(np.arange(len(mean)) + window, mean, color=colour, lw=1.5, label=name)
    if level is not None:
        ax.axhline(level, color="0.5", lw=1, ls=":", zorder=0)
    if log:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    if legend and len(series) > 1:
        ax.legend(frameon=False)


def raster(
    ax: Any,
    spikes: Any,
    dt: float = 1.0,
    *,
    ylabel: str = "neuron",
    colours: Any = "black",
    spans: Mapping[str, tuple[float, float]] | None = None,
) -> None:
    """A mark for each spike of one trial.

    Parameters
    ----------
    spikes : array, shape (T, N)
        0 where there is none.
    dt : float
        Length of a step, ms.
    colours : colour, or one for each neuron
    spans : mapping from names to (start, end) in ms
        Shaded and named: a cue, say.
    """
    spikes = np.asarray(spikes)
    of_neurons = np.broadcast_to(np.asarray(colours, object), spikes.shape[1:])
    of_spikes = list(of_neurons[np.nonzero(spikes)[1]])
    times = np.arange(len(spikes)) * dt
    visualize.raster_plot(times, spikes, ax, "|", 3, of_spikes, "time (ms)", ylabel, lw=0.8)
    for name, (start, end) in (spans or {}).items():
        ax.axvspan(start, end, color="0.92", zorder=0)
        ax.annotate(
            name,
            ((start + end) / 2, spikes.shape[1]),
            ha="center",
            va="bottom",
            fontsize=8,
            annotation_clip=False,
        )
    ax.set_xlim(0, spikes.shape[0] * dt)
    ax.set_ylim(-0.5, spikes.shape[1] - 0.5)
    ax.spines[["top", "right"]].set_visible(False)


def save(figure: Any, path: str | Path) -> None:
    """Write the figure, say where, and let it go."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    print(f"drawn: {path}")
    plt.close(figure)
