"""What a function traces is kept by no learner when its trace has ended."""

from __future__ import annotations

import brainstate
import jax
import pytest

from through_time import XS, YS, B, Leaky, squared
from two_layers import RULES

pytestmark = pytest.mark.usefixtures("compiled_fast", "double_precision", "step_length")


@pytest.mark.parametrize("rule", ["D-RTRL", "RTRL"])
def test_no_tracer_outlives_its_trace(rule):
    model = Leaky()
    with jax.checking_leaks():
        brainstate.nn.init_all_states(model, batch_size=B)
        learner = RULES[rule](model)
        learner.compile_graph(XS[0])

        def loss(x, y):
            return squared(learner(x), y, model)

        gradient = brainstate.transform.grad(loss, learner.param_states)
        gradient(XS[0], YS[0])
        brainstate.transform.jit(lambda: learner.etrace_grad(XS, YS, loss))()
        brainstate.transform.jit(learner)(XS[0])
        learner.reset_traces()
