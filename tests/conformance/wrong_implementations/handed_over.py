"""What makes wrong implementations that are right, but for how something is handed over."""

from __future__ import annotations

import numpy as np

from conformance.protocol.implementation import Value


def altering(base, methods, change, only=None):
    """The adapter some of whose methods get changed arguments.

    Parameters
    ----------
    base : type
        The adapter that is right.
    methods : list of str
    change : callable
        Of the list of arguments, makes another list; or raises what the method then raises.
    only : str, optional
        The method of integration to which that is confined.
    """

    def altered(method):
        def call(self, *arguments, **options):
            changed = list(arguments)
            if only in (None, options.get("method", "exact")):
                changed = change(changed)
            return getattr(base, method)(self, *changed, **options)

        return call

    return type("Altering", (base,), {method: altered(method) for method in methods})


def refusing(base, methods, when, only=None):
    """The adapter that refuses arguments of which a predicate says so."""

    def change(arguments):
        if when(*arguments):
            raise ValueError("something unvaried")
        return arguments

    return altering(base, methods, change, only)


def at(position, change):
    """The change of one argument."""

    def changed(arguments):
        arguments[position] = change(arguments[position])
        return arguments

    return changed


def in_unit(unit):
    """A value's numbers, taken for those in a unit."""
    return lambda x: Value(x.array, unit) if isinstance(x, Value) and x.unit is not None else x


def in_units(units):
    """Each value's numbers, taken for those in the unit of its name."""
    return lambda values: {k: in_unit(units[k])(x) if k in units else x for k, x in values.items()}


def of_numbers(change):
    """A value with other numbers."""
    return lambda x: Value(change(x.array), x.unit) if isinstance(x, Value) else x


def dtype(x):
    """Of a value, or of what is an array."""
    return np.asarray(getattr(x, "array", x)).dtype


def is_whole(x):
    """Whether a value is of integers."""
    return dtype(x).kind in "iu"


def is_single(x):
    return dtype(x) == np.float32


def shape(x):
    return np.shape(getattr(x, "array", x))
