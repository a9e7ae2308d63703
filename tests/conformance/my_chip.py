"""The driver of the chip that docs/judge-your-own.md has an adapter for; the chip is the reference.

Only text goes in and out.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from conformance.adapters.reference import implementation
from conformance.protocol.implementation import Value
from reference.errors import BrainscaleError

_REFERENCE = implementation()


def ask(question: str) -> str:
    """The answer of the chip."""
    arguments = {name: _read(x) for name, x in json.loads(question).items()}
    what, size = arguments.pop("what"), tuple(arguments.pop("size"))
    try:
        return json.dumps(_answer(what, size, arguments), default=_written)
    except BrainscaleError as error:
        return json.dumps({"error": type(error).__name__, "message": str(error)})


def _answer(what: str, size: tuple[int, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    if what == "defaults":
        defaults = _REFERENCE.gif_defaults()
        values = {k: x if isinstance(x, Value) else Value(np.array(x)) for k, x in defaults.items()}
        return {"parameters": values}
    if what == "initial":
        return {"state": _REFERENCE.gif_initial(size, **arguments)}
    if what == "jacobian":
        return {"derivatives": _REFERENCE.gif_jacobian(size, **arguments)}
    states, spikes = {"step": _REFERENCE.gif_step, "run": _REFERENCE.gif_run}[what](
        size, **arguments
    )
    return {"state": states, "spikes": spikes}


def _read(x: Any) -> Any:
    if not isinstance(x, dict):
        return x
    if "numbers" in x:
        return Value(np.array(x["numbers"], x["dtype"]).reshape(x["shape"]), x["unit"])
    return {name: _read(entry) for name, entry in x.items()}


def _written(x: Any) -> dict[str, Any]:
    array, unit = (x.array, x.unit) if isinstance(x, Value) else (x, None)
    array = np.asarray(array)
    numbers = {"numbers": array.ravel().tolist(), "shape": array.shape}
    return {**numbers, "dtype": str(array.dtype), "unit": unit}
