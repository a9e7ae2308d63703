"""Draws ``cable_convergence.png``: the reference's cable against the cable equation.

A uniform cylinder with sealed ends is cut into more and more compartments. Its steady state under a
current into the first one, and the rate at which its first mode decays, are compared with those of
the equation (Rall 1969, Biophysical Journal 9:1483; Koch 1999, Biophysics of Computation, ch. 2).
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import reference
from reference import Quantity

LENGTH, DIAM, RA, CM, G, E = 1000.0, 2.0, 100.0, 1.0, 1e-4, -70.0  # um, um, ohm cm, uF/cm2, S/cm2
COUNTS = (5, 9, 17, 33, 65, 129)
CURRENT = 0.05  # nA

TAU = CM / G * 1e-3  # ms
LAMBDA = np.sqrt(DIAM * 1e-4 / (4 * RA * G)) * 1e4  # um


def cable_of(count: int) -> reference.Cable:
    """The cylinder in `count` compartments."""
    sizes = {"length": Quantity(LENGTH, "um"), "diam": Quantity(DIAM, "um")}
    section = reference.Section("cylinder", count, **sizes)
    given = {"g": Quantity(G, "S cm^-2"), "E": Quantity(E, "mV")}
    return reference.Cable((), reference.Morphology([section]), given)


def centres(count: int) -> np.ndarray:
    """Of the compartments, um."""
    return (np.arange(count) + 0.5) * LENGTH / count


def steady_error(count: int) -> float:
    """The steady state under a current into the middle compartment's centre, in mV.

    With x the distance to the nearer sealed end, V - E is proportional to cosh(x/lambda) on both
    sides, and half of the current flows to each.
    """
    cable, middle = cable_of(count), count // 2
    current = np.zeros(count)
    current[middle] = CURRENT
    start = Quantity(np.full(count, E), "mV")
    # One implicit step that is very long ends in the steady state.
    V = cable.step(start, Quantity(current, "nA"), Quantity(1e9, "ms")).array
    g_inf = np.pi * (DIAM * 1e-4) ** 2 / (4 * RA * LAMBDA * 1e-4) * 1e6  # uS
    half = LENGTH / 2
    peak = CURRENT / (2 * g_inf * np.tanh(half / LAMBDA))
    x = np.minimum(centres(count), LENGTH - centres(count))
    exact = E + peak * np.cosh(x / LAMBDA) / np.cosh(half / LAMBDA)
    # The injected compartment averages a cusp; its neighbours are judged.
    return float(np.abs(np.delete(V - exact, middle)).max())


def decay_error(count: int) -> float:
    """The relative error of the rate at which cos(pi x/L) decays: 1/tau (1 + (lambda pi/L)^2)."""
    cable, dt = cable_of(count), 1e-4
    mode = np.cos(np.pi * centres(count) / LENGTH)
    after = cable.step(
        Quantity(E + mode, "mV"), Quantity(np.zeros(count), "nA"), Quantity(dt, "ms")
    ).array
    # An implicit step of a mode of rate r multiplies it by 1/(1 + r dt).
    factor = mode @ (after - E) / (mode @ mode)
    rate = (1 / factor - 1) / dt
    exact = (1 + (LAMBDA * np.pi / LENGTH) ** 2) / TAU
    return float(abs(rate / exact - 1))


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_suffix(".png")
    counts = np.array(COUNTS)
    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, error, marker, colour in (
        ("steady state (mV)", steady_error, "o", "#0072b2"),
        ("rate of the first mode (relative)", decay_error, "s", "#d55e00"),
    ):
        found = np.array([error(count) for count in COUNTS])
        slope = np.polyfit(np.log(counts), np.log(found), 1)[0]
        print(f"{name}: slope {slope:.3f}")
        ax.loglog(counts, found, marker=marker, color=colour, label=f"{name}, slope {slope:.2f}")
        ax.loglog(counts, found[0] * (counts[0] / counts) ** 2.0, color="0.7", ls="--", zorder=0)
    ax.set(xlabel="compartments", ylabel="error")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    figure.savefig(path, dpi=110)
    print(f"drawn: {path}")


if __name__ == "__main__":
    main()
