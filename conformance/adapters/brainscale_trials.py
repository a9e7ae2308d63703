"""The part of the adapter of `brainscale` for trials of several lengths."""

from __future__ import annotations

from typing import Any

import brainstate
import jax
import numpy as np

import brainscale
from conformance.adapters.brainscale_learning import (
    as_array,
    by_name,
    prepare,
    read_traces,
)
from conformance.adapters.brainunit_values import native
from conformance.protocol.implementation import Value
from conformance.protocol.problems import LearnedTrials, Network, Rule


class BrainscaleTrials:
    """`Trials` of `conformance.protocol.implementation`."""

    _run: Any

    def learn_trials(
        self,
        network: Network,
        inputs: Any,
        targets: Any,
        weights: Any,
        lengths: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
    ) -> LearnedTrials:
        with brainstate.environ.context(dt=native(dt)):
            model, learner, inputs = prepare(self, network, inputs, rule)
            sequences, loss = (inputs, as_array(targets), as_array(weights)), _losses(learner)
            options = {"chunk": chunk, "lengths": lengths, "return_value": True}
            gradients, losses = self._run(
                lambda: learner.etrace_grad(*sequences, step_fn=loss, **options)
            )
            left = model.hidden(), [layer.emitted.value for layer in model.layers]
            hidden, emitted = jax.tree.map(np.asarray, left)
            traces = {
                name: trace
                for name, trace in read_traces(model, learner).items()
                if not isinstance(trace, tuple)
            }
            return LearnedTrials(
                np.asarray(losses), by_name(model, gradients), list(hidden), list(emitted), traces
            )


def _losses(learner: Any) -> Any:
    """The function of a step that returns the loss of each trial."""

    def loss(x: Any, target: Any, m: Any) -> Any:
        out = learner(x)
        if out.shape != target.shape or m.shape != ():
            raise brainscale.errors.ShapeError(
                f"an output of shape {out.shape} meets a target of shape {target.shape} and a "
                f"weight of shape {m.shape}"
            )
        return 0.5 * m * ((out - target) ** 2).sum(-1)

    return loss
