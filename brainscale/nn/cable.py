"""A population of passive multi-compartment cells (SPEC.md, chapter 8)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import brainpy.state
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from braintools.surrogate import Surrogate

from ..checks.arguments import check_text
from ..checks.hints import QuantityInitializer, QuantityLike
from ..errors import MorphologyError
from ..states import ETraceGroupState
from .cable_solver import (
    DENSE_LIMIT,
    Array,
    Solve,
    make_dense_solver,
    make_learned_solver,
    make_tree_solver,
)
from .compartments import Compartments
from .gif_dynamics import spike
from .layer import check_surrogate, needs_initialised
from .morphology import Morphology
from .neuron_parameters import Learnable, Range, is_learnable, read_in_step, read_known
from .quantities import (
    OHM_CM,
    S_PER_CM2,
    UF_PER_CM2,
    as_finite,
    as_positive,
    check_size,
    make_initial_potential,
    read_batch_axes,
    read_input_current,
    read_time_step,
)

__all__ = ["PassiveCable"]


class PassiveCable(brainpy.state.Neuron):
    """Multi-compartment cells with a leak, coupled along their morphology.

    The potentials of the n compartments are one `ETraceGroupState` ``V`` of shape
    (batch..., size..., n), in mV. ``cell(I)`` makes one implicit Euler step of length dt, taken
    from `brainstate.environ`.

    Parameters
    ----------
    size : int or tuple of int
        Shape of the population.
    morphology : Morphology or Compartments
        `brainscale.nn.from_braincell` makes one of braincell's, `brainscale.nn.from_swc` of a file.
    g : Quantity, S cm^-2
        Leak conductance; of a shape that broadcasts to (size..., n).
    E : Quantity, mV
        Leak reversal potential; of such a shape.
    cm : Quantity, uF cm^-2, optional
        Specific capacitance, by default the sections' own; of such a shape.
    Ra : Quantity, ohm cm, optional
        Axial resistivity, by default the sections' own; of a shape that broadcasts to (size..., 1).
        Each of these four may be an `ElemWiseParam` that gives it, and is learned then, by its
        name here: one for all or one for each neuron. One for each compartment, which all
        others feel within a step, is learned by `RTRL`; other learners refuse it.
    V_initializer : Quantity, mV, or callable
        Initial potential. A callable gets the shape.
    spike_site : str, optional
        Where to detect spikes, such as ``"soma(0.5)"``.
    V_th : Quantity, mV
        A spike is V ≤ V_th before a step and V > V_th after it, at the site.
    spk_fun, spk_scale
        The surrogate derivative of the spike, as for `GIF`.
    name : str, optional
        Of the module.

    Raises
    ------
    ParameterError, UnitError, ShapeError, StateNameError
        CABLE-10; MORPH-11.

    Examples
    --------
    >>> soma = brainscale.nn.Section("soma", length=20 * u.um, diam=20 * u.um)
    >>> axon = brainscale.nn.Section("axon", 2, length=100 * u.um, diam=1 * u.um, parent="soma")
    >>> cell = brainscale.nn.PassiveCable(10, brainscale.nn.Morphology(soma, axon))
    >>> cell.init_state()
    >>> cell.V.num_state, cell.V.varshape
    (3, (10,))
    >>> V = cell({"soma(0.5)": 0.1 * u.nA})
    >>> V.shape
    (10, 3)
    """

    varshape: tuple[int, ...]  # To brainstate, it may be a number.

    def __init__(
        self,
        size: int | Sequence[int],
        morphology: Morphology | Compartments,
        *,
        g: Learnable = 1e-4 * S_PER_CM2,
        E: Learnable = -70.0 * u.mV,
        cm: Learnable | None = None,
        Ra: Learnable | None = None,
        V_initializer: QuantityInitializer = -65.0 * u.mV,
        spike_site: str | None = None,
        V_th: QuantityLike = 0.0 * u.mV,
        spk_fun: Surrogate = braintools.surrogate.ReluGrad(),  # noqa: B008
        spk_scale: QuantityLike = 20.0 * u.mV,
        name: str | None = None,
    ):
        super().__init__(
            check_size(size),
            spk_fun=check_surrogate(spk_fun),
            spk_reset="hard",
            name=check_text(name, "name"),
        )
        if isinstance(morphology, Morphology):
            morphology = morphology.compartments
        if not isinstance(morphology, Compartments):
            raise MorphologyError(
                f"needs a Morphology or Compartments, got {type(morphology).__name__}",
                got=morphology,
            )
        membrane = {"g": g, "E": E, "cm": cm, "Ra": Ra}
        membrane = {name: x for name, x in membrane.items() if x is not None}
        if "Ra" in membrane and morphology.Ra is None:
            raise MorphologyError(
                "Ra needs compartments whose own Ra is known, as a Morphology's is", got=morphology
            )
        shapes = self._find_shapes(morphology)
        self.cable = _Cable(
            morphology, **{name: read_known(x, _RANGES[name], name, shapes[name])
                           for name, x in membrane.items()}
        )  # fmt: skip
        for name, x in membrane.items():
            if is_learnable(x):
                setattr(self, name, x)
        self.V_initializer = V_initializer
        self.spike_site = None if spike_site is None else morphology.site(spike_site)
        self._V_th = as_finite(V_th, u.mV, "V_th", self.varshape)
        self._scale = as_positive(spk_scale, u.mV, "spk_scale")

    @property
    def compartments(self) -> Compartments:
        """What the cells are cut into."""
        return self.cable.compartments

    def _find_shapes(self, compartments: Compartments) -> dict[str, tuple[int, ...]]:
        """Give the shape that each parameter broadcasts to."""
        each = (*self.varshape, len(compartments))
        return {"g": each, "E": each, "cm": each, "Ra": (*self.varshape, 1)}

    def init_state(self, batch_size: int | tuple[int, ...] | None = None, **kwargs: Any) -> None:
        """Make the group state (CABLE-1), behind a batch axis if there is a batch size."""
        V = self._make_initial(read_batch_axes(batch_size))
        self.V = ETraceGroupState(V, name="V", names=self.compartments.names)

    @needs_initialised()
    def reset_state(self, batch_size: int | tuple[int, ...] | None = None, **kwargs: Any) -> None:
        """Write the initial potentials; by default for the batch there is."""
        if batch_size is None:
            batch_size = self.V.varshape[: -len(self.varshape)]
        self.V.value = self._make_initial(read_batch_axes(batch_size))

    def _make_initial(self, batch: tuple[int, ...]) -> u.Quantity:
        """Make the initial potentials, (batch..., size..., n)."""
        shape = (*batch, *self.varshape, len(self.compartments))
        return make_initial_potential(self.V_initializer, shape)

    @needs_initialised()
    def update(
        self, I: QuantityLike | Mapping[str, QuantityLike] = 0.0 * u.nA
    ) -> u.Quantity | jax.Array:
        """Make one step under a constant input current.

        Parameters
        ----------
        I : Quantity, a current, shape that broadcasts to that of V; or a mapping
            Injected into each compartment; a mapping from sites to currents that broadcast to
            (batch..., size...) injects into those (CABLE-5).

        Returns
        -------
        Quantity, shape of V, mV
            The potentials after the step; with a `spike_site`, the spikes instead, 0 or 1, of shape
            (batch..., size...).

        Raises
        ------
        UnitError, ShapeError, StateNameError, InputError, ParameterError
            CABLE-10, CABLE-11; MORPH-11.
        """
        dt = read_time_step()
        before = self.V.value
        V = before.mantissa
        current = self._distribute_current(self.sum_current_inputs(I, before), V)
        # NaN must reach the whole neuron, also where the solver never adds it.
        current = current + 0 * jnp.sum(current, axis=-1, keepdims=True)
        cable = self._read_parameters(V.dtype)
        make_system = _make_known_system if cable is self.cable else _make_learned_system
        solve, per_dt, leak, rest = make_system(cable, dt)
        # Of the difference to a potential nearby, rounding leaves more.
        reference = jnp.asarray(rest, V.dtype)
        right_side = (
            jnp.asarray(per_dt, V.dtype) * (V - reference) + jnp.asarray(leak, V.dtype) + current
        )
        after = reference + solve(right_side)
        self.V.value = u.Quantity(after, unit=u.mV)
        if self.spike_site is None:
            return self.V.value
        threshold, scale = (jnp.asarray(x, V.dtype) for x in (self._V_th, self._scale))
        is_below = V[..., self.spike_site] <= threshold
        return jnp.where(
            is_below, spike(self.spk_fun, scale, after[..., self.spike_site], threshold), 0
        )

    def _read_parameters(self, dtype: Any) -> _Cable:
        """Give the cable of a step; parameters that are learned are applied."""
        learned = {name: vars(self)[name] for name in _RANGES if name in vars(self)}
        if not learned:
            return self.cable
        shapes = self._find_shapes(self.compartments)
        return dataclasses.replace(self.cable, **read_in_step(learned, _RANGES, shapes, dtype))

    def _distribute_current(self, I: Any, V: jax.Array) -> jax.Array:
        """Give each compartment its current in nA, of the shape of V."""
        if not isinstance(I, Mapping):
            return jnp.broadcast_to(read_input_current(I, V.shape).astype(V.dtype), V.shape)
        total = jnp.zeros_like(V)
        for site, current in I.items():
            number = read_input_current(current, V.shape[:-1]).astype(V.dtype)
            total = total.at[..., self.compartments.site(site)].add(number)
        return total


_RANGES = {
    "g": Range(S_PER_CM2, 0),
    "E": Range(u.mV),
    "cm": Range(UF_PER_CM2, 0, is_open=True),
    "Ra": Range(OHM_CM, 0, is_open=True),
}


@dataclasses.dataclass(frozen=True, eq=False)
class _Cable:
    """A cable and its leak, in the units of `_RANGES`; cm and Ra are those of its shape if None.

    What is known is float64 of NumPy; in a step, what is learned is an array of JAX.
    """

    compartments: Compartments
    g: Array
    E: Array
    cm: Array | None = None
    Ra: Array | None = None

    def compute_capacitance(self) -> Array:
        """Compute C, (..., n), nF."""
        cm = self.compartments.cm if self.cm is None else self.cm
        return cm * self.compartments.area * 1e-5  # uF cm^-2 um² = 10^-5 nF

    def compute_leak(self) -> Array:
        """Compute G, (..., n), uS."""
        return self.g * self.compartments.area * 1e-2  # S cm^-2 um² = 10^-2 uS

    def compute_axial(self) -> Array:
        """Compute the conductances between nodes, (..., edges), uS."""
        conductance = self.compartments.conductance
        return conductance if self.Ra is None else conductance * self.compartments.Ra / self.Ra


System: TypeAlias = tuple[Solve, Array, Array, Array]
"""The solver, C/dt in uS, the leak current in nA at a reference potential, and that in mV."""


@functools.lru_cache(maxsize=64)
def _make_known_system(cable: _Cable, dt: float) -> System:
    per_dt, G = cable.compute_capacitance() / dt, cable.compute_leak()
    rest = np.mean(cable.E, axis=-1, keepdims=True) if cable.E.ndim else cable.E
    make = make_dense_solver if len(cable.compartments) <= DENSE_LIMIT else make_tree_solver
    solve = make(cable.compartments, per_dt + G, cable.compute_axial())
    return solve, per_dt, G * (cable.E - rest), rest


def _make_learned_system(cable: _Cable, dt: float) -> System:
    per_dt, G = cable.compute_capacitance() / dt, cable.compute_leak()
    # A step does not depend on the reference, and so has no derivative by it.
    E = jax.lax.stop_gradient(cable.E)
    rest = jnp.mean(E, axis=-1, keepdims=True) if E.ndim else E
    solve = make_learned_solver(cable.compartments, per_dt + G, cable.compute_axial())
    return solve, per_dt, G * (cable.E - rest), rest
