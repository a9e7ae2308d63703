"""Every bad input raises its named error, and leaves what it was meant for as it was."""

from __future__ import annotations

import numpy as np
import pytest

from bad_inputs import CASES, STATES
from conformance.adapters import brainscale, reference
from conformance.protocol.implementation import Value

ADAPTERS = {"reference": reference.implementation, "brainscale": brainscale.eager}
INITIAL = {
    "I1": Value(np.zeros(2), "nA"),
    "I2": Value(np.zeros(2), "nA"),
    "V": Value(np.full(2, -70.0), "mV"),
    "V_th": Value(np.full(2, -50.0), "mV"),
}


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    return ADAPTERS[request.param](64)


def bits(tree):
    """Something that is equal for equal values only."""
    if isinstance(tree, Value):
        return (tree.array.shape, str(tree.array.dtype), tree.array.tobytes(), tree.unit)
    if isinstance(tree, dict):
        return [(key, bits(entry)) for key, entry in tree.items()]
    return [bits(entry) for entry in tree]


def snapshot(adapter, state, options):
    past = [adapter.history(state)] if options.get("history") else []
    return bits([adapter.read(state), *past]), adapter.num_state(state)


def check_name(raised, case):
    classes = [kind.__name__ for kind in type(raised.value).__mro__]
    assert case.error in classes, f"{case} raised {raised.value!r}"
    assert len(str(raised.value)) > 20, f"{case} says no more than {raised.value!r}"


def test_there_are_a_hundred():
    assert len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.target}-{c.operation}-{c.error}")
def test_bad_input(adapter, case):
    if case.operation == "make":
        kind, value, options = case.arguments
        with pytest.raises(Exception) as raised:  # noqa: PT011
            adapter.make(kind, value, **options)
    elif case.target == "gif":
        with pytest.raises(Exception) as raised:  # noqa: PT011
            gif(adapter, case)
    else:
        kind, value, options = STATES[case.target]
        state = adapter.make(kind, value, state_name=case.target, **options)
        if options.get("history"):
            adapter.write(state, value)
        before = snapshot(adapter, state, options)
        with pytest.raises(Exception) as raised:  # noqa: PT011
            operate(adapter, state, case)
        assert snapshot(adapter, state, options) == before, f"{case} changed the state"
    check_name(raised, case)


def operate(adapter, state, case):
    arguments = case.arguments
    if case.operation == "add_leaf":
        adapter.add_leaf(state, *arguments)
    elif case.operation in ("history", "varshape"):
        getattr(adapter, case.operation)(state)
    else:
        getattr(adapter, case.operation)(state, arguments)


def gif(adapter, case):
    arguments = {"parameter": {}, "current": Value(np.zeros(2), "nA"), "method": "exact"}
    arguments["dt"] = Value(np.array(0.1), "ms")
    arguments[case.operation] = case.arguments
    adapter.gif_step(
        (2,),
        arguments["parameter"],
        INITIAL,
        arguments["current"],
        arguments["dt"],
        method=arguments["method"],
    )
