"""Running networks and learning in them: SPEC.md, chapters 9 and 10.

Networks are run step by step; chunks only say when parameters are updated (LEARN-10).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..networks import LayerStep, Model, Network, pull_back
from ..traces import DRTRL, ESDRTRL, read_decays
from ..values import read_plain
from .rules import Rule, check_rule, choose_rule, make_trace


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """The states, emissions, outputs and traces of a run."""

    hidden: list[np.ndarray]  #: for each layer (T, B, N, d)
    emitted: list[np.ndarray]  #: for each layer (T, B, N)
    outputs: np.ndarray  #: (T, B, M)
    #: At the end, by parameter, as `DRTRL.show` or `ESDRTRL.show` has it; none of RTRL and OSTL.
    traces: dict[str, Any]
    #: The least distance of a comparison to equality, in scales of its surrogate (NUM-8); infinite
    #: where nothing is compared.
    nearest: float


@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
    """The losses, gradients, parameters and traces of a run that learns."""

    losses: np.ndarray  #: (T,)
    gradients: dict[str, np.ndarray]  #: the sum over all steps; with updates, the last chunk's
    parameters: dict[str, np.ndarray]  #: after the last update
    traced: Traced


class Learner:
    """A model, the traces of its parameters, and the gradients since they were last cleared.

    Parameters
    ----------
    model : Model
    rule : Rule

    Raises
    ------
    ParameterError, StateNameError
        As `check_rule` and `read_decay` say.
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError
        The feedback of e-prop.
    """

    make_trace = staticmethod(make_trace)
    choose_rule = staticmethod(choose_rule)

    def __init__(self, model: Model, rule: Rule):
        self.model, self.rule = model, rule
        check_rule(rule, [model.group_for_rule(*of)[0] for of in model.list_operations()])
        if rule.name == "hybrid":
            read_decays(rule.decay_or_rank)  # also where no parameter has ES-D-RTRL
        if rule.name == "e-prop":
            self.take_feedback()
        self.steps: list[tuple[list[LayerStep], np.ndarray]] = []
        self.make_traces()
        self.clear()

    def take_feedback(self) -> None:
        """Set B of e-prop: W_out itself, a fixed array, or a parameter (EPROP-2 to EPROP-4)."""
        if self.rule.feedback == "symmetric":
            return
        parameters = self.model.parameters
        feedback = read_feedback(self.model.network, parameters["readout.weight"].shape)
        if self.rule.feedback == "adaptive":
            parameters["readout.feedback"] = feedback
        else:
            self.model.feedback = feedback

    def make_traces(self) -> None:
        """Set all traces to zero (TRACE-8)."""
        self.traces: dict[str, DRTRL | ESDRTRL] = {}
        for l, operation in self.model.list_operations():
            B, N, d = self.model.h[l].shape
            group = self.model.group_for_rule(l, operation)
            all_entries = [self.model.entries[name] for name in group]
            d_rtrl_size = sum(len(entries.weight) * d for entries in all_entries)
            es_d_rtrl_size = N * d + sum(0 if x.is_one else x.sizes[1] for x in all_entries)
            rule = self.choose_rule(self.rule, group[0], d_rtrl_size, es_d_rtrl_size)
            name = f"{l}.{operation}"
            self.traces[name] = self.make_trace(*rule, B, d, self.model.entries[name])

    def clear(self) -> None:
        """Set all gradients to zero: of effective weights, with traces, and of plain parameters."""
        self.gradients = {name: np.zeros(w.shape) for name, w in self.model.parameters.items()}

    def step(self, x: np.ndarray, target: np.ndarray | None = None, m: float = 0.0) -> float:
        """Make one step; where there is a target, add its gradient and return its loss.

        Parameters
        ----------
        x : (B, K) array
        target : (B, M) array, optional
        m : float
            The weight of the step.

        Returns
        -------
        float
            L(t) = ½ m Σ_b Σ_j (out − target)².
        """
        steps, out = self.model.step(x)
        loss, error = 0.0, None
        if target is not None:
            loss, error = 0.5 * m * np.sum((out - target) ** 2), m * (out - target)
        self.follow(steps, error)
        self.steps.append((steps, out))
        return float(loss)

    def follow(self, steps: list[LayerStep], error: np.ndarray | None) -> None:
        """Add the gradient of a step where there is an error, ∂L/∂out; then advance the traces."""
        if error is not None:
            self.add_gradients(steps, error)
        self.advance(steps)

    def advance(self, steps: list[LayerStep]) -> None:
        """Take the traces from t − 1 to t."""
        for l, operation in self.model.list_operations():
            z, share = self.model.operands(steps[l], l, operation)
            F = steps[l].neurons.F * share[..., np.newaxis]
            self.traces[f"{l}.{operation}"].advance(steps[l].neurons.D, F, z)

    def add_gradients(self, steps: list[LayerStep], error: np.ndarray) -> None:
        """Add the gradient of a step (LEARN-2, LEARN-6, EPROP-5).

        `error` is ∂L/∂out, and traces are those of t − 1.
        """
        signals = self.model.signals(steps, error)
        for l, operation in self.model.list_operations():
            name, (c, signal) = f"{l}.{operation}", signals[l]
            z, share = self.model.operands(steps[l], l, operation)
            gradient = self.traces[name].gradient(z, c * share, signal)
            self.gradients[name] += gradient.reshape(self.gradients[name].shape)
        readout_gradient = self.model.find_readout_input(steps[-1].neurons)[0].T @ error
        self.gradients["readout.weight"] += readout_gradient
        if "readout.feedback" in self.gradients:
            self.gradients["readout.feedback"] += readout_gradient
        if "readout.bias" in self.gradients:
            self.gradients["readout.bias"] += error.sum(axis=0)

    def collect_gradients(self) -> dict[str, np.ndarray]:
        """The gradients of the parameters since they were last cleared (LEARN-7)."""
        gradients = dict(self.gradients)
        for l, operation in self.model.list_operations():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            w = self.model.parameters[name]
            gradients[name] = pull_back(layer, operation, w, gradients[name])
        return gradients

    def collect_run(self) -> Traced:
        """Collect all the steps so far, and the traces as they are now."""
        layers = range(len(self.model.neurons))
        return Traced(
            hidden=[np.array([steps[l].neurons.h for steps, _ in self.steps]) for l in layers],
            emitted=[np.array([steps[l].neurons.s for steps, _ in self.steps]) for l in layers],
            outputs=np.array([out for _, out in self.steps]),
            traces={name: trace.show() for name, trace in self.traces.items()},
            nearest=min(
                (s.neurons.nearest for steps, _ in self.steps for s in steps), default=np.inf
            ),
        )


def read_feedback(network: Network, shape: tuple[int, ...]) -> np.ndarray:
    """Read B of e-prop, of the shape of W_out (EPROP-7).

    Raises
    ------
    ParameterError
        The network has none.
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError
        As `read_plain` says.
    """
    if network.feedback is None:
        raise ParameterError("feedback weights", "none", f"an array of shape {shape}")
    return read_plain(network.feedback, shape, "feedback weights")
