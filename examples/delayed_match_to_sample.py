"""Delayed match-to-sample, learned online by a recurrent net of four-state GIF neurons.

A trial: one of two groups of input neurons fires for 100 ms (the sample), then there is background
noise for 500 ms (the delay), then one of the two groups fires again (the test). From the spikes of
its last 50 ms the net says whether both were the same group. Neither stimulus alone tells.

What lasts over the delay are the neurons' own slow currents: a spike leaves −1 nA in I1, which
decays in a second, so a neuron answers less to what it has answered before. D-RTRL's traces carry
how each weight changed these currents; parameters are updated five times within each trial.

Run it with `--neuron gif` (four single states), `tree` (one tree state) or, by default, both. It
prints the accuracy on trials that it has not seen, and draws ``delayed_match_to_sample_gif.png``
and ``..._tree.png`` beside this file, or in the folder `--out`. `--quick` is a smaller task.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import optax
from figures import COLOURS, curves, folder, new, parser_of, raster, save

import brainscale

DT = 5.0  # ms
GROUP, GROUPS = 20, 3  # input neurons: two stimuli, and a group that is never more than noise
BACKGROUND, STIMULUS = 4.0, 80.0  # Hz
NEURONS = {"gif": brainscale.nn.GIF, "tree": brainscale.nn.GIFTree}
HELD_OUT = 512  # trials


@dataclasses.dataclass(frozen=True)
class Task:
    """A trial's parts in steps, the net's size, and how long it is trained."""

    sample: int = 20
    delay: int = 100
    test: int = 25
    answer: int = 10
    neurons: int = 60
    batch: int = 32
    iterations: int = 200
    learning_rate: float = 0.01

    @property
    def steps(self) -> int:
        return self.sample + self.delay + self.test

    def trials(self, rng: np.random.Generator, number: int) -> tuple[np.ndarray, ...]:
        """Spikes (T, B, 60); 1 for a match, else 0 (T, B); weights of the steps (T,), mean 1."""
        sample, test = rng.integers(0, 2, (2, number))
        rate = np.full((self.steps, number, GROUPS, GROUP), BACKGROUND)
        rate[: self.sample, np.arange(number), sample] = STIMULUS
        rate[self.sample + self.delay :, np.arange(number), test] = STIMULUS
        rate = rate.reshape(self.steps, number, GROUPS * GROUP)
        spikes = (rng.random(rate.shape) < rate * DT / 1000).astype(np.float32)
        weights = np.zeros(self.steps, np.float32)
        weights[-self.answer :] = self.steps / self.answer
        match = np.broadcast_to((sample == test).astype(np.int32), (self.steps, number))
        return spikes, match, weights


QUICK = Task(delay=50, neurons=40, iterations=100, learning_rate=0.015)


class Net(brainstate.nn.Module):
    """Spikes in and recurrent spikes, through one matrix, into GIF neurons; a leaky readout."""

    def __init__(self, kind: type, size: int, rng: np.random.Generator):
        super().__init__()
        inputs = GROUPS * GROUP
        weight = np.concatenate(
            [rng.normal(0, 1.0, (inputs, size)), rng.normal(0, 0.4, (size, size))]
        )
        self.size = size
        self.into = brainscale.ETraceParam(
            {"weight": _float(weight) * u.nA, "bias": _float(np.full(size, 0.5)) * u.nA},
            brainscale.MatMulOp(),
        )
        self.neurons = kind(
            size,
            R=20 * u.Mohm,
            V_reset=-70 * u.mV,
            k1=1 / (1000 * u.ms),
            k2=1 / (20 * u.ms),
            R1=1.0,
            R2=1.0,
            A1=-1.0 * u.nA,
            A2=-0.2 * u.nA,
            a=0.005 / u.ms,
            b=0.01 / u.ms,
        )
        out = {"weight": _float(rng.normal(0, 0.1, (size, 2))), "bias": jnp.zeros(2)}
        self.readout = brainscale.NonTempParam(out, brainscale.MatMulOp())

    def init_state(self, batch_size: int, **kwargs) -> None:
        self.spikes = brainstate.ShortTermState(jnp.zeros((batch_size, self.size)))
        # The leak of the readout comes before its weights, and so belongs to the neurons' own
        # dynamics, which traces follow exactly.
        self.rate = brainscale.ETraceState(jnp.zeros((batch_size, self.size)))

    def update(self, x):
        current = self.into.execute(jnp.concatenate([x, self.spikes.value], -1))
        self.spikes.value = self.neurons(current)
        self.rate.value = np.exp(-DT / 100.0) * self.rate.value + self.spikes.value
        return self.readout.execute(self.rate.value)


def _float(array: np.ndarray) -> jax.Array:
    return jnp.asarray(array, jnp.float32)


def train(kind: str, task: Task, seed: int, every: int) -> tuple[Net, dict[str, np.ndarray]]:
    """A net that has learned, and its loss and accuracy in each iteration."""
    net = Net(NEURONS[kind], task.neurons, np.random.default_rng(seed))
    learner = brainscale.D_RTRL(net)

    def step(x, match, weight):
        logits = learner(x)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, match).mean()
        accuracy = (logits.argmax(-1) == match).mean()
        return weight * loss, {"accuracy": weight * accuracy}

    history = brainscale.fit(
        learner,
        step,
        lambda i: task.trials(np.random.default_rng([seed, i]), task.batch),
        task.iterations,
        optax.adam(task.learning_rate),
        every=every,
    )
    return net, history


def held_out(net: Net, task: Task, seed: int) -> tuple[float, tuple[np.ndarray, ...]]:
    """Accuracy on new trials; their inputs, whether they match, and the net's spikes."""
    spikes, match, _ = task.trials(np.random.default_rng([seed, 1_000_000]), HELD_OUT)
    brainstate.nn.init_all_states(net, batch_size=HELD_OUT)

    @brainstate.transform.jit
    def run(spikes):
        return brainstate.transform.for_loop(lambda x: (net(x), net.spikes.value), spikes)

    logits, emitted = run(jnp.asarray(spikes))
    decision = logits[-task.answer :].mean(0).argmax(-1)
    accuracy = float((decision == match[0]).mean())
    return accuracy, (spikes, match[0], np.asarray(emitted))


def draw(path: Path, kind: str, task: Task, history: dict[str, np.ndarray], trials: tuple) -> None:
    """Loss and accuracy, and the spikes of a trial that matches and of one that does not."""
    figure, axes = new(3, 2, width=8.0, height=8.0, height_ratios=(1.0, 1.2, 1.0))
    curves(axes[0, 0], {"loss": history["loss"]}, "cross-entropy", smooth=5)
    curves(axes[0, 1], {"accuracy": history["accuracy"]}, "accuracy", smooth=5, level=0.9)
    edges = DT * np.cumsum([0, task.sample, task.delay, task.test])
    spans = {"sample": (edges[0], edges[1]), "test": (edges[2], edges[3])}
    spikes, match, emitted = trials
    colours = np.repeat([COLOURS[0], COLOURS[1], "0.5"], GROUP)
    for column, (title, is_match) in enumerate({"match": 1, "non-match": 0}.items()):
        trial = int(np.argmax(match == is_match))
        raster(axes[1, column], spikes[:, trial], DT, ylabel="input", colours=colours, spans=spans)
        axes[1, column].set_title(title)
        raster(axes[2, column], emitted[:, trial], DT, ylabel=NEURONS[kind].__name__, spans=spans)
    save(figure, path)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--neuron", choices=[*NEURONS, "both"], default="both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=int, help="steps between updates; default: a fifth of all")
    options = parser.parse_args()
    brainstate.environ.set(dt=DT * u.ms)
    task = QUICK if options.quick else Task()
    every = options.every or task.steps // 5
    for kind in NEURONS if options.neuron == "both" else [options.neuron]:
        net, history = train(kind, task, options.seed, every)
        accuracy, trials = held_out(net, task, options.seed)
        first, last = history["loss"][:10].mean(), history["loss"][-10:].mean()
        print(f"{kind}: loss {first:.3f} -> {last:.3f}, held-out accuracy {accuracy:.3f}")
        draw(folder(options) / f"{Path(__file__).stem}_{kind}.png", kind, task, history, trials)


if __name__ == "__main__":
    main()
