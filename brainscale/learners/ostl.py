"""OSTL: in time within a layer, through all layers within a step (SPEC.md, OSTL)."""

from __future__ import annotations

from typing import Any

from ..engine.rule import Rule
from ..engine.step_graph import StepGraph
from ..errors import NotCompiledError
from ..graph import explain
from .gradient_method import GradientMethod
from .layer_method import LayerMethod, Layers, find_layers
from .multi_step import take_first_step
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

    Examples
    --------
    >>> model = brainscale.nn.GRUCell(3, 8)
    >>> brainscale.compile(model, "OSTL", jnp.zeros((16, 3)), batch_size=16)
    <OSTL of GRUCell
      inputs: (((16, 3), 'float32'),)
      hidden groups: {h}
      traces: Wz.weight, Wr.weight, Wh.weight (36864 numbers, 147 kB)
      show_graph() says what reaches what, and what is approximate>
    """

    __module__ = "brainscale"

    # As of `Learner`: graphs know the objects that they are of.
    graph_invisible_attrs = (*RTRL.graph_invisible_attrs, "_kinds")
    _layers: Layers | None = None
    """The layers of compile_graph; None: it was not called."""
    _kinds: list[StepGraph] | None = None
    """The graphs of the kinds of single steps that were met."""

    @property
    def _method(self) -> GradientMethod:
        """How gradients are made: by derivatives of the states of each parameter's own layer."""
        if self._kinds is None:
            self._kinds = []
        return LayerMethod(dict(self._find_carriers()), self._layers or {}, self._kinds)

    def compile_graph(self, *args: Any) -> None:
        """As of `RTRL`, and find the layers.

        Raises
        ------
        LateralPathError, UnreachedError, ParameterUseError, HiddenPathError
            LEARN-14 to LEARN-17.
        """
        before = self._layers, self._kinds
        source = self._make_source(take_first_step(args))
        graph = self._method.find_paths(None, source)
        self._layers, self._kinds = find_layers(graph), [graph]
        try:
            super().compile_graph(*source.args)
        except BaseException:
            self._layers, self._kinds = before
            raise

    def approximation(self, name: str, rule: Rule | None, crossed: tuple[str, ...]) -> str:
        """As of `ETraceAlgorithm`: only paths over other layers are left out."""
        if rule is not None:
            if self._layers is None:
                raise NotCompiledError("compile_graph(*example_inputs) comes before approximation")
            crossed = tuple(q for q in crossed if not self._layers[q] <= self._layers[name])
        return explain(rule, crossed)
