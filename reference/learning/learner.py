"""Running networks and learning in them: SPEC.md, chapters 9 and 10.

All is done step by step; a chunk says no more than when parameters are updated (LEARN-10).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import ParameterError
from ..networks import LayerStep, Model, Network, pull_back
from ..traces import DRTRL, ESDRTRL, read_decays
from ..values import read_plain
from .rules import Rule, check_rule, make_trace, own_rule


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """What a run leaves."""

    hidden: list[np.ndarray]  #: for each layer (T, B, N, d)
    emitted: list[np.ndarray]  #: for each layer (T, B, N)
    outputs: np.ndarray  #: (T, B, M)
    #: At the end, by parameter, as `DRTRL.shown` or `ESDRTRL.shown` has it; none of RTRL and OSTL.
    traces: dict[str, Any]
    #: How near to equality a comparison came, in scales of its surrogate (NUM-8); infinite: none.
    nearest: float


@dataclasses.dataclass(frozen=True, eq=False)
class Learned:
    """What learning leaves."""

    losses: np.ndarray  #: (T,)
    gradients: dict[str, np.ndarray]  #: the sum over all steps; with updates, the last chunk's
    parameters: dict[str, np.ndarray]  #: after the last update
    traced: Traced


class Learner:
    """A model, the traces of its parameters, and the gradient since it was last taken.

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
    own_rule = staticmethod(own_rule)

    def __init__(self, model: Model, rule: Rule):
        self.model, self.rule = model, rule
        check_rule(rule, [model.chosen_together(*of)[0] for of in model.traced()])
        if rule.name == "hybrid":
            read_decays(rule.decay_or_rank)  # also where no parameter has ES-D-RTRL
        if rule.name == "e-prop":
            self.take_feedback()
        self.steps: list[tuple[list[LayerStep], np.ndarray]] = []
        self.make_traces()
        self.clear()

    def take_feedback(self) -> None:
        """B of e-prop: W_out itself, given and fixed, or a parameter (EPROP-2 to EPROP-4)."""
        if self.rule.feedback == "symmetric":
            return
        parameters = self.model.parameters
        feedback = read_feedback(self.model.network, parameters["readout.weight"].shape)
        if self.rule.feedback == "adaptive":
            parameters["readout.feedback"] = feedback
        else:
            self.model.feedback = feedback

    def make_traces(self) -> None:
        """Traces of zeros (TRACE-8)."""
        self.traces: dict[str, DRTRL | ESDRTRL] = {}
        for l, operation in self.model.traced():
            B, N, d = self.model.h[l].shape
            together = self.model.chosen_together(l, operation)
            all_entries = [self.model.entries[name] for name in together]
            in_full = sum(len(entries.weight) * d for entries in all_entries)
            in_parts = N * d + sum(0 if x.is_one else x.sizes[1] for x in all_entries)
            rule = self.own_rule(self.rule, together[0], in_full, in_parts)
            name = f"{l}.{operation}"
            self.traces[name] = self.make_trace(*rule, B, d, self.model.entries[name])

    def clear(self) -> None:
        """Gradients of zeros: of effective weights, with traces, and of plain parameters."""
        self.gradients = {name: np.zeros(w.shape) for name, w in self.model.parameters.items()}

    def step(self, x: np.ndarray, target: np.ndarray | None = None, m: float = 0.0) -> float:
        """One step, and its loss and gradient where there is a target.

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
        """The gradient of a step where there is an error, ∂L/∂out; then its traces."""
        if error is not None:
            self.add_gradients(steps, error)
        self.advance(steps)

    def advance(self, steps: list[LayerStep]) -> None:
        """Traces from t − 1 to t."""
        for l, operation in self.model.traced():
            given, share = self.model.operands(steps[l], l, operation)
            F = steps[l].neurons.F * share[..., np.newaxis]
            self.traces[f"{l}.{operation}"].advance(steps[l].neurons.D, F, given)

    def add_gradients(self, steps: list[LayerStep], error: np.ndarray) -> None:
        """The gradient of a step; `error` is ∂L/∂out, and traces are those of t − 1."""
        signals = self.model.signals(steps, error)
        for l, operation in self.model.traced():
            name, (c, signal) = f"{l}.{operation}", signals[l]
            given, share = self.model.operands(steps[l], l, operation)
            found = self.traces[name].gradient(given, c * share, signal)
            self.gradients[name] += found.reshape(self.gradients[name].shape)
        of_readout = self.model.seen(steps[-1].neurons)[0].T @ error
        self.gradients["readout.weight"] += of_readout
        if "readout.feedback" in self.gradients:
            self.gradients["readout.feedback"] += of_readout
        if "readout.bias" in self.gradients:
            self.gradients["readout.bias"] += error.sum(axis=0)

    def taken(self) -> dict[str, np.ndarray]:
        """The gradients of the parameters since they were last cleared (LEARN-7)."""
        found = dict(self.gradients)
        for l, operation in self.model.traced():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            found[name] = pull_back(layer, operation, self.model.parameters[name], found[name])
        return found

    def traced(self) -> Traced:
        """All the steps so far, and the traces as they are."""
        layers = range(len(self.model.neurons))
        return Traced(
            hidden=[np.array([steps[l].neurons.h for steps, _ in self.steps]) for l in layers],
            emitted=[np.array([steps[l].neurons.s for steps, _ in self.steps]) for l in layers],
            outputs=np.array([out for _, out in self.steps]),
            traces={name: trace.shown() for name, trace in self.traces.items()},
            nearest=min(
                (s.neurons.nearest for steps, _ in self.steps for s in steps), default=np.inf
            ),
        )


def read_feedback(network: Network, shape: tuple[int, ...]) -> np.ndarray:
    """B of e-prop, of the shape of W_out.

    Raises
    ------
    ParameterError
        There is none.
    ValueTypeError, UnitError, DtypeError, ShapeError, InputError
        As `read_plain` says.
    """
    if network.feedback is None:
        raise ParameterError("feedback weights", "none", f"an array of shape {shape}")
    return read_plain(network.feedback, shape, "feedback weights")
