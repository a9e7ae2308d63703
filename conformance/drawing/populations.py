"""Random populations of GIF neurons, and how they are handed to an implementation.

The parameters differ from neuron to neuron, so that one step judges as many parameter sets as the
population has neurons. All numbers are drawn so that the implementation's precision holds them
exactly: what it is given and what its judge computes from are the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from conformance.drawing.layouts import lay_out
from conformance.protocol.implementation import Value
from conformance.tolerances import tolerances_in_test
from reference import unit

UNITS = {
    "tau": "ms",
    "R": "Mohm",
    "V_rest": "mV",
    "V_reset": "mV",
    "V_th_inf": "mV",
    "V_th_reset": "mV",
    "k1": "ms^-1",
    "k2": "ms^-1",
    "R1": None,
    "R2": None,
    "A1": "nA",
    "A2": "nA",
    "a": "ms^-1",
    "b": "ms^-1",
}
"""The unit in which a population holds a parameter: with Mohm and nA, R I is in mV."""

RANGES = {
    "tau": (5, 50),
    "R": (5, 50),
    "V_rest": (-80, -60),
    "V_reset": (-90, -60),
    "V_th_inf": (-55, -45),
    "V_th_reset": (-60, -40),
    "k1": (0, 0.5),
    "k2": (0, 0.5),
    "R1": (-1, 1.5),
    "R2": (-1, 1.5),
    "A1": (-2, 2),
    "A2": (-2, 2),
    "a": (-0.1, 0.1),
    "b": (0, 0.2),
}

MEETING = (
    {"k1": 1 / 16},
    {"k2": 1 / 16},
    {"b": 1 / 16},
    {"k1": 0.25, "b": 0.25},
    {"k1": 0.25, "k2": 0.25},
    {"k1": 1 / 16, "k2": 1 / 16},
    {"k1": 1 / 16, "b": 1 / 16},
    {"k1": 1 / 16, "k2": 1 / 16, "b": 1 / 16},
    {"k1": 0.0},
    {"k2": 0.0},
    {"b": 0.0},
    {"k1": 0.0, "k2": 0.0, "b": 0.0},
    {"k1": (1 + 1e-3) / 16},
    {"k1": (1 - 1e-6) / 16, "b": (1 + 1e-6) / 16},
    {"b": (1 + 1e-9) / 16},
    {"b": 1e-12},
)
"""Rates that meet or vanish, with τ = 16 ms."""

STATE_RANGES = {"I1": (-1, 1), "I2": (-1, 1), "V": (-60, -45), "V_th": (-60, -45)}
STATE_UNITS = {"I1": "nA", "I2": "nA", "V": "mV", "V_th": "mV"}
I1, I2, V, V_TH = range(4)

DTYPES = {32: np.float32, 64: np.float64}


def round_to(number: Any, precision: int) -> np.ndarray:
    """Round to the nearest numbers of a precision, as float64."""
    return np.asarray(number, DTYPES[precision]).astype(np.float64)


@dataclasses.dataclass(frozen=True)
class Population:
    """A population in some state, under a constant input, as plain numbers.

    Attributes
    ----------
    parameters : dict of (*size) arrays
        In `UNITS`.
    state : (4, *shape) array
        Rows I_1, I_2 in nA, V and V_th in mV; `shape` ends in `size`.
    current : (*shape) array, nA
    dt : float, ms
    precision : int
        That of the implementation to be judged.
    scales : mapping from names of parameters and variables, "current" and "dt" to units
        In which to hand them over, where not in nA, mV, ms and so on.
    dtypes : mapping from the same names to dtypes
        In which to hand them over, where not in the precision's.
    layout : int, optional
        Lays the arrays out in memory, each another way than its neighbours.
    """

    parameters: dict[str, np.ndarray]
    state: np.ndarray
    current: np.ndarray
    dt: float
    precision: int
    scales: Mapping[str, str] = dataclasses.field(default_factory=dict)
    dtypes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    layout: int | None = None

    @property
    def size(self) -> tuple[int, ...]:
        return self.parameters["tau"].shape

    @property
    def epsilon(self) -> float:
        return tolerances_in_test(self.precision).epsilon

    def arguments(self) -> tuple[Any, ...]:
        """The arguments of `gif_step` and `gif_jacobian`."""
        rows = zip(STATE_UNITS.items(), self.state, strict=True)
        state = {name: self._value(name, row, unit_name) for (name, unit_name), row in rows}
        current = self._value("current", self.current, "nA")
        return self.size, self.parameter_values(), state, current, self._value("dt", self.dt, "ms")

    def parameter_values(self) -> dict[str, Value]:
        """The parameters as `Value`s of the protocol."""
        return {name: self._value(name, x, UNITS[name]) for name, x in self.parameters.items()}

    def _value(self, name: str, number: Any, own_unit: str | None) -> Value:
        """Make a `Value` of numbers in one unit, in the unit of `scales` where that has one."""
        unit_name = self.scales.get(name, own_unit)
        if unit_name != own_unit:
            number = number * 10.0 ** (unit(own_unit).scale - unit(unit_name).scale)
        array = np.array(number, self.dtypes.get(name, DTYPES[self.precision]))
        if self.layout is not None:
            array = lay_out(array, self.layout + sum(name.encode()))
        return Value(array, unit_name)

    def replace(self, **changes: Any) -> Population:
        """Another population, with the names of attributes, parameters or variables replaced."""
        parameters, state, others = dict(self.parameters), self.state.copy(), {}
        for name, change in changes.items():
            if name in UNITS:
                row = np.broadcast_to(np.asarray(change, float), self.size)
                parameters[name] = round_to(row, self.precision)
            elif name in STATE_UNITS:
                state[list(STATE_UNITS).index(name)] = round_to(change, self.precision)
            elif name == "current":
                row = np.broadcast_to(np.asarray(change, float), self.state.shape[1:])
                others[name] = round_to(row, self.precision)
            else:
                others[name] = change
        return dataclasses.replace(self, **{"parameters": parameters, "state": state, **others})

    def entry(self, i: int) -> Population:
        """One entry of a batch of one axis."""
        return dataclasses.replace(self, state=self.state[:, i], current=self.current[i])

    def neurons(self, index: Any) -> Population:
        """Some of the neurons: an index into `size`, which must have one axis."""
        return dataclasses.replace(
            self,
            parameters={name: array[index] for name, array in self.parameters.items()},
            state=self.state[..., index],
            current=self.current[..., index],
        )


def draw_population(
    rng: np.random.Generator,
    precision: int,
    size: tuple[int, ...] = (32,),
    batch: tuple[int, ...] = (),
    dt: float | None = None,
    **changes: Any,
) -> Population:
    """Draw a random population near its threshold: about half of the neurons will spike.

    Parameters
    ----------
    rng
    precision : int
    size, batch : tuple of int
    dt : float, ms
        By default one of 0.1, 0.5 and 2.
    **changes
        As for `Population.replace`.
    """
    shape = (*batch, *size)
    parameters = {name: rng.uniform(*RANGES[name], size) for name in RANGES}
    state = np.stack([rng.uniform(*bounds, shape) for bounds in STATE_RANGES.values()])
    dt = rng.choice([0.1, 0.5, 2.0]) if dt is None else dt
    population = Population(
        {name: round_to(array, precision) for name, array in parameters.items()},
        round_to(state, precision),
        round_to(rng.uniform(-2, 2, shape), precision),
        float(round_to(dt, precision)),
        precision,
    )
    return population.replace(**changes)


QUIET = {"V_th": 1e3, "V_th_inf": 1e3}
"""Changes that put the threshold out of reach, also for steps of 50 ms."""
