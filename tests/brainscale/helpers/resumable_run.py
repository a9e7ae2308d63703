"""A run that ends with SIGKILL at a given moment: FOLDER RESULT [EVENT NUMBER [LATER]].

The moment is that of the NUMBER-th audit event EVENT of Python that names the folder, or LATER
events of the operating system after it; ("iteration", NUMBER) is the end of an iteration.
"""

from __future__ import annotations

import os
import signal
import sys

import brainstate
import braintools
import brainunit as u
import jax
import numpy as np

import brainscale
from odd_models import K, Model, N, batched, dense

T, BATCH, ITERATIONS = 4, 2, 6


class Noisy(Model):
    """A state with a history, a weight in nA, and noise."""

    def __init__(self):
        super().__init__()
        self.w = dense(0, K, N, u.nA)

    def init_state(self, batch_size=None, **kwargs):
        self.V = brainscale.ETraceState(batched(batch_size, N) * u.mV, history=2)

    def update(self, x):
        noise = brainstate.random.rand(*self.V.value.shape) * u.mV
        self.V.value = 0.9 * self.V.value + self.w.execute(x) * u.Mohm + noise
        return (self.V.value + jax.lax.stop_gradient(self.V.history[0])) / u.mV


def batches(iteration):
    rng = np.random.default_rng(iteration)
    return rng.normal(size=(T, BATCH, K)), brainstate.random.rand(T, BATCH, N)


def train(folder, iterations=ITERATIONS, callback=lambda *_: None):
    """All that is left of a run, by name; states go on and the learning rate falls."""
    brainstate.random.seed(1)
    learner = brainscale.D_RTRL(Noisy())
    rate = braintools.optim.StepLR(0.1, step_size=2)
    optimizer = braintools.optim.Adam(lr=rate)

    def step_fn(x, y):
        out = learner(x)
        return ((out - y) ** 2).mean(), {"above": (out > y).mean()}

    def after(iteration, means):
        rate.step()
        callback(iteration, means)

    history = brainscale.fit(
        *(learner, step_fn, batches, iterations, optimizer),
        **dict(every=2, chunk=1, clip=1.0, reset=False, progress=False),
        **dict(checkpoint=folder, save_every=2, keep=1, callback=after),
    )
    left = {
        "history": history,
        "model": {str(k): s.value for k, s in learner.model.states().items()},
        "past": learner.model.V.history,
        "traces": {name: trace.value for name, trace in learner.etraces.items()},
        "rest": (optimizer.opt_state.value, optimizer.step_count.value, learner.count.value),
        "rate": (rate.last_epoch.value, rate.current_lrs.value, optimizer.current_lr),
        "key": jax.random.key_data(brainstate.random.DEFAULT.value),
    }
    return {
        jax.tree_util.keystr(k): np.asarray(leaf) for k, leaf in jax.tree.leaves_with_path(left)
    }


def killed_at(folder, event, number, later):
    """Arrange for the end of this process, and return what to call after an iteration."""
    left = {"number": number, "later": later}

    def seen(name, args):
        if name.split(".")[0] not in ("iteration", "open", "os", "shutil") or name == "os.kill":
            return
        of_folder = name == "iteration" or any(str(arg).startswith(folder) for arg in args)
        if left["number"] > 0:
            left["number"] -= name == event and of_folder
        else:
            left["later"] -= name.startswith("os.")
        if left["number"] == 0 and left["later"] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(seen)
    return lambda *_: seen("iteration", ())


def main(folder, result, event="", number="0", later="0"):
    callback = killed_at(folder, event, int(number), int(later)) if event else lambda *_: None
    with brainstate.environ.context(dt=1.0 * u.ms):
        np.savez(result, **train(folder, callback=callback))


if __name__ == "__main__":
    main(*sys.argv[1:])
