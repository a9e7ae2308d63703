"""Every public callable, given every kind of wrong thing: a result, or a named error.

Each argument of a valid call is replaced in turn. What is made all the same is used; where it is
refused, states are as they were. How many calls are tried of each callable is the environment's
BRAINSCALE_CALLS, "all" for all.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import random
import traceback

import brainstate
import brainunit as u
import jax
import numpy as np
import pytest

import brainscale
import public_calls
from brainscale import errors
from public_calls import METHODS, call, fresh, methods, names_of, prepare, public, thing_of
from wrong_values import WRONG

pytestmark = pytest.mark.usefixtures("compiled_fast")

COUNT = os.environ.get("BRAINSCALE_CALLS", "8")
LEARNERS = [
    name
    for name, kind in public().items()
    if inspect.isclass(kind) and issubclass(kind, brainscale.ETraceAlgorithm)
]
OURS = os.path.dirname(brainscale.__file__)
COSTLY = [*LEARNERS, "compile", "fit", "shard"]
"""Those that compile a step, of which fewer are tried."""

MADE = [(name, None) for name in public()]
CALLED = [
    (name, method)
    for name, kind in public().items()
    if inspect.isclass(kind)
    for method in methods(name, kind)
]


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """A length of a step, and a folder for what is written."""
    monkeypatch.chdir(tmp_path)
    with brainstate.environ.context(dt=1.0 * u.ms), np.errstate(over="ignore"):
        yield


def tried(name, arguments):
    """Pairs of an argument and a wrong thing, all of them or some that are the same each time."""
    pairs = [(argument, kind) for argument in arguments for kind in WRONG]
    if COUNT == "all":
        return pairs
    count = int(COUNT) // 4 if name in COSTLY else int(COUNT)
    return random.Random(name).sample(pairs, min(count, len(pairs)))


@pytest.fixture
def faults():
    """What came out of calls and should not have: all of it is shown at the end."""
    messages = []
    yield messages
    assert not messages, f"{len(messages)} faults:\n" + "\n".join(messages)


@contextlib.contextmanager
def only_ours(faults, *what):
    """Let an error pass that is of `brainscale.errors` and says what was wrong."""
    try:
        yield
    except errors.BrainscaleError as error:
        if type(error) is errors.BrainscaleError or len(str(error)) < 20:
            faults.append(f"{what}: {error!r}")
    except Exception as error:
        if not is_of_the_model(error):
            at = traceback.extract_tb(error.__traceback__)[-1]
            ours = [f for f in traceback.extract_tb(error.__traceback__) if OURS in f.filename]
            at = ours[-1] if ours else at
            faults.append(f"{what}: {error!r:.300} at {at.filename}:{at.lineno}")


def is_of_the_model(error):
    """Whether an error is of the arithmetic in the model that is learned, the user's own."""
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [i for i, code in enumerate(codes) if OURS in code.co_filename]
    layer = public_calls.Layer
    their = [layer.update.__code__, layer.init_state.__code__]
    theirs = [i for i, code in enumerate(codes) if code in their]
    return bool(theirs) and (not ours or theirs[-1] > ours[-1])


def values(thing):
    """All that the states in a thing hold."""
    if isinstance(thing, brainstate.State):
        past = getattr(thing, "_history", None)
        return [thing.value, None if past is None else past.value]
    if isinstance(thing, brainstate.nn.Module):
        return {path: values(state) for path, state in thing.states().items()}
    return None


def check_same(before, after, what):
    assert jax.tree.structure(before) == jax.tree.structure(after), what
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        if a is not b:
            np.testing.assert_array_equal(a, b, err_msg=str(what))


def use(name, thing):
    """Make the valid calls of what has been made."""
    prepare(thing)
    for method in methods(name, type(thing)):
        if name not in LEARNERS or method == "update":
            result = invoke(thing, method, METHODS[method](name, thing))
            if method == "update" and isinstance(thing, brainscale.nn.layer.Layer):
                assert result.shape[-1] == thing.out_size[-1], (name, result.shape)


def invoke(thing, method, arguments):
    """Call a method, or set a property."""
    attribute = inspect.getattr_static(type(thing), method)
    if isinstance(attribute, property):
        (value,) = arguments.values()
        return attribute.fset(thing, value)
    return call(getattr(thing, method), arguments)


def test_the_valid_calls_are_valid():
    for name in public():
        assert name in public_calls.MADE, f"how is {name} called? Say so in public_calls.py"
    for _, method in CALLED:
        assert method in METHODS, f"how is {method} called? Say so in public_calls.py"


@pytest.mark.parametrize(("name", "method"), [*MADE, *CALLED], ids=lambda part: part or "made")
def test_wrong_things(name, method, faults):
    if method is None:
        check_making(name, faults)
    elif name not in LEARNERS or name == LEARNERS[0] or method in vars(public()[name]):
        check_calling(name, method, faults)


def check_making(name, faults):
    function, base = public()[name], public_calls.MADE[name]
    made = call(function, fresh(base))
    if inspect.isclass(function):
        use(name, made)
    for argument, kind in tried(name, names_of(function, fresh(base))):
        arguments = {**fresh(base), argument: WRONG[kind]}
        kept = {key: (a, values(a)) for key, a in arguments.items()}
        is_made = False
        with only_ours(faults, name, argument, kind):
            made = call(function, arguments)
            is_made = True
            if inspect.isclass(function):
                use(name, made)
        if not is_made and name not in ("compile", "fit"):
            for key, (thing, before) in kept.items():
                check_same(before, values(thing), (name, argument, kind, key))


def check_calling(name, method, faults):
    thing = thing_of(name)
    base = METHODS[method](name, thing)
    is_set = isinstance(inspect.getattr_static(type(thing), method), property)
    invoke(thing, method, base)
    arguments = list(base) if is_set else names_of(getattr(thing, method), base)
    thing = None
    for argument, kind in tried(name, arguments):
        if thing is None:
            thing = thing_of(name)
            base = METHODS[method](name, thing)
        before = values(thing)
        is_done = False
        with only_ours(faults, name, method, argument, kind):
            invoke(thing, method, {**base, argument: WRONG[kind]})
            is_done = True
        if is_done:
            thing = None
        else:
            check_same(before, values(thing), (name, method, argument, kind))


@pytest.mark.parametrize("name", [name for name, kind in MADE if inspect.isclass(public()[name])])
def test_wrong_orders(name, faults):
    """Each method before `init_state` or `compile_graph`, and each of these twice."""
    kind = public()[name]
    for method in methods(name, kind):
        arguments = fresh(public_calls.MADE[name])
        if "model" in arguments:
            arguments["model"] = public_calls.Layer()
        thing = call(kind, arguments)
        if not isinstance(thing, brainstate.nn.Module):
            continue
        arguments = METHODS[method](name, thing)
        before = values(thing)
        is_done = False
        with only_ours(faults, name, method, "before the first"):
            invoke(thing, method, arguments)
            is_done = True
        if not is_done:
            check_same(before, values(thing), (name, method))
    thing = thing_of(name)
    prepare(thing)
    use(name, thing)
