"""The object that tests get: an adapter, held to its claims and to the protocol."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.protocol.arguments import Snapshot
from conformance.protocol.claims import KINDS, OPERATIONS, RULES, WEIGHTS, claims_of
from conformance.protocol.implementation import CAPABILITIES, methods_of
from conformance.protocol.problems import Layer, Network, Rule
from conformance.protocol.results import (
    check_learned,
    check_result,
    check_traced,
    check_trials,
)

#: All methods of the protocol.
_METHODS = {method for capability in CAPABILITIES for method in methods_of(capability)}

#: By method that runs networks, the check of its result.
_RUNS = {
    "traces": check_traced,
    "learn": check_learned,
    "reinforce": check_learned,
    "learn_trials": check_trials,
}


class SuiteError(Exception):
    """The suite asked an adapter for what it does not claim: a fault of the suite."""


class Judged:
    """An adapter that is asked for no more than it claims, and whose results are of the protocol.

    It has the methods of the claimed capabilities alone. What the adapter warns of is ignored: a
    warning is no failure of an implementation, while the suite's own are errors.

    Attributes
    ----------
    adapter : object
        As its author wrote it. It need be neither hashable nor comparable.
    source : str
        How it is named to the suite: ``module:object``.
    name, precision, capabilities, resolution
        The adapter's; of a resolution None where it states none (NUM-9).
    version, url : str or None
        The implementation's, where its adapter says them.
    is_behind_pipe : bool
        Whether it is asked through a pipe, which no memory crosses.
    claims : Claims
    """

    def __init__(self, adapter: Any, source: str = ""):
        self.adapter = adapter
        self.source = source
        self.name = adapter.name
        self.precision = adapter.precision
        self.capabilities = adapter.capabilities
        self.resolution = getattr(adapter, "resolution", None)
        self.version = _text_of(adapter, "version")
        self.url = _text_of(adapter, "url")
        self.is_behind_pipe = getattr(adapter, "is_behind_pipe", False)
        self.claims = claims_of(adapter)

    @classmethod
    def of(cls, adapter: Any) -> Judged:
        """Make a `Judged` of an adapter, unless it is one."""
        return adapter if isinstance(adapter, cls) else cls(adapter)

    def __repr__(self) -> str:
        return self.name

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Make the checked form of a method, and keep it for the next time."""
        if name not in _METHODS:
            raise AttributeError(name)
        if name not in self.claims.methods:
            raise SuiteError(f"the suite asks {self.name} for {name}, which it does not claim")
        method = getattr(self.adapter, name, None)
        if not callable(method):
            raise NotImplementedError(f"{self.name} claims the method {name} and lacks it (CONF-2)")
        self.__dict__[name] = call = self._wrap(name, method)
        return call

    def has(self, name: str) -> bool:
        """Whether the adapter has a method."""
        return callable(getattr(self.adapter, name, None))

    def _wrap(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            for argument in arguments:
                self._check_claimed(argument)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                snapshot = Snapshot((arguments, options))
                try:
                    result = method(*arguments, **options)
                finally:
                    snapshot.check(name)
            if name in _RUNS:
                _RUNS[name](result, name)
            else:
                check_result(name, result)
            return result

        call.__name__ = name
        return call

    def _check_claimed(self, argument: Any) -> None:
        """Raise `SuiteError` for a network or a rule of a level that is not claimed."""
        for field, name, names in _levels(argument):
            # A name that is none is bad input, which any adapter may be given.
            is_level = isinstance(name, str) and name in names
            if is_level and name not in getattr(self.claims, field):
                level = f"{name!r} of {field}"
                raise SuiteError(f"the suite asks {self.name} for {level}, which it does not claim")


def _text_of(adapter: Any, attribute: str) -> str | None:
    text = getattr(adapter, attribute, None)
    return None if text is None else str(text)


def _levels(argument: Any) -> list[tuple[str, str, Any]]:
    """The levels of a network or a rule: field of `Claims`, name, and all names of the field."""
    if isinstance(argument, Rule):
        return [("rules", argument.name, RULES)]
    if not isinstance(argument, Network):
        return []
    levels: list[tuple[str, str, Any]] = []
    for layer in argument.layers:
        recurrence = _recurrence(layer)
        levels.append(("kinds", layer.kind, KINDS))
        levels.append(("operations", layer.operation.kind, OPERATIONS))
        levels.append(("recurrences", recurrence, {recurrence}))
        levels.append(("weights", "shared" if _has_shared(layer) else "own", WEIGHTS))
    return levels


def _recurrence(layer: Layer) -> str:
    if layer.recurrent is None:
        return "none"
    return "element-wise" if np.ndim(layer.recurrent) < 2 else "dense"


def _has_shared(layer: Layer) -> bool:
    """Whether a bias or a recurrence is one number for all neurons, of which there are some."""
    weight_shape = np.shape(layer.weight)
    by_kind = {"sparse": tuple(layer.operation.shape), "low-rank": np.shape(layer.factor)}
    if len(weight_shape) == 3:
        by_kind["grouped"] = (weight_shape[0] * weight_shape[2],)
    N = by_kind.get(layer.operation.kind, weight_shape)[-1:]
    bias = None if layer.operation.kind == "convolution" else layer.bias
    return any(
        np.shape(value) == () or (np.shape(value) == (1,) and N != (1,))
        for value in (bias, layer.recurrent)
        if value is not None
    )
