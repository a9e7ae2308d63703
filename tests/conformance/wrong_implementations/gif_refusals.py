"""Wrong GIF neurons: what they accept, and how they refuse (GIF-18 to GIF-21, ERR)."""

from __future__ import annotations

import numpy as np

from conformance.protocol.implementation import Value
from reference.errors import BrainscaleError, ShapeError, UnitError
from reference.gif import UNITS, names_of

from .gif_bases import Gif, number
from .wrong import Wrong

FIELDS = names_of(2)


class ReplacesParameters(Gif):
    """Every parameter is replaced before it is checked."""

    def replace_parameters(self, size, parameters):
        return {name: self.replaced(size, name, x) for name, x in parameters.items()}

    def numbers(self, value, numbers):
        return Value(numbers, value.unit) if isinstance(value, Value) else numbers


class NegativeTau(ReplacesParameters):
    def replaced(self, size, name, value):
        return self.numbers(value, np.abs(number(value))) if name == "tau" else value


class TauOfZero(ReplacesParameters):
    def replaced(self, size, name, value):
        zero = number(value) == 0
        return self.numbers(value, np.where(zero, 1e-9, number(value))) if name == "tau" else value


class NegativeRates(ReplacesParameters):
    def replaced(self, size, name, value):
        rate = name in ("k1", "k2", "b")
        return self.numbers(value, np.maximum(number(value), 0)) if rate else value


class NaNParameters(ReplacesParameters):
    def replaced(self, size, name, value):
        array = number(value)
        return self.numbers(value, np.where(np.isnan(array), 1.0, array))


class BareParameters(ReplacesParameters):
    def replaced(self, size, name, value):
        if isinstance(value, Value) and value.unit is None:
            return Value(value.array, UNITS[FIELDS[name]])
        return value


class ParametersOfAnyUnit(ReplacesParameters):
    def replaced(self, size, name, value):
        if isinstance(value, Value) and value.unit == "m":
            return Value(value.array, UNITS[FIELDS[name]])
        return value


class ParametersCutToSize(ReplacesParameters):
    def replaced(self, size, name, value):
        array = number(value)
        wrong = array.ndim == 1 and len(array) not in (1, size[-1])
        return self.numbers(value, np.resize(array, size)) if wrong else value


class RefusesNegativeResistances(ReplacesParameters):
    def replaced(self, size, name, value):
        if name == "R" and np.any(number(value) < 0):
            return Value(np.float64(np.nan), "ohm")
        return value


class UnknownMethodsAreExact(Gif):
    def gif_step(self, *arguments, method="exact", **options):
        method = method if method == "exp_euler" else "exact"
        return super().gif_step(*arguments, method=method, **options)


class StepOfZero(Gif):
    def length(self, dt):
        return Value(np.where(dt.array == 0, 1e-300, dt.array), dt.unit)


class StepBackwards(Gif):
    def length(self, dt):
        return Value(np.abs(dt.array), dt.unit)


class StepWithoutEnd(Gif):
    def length(self, dt):
        return Value(np.where(dt.array == np.inf, 1e300, dt.array), dt.unit)


class BareSteps(Gif):
    def length(self, dt):
        return Value(dt.array, dt.unit or "ms")


class StepsInMilliseconds(Gif):
    def length(self, dt):
        return Value(dt.array, "ms" if dt.unit in ("s", "us") else dt.unit)


class BareCurrents(Gif):
    def input(self, state, current):
        return Value(current.array, current.unit or "nA")


class CurrentsInNanoampere(Gif):
    def input(self, state, current):
        return Value(current.array, "nA" if current.unit in ("pA", "mA", "A") else current.unit)


class CurrentsOfAnyUnit(Gif):
    def input(self, state, current):
        return Value(current.array, "nA" if current.unit == "mV" else current.unit)


class CurrentsCutToSize(Gif):
    def input(self, state, current):
        array, shape = current.array, np.shape(state["V"].array)
        wrong = array.ndim == 1 and array.shape[0] not in (1, shape[-1])
        return Value(np.resize(array, shape), current.unit) if wrong else current


class BadInputs(Gif):
    """A step with NaN and infinite inputs is made with others, and then changed."""

    other = 0.0

    def gif_step(self, size, parameters, state, current, dt, **options):
        bad = ~np.isfinite(current.array)
        current = Value(np.where(bad, self.other, current.array), current.unit)
        after, spikes = super().gif_step(size, parameters, state, current, dt, **options)
        return self.change(after, spikes, bad) if bad.any() else (after, spikes)

    def change(self, after, spikes, bad):
        return after, spikes

    def lost(self, after, bad):
        return after | {"V": Value(np.where(bad, np.nan, after["V"].array), "mV")}


class BadInputsSpike(BadInputs):
    other = -1e6

    def change(self, after, spikes, bad):
        return self.lost(after, bad), spikes | bad


class BadInputsAreZero(BadInputs):
    other = 0.0


class BadInputsSpoilAll(BadInputs):
    other = -1e6

    def change(self, after, spikes, bad):
        return self.lost(after, np.ones_like(bad)), spikes & False


class BadInputsAreAnotherError(Gif):
    def gif_step(self, size, parameters, state, current, *others, **options):
        if not np.all(np.isfinite(current.array)):
            raise ZeroDivisionError("not finite")
        return super().gif_step(size, parameters, state, current, *others, **options)


class Refusals(Gif):
    """Another error in place of each that is raised."""

    def gif_initial(self, *arguments, **options):
        return self._refusing(super().gif_initial, *arguments, **options)

    def gif_step(self, *arguments, **options):
        return self._refusing(super().gif_step, *arguments, **options)

    def _refusing(self, call, *arguments, **options):
        try:
            return call(*arguments, **options)
        except BrainscaleError as error:
            caught = error
        raise self.other(caught)


class ErrorsOfNoClass(Refusals):
    def other(self, error):
        return type(type(error).__name__, (BrainscaleError,), {})(*error.args)


class ErrorsOfNoBase(Refusals):
    def other(self, error):
        return type(type(error).__name__, type(error).__bases__[1:], {})(str(error))


class ShapesBeforeUnits(Gif):
    def replace_parameters(self, size, parameters):
        for name, value in parameters.items():
            if np.shape(number(value)) not in ((), (1,), size):
                raise ShapeError(f"parameter {name!r}", f"{np.shape(number(value))}", f"{size}")
        return parameters


class ErrorsOfAnotherName(Refusals):
    """All errors are errors of units."""

    def other(self, error):
        if type(error) is ShapeError:
            return UnitError(*error.args)
        return error


REFUSED = ("ERR-1", "ERR-2")
WAYS = ("GIF-18", "GIF-19", "GIF-20")
"""Of refusing, which share the tests of their errors."""

WRONG_GIF_REFUSALS = [
    Wrong("takes_negative_tau", NegativeTau, ("GIF-18", *REFUSED)),
    Wrong("takes_tau_of_zero", TauOfZero, ("GIF-18",)),
    Wrong("takes_negative_rates", NegativeRates, ("GIF-18", *REFUSED)),
    Wrong("takes_NaN_parameters", NaNParameters, ("GIF-18", *REFUSED)),
    Wrong("takes_bare_parameters", BareParameters, ("GIF-18", *REFUSED)),
    Wrong("takes_parameters_of_any_unit", ParametersOfAnyUnit, ("GIF-18", *REFUSED, "ERR-3")),
    Wrong("cuts_parameters_to_size", ParametersCutToSize, ("GIF-18", *REFUSED)),
    Wrong("refuses_negative_resistances", RefusesNegativeResistances, ("GIF-18",)),
    Wrong("unknown_methods_are_exact", UnknownMethodsAreExact, ("GIF-18", *REFUSED)),
    Wrong("takes_a_step_of_zero", StepOfZero, ("GIF-19",)),
    Wrong("steps_backwards", StepBackwards, ("GIF-19", *REFUSED)),
    Wrong("takes_a_step_without_end", StepWithoutEnd, ("GIF-19",)),
    Wrong("takes_bare_steps", BareSteps, ("GIF-19",)),
    Wrong("unit_of_the_step_ignored", StepsInMilliseconds, ("GIF-19",)),
    Wrong("takes_bare_currents", BareCurrents, ("GIF-20",)),
    Wrong("scale_of_the_current_ignored", CurrentsInNanoampere, ("GIF-20",)),
    Wrong("takes_currents_of_any_unit", CurrentsOfAnyUnit, ("GIF-20", *REFUSED)),
    Wrong("cuts_currents_to_size", CurrentsCutToSize, ("GIF-20", *REFUSED)),
    Wrong("bad_inputs_spike", BadInputsSpike, ("GIF-21",)),
    Wrong("bad_inputs_are_zero", BadInputsAreZero, ("GIF-21",)),
    Wrong("bad_inputs_spoil_all", BadInputsSpoilAll, ("GIF-21",)),
    Wrong("bad_inputs_are_another_error", BadInputsAreAnotherError, ("GIF-21",)),
    Wrong("gif_errors_of_no_class", ErrorsOfNoClass, ("ERR-1", *WAYS, "GIF-21")),
    Wrong("gif_errors_of_no_base", ErrorsOfNoBase, ("ERR-1", *WAYS, "GIF-21")),
    Wrong("gif_shapes_before_units", ShapesBeforeUnits, ("ERR-3", "GIF-18")),
    Wrong("gif_errors_of_another_name", ErrorsOfAnotherName, ("GIF-18", "GIF-20", *REFUSED)),
]
