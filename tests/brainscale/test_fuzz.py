"""Whatever the public API is given, what comes out is a result or an error of brainscale's own."""

from __future__ import annotations

import contextlib
import inspect

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import brainscale
from brainscale import errors
from odd_models import K, Model, N, batched, dense

T, BATCH = 2, 2
NO_CALLS = {"errors", "nn", "BrainscaleError"}


def fuzz(examples):
    return settings(
        deadline=None,
        derandomize=True,
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
    )


class Layer(Model):
    def __init__(self):
        super().__init__()
        self.w, self.out = dense(0, K, N), brainstate.ParamState(jnp.ones(N))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(batched(batch_size, N), name="h")

    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.w.execute(x)
        return self.h.value * self.out.value


def number(x):
    return x


NUMBERS = [0, 1, -1, 2.5, True, float("nan"), np.float32(1), 1j, 1.0 * u.ms]
ARRAYS = [
    np.ones(3),
    np.ones((3, 2)),
    jnp.ones((2, 2), jnp.int32),
    jnp.ones(3) * u.mV,
    jnp.ones((3, 2), jnp.complex64),
    np.ma.masked_array([1.0, 2.0], [0, 1]),
    np.array(["a"]),
    np.array([None, 1]),
    np.ones(0),
    jax.random.key(0),
]
OTHERS = [
    *(None, "x", "", (), (1, 2), [], [3, -1], [[]], {}, {"weight": 1}, {"weight": np.ones((3, 2))}),
    *(Ellipsis, len, number, float, Layer, Layer(), brainscale.MatMulOp(), dense(0, 3, 2)),
    brainstate.ParamState(jnp.ones(2)),
]
ANYTHING = [*NUMBERS, *ARRAYS, *OTHERS]
VALUES = st.sampled_from(range(len(ANYTHING))).map(ANYTHING.__getitem__)


def parameters_of(function):
    is_class = inspect.isclass(function)
    parameters = inspect.signature(function.__init__ if is_class else function).parameters.values()
    return [
        p for p in list(parameters)[is_class:] if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]


@pytest.mark.parametrize("name", sorted(set(brainscale.__all__) - NO_CALLS))
def test_making(name):
    function = getattr(brainscale, name)

    @fuzz(40)
    @given(st.data())
    def check(data):
        arguments = {}
        for p in parameters_of(function):
            if p.default is p.empty or data.draw(st.booleans()):
                arguments[p.name] = data.draw(VALUES)
        with contextlib.suppress(errors.BrainscaleError):
            function(**arguments)

    check()


def sequence(steps=T, batch=BATCH, inputs=K):
    return jnp.ones((steps, batch, inputs))


INPUTS = [
    *(sequence()[0], np.ones((BATCH, K)), sequence()[0] * u.mV, sequence(inputs=K + 1)[0]),
    *(sequence(), sequence(batch=3)[0], np.full((BATCH, K), np.nan), np.ones((BATCH, K), int)),
    brainscale.MultiStepData(sequence()),
    brainscale.SingleStepData(sequence()[0]),
    brainscale.MultiStepData(brainscale.MultiStepData(sequence())),
]
SEQUENCES = [sequence(), np.ones((T, BATCH, K)), sequence(0), sequence(batch=3), *INPUTS]


def loss(learner):
    return lambda x: learner(x).sum()


CALLS = {
    "step": (lambda learner, x: learner(x), INPUTS),
    "no input": (lambda learner, x: learner(), [None]),
    "two inputs": (lambda learner, x: learner.check_inputs(x, x), SEQUENCES),
    "compile_graph": (
        lambda learner, x: learner.compile_graph(x),
        [INPUTS[0], INPUTS[1], INPUTS[3], *INPUTS[-3:]],
    ),
    "reset_state": (lambda learner, x: learner.reset_state(x), [BATCH, 3, None]),
    "reset_traces": (lambda learner, x: learner.reset_traces(), [None]),
    "init_all_states": (
        lambda learner, x: brainstate.nn.init_all_states(learner.model, batch_size=x),
        [BATCH, 3],
    ),
    "etrace_grad": (lambda learner, x: learner.etrace_grad(x, loss(learner)), SEQUENCES),
    "chunk": (
        lambda learner, x: learner.etrace_grad(sequence(), loss(learner), chunk=x),
        [1, T, 0, -1, 2.5, "x", None, True],
    ),
    "grad_states": (
        lambda learner, x: learner.etrace_grad(sequence(), loss(learner), grad_states=x),
        [None, "w", [], {}, 3, {"a": 3}],
    ),
    "step_fn": (
        lambda learner, x: learner.etrace_grad(sequence(), x),
        [None, 3, number, len, lambda x: x.sum(), lambda x: None],
    ),
    "get_etrace_of": (
        lambda learner, x: learner.get_etrace_of(x),
        ["w", "out", "x", ("w",), (), "", None, 3],
    ),
    "learning_signals": (
        lambda learner, x: learner.learning_signals(x, step_fn=loss(learner)),
        SEQUENCES,
    ),
    "check_inputs": (lambda learner, x: learner.check_inputs(x), SEQUENCES),
    "etrace_evolve": (lambda learner, x: learner.etrace_evolve(x), SEQUENCES),
    "show_graph": (lambda learner, x: learner.show_graph(verbose=False), [None]),
}


KNOWN = {"step_fn", "init_all_states", "compile_graph"}
"""Calls that are given no junk: the function and the model are the user's."""


@st.composite
def calls(draw):
    name = draw(st.sampled_from(sorted(CALLS)))
    call, values = CALLS[name]
    known = draw(st.integers(0, len(values) - 1))
    value = draw(VALUES) if name not in KNOWN and draw(st.integers(0, 3)) == 0 else values[known]
    return name, call, value


@fuzz(60)
@given(
    st.sampled_from(["D_RTRL", "RTRL"]), st.booleans(), st.lists(calls(), min_size=1, max_size=4)
)
def test_orders_of_calls(rule, is_compiled, calls):
    """After an error, states are as they were."""
    model = Layer()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    learner = getattr(brainscale, rule)(model)
    if is_compiled:
        learner.compile_graph(sequence()[0])
    for name, call, value in calls:
        before = {key: state.value for key, state in learner.states().items()}
        try:
            call(learner, value)
        except errors.BrainscaleError:
            after = {key: state.value for key, state in learner.states().items()}
            assert jax.tree.structure(before) == jax.tree.structure(after), name
            for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
                np.testing.assert_array_equal(a, b, err_msg=name)
