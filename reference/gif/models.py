"""The GIF neuron with its states: `GIF` has four, `GIFTree` has one (SPEC.md, GIF-13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..states import ETraceState, ETraceTreeState
from ..values import Quantity, read_positive, split
from .dynamics import Dynamics
from .equations import Jacobian, Propagator
from .parameters import read_current

#: The rows of a state of `Dynamics`.
UNITS = {"I1": "nA", "I2": "nA", "V": "mV", "V_th": "mV"}

#: The surrogate's scale s (GIF-15).
SCALE = Quantity(20.0, "mV")


def with_units(rows: np.ndarray) -> dict[str, Quantity]:
    """The rows of a state of `Dynamics` as variables."""
    return {name: Quantity(row, UNITS[name]) for name, row in zip(UNITS, rows, strict=True)}


class GIF:
    """A population of GIF neurons with four single states: `I1`, `I2`, `V`, `V_th`.

    Parameters
    ----------
    dynamics : Dynamics
        The population, with two internal currents.
    batch : tuple of int
        The shape of the batch in front of the population's.
    """

    def __init__(self, dynamics: Dynamics, *, batch: tuple[int, ...] = ()):
        self.dynamics = dynamics
        self._make(with_units(dynamics.initial(batch)))

    @property
    def variables(self) -> dict[str, Quantity]:
        """I1, I2 in nA and V, V_th in mV, each (*batch, *size) (GIF-22)."""
        return {name: getattr(self, name).value for name in UNITS}

    @variables.setter
    def variables(self, values: Mapping[str, Quantity]) -> None:
        for name in UNITS:
            getattr(self, name).value = values[name]

    def update(self, current: Quantity, dt: Quantity) -> np.ndarray:
        """Make one step (GIF-7 to GIF-9).

        Parameters
        ----------
        current : Quantity, a current that broadcasts to (*batch, *size)
            The input, held constant over the step.
        dt : Quantity, a time
            The length of the step.

        Returns
        -------
        (*batch, *size) array of bool
            Which neurons spiked.

        Raises
        ------
        UnitError, ShapeError, DtypeError, ValueTypeError, ParameterError, InputError
            As GIF-19 to GIF-21 say; the state is as it was.
        """
        state, propagator, current = self._read(current, dt)
        step = self.dynamics.step(propagator, state, current)
        self.variables = with_units(step.state)
        return step.spikes

    def run(self, currents: Quantity, dt: Quantity) -> tuple[dict[str, Quantity], np.ndarray]:
        """Make T steps; the states are written after the last.

        Parameters
        ----------
        currents : Quantity, (T, ...)
            The input of each step, as for `update`.
        dt : Quantity, a time
            The length of each step.

        Returns
        -------
        variables : dict of Quantity, (T, *batch, *size)
            After each step.
        spikes : (T, *batch, *size) array of bool

        Raises
        ------
        UnitError, ShapeError, DtypeError, ValueTypeError, ParameterError, InputError
            As for `update`.
        """
        propagator = self.dynamics.propagator(read_positive(dt, "ms", "dt"))
        array, unit = split(currents, "input currents")
        state = self._state()
        inputs = np.empty((len(array), *state.shape[1:]))
        for t, row in enumerate(array):
            current = row if unit is None else Quantity(row, unit)
            inputs[t] = read_current(current, state.shape[1:])
        run = self.dynamics.run(propagator, state, inputs)
        self.variables = with_units(run.states[-1] if len(run.states) else state)
        return with_units(np.moveaxis(run.states, 1, 0)), run.spikes

    def jacobian(
        self, current: Quantity, dt: Quantity, *, scale: Any = SCALE, **options: Any
    ) -> Jacobian:
        """The derivative of the step that `update` would make, in nA and mV (GIF-14 to GIF-17).

        Parameters
        ----------
        current, dt : Quantity
            As for `update`.
        scale : Quantity, a potential
            s.
        **options
            `alpha`, `width` and `detach_reset` of `Dynamics.jacobian`.

        Raises
        ------
        ParameterError
            `scale` is not positive and finite.
        UnitError, ShapeError, DtypeError, ValueTypeError, ParameterError, InputError
            As for `update`.
        """
        state, propagator, current = self._read(current, dt)
        scale = read_positive(scale, "mV", "scale")
        return self.dynamics.jacobian(propagator, state, current, scale=scale, **options)

    def _read(self, current: Any, dt: Any) -> tuple[np.ndarray, Propagator, np.ndarray]:
        """Read the state, the propagator and the input of a step, before anything is written."""
        propagator = self.dynamics.propagator(read_positive(dt, "ms", "dt"))
        state = self._state()
        return state, propagator, read_current(current, state.shape[1:])

    def _state(self) -> np.ndarray:
        """The variables as a state of `Dynamics`."""
        return np.stack([value.array for value in self.variables.values()])

    def _make(self, values: dict[str, Quantity]) -> None:
        """Make the states."""
        self.I1 = ETraceState(values["I1"], name="I1")
        self.I2 = ETraceState(values["I2"], name="I2")
        self.V = ETraceState(values["V"], name="V")
        self.V_th = ETraceState(values["V_th"], name="V_th")


class GIFTree(GIF):
    """A population of GIF neurons with one tree state `h` of leaves `I1`, `I2`, `V`, `Vth`."""

    @property
    def variables(self) -> dict[str, Quantity]:
        """I1, I2 in nA and V, V_th in mV, each (*batch, *size) (GIF-22)."""
        return dict(zip(UNITS, self.h.value.values(), strict=True))

    @variables.setter
    def variables(self, values: Mapping[str, Quantity]) -> None:
        self.h.set_value([values[name] for name in UNITS])

    def _make(self, values: dict[str, Quantity]) -> None:
        leaves = dict(zip(("I1", "I2", "V", "Vth"), values.values(), strict=True))
        self.h = ETraceTreeState(leaves, name="h")
