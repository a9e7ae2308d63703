"""The parameters and inputs of the GIF neuron, and their checks (GIF-1, GIF-18 to GIF-21)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, ParameterError
from ..values import Quantity, check_finite, check_names, read_number

#: Unit of each parameter; k, R_j and A have one value for each internal current.
UNITS = {
    "tau": "ms",
    "R": "ohm",
    "V_rest": "mV",
    "V_reset": "mV",
    "V_th_inf": "mV",
    "V_th_reset": "mV",
    "k": "ms^-1",
    "R_j": None,
    "A": "nA",
    "a": "ms^-1",
    "b": "ms^-1",
}

#: Default of each parameter, in its unit.
DEFAULTS = {
    "tau": 20.0,
    "R": 100.0,
    "V_rest": -70.0,
    "V_reset": -80.0,
    "V_th_inf": -50.0,
    "V_th_reset": -60.0,
    "k1": 0.1,
    "k2": 0.05,
    "R1": 0.9,
    "R2": 0.8,
    "A1": 10.0,
    "A2": 5.0,
    "a": 0.1,
    "b": 0.02,
}


class Parameters(NamedTuple):
    """The parameters of a population of shape `size`, as plain numbers.

    Each is a (*size) array; k, R_j and A are (J, *size), one row for each internal current.
    """

    tau: np.ndarray  #: membrane time constant, ms
    R: np.ndarray  #: membrane resistance, ohm
    V_rest: np.ndarray  #: resting potential, mV
    V_reset: np.ndarray  #: potential after a spike, mV
    V_th_inf: np.ndarray  #: resting threshold, mV
    V_th_reset: np.ndarray  #: lower bound of the threshold after a spike, mV
    k: np.ndarray  #: decay rates of the internal currents, 1/ms
    R_j: np.ndarray  #: factors of the internal currents at a spike
    A: np.ndarray  #: increments of the internal currents at a spike, nA
    a: np.ndarray  #: coupling of the threshold to the potential, 1/ms
    b: np.ndarray  #: decay rate of the threshold, 1/ms


def names_of(J: int) -> dict[str, str]:
    """For J internal currents, each parameter's name with its field of `Parameters`."""
    rows = {"k": "k", "R_j": "R", "A": "A"}
    names = {}
    for field in Parameters._fields:
        if field in rows:
            names |= {f"{rows[field]}{j}": field for j in range(1, J + 1)}
        else:
            names[field] = field
    return names


def make_defaults() -> dict[str, Quantity | float]:
    """The default of each parameter of a model with two internal currents (GIF-1)."""
    units = {name: UNITS[field] for name, field in names_of(2).items()}
    return {
        name: DEFAULTS[name] if units[name] is None else Quantity(DEFAULTS[name], units[name])
        for name in units
    }


def read_parameters(size: tuple[int, ...], parameters: Mapping[str, Any], J: int = 2) -> Parameters:
    """Read the parameters of a population (GIF-18).

    Parameters
    ----------
    size : tuple of int
        The population's shape.
    parameters : mapping from names to Quantity, for R1 ... RJ to numbers
        What is left out has its default.
    J : int
        The number of internal currents.

    Returns
    -------
    Parameters

    Raises
    ------
    ValueTypeError, UnitError, DtypeError, ShapeError
        A parameter that is no value, of a wrong or missing unit, no real number, or of a shape
        that does not broadcast to `size`.
    ParameterError
        A parameter that is not finite, a τ that is not positive, a k_j or b that is negative, an
        unknown name, or one without a default left out.
    """
    names = names_of(J)
    check_names(parameters, names)
    values = make_defaults() | dict(parameters)
    rows: dict[str, list[np.ndarray]] = {field: [] for field in Parameters._fields}
    for name, field in names.items():
        if name not in values:
            raise ParameterError(f"parameter {name!r}", "nothing", "a value: it has no default")
        array = read_number(values[name], UNITS[field], size, f"parameter {name!r}")
        check_range(array, field, f"parameter {name!r}")
        rows[field].append(array)
    several = {field: np.reshape(rows.pop(field), (J, *size)) for field in ("k", "R_j", "A")}
    return Parameters(**{field: row for field, (row,) in rows.items()}, **several)


def check_range(array: np.ndarray, field: str, subject: str) -> None:
    """Refuse numbers that the parameter may not have (GIF-18)."""
    check_finite(array, subject, ParameterError)
    if field == "tau" and not np.all(array > 0):
        raise ParameterError(subject, f"{array.min()} ms", "positive times")
    if field in ("k", "b") and not np.all(array >= 0):
        raise ParameterError(subject, f"{array.min()} per ms", "rates that are not negative")


def read_current(current: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Read an input current in nA for each neuron (GIF-20, GIF-21)."""
    array = read_number(current, "nA", shape, "input current")
    if not np.all(np.isfinite(array)):
        got = f"{array[~np.isfinite(array)][0]} nA in {np.sum(~np.isfinite(array))} neurons"
        raise InputError("input current", got, "finite numbers")
    return array
