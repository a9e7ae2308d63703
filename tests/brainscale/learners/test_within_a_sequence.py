"""What asks a learner for its traces while it makes a sequence is refused: they are those before.

`etrace_grad` traces a step once, and advances traces as a whole: a call within the step would find
the traces of before the sequence, and what it wrote would be lost.
"""

from __future__ import annotations

import brainstate
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from brainscale import errors
from through_time import XS, YS, B, Leaky, compiled, squared

RULES = "D_RTRL", "RTRL"

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision")


def write_trace(learner):
    trace = learner.etraces["w"]
    trace.value = jax.tree.map(jnp.zeros_like, jax.eval_shape(lambda: jnp.zeros(3)))


def write_count(learner):
    learner.count.value = jnp.zeros((), jnp.int32)


CALLS = {
    "reset_traces": lambda learner: learner.reset_traces(),
    "zero_trace": lambda learner: learner.zero_trace("h"),
    "reset_state": lambda learner: learner.reset_state(B),
    "compile_graph": lambda learner: learner.compile_graph(XS[0]),
    "get_etrace_of": lambda learner: learner.get_etrace_of("w"),
    "a trace, read": lambda learner: learner.etraces["w"].value,
    "a trace, written": write_trace,
    "count, read": lambda learner: learner.count.value,
    "count, written": write_count,
    "show_graph": lambda learner: learner.show_graph(verbose=False),
}


def read_all(learner):
    return {path: jax.tree.leaves(state.value) for path, state in learner.states().items()}


def assert_unchanged(learner, before):
    after = read_all(learner)
    assert after.keys() == before.keys()
    for path, leaves in before.items():
        for a, b in zip(leaves, after[path], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=str(path))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("is_before", [False, True])
@pytest.mark.parametrize("call", CALLS)
def test_traces_are_not_to_be_had_while_a_sequence_is_made(rule, is_before, call):
    learner = compiled(Leaky(), rule)
    learner(XS[0])
    before = read_all(learner)

    def loss(x, y):
        if is_before:
            CALLS[call](learner)
        out = learner(x)
        if not is_before:
            CALLS[call](learner)
        return squared(out, y, None)

    with pytest.raises(errors.StructureError, match="between calls of etrace_grad"):
        learner.etrace_grad(XS, YS, loss)
    with pytest.raises(errors.StructureError, match="between calls of etrace_grad"):
        learner.learning_signals(XS, YS, loss)
    assert_unchanged(learner, before)
    learner(XS[1])


@pytest.mark.parametrize("rule", RULES)
def test_traces_are_had_between_sequences_and_single_steps(rule):
    learner = compiled(Leaky(), rule)

    def loss(x, y):
        return squared(learner(x), y, None)

    first = learner.etrace_grad(XS, YS, loss)
    assert learner.count.value == len(XS)
    learner.reset_state(B)
    again = learner.etrace_grad(XS, YS, loss)
    np.testing.assert_allclose(again[("w",)], first[("w",)])

    def of_first_step(x):
        learner.reset_traces()
        return learner(x).sum()

    brainstate.transform.grad(lambda: of_first_step(XS[0]), learner.param_states)()
    assert learner.count.value == 1
