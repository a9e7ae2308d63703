"""Evidence accumulation, where what is learned depends on how far back a trace reaches.

A trial, after Bellec et al. (2020, Nature Communications 11:3625): seven cues of 50 ms, each from
the left or the right group of input neurons, then background noise for 400 ms, then the group that
asks for a decision: which side has had more cues? The net is of adaptive LIF neurons, whose
thresholds keep for a second what the cues have done; a decision must be credited to weights whose
effect is half a second old.

The same net learns by five rules, from the same trials and with the same optimizer: BPTT, which
stores the trial; D-RTRL and e-prop with random feedback, whose traces last as long as the neurons'
own variables; and ES-D-RTRL, whose small traces are cut short by a decay. A decay of 0.9 forgets
within ten steps (50 ms) and cannot reach the cues. One of 0.99 can, but these traces are a product
of two sums in place of a sum of products: they credit each input for what the neuron did at other
times too.

Prints each rule's accuracy on trials that the nets have not seen, and draws
``evidence_accumulation.png`` beside this file, or in the folder `--out`. `--quick` is a smaller
task, `--rules` are those to run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import brainpy.state
import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import optax
from figures import COLOURS, curves, folder, new, parser_of, raster, save

import brainscale

DT = 5.0  # ms
GROUP = 10  # input neurons of each group: left, right, the question, noise
LEFT, RIGHT, ASK, NOISE = range(4)
BACKGROUND, CUE = 4.0, 100.0  # Hz
HELD_OUT = 512  # trials
RULES: dict[str, Callable[[brainstate.nn.Module], brainscale.ETraceAlgorithm] | None] = {
    "BPTT": None,
    "D-RTRL": brainscale.D_RTRL,
    "e-prop": lambda net: brainscale.EProp(net, feedback="random"),
    "ES-D-RTRL 0.99": lambda net: brainscale.ES_D_RTRL(net, 0.99),
    "ES-D-RTRL 0.9": lambda net: brainscale.ES_D_RTRL(net, 0.9),
}


@dataclasses.dataclass(frozen=True)
class Task:
    """A trial's parts in steps, the net's size, and how long it is trained."""

    cues: int = 7
    cue: int = 10
    gap: int = 5
    delay: int = 80
    ask: int = 20
    answer: int = 10
    neurons: int = 60
    batch: int = 32
    iterations: int = 200
    learning_rate: float = 0.01

    @property
    def steps(self) -> int:
        return self.cues * (self.cue + self.gap) + self.delay + self.ask

    def trials(self, rng: np.random.Generator, number: int) -> tuple[np.ndarray, ...]:
        """Spikes (T, B, 40); the side, 0 or 1 (T, B); weights of the steps (T,), mean 1."""
        likely = rng.integers(0, 2, number)
        sides = np.where(rng.random((self.cues, number)) < 0.7, likely, 1 - likely)
        rate = np.full((self.steps, number, 4, GROUP), BACKGROUND)
        for i, side in enumerate(sides):
            start = i * (self.cue + self.gap)
            rate[start : start + self.cue, np.arange(number), side] = CUE
        rate[-self.ask :, :, ASK] = CUE
        rate[:, :, NOISE] = 2 * BACKGROUND
        rate = rate.reshape(self.steps, number, 4 * GROUP)
        spikes = (rng.random(rate.shape) < rate * DT / 1000).astype(np.float32)
        weights = np.zeros(self.steps, np.float32)
        weights[-self.answer :] = self.steps / self.answer
        most = (sides.mean(0) > 0.5).astype(np.int32)
        return spikes, np.broadcast_to(most, (self.steps, number)), weights


QUICK = Task(cues=3, delay=40, neurons=40, iterations=60, learning_rate=0.02)


class Net(brainstate.nn.Module):
    """Spikes in and recurrent spikes into LIF neurons, half of them adaptive; a leaky readout."""

    def __init__(self, size: int, rng: np.random.Generator):
        super().__init__()
        inputs = 4 * GROUP
        weight = np.concatenate(
            [rng.normal(0, 1.0, (inputs, size)), rng.normal(0, 0.3, (size, size))]
        )
        self.size = size
        self.into = brainscale.ETraceParam(_float(weight) * u.mA, brainscale.MatMulOp())
        self.neurons = brainpy.state.ALIF(
            size,
            tau=20 * u.ms,  # pyright: ignore[reportArgumentType]  (to brainunit, maybe a unit)
            tau_a=1000 * u.ms,  # pyright: ignore[reportArgumentType]
            beta=np.where(np.arange(size) < size // 2, 0.0, 0.2) * u.mV,
        )
        weight = _float(rng.normal(0, size**-0.5, (size, 2)))
        self.readout = brainscale.NonTempParam(weight, brainscale.MatMulOp())

    def init_state(self, batch_size: int, **kwargs) -> None:
        self.spikes = brainstate.ShortTermState(jnp.zeros((batch_size, self.size)))
        # The leak of the readout comes before its weights, and so belongs to the neurons' own
        # dynamics, which traces follow exactly.
        self.rate = brainscale.ETraceState(jnp.zeros((batch_size, self.size)))

    def update(self, x):
        current = self.into.execute(jnp.concatenate([x, self.spikes.value], -1))
        self.spikes.value = self.neurons(current)
        self.rate.value = np.exp(-DT / 50.0) * self.rate.value + self.spikes.value
        return self.readout.execute(self.rate.value)


def _float(array: np.ndarray) -> jax.Array:
    return jnp.asarray(array, jnp.float32)


def bptt(net, step, batches, iterations, optimizer) -> dict[str, np.ndarray]:
    """As `brainscale.fit` with one update a sequence, by derivatives through the whole sequence."""
    params = net.states(brainstate.ParamState)
    optimizer.register_trainable_weights(params)

    @brainstate.transform.jit
    def iteration(*batch):
        brainstate.nn.init_all_states(net, batch_size=batch[0].shape[1])

        def loss():
            losses, metrics = brainstate.transform.for_loop(step, *batch)
            return losses.sum(), {"loss": losses.mean()} | jax.tree.map(jnp.mean, metrics)

        gradients, means = brainstate.transform.grad(loss, params, has_aux=True)()
        optimizer.update(gradients)
        return means

    history = [iteration(*map(jnp.asarray, batches(i))) for i in range(iterations)]
    return {name: np.asarray([means[name] for means in history]) for name in history[0]}


def train(rule: str, task: Task, seed: int) -> tuple[Net, dict[str, np.ndarray]]:
    """A net that has learned, and its loss and accuracy in each iteration."""
    net = Net(task.neurons, np.random.default_rng(seed))
    rule_of = RULES[rule]
    learner = net if rule_of is None else rule_of(net)

    def step(x, side, weight):
        logits = learner(x)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, side).mean()
        return weight * loss, {"accuracy": weight * (logits.argmax(-1) == side).mean()}

    def batches(i):
        return task.trials(np.random.default_rng([seed, i]), task.batch)

    optimizer = braintools.optim.Adam(task.learning_rate)
    if isinstance(learner, Net):
        return net, bptt(net, step, batches, task.iterations, optimizer)
    optimizer.register_trainable_weights(net.states(brainstate.ParamState))
    return net, brainscale.fit(learner, step, batches, task.iterations, optimizer)


def held_out(net: Net, task: Task, seed: int) -> tuple[float, tuple[np.ndarray, ...]]:
    """Accuracy on new trials; their inputs, the sides, and the net's spikes."""
    spikes, side, _ = task.trials(np.random.default_rng([seed, 1_000_000]), HELD_OUT)
    brainstate.nn.init_all_states(net, batch_size=HELD_OUT)

    @brainstate.transform.jit
    def run(spikes):
        return brainstate.transform.for_loop(lambda x: (net(x), net.spikes.value), spikes)

    logits, emitted = run(jnp.asarray(spikes))
    decision = logits[-task.answer :].mean(0).argmax(-1)
    return float((decision == side[0]).mean()), (spikes, side[0], np.asarray(emitted))


def draw(path: Path, task: Task, histories: dict[str, dict], trials: dict[str, tuple]) -> None:
    """Loss and accuracy by each rule, and the spikes of a trial by D-RTRL, if it was run."""
    figure, axes = new(2, 2, width=9.0, height=7.0)
    for ax, name in zip(axes[0], ("loss", "accuracy"), strict=True):
        series = {rule: history[name] for rule, history in histories.items()}
        curves(ax, series, name, smooth=10, legend=False)
    lines = axes[0, 0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside upper center", ncols=len(histories), frameon=False)
    end = task.steps * DT
    spans = {"decision": (end - task.ask * DT, end)}
    shown = "D-RTRL" if "D-RTRL" in trials else list(trials)[-1]
    spikes, _, emitted = trials[shown]
    colours = np.repeat([COLOURS[0], COLOURS[1], COLOURS[2], "0.5"], GROUP)
    raster(axes[1, 0], spikes[:, 0], DT, ylabel="input", colours=colours, spans=spans)
    raster(axes[1, 1], emitted[:, 0], DT, ylabel=f"{shown}'s neurons, adaptive above", spans=spans)
    save(figure, path)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    brainstate.environ.set(dt=DT * u.ms)
    task = QUICK if options.quick else Task()
    histories, trials = {}, {}
    for rule in options.rules:
        net, histories[rule] = train(rule, task, options.seed)
        accuracy, trials[rule] = held_out(net, task, options.seed)
        loss = histories[rule]["loss"]
        first, last = loss[:10].mean(), loss[-10:].mean()
        print(f"{rule}: loss {first:.3f} -> {last:.3f}, held-out accuracy {accuracy:.3f}")
    draw(folder(options) / f"{Path(__file__).stem}.png", task, histories, trials)


if __name__ == "__main__":
    main()
