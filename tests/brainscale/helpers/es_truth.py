"""ES-D-RTRL as chapters 9 and 10 of SPEC.md write it, by whole Jacobians and loops over steps.

Nothing here knows of groups, of neurons or of an operation's parts: D is the derivative of all
hidden variables by all, F by all that an operation puts out, and every element of that output has a
vector of all hidden variables for its eps_f, however many neurons it enters.
"""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from brainscale import ETraceParam
from brainscale.parameters import intercepting
from truth import Fixed


class FixedOutputs(Fixed):
    """Operations that put out what is given; those that are frozen, what they made."""

    def __init__(self, outputs):
        super().__init__({})
        self.outputs = outputs

    def execute(self, param, x):
        return self.outputs[param] if param in self.outputs else super().execute(param, x)


class Added(Fixed):
    """Operations with something added to what they put out."""

    def __init__(self, passing, added):
        super().__init__(passing)
        self.added = added

    def execute(self, param, x):
        y = super().execute(param, x)
        return jax.tree.map(jnp.add, y, self.added[param]) if param in self.added else y


class Run:
    """A model's step as functions of what its states hold."""

    def __init__(self, model, new, loss, batch):
        self.model, self.new, self.loss, self.batch = model, new, loss, batch
        self.params = list(model.states(ETraceParam).values())
        states = self.begun()
        self.first = [state.value for state in states]
        self.hidden = [i for i, s in enumerate(states) if isinstance(s, brainstate.HiddenState)]
        self.jacobians = jax.jit(jax.jacobian(self.new_hidden, (0, 1)))
        self.signals = jax.jit(jax.grad(self.loss_of, (0, 1)))
        self.recorded = jax.jit(self.record)

    def begun(self):
        brainstate.nn.init_all_states(self.model, batch_size=self.batch)
        return list(self.model.states(brainstate.ShortTermState).values())

    def step(self, values, x, tap):
        states = self.begun()
        for state, value in zip(states, values, strict=True):
            state.value = value
        with intercepting(traced=tap.execute):
            out = self.model(x)
        return out, [state.value for state in states]

    def replaced(self, values, flat):
        """The values with other hidden ones."""
        _, unravel = ravel_pytree([values[i] for i in self.hidden])
        values = list(values)
        for i, value in zip(self.hidden, unravel(flat), strict=True):
            values[i] = value
        return values

    def flat(self, values):
        return ravel_pytree([values[i] for i in self.hidden])[0]

    def by_param(self, items):
        return dict(zip(self.params, items, strict=True))

    def record(self, values, x):
        """The new values, and what goes into and comes out of each operation."""
        kept = {}

        class Keep(Fixed):
            def execute(self, param, x):
                y = super().execute(param, x)
                kept[param] = x, y
                return y

        _, after = self.step(values, x, Keep({}))
        inputs, outputs = zip(*(kept[param] for param in self.params), strict=True)
        return after, list(inputs), list(outputs)

    def new_hidden(self, flat, outputs, values, x):
        tap = FixedOutputs(self.by_param(outputs))
        return self.flat(self.step(self.replaced(values, flat), x, tap)[1])

    def loss_of(self, flat, added, values, x, y):
        tap = Added(self.new, self.by_param(added))
        return self.loss(self.step(self.replaced(values, flat), x, tap)[0], y, self.model)


def one_hot(param, x):
    """An index as an input like others."""
    if x is None or jnp.issubdtype(jax.tree.leaves(x)[0].dtype, jnp.floating):
        return x
    return jax.nn.one_hot(x, len(param.value), dtype=float)


def met_weight(param, x, eps_x, eps_one, signal):
    """sum eps_x met, pulled back to the parameter; what multiplies a bias is eps_one."""
    if x is not None and jnp.issubdtype(jax.tree.leaves(x)[0].dtype, jnp.integer):
        y, pull_back = jax.vjp(lambda w: eps_x @ param.op.effective(w), param.value)
    else:
        y, pull_back = jax.vjp(lambda w: param.op(eps_x, w), param.value)
    cotangent = jax.tree.unflatten(
        jax.tree.structure(y), [signal if x is not None else eps_one * signal]
    )
    (gradient,) = pull_back(cotangent)
    if isinstance(gradient, dict) and "bias" in gradient:
        gradient["bias"] = eps_one * gradient["bias"]
    return gradient


def es_truth(model, new, xs, ys, loss, batch, decay):
    """The gradients of the sum of all losses by the parameters with traces."""
    run = Run(model, new, loss, batch)
    values, eps_x, eps_f, eps_one, total = run.first, None, None, 0.0, None
    for t, (x, y) in enumerate(zip(xs, ys, strict=True), 1):
        after, inputs, outputs = run.recorded(values, x)
        h, added = run.flat(values), jax.tree.map(jnp.zeros_like, outputs)
        D, F = run.jacobians(h, outputs, values, x)
        lambda_, c = run.signals(h, added, values, x, y)
        F = [jax.tree.leaves(f)[0].reshape(len(h), -1).T for f in F]
        c = [jax.tree.leaves(leaf)[0] for leaf in c]
        x_in = [one_hot(*pair) for pair in zip(run.params, inputs, strict=True)]
        if t == 1:
            eps_x = jax.tree.map(jnp.zeros_like, x_in)
            eps_f = [jnp.zeros_like(f) for f in F]
        eps_one = decay * eps_one + 1
        eps_x = jax.tree.map(lambda e, leaf: decay * e + leaf, eps_x, x_in)
        gradients = []
        for k, param in enumerate(run.params):
            signal = (1 - decay) * c[k] + decay * (eps_f[k] @ lambda_).reshape(c[k].shape)
            signal = signal / (1 - decay**t)
            gradients.append(met_weight(param, inputs[k], eps_x[k], eps_one, signal))
        eps_f = [decay * e @ D.T + (1 - decay) * f for e, f in zip(eps_f, F, strict=True)]
        total = gradients if total is None else jax.tree.map(jnp.add, total, gradients)
        values = after
    by_param = run.by_param(total)
    return {k: by_param[p] for k, p in model.states(ETraceParam).items()}
