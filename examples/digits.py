"""Handwritten digits by a convolutional net of LIF neurons, learned online from spikes.

Each pixel of scikit-learn's 8 × 8 digits emits spikes at random, with a probability at each step
that is its brightness. Two convolutional layers of LIF neurons and a plain readout watch for 20
steps of 1 ms. The loss is at every step, and weights are updated twice within each presentation.
The digit is the output that was largest on average.

The rule is ES-D-RTRL, whose traces for a convolution are as large as its input and its output;
those of D-RTRL, which `--rule d-rtrl` asks for, have the whole kernel at every position. ES-D-RTRL
is approximate for both layers, D-RTRL for the first alone, whose past lives on in the second.

It prints the accuracy on the fifth of the digits that it has not seen, and draws ``digits.png``
beside this file, or in the folder `--out`. `--quick` is a smaller net, trained more briefly.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import brainpy.state
import brainstate
import braintools
import brainunit as u
import numpy as np
import optax
from figures import COLOURS, curves, folder, new, parser_of, raster, save
from sklearn.datasets import load_digits

import brainscale

DT = 1.0  # ms
HELD_OUT = 360  # of 1797 digits
RULES = {
    "es-d-rtrl": lambda net: brainscale.ES_D_RTRL(net, decay_or_rank=0.8),
    "d-rtrl": brainscale.D_RTRL,
}


@dataclasses.dataclass(frozen=True)
class Task:
    """Steps of a presentation and of an update, the layers' channels, and how it is trained."""

    steps: int = 20
    every: int = 10
    channels: tuple[int, int] = (8, 16)
    batch: int = 64
    epochs: int = 15
    learning_rate: float = 0.005


QUICK = Task(channels=(4, 8), epochs=3, learning_rate=0.01)


class Net(brainstate.nn.Module):
    """Two convolutional layers of LIF neurons and a plain readout of the spikes of the second."""

    def __init__(self, channels: tuple[int, int]):
        super().__init__()
        first, second = channels
        self.conv1 = self._layer((8, 8, 1), first, stride=1)
        self.lif1 = self._neurons((8, 8, first))
        self.conv2 = self._layer((8, 8, first), second, stride=2)
        self.lif2 = self._neurons((4, 4, second))
        self.readout = brainscale.nn.Linear(16 * second, 10, param_type=brainscale.NonTempParam)

    @staticmethod
    def _layer(in_size: tuple[int, ...], channels: int, stride: int) -> brainscale.nn.Conv2d:
        return brainscale.nn.Conv2d(
            in_size,
            channels,
            3,
            stride=stride,
            # For each neuron to reach its threshold by a few spikes, whose part in V is dt/tau.
            w_init=braintools.init.KaimingNormal(scale=200.0, unit=u.mA),
            b_init=braintools.init.ZeroInit(unit=u.mA),
        )

    @staticmethod
    def _neurons(shape: tuple[int, ...]) -> brainpy.state.LIF:
        return brainpy.state.LIF(
            shape,
            tau=5.0 * u.ms,  # pyright: ignore[reportArgumentType]  (to brainunit, maybe a unit)
            V_initializer=braintools.init.ZeroInit(unit=u.mV),
        )

    def update(self, x):
        self.lif1(self.conv1(x))
        spikes = self.lif2(self.conv2(self.lif1.get_spike()))
        return self.readout(spikes.reshape(len(x), -1))


class Digits:
    """The digits, in a random order, those at the end held out."""

    def __init__(self, task: Task, seed: int):
        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(labels))
        self.task, self.seed = task, seed
        self.images = (images[order] / 16).reshape(-1, 8, 8, 1).astype(np.float32)
        self.labels = labels[order].astype(np.int32)
        self.learned = len(labels) - HELD_OUT
        self.per_epoch = self.learned // task.batch

    def presented(self, chosen: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Spikes (T, B, 8, 8, 1) of these images, and their labels (T, B)."""
        steps = (self.task.steps, 1, 1, 1, 1)
        images = np.tile(self.images[chosen], steps)
        spikes = (rng.random(images.shape, np.float32) < images).astype(np.float32)
        return spikes, np.broadcast_to(self.labels[chosen], (self.task.steps, len(chosen)))

    def batch(self, iteration: int) -> tuple[np.ndarray, ...]:
        """Each of the digits that are learned at most once an epoch."""
        epoch, i = divmod(iteration, self.per_epoch)
        order = np.random.default_rng([self.seed, 0, epoch]).permutation(self.learned)
        chosen = order[i * self.task.batch : (i + 1) * self.task.batch]
        return self.presented(chosen, np.random.default_rng([self.seed, 1, iteration]))

    def held_out(self) -> tuple[np.ndarray, ...]:
        chosen = np.arange(self.learned, len(self.labels))
        return self.presented(chosen, np.random.default_rng([self.seed, 2]))


class HeldOut:
    """A net like the one that learns, which is shown the digits that the latter does not see."""

    def __init__(self, task: Task, digits: Digits):
        self.net, self.digits = Net(task.channels), digits
        brainstate.nn.init_all_states(self.net, batch_size=HELD_OUT)
        self.params = self.net.states(brainstate.ParamState)
        self.spikes, labels = digits.held_out()
        self.labels = labels[0]
        self._run = brainstate.transform.jit(self._shown)

    def _shown(self, spikes):
        def step(x):
            logits = self.net(x)
            emitted = (lif.get_spike() for lif in (self.net.lif1, self.net.lif2))
            return logits, [s.reshape(HELD_OUT, -1) for s in emitted]

        brainstate.nn.reset_all_states(self.net, batch_size=HELD_OUT)
        logits, emitted = brainstate.transform.for_loop(step, spikes)
        return logits.mean(0).argmax(-1), emitted

    def __call__(self, net: Net) -> tuple[float, list[np.ndarray]]:
        """The accuracy of the largest mean output; the spikes of both layers, (T, B, neurons)."""
        for path, param in net.states(brainstate.ParamState).items():
            self.params[path].value = param.value
        chosen, emitted = self._run(self.spikes)
        return float((np.asarray(chosen) == self.labels).mean()), [np.asarray(s) for s in emitted]


def train(rule: str, task: Task, digits: Digits, held_out: HeldOut) -> tuple[Net, dict]:
    """A net that has learned; its loss and accuracy by iteration, and held out, by epoch."""
    net = Net(task.channels)
    learner = RULES[rule](net)
    tested = []

    def step(x, labels):
        logits = learner(x)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss, {"accuracy": (logits.argmax(-1) == labels).mean()}

    def test(iteration: int, means: dict[str, float]) -> None:
        if (iteration + 1) % digits.per_epoch == 0:
            tested.append(held_out(net)[0])

    history = brainscale.fit(
        learner,
        step,
        digits.batch,
        task.epochs * digits.per_epoch,
        optax.adam(task.learning_rate),
        every=task.every,
        callback=test,
    )
    return net, {**history, "held out": np.array(tested)}


def draw(path: Path, history: dict, held_out: HeldOut, emitted: list[np.ndarray]) -> None:
    """Loss and accuracy; and a digit, its spikes and those of both layers."""
    figure, axes = new(2, 3, width=9.0, height=6.0)
    iterations, epochs = len(history["loss"]), len(history["held out"])
    curves(axes[0, 0], {"loss": history["loss"]}, "cross-entropy at a step", smooth=10)
    seen = {"learned, at a step": history["accuracy"]}
    curves(axes[0, 1], seen, "accuracy", smooth=10, level=0.9)
    ends = np.arange(1, epochs + 1) * iterations / epochs
    axes[0, 1].plot(ends, history["held out"], color=COLOURS[1], lw=1.5, label="held out, of 20 ms")
    axes[0, 1].legend(frameon=False, loc="lower right")
    axes[0, 2].imshow(held_out.digits.images[held_out.digits.learned, ..., 0], cmap="gray_r")
    axes[0, 2].set_title(f"held out: a {held_out.labels[0]}")
    axes[0, 2].axis("off")
    shown = [held_out.spikes[:, 0].reshape(len(held_out.spikes), -1), *(s[:, 0] for s in emitted)]
    for ax, spikes, name in zip(axes[1], shown, ("pixel", "LIF 1", "LIF 2"), strict=True):
        raster(ax, spikes, DT, ylabel=name)
    save(figure, path)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--rule", choices=RULES, default="es-d-rtrl")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    brainstate.environ.set(dt=DT * u.ms)
    brainstate.random.seed(options.seed)
    task = QUICK if options.quick else Task()
    digits = Digits(task, options.seed)
    held_out = HeldOut(task, digits)
    net, history = train(options.rule, task, digits, held_out)
    accuracy, emitted = held_out(net)
    first, last = history["loss"][:10].mean(), history["loss"][-10:].mean()
    print(f"{options.rule}: loss {first:.3f} -> {last:.3f}, held-out accuracy {accuracy:.3f}")
    rates = (1000 / DT * s.mean() for s in emitted)
    print("mean rates of both layers: " + ", ".join(f"{rate:.0f} Hz" for rate in rates))
    draw(folder(options) / "digits.png", history, held_out, emitted)


if __name__ == "__main__":
    main()
