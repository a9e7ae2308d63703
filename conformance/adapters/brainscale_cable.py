"""The part of the adapter of `brainscale` for morphologies and the passive cable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

import brainscale
from conformance.adapters.brainunit_values import argument, native, neutral
from conformance.protocol.implementation import Section, Value


class BrainscaleCable:
    """`Morphology` and `Cable` of `conformance.protocol.implementation`."""

    _compiled: bool
    _run: Callable[..., Any]

    def morphology(self, sections: Sequence[Section]) -> dict[str, Value]:
        compartments = _morphology(sections).compartments
        return {
            "area": Value(compartments.area, "um^2"),
            "R_left": Value(compartments.R_left, "Mohm"),
            "R_right": Value(compartments.R_right, "Mohm"),
            "coupling": Value(_coupling(compartments), "uS"),
        }

    def site(self, sections: Sequence[Section], site: Any) -> int:
        return _morphology(sections).compartments.site(site)

    def cable_initial(
        self,
        size: tuple[int, ...],
        batch: int | None,
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
    ) -> tuple[Value, int, tuple[int, ...]]:
        cell = _cell(size, sections, parameters)
        cell.init_state(batch)
        return neutral(cell.V.value), cell.V.num_state, cell.V.varshape

    def cable_step(
        self,
        size: tuple[int, ...],
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
        V: Value,
        current: Any,
        dt: Any,
    ) -> Value:
        cell = _cell(size, sections, parameters)
        _put(cell, V)
        if isinstance(current, Mapping):
            current = {site: native(value) for site, value in current.items()}
        else:
            current = native(current)
        with brainstate.environ.context(dt=native(dt)):
            # What is refused for its value is known when the step is called, so not an argument.
            self._run(lambda: cell(current))
        return neutral(cell.V.value)

    def cable_run(
        self,
        size: tuple[int, ...],
        sections: Sequence[Section],
        parameters: Mapping[str, Any],
        V: Value,
        currents: Value,
        dt: Value,
    ) -> Value:
        cell = _cell(size, sections, parameters)
        _put(cell, V)
        with brainstate.environ.context(dt=native(dt)):
            if self._compiled:
                return neutral(brainstate.transform.for_loop(cell, argument(currents)))
            steps = [cell(I) for I in argument(currents)]
        return neutral(jax.tree.map(lambda *leaves: jnp.stack(leaves), *steps))

    def cable_jacobian(
        self, sections: Sequence[Section], parameters: Mapping[str, Any], dt: Value
    ) -> dict[str, np.ndarray]:
        cell = _cell((1,), sections, parameters)
        cell.init_state()
        n = cell.V.num_state
        numbers = cell.V.value.to(u.mV).mantissa[0]

        def operation(V: jax.Array, I: jax.Array) -> jax.Array:
            cell.V.value = V[None] * u.mV
            return cell(I * u.nA).to(u.mV).mantissa[0]

        with brainstate.environ.context(dt=native(dt)):
            by_V, by_I = self._run(
                brainstate.transform.jacrev(operation, argnums=(0, 1)),
                numbers,
                jnp.zeros(n, numbers.dtype),
            )
        return {"state": np.asarray(by_V), "current": np.asarray(by_I)}


def _morphology(sections: Sequence[Section]) -> brainscale.nn.Morphology:
    native_sections = []
    for section in sections:
        fields = {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}
        native_sections.append(
            brainscale.nn.Section(
                **{
                    name: native(value) if isinstance(value, Value) else value
                    for name, value in fields.items()
                }
            )
        )
    return brainscale.nn.Morphology(*native_sections)


def _cell(
    size: tuple[int, ...], sections: Sequence[Section], parameters: Mapping[str, Any]
) -> brainscale.nn.PassiveCable:
    native_parameters = {
        "V_initializer" if name == "V0" else name: native(value)
        for name, value in parameters.items()
    }
    return brainscale.nn.PassiveCable(size, _morphology(sections), **native_parameters)


def _put(cell: brainscale.nn.PassiveCable, V: Value) -> None:
    batch = V.array.shape[: V.array.ndim - 1 - len(cell.varshape)]
    cell.init_state(batch or None)
    cell.V.value = native(V)


def _coupling(compartments: brainscale.nn.Compartments) -> np.ndarray:
    """What is left between compartments when the junctions are eliminated."""
    n, nodes = len(compartments), len(compartments) + len(compartments.junctions)
    laplacian = np.zeros((nodes, nodes))
    for (a, b), g in zip(compartments.nodes, compartments.conductance, strict=True):
        laplacian[[a, b], [b, a]] -= g
        laplacian[[a, b], [a, b]] += g
    inside, across, outside = laplacian[:n, :n], laplacian[:n, n:], laplacian[n:, n:]
    coupling = inside - across @ np.linalg.solve(outside, across.T)
    return -(coupling - np.diag(np.diag(coupling)))
