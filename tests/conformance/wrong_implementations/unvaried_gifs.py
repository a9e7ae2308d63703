"""Wrong GIF neurons that are right for few neurons on one axis, in the table's units."""

from __future__ import annotations

import numpy as np

from conformance.protocol.implementation import Value
from reference.errors import DtypeError
from reference.gif import UNITS, names_of

from .gif_bases import Gif
from .wrong import Wrong

UNIT_OF = {name: UNITS[field] for name, field in names_of(2).items()}
REFUSED = ("something unvaried", "something", "something else")


def of_values(function, values):
    """Values by name, replaced."""
    return {name: function(name, x) if isinstance(x, Value) else x for name, x in values.items()}


class SquaresAreTransposed(Gif):
    """The parameters of a square population."""

    def replace_parameters(self, size, parameters):
        def turned(name, x):
            return Value(x.array.T, x.unit) if x.array.shape == size else x

        return (
            of_values(turned, parameters) if len(size) == 2 and size[0] == size[1] else parameters
        )


class FortranTakenForC(Gif):
    def replace_parameters(self, size, parameters):
        def misread(name, x):
            return Value(x.array.ravel("K").reshape(x.array.shape), x.unit)

        return of_values(lambda n, x: misread(n, x) if x.array.flags.fnc else x, parameters)


class BytesAsTheyLie(Gif):
    def replace_parameters(self, size, parameters):
        def misread(name, x):
            native = x.array.dtype.newbyteorder("=")
            return x if x.array.dtype.isnative else Value(x.array.astype(native) + 1e-3, x.unit)

        return of_values(misread, parameters)


class AThousandAtMost(Gif):
    """Neurons behind the first 1024 never spike."""

    def gif_step(self, size, *arguments, **options):
        state, spikes = super().gif_step(size, *arguments, **options)
        flat = np.array(spikes).reshape(-1)
        flat[1024:] = False
        return state, flat.reshape(np.shape(spikes))


class NoWholeParameters(Gif):
    def replace_parameters(self, size, parameters):
        for x in parameters.values():
            if isinstance(x, Value) and x.array.dtype.kind in "iu":
                raise DtypeError(*REFUSED)
        return parameters


class WholeParametersOfOneByte(Gif):
    def replace_parameters(self, size, parameters):
        def wrapped(name, x):
            narrow = x.array.dtype.kind in "iu" and name in ("k2", "b")
            return Value(x.array * 0, x.unit) if narrow else x

        return of_values(wrapped, parameters)


class NoWholeCurrents(Gif):
    def input(self, state, current):
        if isinstance(current, Value) and current.array.dtype.kind in "iu":
            raise DtypeError(*REFUSED)
        return current


class TreeInTheTablesUnits(Gif):
    """The tree form takes the numbers of its parameters for those in the table's units."""

    def gif_step(self, size, parameters, *others, form="states", **options):
        if form == "tree":
            parameters = of_values(
                lambda name, x: Value(x.array, "Mohm" if x.unit == "Mohm" else UNIT_OF[name]),
                parameters,
            )
        return super().gif_step(size, parameters, *others, form=form, **options)


class TreeInNanoampere(Gif):
    def gif_step(self, size, parameters, state, current, dt, *, form="states", **options):
        if form == "tree" and getattr(current, "unit", None) in ("mA", "pA"):
            current = Value(current.array, "nA")
        return super().gif_step(size, parameters, state, current, dt, form=form, **options)


class TreeInMilliseconds(Gif):
    def gif_step(self, size, parameters, state, current, dt, *, form="states", **options):
        if form == "tree" and getattr(dt, "unit", None) in ("s", "us"):
            dt = Value(dt.array, "ms")
        return super().gif_step(size, parameters, state, current, dt, form=form, **options)


class DefaultsOfAllOrNone(Gif):
    """Where some parameters are given, the others have no default but what is handy."""

    def replace_parameters(self, size, parameters):
        handy = {"b": Value(np.array(0.0), "ms^-1"), "V_rest": Value(np.array(-65.0), "mV")}
        return {**handy, **parameters} if parameters else parameters


class CurrentsFromTheLeft(Gif):
    """A current of fewer axes is broadcast along the first ones, where it fits."""

    def input(self, state, current):
        shape, array = state["V"].array.shape, getattr(current, "array", np.zeros(()))
        if 0 < array.ndim < len(shape) and array.shape == shape[: array.ndim]:
            array = array.reshape(array.shape + (1,) * (len(shape) - array.ndim))
            return Value(array, current.unit)
        return current


class TreeRunsStartAlike(Gif):
    """In the tree form, each entry of a batch starts from the first one's state."""

    def gif_run(self, size, parameters, state, currents, dt, *, form="states", **options):
        if form == "tree" and np.ndim(state["V"].array) > len(size):
            state = of_values(
                lambda _, x: Value(np.broadcast_to(x.array[:1], x.array.shape), x.unit), state
            )
        return super().gif_run(size, parameters, state, currents, dt, form=form, **options)


class RunsFromMemory(Gif):
    """A run takes its currents as they lie in memory."""

    def gif_run(self, size, parameters, state, currents, dt, **options):
        array = currents.array
        if array.flags.fnc:
            currents = Value(array.ravel("K").reshape(array.shape), currents.unit)
        return super().gif_run(size, parameters, state, currents, dt, **options)


class DerivativesOfRows(Gif):
    """Of a population of several axes, the derivatives are those of its last neurons first."""

    def gif_jacobian(self, size, *arguments, **options):
        jacobian = super().gif_jacobian(size, *arguments, **options)
        if len(size) < 2:
            return jacobian
        behind = {"state": 2, "current": 1, "spike_state": 1, "spike_current": 0}
        return {name: np.flip(x, x.ndim - 1 - behind[name]) for name, x in jacobian.items()}


class SmallRoots(Gif):
    """Steps shorter than a picosecond are none."""

    def gif_step(self, size, parameters, state, current, dt, **options):
        step = super().gif_step(size, parameters, state, current, dt, **options)
        short = isinstance(dt, Value) and dt.unit == "ms" and dt.array < 1e-9
        return (dict(state), step[1]) if short else step


SHAPES = ("GIF-10", "GIF-13", "GIF-18", "GIF-20", "NUM-1", "NUM-2", "NUM-4")

WRONG_UNVARIED_GIFS = [
    Wrong("squares_are_transposed", SquaresAreTransposed, ("GIF-18", "GIF-2", *SHAPES)),
    Wrong("parameters_of_fortran", FortranTakenForC, ("NUM-1", "GIF", *SHAPES)),
    Wrong("parameters_of_big_endian", BytesAsTheyLie, ("NUM-1", "GIF", "NUM")),
    Wrong("a_thousand_neurons", AThousandAtMost, ("NUM-2", *SHAPES)),
    Wrong("no_whole_parameters", NoWholeParameters, ("GIF-18", "GIF-20")),
    Wrong("whole_rates_are_zero", WholeParametersOfOneByte, ("GIF-18", "GIF-20")),
    Wrong("no_whole_currents", NoWholeCurrents, ("GIF-20", "GIF-18")),
    Wrong("tree_in_the_tables_units", TreeInTheTablesUnits, ("GIF-1",)),
    Wrong("tree_in_nanoampere", TreeInNanoampere, ("GIF-20",)),
    Wrong("tree_in_milliseconds", TreeInMilliseconds, ("GIF-19",)),
    Wrong("defaults_of_all_or_none", DefaultsOfAllOrNone, ("GIF-1",)),
    Wrong("currents_from_the_left", CurrentsFromTheLeft, ("GIF-20", "GIF-10")),
    Wrong("tree_runs_start_alike", TreeRunsStartAlike, ("GIF-10",)),
    Wrong("runs_from_memory", RunsFromMemory, ("GIF-10", "GIF-9", "NUM-3")),
    Wrong(
        "derivatives_of_rows",
        DerivativesOfRows,
        ("GIF-14", "GIF-10", "GIF-15", "GIF-16", "GIF-17", "NUM-4"),
    ),
    Wrong("steps_of_a_picosecond", SmallRoots, ("GIF-5", "GIF-6")),
]
"""The first clause is the one that is broken; the others fail with it."""
