"""A three-section cell fits the voltage of its soma by changing its synapses online.

Onto each of the cell's six compartments come four excitatory and four inhibitory fibres, which fire
at random. A spike adds the synapse's weight to a conductance that decays in 5 ms; the current is
this conductance times the distance to 0 mV, or to −75 mV. A teacher, the same cell with weights of
its own, is given the same spikes, and all that is known of it is the potential of its soma.

After every millisecond the weights follow the gradient, by D-RTRL, of the squared difference from
that potential. For each synapse the traces say how its weight has changed all six potentials,
wherever on the cell it is. Without a recurrent connection this gradient is the true one, but for
the weights having changed a little since the trial began.

It prints the root mean square error on spikes that neither cell has seen, before and after, and how
well the teacher's weights are recovered, and draws ``fit_somatic_voltage.png`` beside this file, or
in the folder `--out`. `--quick` is a shorter run.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
import optax
from figures import COLOURS, curves, folder, new, parser_of, raster, save
from three_section_cell import three_sections

import brainscale

DT, TAU = 0.1, 5.0  # ms
RATE = 8.0  # Hz
COMPARTMENTS, FIBRES = 6, 4
GROUPS = 2 * COMPARTMENTS  # the excitatory synapses of each compartment, then the inhibitory ones
SYNAPSES = FIBRES * GROUPS
TARGET = np.repeat(np.arange(GROUPS), FIBRES)
REVERSAL = np.repeat([0.0, -75.0], COMPARTMENTS)  # mV
LARGEST = np.where(TARGET < COMPARTMENTS, 0.6, 2.0)  # nS
HELD_OUT = 1_000_000  # the number of the trial


@dataclasses.dataclass(frozen=True)
class Task:
    """Steps of a trial and of an update; how many trials, and the first and last rate."""

    steps: int = 5000
    every: int = 10
    trials: int = 160
    learning_rate: tuple[float, float] = (0.003, 0.0001)

    def spikes(self, seed: int, trial: int) -> np.ndarray:
        """Of each fibre, (T, 1, 48)."""
        rng = np.random.default_rng([seed, trial])
        return (rng.random((self.steps, 1, SYNAPSES)) < RATE * DT / 1000).astype(np.float32)


QUICK = Task(steps=2500, trials=40, learning_rate=(0.01, 0.0005))


class Cell(brainstate.nn.Module):
    """The cell and its synapses; their weights are (48,) nS, and a step returns V of the soma."""

    def __init__(self, weight: np.ndarray):
        super().__init__()
        self.cable = brainscale.nn.PassiveCable(1, three_sections())
        self.synapses = brainscale.ETraceParam(
            jnp.asarray(weight, jnp.float32) * u.nS,
            brainscale.SpMatMulOp((np.arange(SYNAPSES), TARGET, (SYNAPSES, GROUPS))),
        )

    def init_state(self, batch_size: int, **kwargs) -> None:
        self.g = brainscale.ETraceGroupState(jnp.zeros((batch_size, 1, GROUPS)) * u.nS)

    def update(self, x):
        arrived = self.synapses.execute(x)[..., None, :]
        self.g.value = np.float32(np.exp(-DT / TAU)) * self.g.value + arrived
        V = self.cable.V.value
        driving = jnp.asarray(REVERSAL, jnp.float32) * u.mV - u.math.concatenate([V, V], -1)
        excitatory, inhibitory = u.math.split(self.g.value * driving, 2, -1)
        return self.cable(excitatory + inhibitory)[..., 0, 0]


class Voltage:
    """The potential of a cell's soma (T, 1), mV, in a trial that begins at rest."""

    def __init__(self, cell: Cell):
        self.cell = cell
        brainstate.nn.init_all_states(cell, batch_size=1)
        self._run = brainstate.transform.jit(self._in_trial)

    def _in_trial(self, spikes):
        self.cell.cable.reset_state(1)
        self.cell.g.value = u.math.zeros_like(self.cell.g.value)
        return brainstate.transform.for_loop(lambda x: self.cell(x) / u.mV, spikes)

    def __call__(self, spikes: np.ndarray) -> np.ndarray:
        return np.asarray(self._run(spikes))


def weights_of(cell: Cell) -> np.ndarray:
    """In nS, (48,)."""
    return np.asarray(cell.synapses.value / u.nS)


def train(student: Cell, teacher: Voltage, task: Task, seed: int) -> np.ndarray:
    """Root mean square errors, mV, one for each trial; the student's weights have changed."""
    learner = brainscale.D_RTRL(student)

    def step(x, V):
        return ((learner(x) / u.mV - V) ** 2).mean()

    def trial(i: int) -> tuple[np.ndarray, np.ndarray]:
        spikes = task.spikes(seed, i)
        return spikes, teacher(spikes)

    first, last = task.learning_rate
    updates = task.trials * task.steps // task.every
    rate = optax.exponential_decay(first, updates, last / first)
    history = brainscale.fit(
        learner, step, trial, task.trials, optax.adam(rate), every=task.every, chunk=None
    )
    return np.sqrt(history["loss"])


def draw(path: Path, errors: np.ndarray, spikes, voltages: dict, weights: dict) -> None:
    """The error over trials, the weights, and the spikes and potentials of a held-out trial."""
    figure, axes = new(2, 2, width=9.0, height=6.5)
    curves(axes[0, 0], {"error": errors}, "RMS error (mV)", xlabel="trial", log=True)
    for kind, colour, chosen in (
        ("excitatory", COLOURS[1], TARGET < COMPARTMENTS),
        ("inhibitory", COLOURS[0], TARGET >= COMPARTMENTS),
    ):
        teacher = weights["teacher"][chosen]
        axes[0, 1].plot(teacher, weights["before"][chosen], ".", color=colour, ms=6, alpha=0.25)
        axes[0, 1].plot(teacher, weights["after"][chosen], "o", color=colour, ms=4, label=kind)
    axes[0, 1].axline((0, 0), slope=1, color="0.5", lw=1, ls=":", zorder=0)
    axes[0, 1].set(xlabel="the teacher's weight (nS)", ylabel="weight, before (pale), after (nS)")
    axes[0, 1].legend(frameon=False)
    shown = slice(0, round(250 / DT))
    colours = np.where(TARGET < COMPARTMENTS, COLOURS[1], COLOURS[0])
    raster(axes[1, 0], spikes[shown, 0], DT, ylabel="fibre", colours=colours)
    times = DT * np.arange(len(spikes))[shown]
    styles = {"before": ("0.7", "-"), "teacher": ("black", "-"), "after": (COLOURS[1], "--")}
    for name, (colour, line) in styles.items():
        axes[1, 1].plot(times, voltages[name][shown, 0], line, color=colour, lw=1.2, label=name)
    axes[1, 1].set(xlabel="time (ms)", ylabel="V of the soma (mV)", xlim=(0, times[-1]))
    axes[1, 1].legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    for ax in axes[:, 1]:
        ax.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    brainstate.environ.set(dt=DT * u.ms)
    task = QUICK if options.quick else Task()
    rng = np.random.default_rng(options.seed)
    hidden, first = rng.uniform(0, 1, (2, SYNAPSES)) * LARGEST
    teacher, student = Voltage(Cell(hidden)), Cell(first)
    spikes = task.spikes(options.seed, HELD_OUT)
    voltages = {"teacher": teacher(spikes), "before": Voltage(student)(spikes)}
    errors = train(student, teacher, task, options.seed)
    voltages["after"] = Voltage(student)(spikes)
    weights = {"teacher": hidden, "before": first, "after": weights_of(student)}
    for when in ("before", "after"):
        error = np.sqrt(((voltages[when] - voltages["teacher"]) ** 2).mean())
        off = np.sqrt(((weights[when] - hidden) ** 2).mean() / (hidden**2).mean())
        print(f"{when}: RMS error {error:.3f} mV, weights off by {100 * off:.1f} %")
    draw(folder(options) / "fit_somatic_voltage.png", errors, spikes, voltages, weights)


if __name__ == "__main__":
    main()
