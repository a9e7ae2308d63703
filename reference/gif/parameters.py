"""The parameters and inputs of the GIF neuron, and what is refused (GIF-1, GIF-18 to GIF-21)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, ParameterError
from ..values import Quantity, read_number

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
    """The names of the parameters with J internal currents, each with its field."""
    rows = {"k": "k", "R_j": "R", "A": "A"}
    names = {}
    for field in Parameters._fields:
        if field in rows:
            names |= {f"{rows[field]}{j}": field for j in range(1, J + 1)}
        else:
            names[field] = field
    return names


def make_defaults() -> dict[str, Quantity | float]:
    """The parameters of a model that was given none (GIF-1)."""
    units = {name: UNITS[field] for name, field in names_of(2).items()}
    return {
        name: DEFAULTS[name] if units[name] is None else Quantity(DEFAULTS[name], units[name])
        for name in units
    }


def read_parameters(size: tuple[int, ...], given: Mapping[str, Any], J: int = 2) -> Parameters:
    """The parameters of a population, checked (GIF-18).

    Parameters
    ----------
    size : tuple of int
        The population's shape.
    given : mapping from names to Quantity, for R1 ... RJ to numbers
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
    for name in given:
        if name not in names:
            raise ParameterError(f"parameter {name!r}", "an unknown name", f"one of {[*names]}")
    values = make_defaults() | dict(given)
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
    if not np.all(np.isfinite(array)):
        raise ParameterError(subject, f"{array[~np.isfinite(array)][0]}", "finite numbers")
    if field == "tau" and not np.all(array > 0):
        raise ParameterError(subject, f"{array.min()} ms", "positive times")
    if field in ("k", "b") and not np.all(array >= 0):
        raise ParameterError(subject, f"{array.min()} per ms", "rates that are not negative")


def read_current(current: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An input current in nA for each neuron, checked (GIF-20, GIF-21)."""
    array = read_number(current, "nA", shape, "input current")
    if not np.all(np.isfinite(array)):
        got = f"{array[~np.isfinite(array)][0]} nA in {np.sum(~np.isfinite(array))} neurons"
        raise InputError("input current", got, "finite numbers")
    return array
