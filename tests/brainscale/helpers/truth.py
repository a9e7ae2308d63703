"""The gradient that chapters 9 and 10 define, by plain reverse mode and nothing of the learner's.

The model is run twice in each step t. In one run, from which the next step goes on, the inputs of
all operations are held fixed; the other makes the loss, and there only the old ones are. So what is
left of dL(t)/dw is what the law counts. Which inputs are new is written down by hand, model by
model.
"""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp

from brainscale import ETraceParam
from brainscale.parameters import intercepting


class Fixed:
    """Operations with inputs held fixed, but for those of some parameters."""

    def __init__(self, passing):
        self.passing = passing

    def execute(self, param, x):
        pass_through = self.passing.get(param, lambda x: jax.lax.stop_gradient(x))
        return param.op(pass_through(x), param.value)


def truth(model, new, xs, ys, loss, batch):
    """The gradients of the sum of all losses by the model's parameters.

    `new`: the parameters whose operation's input is new, each with a function that holds the old
    part of the input fixed. Plain parameters get the derivative within each step.
    """

    brainstate.nn.init_all_states(model, batch_size=batch)
    states = list(model.states(brainstate.ShortTermState).values())
    first = [state.value for state in states]

    def total(advance):
        for state, value in zip(states, first, strict=True):
            state.value = value
        return brainstate.transform.for_loop(lambda x, y: advance(x, y), xs, ys).sum()

    def of_traces(x, y):
        before = [state.value for state in states]
        with intercepting(traced=Fixed(new).execute):
            step_loss = loss(model(x), y, model)
        for state, value in zip(states, before, strict=True):
            state.value = value
        with intercepting(traced=Fixed({}).execute):
            model(x)
        return step_loss

    def within(x, y):
        for state in states:
            state.value = jax.tree.map(jax.lax.stop_gradient, state.value)
        return loss(model(x), y, model)

    params = model.states(brainstate.ParamState)
    traced = {k: s for k, s in params.items() if isinstance(s, ETraceParam)}
    plain = {k: s for k, s in params.items() if k not in traced}
    gradients = {}
    for wanted, advance in ((traced, of_traces), (plain, within)):
        if wanted:
            gradient = brainstate.transform.grad(lambda a=advance: total(a), wanted)
            gradients |= brainstate.transform.jit(gradient)()
    return gradients


def run(model, xs):
    """The results of all steps."""
    return brainstate.transform.for_loop(lambda x: model(x), xs)


def through_time(model, xs, ys, batch, loss):
    """The gradients of a loss of all results by reverse mode through the whole run; the results."""
    brainstate.nn.init_all_states(model, batch_size=batch)
    params = model.states(brainstate.ParamState)
    states = list(model.states(brainstate.ShortTermState).values())
    first = [state.value for state in states]

    def total():
        for state, value in zip(states, first, strict=True):
            state.value = value
        outs = run(model, xs)
        return loss(outs, ys, model), outs

    gradient = brainstate.transform.grad(total, params, has_aux=True)
    return brainstate.transform.jit(gradient)()


def learned(learner, xs, ys, loss, batch, chunk):
    """The learner's gradients, compiled, from a fresh start."""
    model = learner.model
    brainstate.nn.init_all_states(model, batch_size=batch)
    learner.compile_graph(xs[0])
    return brainstate.transform.jit(
        lambda: learner.etrace_grad(xs, ys, lambda x, y: loss(learner(x), y, model), chunk=chunk)
    )()


def stepwise(learner, xs, ys, loss, batch):
    """The same, a step at a time in `brainstate.transform.grad`."""
    model = learner.model
    brainstate.nn.init_all_states(model, batch_size=batch)
    learner.compile_graph(xs[0])
    gradient = brainstate.transform.grad(
        lambda x, y: loss(learner(x), y, model), learner.param_states
    )
    gradients = brainstate.transform.jit(lambda: brainstate.transform.for_loop(gradient, xs, ys))()
    return jax.tree.map(lambda g: g.sum(0), gradients)


def difference(got, wanted):
    """The largest difference relative to the largest entry, over all parameters."""
    worst = 0.0
    for key, tree in wanted.items():
        for a, b in zip(jax.tree.leaves(got[key]), jax.tree.leaves(tree), strict=True):
            assert jnp.abs(b).max() > 0, f"the gradient of {key} says nothing"
            worst = max(worst, float(jnp.abs(a - b).max() / jnp.abs(b).max()))
    return worst
