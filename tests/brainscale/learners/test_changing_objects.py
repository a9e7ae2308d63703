"""The objects that a learner is made of are others than when it, or a function, was compiled.

What comes after such a change is what a learner made anew does, or is refused by name. It is never
what the old objects would have done.
"""

from __future__ import annotations

import copy
import functools
import pickle

import brainstate
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale
from brainscale import ETraceParam, FakeETraceParam, MatMulOp, errors
from odd_models import K, N, array
from two_layers import (
    BATCH,
    RULES,
    TwoLayers,
    close,
    compiled,
    nothing,
    over,
    sequence,
    step,
)

pytestmark = pytest.mark.usefixtures("compiled_fast", "step_length")


def reset(learner):
    learner.reset_state(BATCH)


def initialise(learner):
    brainstate.nn.init_all_states(learner.model, batch_size=BATCH)


def replace_trained(learner):
    old = learner.model.z
    learner.model.z = ETraceParam(2 * old.value, MatMulOp())


def replace_operation(learner):
    learner.model.a.op = MatMulOp(weight_mask=np.eye(N))


def replace_frozen(learner):
    learner.model.fixed["between"] = FakeETraceParam(array(7, N, N), MatMulOp())


def replace_frozen_value(learner):
    learner.model.fixed["between"].value = array(1, N, N)


def replace_plain(learner):
    learner.model.out = brainscale.NonTempParam(array(8, N, 2), MatMulOp())


FEW = [reset, replace_trained, replace_frozen]
CHANGES = [
    reset,
    initialise,
    replace_trained,
    replace_plain,
    replace_frozen,
    replace_frozen_value,
    replace_operation,
]
"""In this order: the fifth is taken back by the sixth."""


class Unchanged:
    """A learner whose objects stay, compiled once, with which others are compared."""

    def __init__(self, rule, change, batch):
        self.learner, self.traced = compiled(rule, change, batch), 0
        self.params = {name: state.value for name, state in self.learner.param_states.items()}
        self.step = brainstate.transform.jit(self._step)
        self.over = brainstate.transform.jit(lambda xs: over(self.learner, xs))

    def _step(self, x):
        self.traced += 1
        return step(self.learner, x)

    def begin(self, like, batch):
        """Begin anew, with the parameters' values of a learner, or those it was made with."""
        self.learner.reset_state(batch)
        for name, state in self.learner.param_states.items():
            state.value = like.param_states[name].value if like else self.params[name]

    def steps(self, xs, like=None):
        """What comes of single steps."""
        self.begin(like, xs.shape[1])
        return [self.step(x) for x in xs]

    def all(self, xs, like=None):
        """What comes of all steps."""
        self.begin(like, xs.shape[1])
        return self.over(xs)


@functools.cache
def unchanged(rule, change=None, batch=BATCH):
    """A learner that was made of the objects that there are after a change, values apart."""
    if change not in (nothing, replace_frozen, replace_operation):
        return unchanged(rule, nothing, batch)
    return Unchanged(rule, change, batch)


def begin(learner, change):
    """A change, after which all is as at first."""
    change(learner)
    if change not in (reset, initialise):
        for state in learner.hidden_states.values():
            state.value = jnp.zeros_like(state.value)
    if change is not reset:
        learner.reset_traces()


@pytest.mark.parametrize(
    ("rule", "compiling", "changes"),
    [
        ("D-RTRL", brainstate.transform.jit, CHANGES),
        ("RTRL", brainstate.transform.jit, FEW),
        ("D-RTRL", lambda function: function, FEW),
        ("RTRL", lambda function: function, [replace_trained]),
    ],
    ids=["D-RTRL, compiled", "RTRL, compiled", "D-RTRL", "RTRL"],
)
def test_after_a_change(rule, compiling, changes):
    """It is as of a learner that was made of the new objects."""
    learner, xs = compiled(rule), sequence()
    one = compiling(lambda x: step(learner, x))
    all_ = compiling(lambda: over(learner, xs))
    one(xs[0])
    if compiling is brainstate.transform.jit:
        all_()
    for change in changes:
        begin(learner, change)
        wanted = unchanged(rule, change)
        close(one(xs[0]), wanted.steps(xs[:1], learner)[0], change.__name__)
        if change in (*FEW, replace_operation):
            learner.reset_state(BATCH)
            close(all_(), wanted.all(xs, learner), change.__name__)


@pytest.mark.parametrize("rule", RULES)
def test_a_reset_compiles_nothing_anew(rule):
    same = unchanged(rule)
    first = same.steps(sequence())
    for _ in range(2):
        close(same.steps(sequence()), first)
    assert same.traced == 1


@pytest.mark.parametrize("rule", ["D-RTRL", "RTRL"])
def test_what_has_no_trace_that_fits(rule):
    learner = compiled(rule)
    learner.model.fixed = {"between": FakeETraceParam(array(7, N, N), MatMulOp())}
    learner.model.z = ETraceParam({"weight": array(0, K, N), "bias": array(1, N)}, MatMulOp())
    for run in (lambda: step(learner, sequence()[0]), lambda: over(learner, sequence())):
        with pytest.raises(errors.StructureError, match="compile_graph"):
            run()
    learner.compile_graph(sequence()[0])
    step(learner, sequence()[0])


@pytest.mark.parametrize(
    ("rule", "how"), [*((rule, copy.deepcopy) for rule in RULES), ("D-RTRL", copy.copy)]
)
def test_copies(how, rule):
    """A copy learns what its original would; a deep one has states of its own."""
    learner, xs = compiled(rule), sequence()
    learner(xs[0])
    twin, wanted = how(learner), unchanged(rule).steps(xs)
    run = brainstate.transform.jit(lambda x: step(twin, x))
    close(run(xs[1]), wanted[1])
    if how is copy.deepcopy:
        learner.reset_state(BATCH)
    close(run(xs[2]), wanted[2])


def test_a_copy_that_is_first_used_in_a_compiled_function():
    twin, xs = copy.deepcopy(compiled("D-RTRL")), sequence()
    run = brainstate.transform.jit(lambda: over(twin, xs))
    run()
    for change in (initialise, replace_frozen):
        begin(twin, change)
        close(run(), unchanged("D-RTRL", change).all(xs))


def test_a_learner_is_not_pickled():
    with pytest.raises(errors.StructureError, match="pickled"):
        pickle.dumps(compiled("D-RTRL"))


@pytest.mark.parametrize(
    ("rule", "is_reset"), [("D-RTRL", True), ("D-RTRL", False), ("RTRL", True)]
)
def test_another_batch(rule, is_reset):
    """Refused until the learner is compiled for it, and then right."""
    learner, xs = compiled(rule), sequence(5)
    run = brainstate.transform.jit(lambda xs: over(learner, xs))
    run(sequence())
    if is_reset:
        learner.reset_state(5)
    else:
        brainstate.nn.init_all_states(learner.model, batch_size=5)
    calls = [lambda: learner(xs[0]), lambda: over(learner, xs), lambda: run(sequence())]
    for call in [*calls, lambda: learner(sequence()[0])]:
        with pytest.raises((errors.NotCompiledError, errors.ShapeError), match="compile"):
            call()
    learner.compile_graph(xs[0])
    close(run(xs), unchanged(rule, batch=5).all(xs))


@pytest.mark.parametrize("rule", ["D-RTRL", "RTRL"])
@pytest.mark.parametrize("name", ["z", "out"])
def test_a_parameter_that_a_step_writes(rule, name):
    class Decaying(TwoLayers):
        def update(self, x):
            out = super().update(x)
            param = getattr(self, name)
            param.value = 0.9 * param.value
            return out

    model = Decaying()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    with pytest.raises(errors.ParameterUseError, match=f"{name} is a parameter that a step writes"):
        RULES[rule](model).compile_graph(sequence()[0])
    learner = compiled(rule)

    def writing(x):
        param = getattr(learner.model, name)
        loss = (learner(x) ** 2).sum()
        param.value = 0.9 * param.value
        return loss

    with pytest.raises(errors.ParameterUseError, match=f"{name} is a parameter that a step writes"):
        learner.etrace_grad(sequence(), writing)


def test_a_reset_after_states_were_made_in_a_trace():
    """Their values went with the trace."""
    learner, xs = compiled("D-RTRL"), sequence()

    @brainstate.transform.jit
    def run(x):
        brainstate.nn.init_all_states(learner.model, batch_size=BATCH)
        return learner.model(x)

    run(xs[0])
    learner.reset_state(BATCH)
    close(over(learner, xs), unchanged("D-RTRL").all(xs))
