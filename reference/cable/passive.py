"""The passive cable: SPEC.md, chapter 8. Parameters, step, Jacobian.

Inside, a state is an array of float64, (n, *shape), in mV: its rows are the compartments, and
`shape` ends in the population's shape. Outside, it is a Quantity whose last axis is that of the
compartments. Currents are in nA, conductances in uS, capacitances in nF, times in ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, ParameterError
from ..values import Quantity, check_finite, check_names, read_number, read_positive, split
from . import tree_solve
from .morphology import Morphology

#: 1 uF cm^-2 um^2 is 10^-5 nF; 1 S cm^-2 um^2 is 10^-2 uS.
NANOFARAD_PER_MICROFARAD_CM2 = 1e-5
MICROSIEMENS_PER_SIEMENS_CM2 = 1e-2

#: Unit and default of each parameter.
UNITS = {"g": "S cm^-2", "E": "mV", "V0": "mV"}
DEFAULTS = {"g": 1e-4, "E": -70.0, "V0": -65.0}


class System(NamedTuple):
    """The equations of one step of length dt for states of one shape; see `tree_solve.step`."""

    order: np.ndarray  #: (nodes,), each node behind its parent
    parent: np.ndarray  #: (nodes,)
    g: np.ndarray  #: (nodes,), of each node to its parent, uS
    e: np.ndarray  #: (nodes, *shape), C/dt + G, uS
    per_dt: np.ndarray  #: (n, *shape), C/dt, uS
    leak: np.ndarray  #: (nodes, *shape), G E, nA


class Jacobian(NamedTuple):
    """The derivative of one step (CABLE-9)."""

    state: np.ndarray  #: (n, n, *size), ∂V'/∂V; row: the compartment whose V' it is
    current: np.ndarray  #: (n, n, *size), ∂V'/∂I, mV/nA


class Cable:
    """A population of passive cells of one morphology, none of which acts on another (CABLE-7).

    Parameters
    ----------
    size : tuple of int
        The population's shape, whose axes may have the length 0 (CABLE-13).
    morphology : Morphology
        Of n compartments.
    parameters : mapping from names to Quantity
        "g", "E" and "V0"; what is left out has its default. Each broadcasts to (*size, n)
        (CABLE-6).

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError, ParameterError
        As CABLE-10 says.
    """

    def __init__(
        self, size: tuple[int, ...], morphology: Morphology, parameters: Mapping[str, Any]
    ):
        self.size, self.morphology = tuple(size), morphology
        check_names(parameters, UNITS)
        self.g, self.E, self.V0 = (self._read(name, parameters) for name in UNITS)

    def initial(self, batch: tuple[int, ...] = ()) -> Quantity:
        """The initial potentials, (*batch, *size, n), in mV (CABLE-1)."""
        shape = (len(self.morphology), *batch, *self.size)
        return _outside(np.array(self._over_batch(self.V0, shape)))

    def step(self, V: Quantity, current: Any, dt: Any) -> Quantity:
        """The potentials after one step (CABLE-2), which CABLE-3 and CABLE-4 follow from.

        Parameters
        ----------
        V : (*batch, *size, n) Quantity, mV
            The potentials before it.
        current : Quantity, nA, or mapping from sites to Quantity
            Held constant over the step. It broadcasts to V's shape; that into a site, to the shape
            of V without compartments. Currents into one compartment add up (CABLE-5).
        dt : Quantity, ms
            The length of the step.

        Returns
        -------
        (*batch, *size, n) Quantity, mV

        Raises
        ------
        ValueTypeError, UnitError, DtypeError, ShapeError, StateNameError
            As CABLE-10 and MORPH-11 say.
        ParameterError, InputError
            dt is not positive; a current is not finite (CABLE-10, CABLE-11).
        """
        before, system = self._prepare(V, dt)
        after = self.advance(system, before, self.current(current, before.shape))
        return _outside(after[: len(before)])

    def run(self, V: Quantity, currents: Any, dt: Any) -> Quantity:
        """The potentials after each of T steps: those of `step`, bit for bit, and its errors.

        Parameters
        ----------
        V : (*batch, *size, n) Quantity, mV
        currents : (T, ...) Quantity, nA
            The current of each step, as for `step`.
        dt : Quantity, ms

        Returns
        -------
        (T, *batch, *size, n) Quantity, mV
        """
        before, system = self._prepare(V, dt)
        array, unit = split(currents, "input currents")
        inputs = np.empty((len(array), *before.shape))
        for t, row in enumerate(array):
            current = row if unit is None else Quantity(row, unit)
            inputs[t] = self.current(current, before.shape)
        potentials = tree_solve.run(*system, before, inputs)
        return Quantity(np.moveaxis(potentials, 1, -1).copy(), "mV")

    def jacobian(self, dt: Any) -> Jacobian:
        """The derivative of a step of length dt (CABLE-9).

        A unit of current into compartment j alone, and no potential or leak, leaves the column j of
        M⁻¹: the step is linear. A unit of V_j is a current C_j/dt into j.

        Parameters
        ----------
        dt : Quantity, ms

        Returns
        -------
        Jacobian
        """
        n = len(self.morphology)
        system = self.system(read_positive(dt, "ms", "dt"), (n, *self.size))
        current = np.empty((n, n, *self.size))
        for j in range(n):
            unit = np.zeros(system.e.shape)
            unit[j] = 1.0
            current[:, j] = tree_solve.solve(*system[:4], unit)[:n]
        return Jacobian(state=current * system.per_dt, current=current)

    def scale(self, V: Quantity, current: Any, dt: Any) -> np.ndarray:
        """S of a step: M S is the sum of the absolute values of an equation's terms (NUM-6).

        Parameters
        ----------
        V, current, dt
            As for `step`.

        Returns
        -------
        (*batch, *size, n) array, mV
        """
        before, system = self._prepare(V, dt)
        I = self.current(current, before.shape)
        after = np.abs(self.advance(system, before, I))
        total = np.abs(system.leak) + system.e * after
        total[: len(I)] += system.per_dt * np.abs(before) + np.abs(I)
        for node in system.order[1:]:
            above = system.parent[node]
            flow = system.g[node] * (after[node] + after[above])
            total[node] += flow
            total[above] += flow
        return np.moveaxis(tree_solve.solve(*system[:4], total)[: len(I)], 0, -1)

    def capacitance(self) -> np.ndarray:
        """C, (n,), nF."""
        return self.morphology.cm * self.morphology.area * NANOFARAD_PER_MICROFARAD_CM2

    def leak_conductance(self) -> np.ndarray:
        """G, (n, *size), uS."""
        area = self.morphology.area.reshape((-1, *[1] * len(self.size)))
        return self.g * area * MICROSIEMENS_PER_SIEMENS_CM2

    def system(self, dt: float, shape: tuple[int, ...]) -> System:
        """The equations of a step of dt ms for states of a shape (n, *batch, *size)."""
        m, n, G = self.morphology, len(self.morphology), self.leak_conductance()
        C = self.capacitance().reshape((n, *[1] * (len(shape) - 1)))
        per_dt = np.broadcast_to(C / dt, shape)
        e, leak = np.zeros((len(m.parent), *shape[1:])), np.zeros((len(m.parent), *shape[1:]))
        e[:n] = per_dt + self._over_batch(G, shape)
        leak[:n] = self._over_batch(G * self.E, shape)
        return System(m.order, m.parent, m.conductance, e, per_dt, leak)

    def advance(self, system: System, V: np.ndarray, I: np.ndarray) -> np.ndarray:
        """The potentials of all nodes after one step, (nodes, *shape), mV."""
        return tree_solve.step(*system, V, I)

    def current(self, current: Any, shape: tuple[int, ...]) -> np.ndarray:
        """Read the current into each compartment, (n, *shape), nA (CABLE-5, 10, 11)."""
        if not isinstance(current, Mapping):
            array = read_number(current, "nA", (*shape[1:], shape[0]), "input current")
            return _check_current(np.moveaxis(array, -1, 0), "input current")
        total = np.zeros(shape)
        for site, value in current.items():
            subject = f"input current at {site!r}"
            i = self.morphology.site(site)
            total[i] += _check_current(read_number(value, "nA", shape[1:], subject), subject)
        return total

    def _prepare(self, V: Quantity, dt: Any) -> tuple[np.ndarray, System]:
        """Read the potentials before a step, (n, *shape), mV, and make its equations."""
        before = _inside(V)
        return before, self.system(read_positive(dt, "ms", "dt"), before.shape)

    def _read(self, name: str, parameters: Mapping[str, Any]) -> np.ndarray:
        """Read a parameter, (n, *size), in its unit (CABLE-10)."""
        value = parameters.get(name, Quantity(DEFAULTS[name], UNITS[name]))
        subject, shape = f"parameter {name!r}", (*self.size, len(self.morphology))
        array = read_number(value, UNITS[name], shape, subject)
        check_finite(array, subject, ParameterError)
        if name == "g" and not np.all(array >= 0):
            raise ParameterError(subject, f"{array.min()} S cm^-2", "numbers that are not negative")
        return np.moveaxis(array, -1, 0)

    def _over_batch(self, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Repeat an (n, *size) array for states of a shape (n, *batch, *size)."""
        batch = [1] * (len(shape) - array.ndim)
        return np.broadcast_to(array.reshape((len(array), *batch, *array.shape[1:])), shape)


def _inside(value: Quantity) -> np.ndarray:
    """Potentials (*shape, n) with a unit to (n, *shape) in mV."""
    return np.moveaxis(value.to("mV").array, -1, 0)


def _outside(array: np.ndarray) -> Quantity:
    """Potentials (n, *shape) to (*shape, n) with their unit."""
    return Quantity(np.moveaxis(array, 0, -1).copy(), "mV")


def _check_current(array: np.ndarray, subject: str) -> np.ndarray:
    """Return a current in nA, or refuse one that is not finite (CABLE-11)."""
    check_finite(array, subject, InputError, "nA")
    return array
