"""OSTL: in time within a layer, through all layers within a step (SPEC.md, OSTL)."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..engine.forward_sensitivity import SensitiveStep, Sensitivities
from ..engine.rule import Rule
from ..engine.step_graph import find_step_graph
from ..parameters import ETraceParam
from .multi_step import first_step
from .rtrl import RTRL

__all__ = ["OSTL"]


class OSTL(RTRL):
    """A learner by OSTL (OSTL-1; Bohnstingl et al. 2020, arXiv:2007.12723), for small models.

    The derivatives by a parameter with a trace go forward in time with the states of its own layer
    alone: the hidden groups that its operation enters, and what is made of their neurons. Exact for
    one layer, recurrent or not; with several it leaves out the paths on which a lower layer's past
    lives on in the states of upper ones. Plain parameters have the derivative of each step.

    Parameters
    ----------
    model : brainstate.nn.Module
        As for `ETraceAlgorithm`.
    **former
        As for `ETraceAlgorithm`.
    """

    __module__ = "brainscale"

    def compile_graph(self, *args: Any) -> None:
        """As of `RTRL`, and find the layers.

        Raises
        ------
        LateralPathError, UnreachedError, ParameterUseError, HiddenPathError
            LEARN-14 to LEARN-17.
        """
        args = first_step(args)
        params = list(self.model.states(ETraceParam).values())
        structure = find_step_graph(self.make_step, args, self._name_of, params)
        self._own = {
            self._name_of(param): {self._name_of(s) for s in structure.states_of_layer(key)}
            for key, param in structure.step.params.items()
        }
        super().compile_graph(*args)

    def approximation(self, name: str, rule: Rule | None, crossed: tuple[str, ...]) -> str:
        """As of `ETraceAlgorithm`: only paths over other layers are left out."""
        if rule is not None:
            crossed = tuple(q for q in crossed if not self._own[q] <= self._own[name])
        return super(RTRL, self).approximation(name, rule, crossed)

    def _kept(self, step: SensitiveStep, carried: Sensitivities) -> Sensitivities:
        sizes = zip(step.param_names, step.sizes, strict=True)
        owners = [name for name, size in sizes for _ in range(size)]
        found = {}
        for state, leaves in carried.items():
            kept = np.array([state in self._own.get(owner, ()) for owner in owners], bool)
            found[state] = [
                jnp.where(kept.reshape(-1, *(1,) * (leaf.ndim - 1)), leaf, 0) for leaf in leaves
            ]
        return found
