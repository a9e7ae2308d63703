"""A problem: a network, its numbers, what it is to learn, by which rule and in which calls."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from conformance.plans.factors import Plan
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Network, Rule

__all__ = ["Problem"]


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """The arguments of an implementation's calls; arrays lie in memory as the plan says."""

    plan: Plan
    network: Network
    rule: Rule
    inputs: np.ndarray  # (T, B, K); of an embedding, integers (T, B, 1)
    targets: np.ndarray  # (T, B, M)
    weights: np.ndarray  # (T,)
    rewards: np.ndarray  # (T, B), of three-factor learning
    dt: Value
    chunk: int
    learning_rate: float | None
    runs: tuple[int, ...]
    reset: bool

    def __repr__(self) -> str:
        """The levels that are not the base's."""
        base = Plan()
        levels = [
            f"{field.name}={getattr(self.plan, field.name)}"
            for field in dataclasses.fields(Plan)
            if field.name != "stack" and getattr(self.plan, field.name) != getattr(base, field.name)
        ]
        stack = [
            " ".join(
                v for k, v in vars(layer).items() if v != getattr(base.stack[0], k) or k == "kind"
            )
            for layer in self.plan.stack
        ]
        return f"a problem with {', '.join([*levels, f'layers: {stack}'])}"

    def replace(self, **changes: Any) -> Problem:
        """Another problem, with attributes or fields of the network replaced."""
        names = {field.name for field in dataclasses.fields(self)}
        network_changes = {k: x for k, x in changes.items() if k not in names}
        changes = {k: x for k, x in changes.items() if k in names}
        network = dataclasses.replace(changes.pop("network", self.network), **network_changes)
        return dataclasses.replace(self, network=network, **changes)

    def with_layer(self, l: int = 0, **changes: Any) -> Problem:
        """Another problem, with fields of a layer replaced."""
        layers = list(self.network.layers)
        layers[l] = dataclasses.replace(layers[l], **changes)
        return self.replace(layers=tuple(layers))

    def with_operation(self, **changes: Any) -> Problem:
        """Another problem, with fields of the first layer's operation replaced."""
        return self.with_layer(
            operation=dataclasses.replace(self.network.layers[0].operation, **changes)
        )

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The trained arrays as they begin, by their names in `Learned`."""
        network = self.network
        arrays = {
            "readout.weight": network.readout,
            "readout.bias": network.readout_bias,
            "readout.feedback": network.feedback,
            "skip": network.skip,
        }
        for l, layer in enumerate(network.layers):
            for name in ("weight", "factor", "bias", "recurrent"):
                arrays[f"{l}.{name}"] = getattr(layer, name)
        return {name: np.asarray(w, float) for name, w in arrays.items() if w is not None}

    @property
    def trace_arguments(self) -> tuple[Any, ...]:
        """The arguments of `traces`: in several calls, the inputs from the last to the first.

        So an implementation cannot return what it remembers of the network.
        """
        return self.network, self.inputs[::-1] if self.runs else self.inputs, self.dt, self.rule

    @property
    def calls(self) -> dict[str, Any]:
        """The options of `traces`."""
        return {"runs": self.runs, "reset": self.reset}

    @property
    def learning(self) -> dict[str, Any]:
        """The options of `learn`."""
        return {"chunk": self.chunk, "learning_rate": self.learning_rate}
