"""Copying memory: a GRU remembers symbols over a delay, learned by D-RTRL.

The net sees five symbols of eight, one a step, then nothing for 20 steps, then five times the sign
to go, at each of which it names the next symbol. Without a memory of the symbols no guess has a
lower cross-entropy than log 8, and one in eight is right.

D-RTRL takes no derivative back in time: at each step the traces say how each weight has changed
each unit's h, through (1 − z) h alone. Beside it the same net, from the same weights and on the
same trials, is trained by backpropagation through time, which also follows what one unit does to
others later.

It prints cross-entropy and accuracy on trials that it has not seen, and draws
``copying_memory.png`` beside this file, or in the folder `--out`. `--quick` is a shorter task.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import brainstate
import braintools
import jax
import jax.numpy as jnp
import numpy as np
import optax
from figures import COLOURS, curves, folder, new, parser_of, save

import brainscale

SYMBOLS = 8
BASELINE = float(np.log(SYMBOLS))
HELD_OUT = 1024  # trials


@dataclasses.dataclass(frozen=True)
class Task:
    """How long the sequence and the delay are, in steps; the net's size and how it is trained."""

    length: int = 5
    delay: int = 20
    units: int = 100
    batch: int = 64
    iterations: int = 2000
    learning_rate: float = 0.005

    @property
    def steps(self) -> int:
        return 2 * self.length + self.delay

    def trials(self, rng: np.random.Generator, number: int) -> tuple[np.ndarray, ...]:
        """Inputs (T, B, 10), one hot; symbols (T, B) to name; weights of the steps (T,), mean 1."""
        symbols = rng.integers(0, SYMBOLS, (self.length, number))
        seen = np.full((self.steps, number), SYMBOLS)
        seen[: self.length] = symbols
        seen[-self.length :] = SYMBOLS + 1
        named = np.zeros((self.steps, number), np.int32)
        named[-self.length :] = symbols
        weights = np.zeros(self.steps, np.float32)
        weights[-self.length :] = self.steps / self.length
        return np.eye(SYMBOLS + 2, dtype=np.float32)[seen], named, weights


QUICK = Task(length=3, delay=5, units=40, iterations=600, learning_rate=0.01)


class Net(brainstate.nn.Module):
    """A GRU and a plain readout."""

    def __init__(self, units: int):
        super().__init__()
        self.cell = brainscale.nn.GRUCell(SYMBOLS + 2, units)
        # At first h is kept rather than replaced: z is about 1/4.
        gate = self.cell.Wz.weight
        gate.value = {**gate.value, "bias": gate.value["bias"] - 1}
        self.readout = brainscale.nn.Linear(units, SYMBOLS, param_type=brainscale.NonTempParam)

    def update(self, x):
        return self.readout(self.cell(x))


def score(logits, named, weight) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Of a step: its loss, and its part of the accuracy."""
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, named).mean()
    return weight * loss, {"accuracy": weight * (logits.argmax(-1) == named).mean()}


def by_d_rtrl(net: Net, batches, task: Task) -> dict[str, np.ndarray]:
    """Loss and accuracy of each iteration."""
    learner = brainscale.D_RTRL(net)

    def step(x, named, weight):
        return score(learner(x), named, weight)

    return brainscale.fit(
        learner, step, batches, task.iterations, optax.adam(task.learning_rate), clip=10.0
    )


def by_bptt(net: Net, batches, task: Task) -> dict[str, np.ndarray]:
    """The same by backpropagation through time."""
    params = net.states(brainstate.ParamState)
    tx = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(task.learning_rate))
    optimizer = braintools.optim.OptaxOptimizer(tx=tx)
    optimizer.register_trainable_weights({str(path): state for path, state in params.items()})

    @brainstate.transform.jit
    def iteration(*batch):
        brainstate.nn.init_all_states(net, batch_size=task.batch)

        def loss():
            def step(x, named, weight):
                return score(net(x), named, weight)

            losses, metrics = brainstate.transform.for_loop(step, *batch)
            return losses.sum(), metrics["accuracy"].mean()

        gradients, total, accuracy = brainstate.transform.grad(
            loss, params, has_aux=True, return_value=True
        )()
        optimizer.update({str(path): gradient for path, gradient in gradients.items()})
        return total / task.steps, accuracy

    def all_iterations() -> Iterator[tuple[float, float]]:
        for i in range(task.iterations):
            loss, accuracy = iteration(*map(jnp.asarray, batches(i)))
            yield float(loss), float(accuracy)

    losses, accuracies = zip(*all_iterations(), strict=True)
    return {"loss": np.array(losses), "accuracy": np.array(accuracies)}


def held_out(net: Net, task: Task, seed: int) -> tuple[float, np.ndarray]:
    """On new trials: cross-entropy, and accuracy by position in the sequence."""
    x, named, _ = task.trials(np.random.default_rng([seed, 1_000_000]), HELD_OUT)
    brainstate.nn.init_all_states(net, batch_size=HELD_OUT)

    @brainstate.transform.jit
    def run(x):
        return brainstate.transform.for_loop(net, x)[-task.length :]

    logits, named = run(jnp.asarray(x)), named[-task.length :]
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, named).mean()
    return float(loss), np.asarray(logits.argmax(-1) == named).mean(1)


def draw(path: Path, histories: dict[str, dict], positions: dict[str, np.ndarray]) -> None:
    """Loss and accuracy over iterations, and accuracy by position."""
    figure, (left, middle, right) = new(1, 3, width=10.0, height=3.2)
    losses, accuracies = (
        {rule: history[name] for rule, history in histories.items()}
        for name in ("loss", "accuracy")
    )
    curves(left, losses, "cross-entropy of the recall", smooth=20, level=BASELINE)
    place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
    left.annotate("without memory", (0.98, BASELINE), **place)
    left.set_ylim(0, 1.15 * BASELINE)
    curves(middle, accuracies, "accuracy of the recall", smooth=20, level=1 / SYMBOLS)
    middle.set_ylim(0, 1.02)
    for colour, (rule, by_position) in zip(COLOURS, positions.items(), strict=False):
        places = np.arange(1, len(by_position) + 1)
        right.plot(places, by_position, "o-", color=colour, lw=1.5, ms=4, label=rule)
    right.axhline(1 / SYMBOLS, color="0.5", lw=1, ls=":", zorder=0)
    right.set(
        xlabel="position of the symbol", ylabel="held-out accuracy", ylim=(0, 1.02), xticks=places
    )
    right.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    task = QUICK if options.quick else Task()

    def batches(i: int) -> tuple[np.ndarray, ...]:
        return task.trials(np.random.default_rng([options.seed, i]), task.batch)

    print(f"without memory: cross-entropy {BASELINE:.3f}, accuracy {1 / SYMBOLS:.3f}")
    histories, positions = {}, {}
    for rule, train in {"D-RTRL": by_d_rtrl, "BPTT": by_bptt}.items():
        brainstate.random.seed(options.seed)
        net = Net(task.units)
        histories[rule] = train(net, batches, task)
        loss, positions[rule] = held_out(net, task, options.seed)
        print(f"{rule}: held-out cross-entropy {loss:.3f}, accuracy {positions[rule].mean():.3f}")
    draw(folder(options) / "copying_memory.png", histories, positions)


if __name__ == "__main__":
    main()
