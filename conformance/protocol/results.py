"""Checks of what the methods of an adapter return: containers and types of the protocol."""

from __future__ import annotations

import numbers
import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.protocol.implementation import Value
from conformance.protocol.problems import Learned, LearnedTrials, Traced
from reference import unit

__all__ = [
    "ProtocolError",
    "check_learned",
    "check_result",
    "check_traced",
    "check_trials",
    "describe",
]


class ProtocolError(AssertionError):
    """An adapter returned something that the protocol does not have (CONF-3)."""


def check_result(method: str, result: Any) -> None:
    """Check what a method returned.

    Raises
    ------
    ProtocolError
        It is of another type than the protocol has; the message names the method.
    """
    if method not in RESULTS:
        return
    needs, is_right = RESULTS[method]
    if not is_right(result):
        raise ProtocolError(f"{method} returned {describe(result)}, needs {needs}")


def check_traced(result: Any, call: str = "traces") -> None:
    """Check the result of a run; the message names `call`."""
    _check_fields(result, Traced, _TRACED, call)


def check_learned(result: Any, call: str = "learn") -> None:
    """Check the result of learning; the message names `call`."""
    _check_fields(result, Learned, _LEARNED, call)
    check_traced(result.traced, f"{call} .traced")


def check_trials(result: Any, call: str = "learn_trials") -> None:
    """Check the result of learning from trials; the message names `call`."""
    _check_fields(result, LearnedTrials, _TRIALS, call)


def describe(thing: Any) -> str:
    """Describe in a few words what something is."""
    if isinstance(thing, Value):
        return f"a Value of {describe(thing.array)} in {thing.unit!r}"
    if isinstance(thing, np.ndarray | np.generic):
        return f"an array of {thing.dtype}, of shape {thing.shape}"
    if isinstance(thing, dict) and thing:
        return f"a dict of {', '.join(f'{key!r}: {describe(x)}' for key, x in thing.items())}"
    if type(thing) in (tuple, list) and thing:
        return f"a {type(thing).__name__} of ({'; '.join(map(describe, thing))})"
    if thing is None:
        return "None"
    return f"{reprlib.repr(thing)}, of type {type(thing).__name__}"


def _check_fields(result: Any, kind: type, fields: dict[str, Any], call: str) -> None:
    if not isinstance(result, kind):
        raise ProtocolError(f"{call} returned {describe(result)}, needs a {kind.__name__}")
    for field, (needs, is_right) in fields.items():
        value = getattr(result, field)
        if not is_right(value):
            got = describe(value)
            raise ProtocolError(f"{call} returned {got} as {field}, which needs {needs}")


def _is_array(thing: Any, kinds: str = "fiub", axes: int | None = None) -> bool:
    """Whether it is NumPy's, of these kinds of dtypes and of so many axes."""
    # A NumPy scalar is an array of no axes.
    is_numpy = isinstance(thing, np.ndarray | np.generic)
    return is_numpy and thing.dtype.kind in kinds and (axes is None or thing.ndim == axes)


def _is_value(thing: Any) -> bool:
    return (
        isinstance(thing, Value) and _is_array(thing.array, "fiubc") and _is_unit_name(thing.unit)
    )


def _is_unit_name(name: Any) -> bool:
    if name is None:
        return True
    if not isinstance(name, str):
        return False
    try:
        unit(name)
    except Exception:  # whatever reading it raises, it is none
        return False
    return True


def _is_tree(thing: Any) -> bool:
    if isinstance(thing, dict):
        return all(isinstance(key, str) and _is_tree(entry) for key, entry in thing.items())
    if isinstance(thing, list | tuple):
        return all(map(_is_tree, thing))
    return _is_value(thing)


def _is_integer(thing: Any) -> bool:
    return isinstance(thing, numbers.Integral) and not isinstance(thing, bool)


def _is_shape(thing: Any) -> bool:
    return isinstance(thing, tuple) and all(map(_is_integer, thing))


def _is_text(thing: Any) -> bool:
    return isinstance(thing, str)


def _is_number(thing: Any) -> bool:
    return isinstance(thing, float) or _is_value(thing)


def _is_effective(trace: Any) -> bool:
    """Whether it is a trace: an array, or an eps_x that may be None and an eps_f."""
    if not isinstance(trace, tuple):
        return _is_array(trace)
    return len(trace) == 2 and (trace[0] is None or _is_array(trace[0])) and _is_array(trace[1])


def _dict_of(is_right: Callable[[Any], bool], *keys: str) -> Callable[[Any], bool]:
    """A dict with these keys, or with any text where none are given."""

    def is_it(thing: Any) -> bool:
        if not isinstance(thing, dict) or not all(map(is_right, thing.values())):
            return False
        return set(thing) == set(keys) if keys else all(map(_is_text, thing))

    return is_it


def _sequence_of(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda thing: isinstance(thing, list | tuple) and all(map(is_right, thing))


def _tuple_of(*are_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def is_it(thing: Any) -> bool:
        if not isinstance(thing, tuple) or len(thing) != len(are_right):
            return False
        return all(is_right(entry) for is_right, entry in zip(are_right, thing, strict=True))

    return is_it


def _of_axes(axes: int) -> Callable[[Any], bool]:
    return lambda thing: _is_array(thing, axes=axes)


def _are_spikes(thing: Any) -> bool:
    return _is_array(thing, "b")


_are_variables = _dict_of(_is_value, "I1", "I2", "V", "V_th")
_VARIABLES = "a dict of Value: I1, I2, V, V_th"

_HANDLE = ("a handle", lambda thing: thing is not None)
_TREE = ("a Value or a tree of Value", _is_tree)
_STEPPED = (f"({_VARIABLES}; an array of booleans)", _tuple_of(_are_variables, _are_spikes))

#: By field of `Traced`, `Learned` and `LearnedTrials`: what it needs, in words and as a predicate.
_TRACED = {
    "hidden": ("a list of arrays (T, B, N, d)", _sequence_of(_of_axes(4))),
    "emitted": ("a list of arrays (T, B, N)", _sequence_of(_of_axes(3))),
    "outputs": ("an array (T, B, M)", _of_axes(3)),
    "traces": ("a dict of arrays, or of pairs (eps_x, eps_f)", _dict_of(_is_effective)),
}
_LEARNED = {
    "losses": ("an array (T,)", _of_axes(1)),
    "gradients": ("a dict of arrays", _dict_of(_is_array)),
    "parameters": ("a dict of arrays", _dict_of(_is_array)),
}
_TRIALS = {
    "losses": _LEARNED["losses"],
    "gradients": _LEARNED["gradients"],
    "hidden": ("a list of arrays (B, N, d)", _sequence_of(_of_axes(3))),
    "emitted": ("a list of arrays (B, N)", _sequence_of(_of_axes(2))),
    "traces": ("a dict of arrays", _dict_of(_is_array)),
}

RESULTS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "make": _HANDLE,
    "copy": _HANDLE,
    "kinds": ("a set of text", lambda x: isinstance(x, set | frozenset) and all(map(_is_text, x))),
    "num_state": ("an integer", _is_integer),
    "varshape": ("a tuple of integers", _is_shape),
    "read": _TREE,
    "get": _TREE,
    "history": _TREE,
    "gif_defaults": ("a dict of Value or float", _dict_of(_is_number)),
    "gif_initial": (_VARIABLES, _are_variables),
    "gif_step": _STEPPED,
    "gif_run": _STEPPED,
    "gif_jacobian": (
        "a dict of arrays: state, current, spike_state, spike_current",
        _dict_of(_is_array, "state", "current", "spike_state", "spike_current"),
    ),
    "gif_sensitivity": (
        "a dict of dicts of arrays: state, spike",
        _dict_of(_dict_of(_is_array), "state", "spike"),
    ),
    "gif_gradient": ("a dict of arrays", _dict_of(_is_array)),
    "morphology": (
        "a dict of Value: area, R_left, R_right, coupling",
        _dict_of(_is_value, "area", "R_left", "R_right", "coupling"),
    ),
    "site": ("an integer", _is_integer),
    "cable_initial": (
        "(a Value; an integer; a tuple of integers)",
        _tuple_of(_is_value, _is_integer, _is_shape),
    ),
    "cable_step": ("a Value", _is_value),
    "cable_run": ("a Value", _is_value),
    "cable_jacobian": (
        "a dict of arrays: state, current",
        _dict_of(_is_array, "state", "current"),
    ),
    "learning_signals": (
        "a list of pairs of arrays (T, B, N) and (T, B, N, d)",
        _sequence_of(_tuple_of(_of_axes(3), _of_axes(4))),
    ),
}
"""By method: what it returns, in words and as a predicate. Runs of networks: `check_traced`."""
