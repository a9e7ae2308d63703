"""The three-section cell and what a current into its soma does to its six compartments.

Prints the potentials at four times, and draws ``three_section_cell.png`` beside this file, or in
the folder `--out`. It takes seconds: `--quick` only has it draw elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from figures import folder, new, parser_of, save

import brainscale
from brainscale.nn import Morphology, PassiveCable, Section

DT, END, PULSE, CURRENT = 0.025, 20.0, 5.0, 0.1  # ms, ms, ms, nA
SHOWN = (1, 5, 10, 20)  # ms
COLOURS = ("#000000", "#e69f00", "#d55e00", "#56b4e9", "#0072b2", "#009e73")
"""Of Okabe and Ito, which the colour-blind tell apart."""


def three_sections() -> Morphology:
    """A soma; an axon and a dendrite at its end."""
    positions = np.array([[0.0, 0, 0], [100, 0, 0], [200, 0, 0]])
    return Morphology(
        Section("soma", length=20 * u.um, diam=10 * u.um),
        Section("axon", 2, length=100 * u.um, diam=1 * u.um, parent="soma"),
        Section(
            "dendrite",
            3,
            positions=positions * u.um,
            diams=np.array([2.0, 3, 2]) * u.um,
            parent="soma",
        ),
    )


def response(cell: PassiveCable) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) in ms and potentials (T, 6) in mV, the initial ones included."""
    times = np.arange(round(END / DT)) * DT

    @brainstate.transform.jit
    def run(currents):
        def step(I):
            return cell({"soma(0.5)": I * u.nA})

        return brainstate.transform.for_loop(step, currents)

    cell.init_state()
    first = cell.V.value
    currents = jnp.where(times < PULSE, CURRENT, 0.0)
    with brainstate.environ.context(dt=DT * u.ms):
        V = u.math.concatenate([first[None], run(currents)])
    return np.append(times, END), np.asarray(V.to(u.mV).mantissa)[:, 0]


def outline(s0: float, s1: float, diameter) -> tuple[np.ndarray, np.ndarray]:
    """The two edges of a piece of cable from arc length s0 to s1, um."""
    s = np.linspace(s0, s1, 50)
    half = np.array([diameter(x) for x in s]) / 2
    return np.concatenate([s, s[::-1]]), np.concatenate([half, -half[::-1]])


def draw_cell(ax) -> None:
    """The compartments to scale along the cell, their diameters four times as large."""

    def tapered(s):
        return np.interp(s, [0, 100, 200], [2, 3, 2])

    pieces = [(0, 0, 20, lambda s: 10, "soma")]
    pieces += [(-1, 50 * i, 50 * (i + 1), lambda s: 1, "axon") for i in range(2)]
    pieces += [(1, 200 / 3 * i, 200 / 3 * (i + 1), tapered, "dendrite") for i in range(3)]
    for colour, (side, s0, s1, diameter, _) in zip(COLOURS, pieces, strict=True):
        s, edge = outline(s0, s1, diameter)
        # Both leave the same end of the soma; the axon is drawn to the left to be seen.
        x = -s if side < 0 else s + (20 if side > 0 else 0)
        ax.fill(x, 4 * edge, color=colour, ec="white", lw=0.8)
    for x, name in ((-50, "axon"), (10, "soma"), (120, "dendrite")):
        ax.annotate(name, (x, 24), ha="center", va="bottom")
    ax.plot([170, 220], [-22, -22], color="black", lw=1.5)
    ax.annotate("50 µm", (195, -25), ha="center", va="top")
    ax.set_aspect("equal")
    ax.set_ylim(-38, 38)
    ax.axis("off")


def draw(path: Path, times: np.ndarray, V: np.ndarray, names: tuple[str, ...]) -> None:
    """The cell above, its potentials below."""
    figure, (above, below) = new(2, 1, height=5.5, height_ratios=(1, 3))
    draw_cell(above)
    for colour, name, potential in zip(COLOURS, names, V.T, strict=True):
        below.plot(times, potential, color=colour, lw=1.5, label=name)
    below.axvspan(0, PULSE, color="0.92", zorder=0)
    below.annotate(f"{CURRENT} nA into the soma", (PULSE / 2, -66.5), ha="center", va="top")
    below.set(xlabel="time (ms)", ylabel="membrane potential (mV)", xlim=(0, END), ylim=(-68, -49))
    below.spines[["top", "right"]].set_visible(False)
    below.legend(frameon=False, ncols=2)
    save(figure, path)


def main() -> None:
    parser = parser_of(__doc__)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    brainstate.environ.set(precision=64)
    cell = brainscale.nn.PassiveCable(1, three_sections())
    times, V = response(cell)
    names = cell.compartments.names
    print("t (ms)  " + "  ".join(f"{name:>11}" for name in names))
    for t in SHOWN:
        print(f"{t:6}  " + "  ".join(f"{v:11.6f}" for v in V[round(t / DT)]))
    draw(folder(options) / "three_section_cell.png", times, V, names)


if __name__ == "__main__":
    main()
