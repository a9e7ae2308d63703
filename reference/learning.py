"""Running networks and learning in them: SPEC.md, chapters 9 and 10.

All is done step by step; a chunk says no more than when parameters are updated (LEARN-10).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from .network_step import LayerStep, Model
from .networks import pulled_back
from .traces import DRTRL, ESDRTRL, make_trace


@dataclasses.dataclass(frozen=True)
class Rule:
    """A learning rule: "D-RTRL", or "ES-D-RTRL" with a decay or rank."""

    name: str
    decay_or_rank: Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    """What a run leaves."""

    hidden: list[np.ndarray]  #: for each layer (T, B, N, d)
    emitted: list[np.ndarray]  #: for each layer (T, B, N)
    outputs: np.ndarray  #: (T, B, M)
    traces: dict[str, Any]  #: at the end, by parameter, as `DRTRL.shown` or `ESDRTRL.shown` has it


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
    """

    make_trace = staticmethod(make_trace)

    def __init__(self, model: Model, rule: Rule):
        self.model, self.rule = model, rule
        self.steps: list[tuple[list[LayerStep], np.ndarray]] = []
        self.make_traces()
        self.clear()

    def make_traces(self) -> None:
        """Traces of zeros (TRACE-8)."""
        self.traces: dict[str, DRTRL | ESDRTRL] = {}
        for l, operation in self.model.traced():
            name, (B, _, d) = f"{l}.{operation}", self.model.h[l].shape
            rule = self.rule.name, self.rule.decay_or_rank
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
        loss = 0.0
        if target is not None:
            loss = 0.5 * m * np.sum((out - target) ** 2)
            self.add_gradients(steps, m * (out - target))
        for l, operation in self.model.traced():
            given, share = self.model.operands(steps[l], l, operation)
            F = steps[l].neurons.F * share[..., np.newaxis]
            self.traces[f"{l}.{operation}"].advance(steps[l].neurons.D, F, given)
        self.steps.append((steps, out))
        return float(loss)

    def add_gradients(self, steps: list[LayerStep], error: np.ndarray) -> None:
        """The gradient of a step; `error` is ∂L/∂out, and traces are those of t − 1."""
        signals = self.model.signals(steps, error)
        for l, operation in self.model.traced():
            name, (c, signal) = f"{l}.{operation}", signals[l]
            given, share = self.model.operands(steps[l], l, operation)
            found = self.traces[name].gradient(given, c * share, signal)
            self.gradients[name] += found.reshape(self.gradients[name].shape)
        self.gradients["readout.weight"] += steps[-1].neurons.s.T @ error
        if "readout.bias" in self.gradients:
            self.gradients["readout.bias"] += error.sum(axis=0)

    def taken(self) -> dict[str, np.ndarray]:
        """The gradients of the parameters since they were last cleared (LEARN-7)."""
        found = dict(self.gradients)
        for l, operation in self.model.traced():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            found[name] = pulled_back(layer, operation, self.model.parameters[name], found[name])
        return found

    def traced(self) -> Traced:
        """All the steps so far, and the traces as they are."""
        layers = range(len(self.model.neurons))
        return Traced(
            hidden=[np.array([steps[l].neurons.h for steps, _ in self.steps]) for l in layers],
            emitted=[np.array([steps[l].neurons.s for steps, _ in self.steps]) for l in layers],
            outputs=np.array([out for _, out in self.steps]),
            traces={name: trace.shown() for name, trace in self.traces.items()},
        )
