"""One valid call of each method, and the shapes and dimensions of its result (CONF-3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np

from conformance.protocol.claims import KINDS, OPERATIONS, RECURRENCES, RULES
from conformance.protocol.implementation import Section, Value
from conformance.protocol.judged import Judged
from conformance.protocol.problems import Layer, Network, Operation, Rule
from conformance.protocol.results import ProtocolError, describe
from reference import unit

__all__ = ["CALLS", "Call", "make_valid_call"]

Call = Callable[[Judged], None]

DTYPES = {32: np.float32, 64: np.float64}


def make_valid_call(method: str, implementation: Any) -> None:
    """Make the call of a method that `CALLS` has.

    Raises
    ------
    ProtocolError
        The call raised an exception, or returned something that the protocol does not have.
    NotImplementedError
        The adapter has no such method.
    """
    implementation = Judged.of(implementation)
    try:
        CALLS[method](implementation)
    except (NotImplementedError, ProtocolError):
        raise
    except Exception as error:  # whatever an adapter raises: nothing may be raised here
        message = f"{type(error).__name__}: {error}"
        raise ProtocolError(f"{method} raised {message} in a valid call") from error


def expect(method: str, value: Any, shape: tuple[int, ...], dimension: str | None = None) -> None:
    """Check the shape of a `Value` or array, and the dimension of a value's unit."""
    array, name = (value.array, value.unit) if isinstance(value, Value) else (value, None)
    if array.shape != shape or (dimension is not None and not _is_of(name, dimension)):
        needs = f"the shape {shape}" + ("" if dimension is None else f" in {dimension}")
        raise ProtocolError(f"{method} returned {describe(value)}, needs {needs}")


def _is_of(name: str | None, dimension: str) -> bool:
    return name is not None and unit(name).dimension == unit(dimension).dimension


def number(implementation: Judged, array: Any, name: str | None) -> Value:
    """Make a value of the implementation's precision."""
    return Value(np.asarray(array, DTYPES[implementation.precision]), name)


# States


def single(implementation: Judged, **options: Any) -> Any:
    value = number(implementation, [1, 2, 3], "mV")
    return implementation.make("single", value, state_name="V", **options)


def group(implementation: Judged) -> Any:
    return implementation.make("group", number(implementation, np.ones((2, 3)), "mV"))


def make(implementation: Judged) -> None:
    single(implementation)


def kinds(implementation: Judged) -> None:
    got = implementation.kinds(group(implementation))
    if not got <= {"single", "group", "tree"}:
        raise ProtocolError(f"kinds returned {describe(got)}, needs some of single, group, tree")


def num_state(implementation: Judged) -> None:
    implementation.num_state(group(implementation))


def varshape(implementation: Judged) -> None:
    implementation.varshape(group(implementation))


def read(implementation: Judged) -> None:
    expect("read", implementation.read(single(implementation)), (3,), "mV")


def write(implementation: Judged) -> None:
    implementation.write(single(implementation), number(implementation, [4, 5, 6], "mV"))


def get(implementation: Judged) -> None:
    expect("get", implementation.get(group(implementation), 0), (2,), "mV")


def set(implementation: Judged) -> None:
    implementation.set(group(implementation), {0: number(implementation, [4, 5], "mV")})


def add_leaf(implementation: Judged) -> None:
    leaf = number(implementation, [1, 2], "mV")
    state = implementation.make("tree", {"V": leaf})
    implementation.add_leaf(state, ("I",), number(implementation, [1.0], "nA"))


def copy(implementation: Judged) -> None:
    expect("read", implementation.read(implementation.copy(single(implementation), "copy")), (3,))


def history(implementation: Judged) -> None:
    state = single(implementation, history=2)
    expect("history", implementation.history(state), (2, 3))


def write_all(implementation: Judged) -> None:
    values = [number(implementation, [i, i, i], "mV") for i in range(3)]
    implementation.write_all(single(implementation, history=2), values)


# The GIF neuron

_DIMENSIONS = {"I1": "nA", "I2": "nA", "V": "mV", "V_th": "mV"}


def gif_state(implementation: Judged) -> dict[str, Value]:
    start = {"I1": 0, "I2": 0, "V": -70, "V_th": -50}
    return {
        name: number(implementation, np.full(3, x), _DIMENSIONS[name]) for name, x in start.items()
    }


def gif_arguments(implementation: Judged, *axes: int) -> tuple[Any, ...]:
    """The arguments of a step, or of a run where there is an axis of time."""
    current = number(implementation, np.ones((*axes, 3)), "nA")
    return (3,), {}, gif_state(implementation), current, number(implementation, 0.5, "ms")


def expect_variables(method: str, got: dict[str, Value], shape: tuple[int, ...]) -> None:
    for name, dimension in _DIMENSIONS.items():
        expect(f"{method} [{name!r}]", got[name], shape, dimension)


def gif_defaults(implementation: Judged) -> None:
    implementation.gif_defaults()


def gif_initial(implementation: Judged) -> None:
    got = implementation.gif_initial((3,), None, {}, "states")
    expect_variables("gif_initial", got, (3,))


def gif_step(implementation: Judged) -> None:
    state, spikes = implementation.gif_step(*gif_arguments(implementation))
    expect_variables("gif_step", state, (3,))
    expect("gif_step", spikes, (3,))


def gif_run(implementation: Judged) -> None:
    states, spikes = implementation.gif_run(*gif_arguments(implementation, 4))
    expect_variables("gif_run", states, (4, 3))
    expect("gif_run", spikes, (4, 3))


def gif_jacobian(implementation: Judged) -> None:
    got = implementation.gif_jacobian(*gif_arguments(implementation))
    shapes = {"state": (4, 4), "current": (4,), "spike_state": (4,), "spike_current": ()}
    for name, shape in shapes.items():
        expect(f"gif_jacobian [{name!r}]", got[name], (3, *shape))


def gif_learned_arguments(implementation: Judged) -> tuple[Any, ...]:
    """The arguments of a run of four steps: one number for all neurons, and one for each."""
    size, _, *rest = gif_arguments(implementation, 4)
    tau = number(implementation, 20.0, "ms")
    return size, {"tau": tau, "R1": number(implementation, [0.5, 1, 1.5], None)}, *rest


def expect_names(method: str, got: dict[str, Any]) -> None:
    if got.keys() != {"tau", "R1"}:
        raise ProtocolError(f"{method} returned {describe(got)}, needs entries of tau and R1")


def gif_sensitivity(implementation: Judged) -> None:
    got = implementation.gif_sensitivity(*gif_learned_arguments(implementation))
    for key, shape in {"state": (4, 3, 4), "spike": (4, 3)}.items():
        expect_names(f"gif_sensitivity [{key!r}]", got[key])
        for name, array in got[key].items():
            expect(f"gif_sensitivity [{key!r}][{name!r}]", array, shape)


def gif_gradient(implementation: Judged) -> None:
    arguments = gif_learned_arguments(implementation)
    got = implementation.gif_gradient(*arguments, np.ones((4, 3, 4)), np.ones((4, 3)))
    expect_names("gif_gradient", got)
    for name, shape in {"tau": (), "R1": (3,)}.items():
        expect(f"gif_gradient [{name!r}]", got[name], shape)


# Cells


def sections(implementation: Judged) -> list[Section]:
    """A cylinder of three compartments."""
    length, diam = (number(implementation, x, "um") for x in (60.0, 2.0))
    rest = {
        "Ra": number(implementation, 100, "ohm cm"),
        "cm": number(implementation, 1, "uF cm^-2"),
    }
    return [Section("soma", 3, length, diam, **rest)]


def morphology(implementation: Judged) -> None:
    got = implementation.morphology(sections(implementation))
    expect("morphology ['area']", got["area"], (3,), "um^2")
    expect("morphology ['R_left']", got["R_left"], (3,), "Mohm")
    expect("morphology ['R_right']", got["R_right"], (3,), "Mohm")
    expect("morphology ['coupling']", got["coupling"], (3, 3), "S")


def site(implementation: Judged) -> None:
    implementation.site(sections(implementation), "soma(0.5)")


def cable_arguments(implementation: Judged, *axes: int) -> tuple[Any, ...]:
    """The arguments of a step, or of a run where there is an axis of time."""
    V = number(implementation, np.full((2, 3), -65.0), "mV")
    current = number(implementation, np.full((*axes, 2, 3), 0.1), "nA")
    dt = number(implementation, 0.025, "ms")
    return (2,), sections(implementation), {}, V, current, dt


def cable_initial(implementation: Judged) -> None:
    V, _, _ = implementation.cable_initial((2,), None, sections(implementation), {})
    expect("cable_initial", V, (2, 3), "mV")


def cable_step(implementation: Judged) -> None:
    expect("cable_step", implementation.cable_step(*cable_arguments(implementation)), (2, 3), "mV")


def cable_run(implementation: Judged) -> None:
    expect(
        "cable_run", implementation.cable_run(*cable_arguments(implementation, 4)), (4, 2, 3), "mV"
    )


def cable_jacobian(implementation: Judged) -> None:
    dt = number(implementation, 0.025, "ms")
    got = implementation.cable_jacobian(sections(implementation), {}, dt)
    for name in ("state", "current"):
        expect(f"cable_jacobian [{name!r}]", got[name], (3, 3))


# Networks

T, B, N, M = 4, 3, 5, 6


def network(implementation: Judged) -> tuple[Network, np.ndarray]:
    """A layer of a kind, an operation and a recurrence that are claimed, and its inputs."""
    claims = implementation.claims
    kind = _first(("LIF", *KINDS), claims.kinds)
    operation = _first(OPERATIONS, claims.operations)
    recurrence = _first(RECURRENCES, claims.recurrences)
    weights, K = _weights(operation)
    shape = {"none": None, "dense": (N, N), "element-wise": (N,)}[recurrence]
    recurrent = None if shape is None else np.full(shape, 0.25)
    layer = Layer(kind, recurrent=recurrent, **weights)
    dtype = np.int32 if operation == "embedding" else np.float64
    return Network((layer,), np.ones((N, M))), np.ones((T, B, K), dtype)


def _first(names: Iterable[str], claims: Collection[str]) -> str:
    return next(name for name in names if name in claims)


def _weights(operation: str) -> tuple[dict[str, Any], int]:
    """The fields of a layer with this operation, and the size of its inputs."""
    if operation == "dense":
        return {"weight": np.ones((2, N))}, 2
    fields: dict[str, Any] = {
        "sparse": {"shape": (2, N), "rows": [0, 1, 1], "columns": [0, 1, 4]},
        "convolution": {"sizes": (1,)},
        "low-rank": {},
        "embedding": {},
        "grouped": {},
    }[operation]
    shape = {"sparse": (3,), "convolution": (1, 2, N), "low-rank": (2, 3), "embedding": (2, N)}
    shape["grouped"] = (1, 2, N)
    layer_fields = {
        "operation": Operation(operation, **fields),
        "weight": np.ones(shape[operation]),
    }
    if operation == "low-rank":
        layer_fields["factor"] = np.ones((3, N))
    return layer_fields, 1 if operation == "embedding" else 2


def make_rule(name: str) -> Rule:
    """Make a rule, with the arguments that it needs."""
    decays = {"ES-D-RTRL": 0.5, "hybrid": 0.5, "three-factor": 0.5}
    return Rule(name, decays.get(name), feedback="symmetric" if name == "e-prop" else None)


def expect_run(method: str, got: Any) -> None:
    """Check the shapes of a `Traced`."""
    if len(got.hidden) != 1 or len(got.emitted) != 1:
        raise ProtocolError(f"{method} returned {describe(got)}, needs an entry for the one layer")
    expect(f"{method} .hidden[0]", got.hidden[0], (T, B, N, *got.hidden[0].shape[3:]))
    expect(f"{method} .emitted[0]", got.emitted[0], (T, B, N))
    expect(f"{method} .outputs", got.outputs, (T, B, M))


def expect_learned(method: str, got: Any, weight: np.ndarray) -> None:
    """Check the shapes of a `Learned`."""
    expect(f"{method} .losses", got.losses, (T,))
    for field in ("gradients", "parameters"):
        arrays = getattr(got, field)
        if "0.weight" not in arrays:
            raise ProtocolError(f"{method} returned {field} of {sorted(arrays)}, needs '0.weight'")
        expect(f"{method} .{field}['0.weight']", arrays["0.weight"], weight.shape)
    expect_run(f"{method} .traced", got.traced)


def traces(implementation: Judged) -> None:
    rule = _first(RULES, implementation.claims.rules)
    net, inputs = network(implementation)
    dt = number(implementation, 1, "ms")
    expect_run("traces", implementation.traces(net, inputs, dt, make_rule(rule)))


def learn(implementation: Judged) -> None:
    # Of several rules the last, since `traces` has the first.
    *_, rule = (name for name in RULES if name in implementation.claims.rules - {"three-factor"})
    net, inputs = network(implementation)
    arguments = net, inputs, np.zeros((T, B, M)), np.ones(T), number(implementation, 1, "ms")
    got = implementation.learn(*arguments, make_rule(rule))
    expect_learned("learn", got, net.layers[0].weight)


def learning_signals(implementation: Judged) -> None:
    net, inputs = network(implementation)
    arguments = net, inputs, np.zeros((T, B, M)), np.ones(T), number(implementation, 1, "ms")
    got = implementation.learning_signals(*arguments)
    if len(got) != 1:
        raise ProtocolError(f"learning_signals returned {describe(got)}, needs one pair")
    expect("learning_signals, c", got[0][0], (T, B, N))
    expect("learning_signals, lambda", got[0][1], (T, B, N, *got[0][1].shape[3:]))


def reinforce(implementation: Judged) -> None:
    net, inputs = network(implementation)
    arguments = net, inputs, np.ones((T, B)), number(implementation, 1, "ms")
    got = implementation.reinforce(*arguments, make_rule("three-factor"))
    expect_learned("reinforce", got, net.layers[0].weight)


def learn_trials(implementation: Judged) -> None:
    rule = _first(RULES, implementation.claims.rules - {"three-factor"})
    net, inputs = network(implementation)
    arguments = net, inputs, np.zeros((T, B, M)), np.ones(T), np.array([T, 2, 1])
    dt = number(implementation, 1, "ms")
    got = implementation.learn_trials(*arguments, dt, make_rule(rule))
    expect("learn_trials .losses", got.losses, (T,))
    weight = net.layers[0].weight
    if "0.weight" not in got.gradients:
        got = sorted(got.gradients)
        raise ProtocolError(f"learn_trials returned gradients of {got}, needs '0.weight'")
    expect("learn_trials .gradients['0.weight']", got.gradients["0.weight"], weight.shape)
    if len(got.hidden) != 1 or len(got.emitted) != 1:
        raise ProtocolError(f"learn_trials returned {describe(got)}, needs an entry for each layer")
    expect("learn_trials .hidden[0]", got.hidden[0], (B, N, *got.hidden[0].shape[2:]))
    expect("learn_trials .emitted[0]", got.emitted[0], (B, N))


CALLS: dict[str, Call] = {
    call.__name__: call
    for call in (
        *(make, kinds, num_state, varshape, read, write, get, set, add_leaf, copy),
        *(history, write_all),
        *(gif_defaults, gif_initial, gif_step, gif_run, gif_jacobian),
        *(gif_sensitivity, gif_gradient),
        *(morphology, site, cable_initial, cable_step, cable_run, cable_jacobian),
        *(traces, learn, learning_signals, reinforce, learn_trials),
    )
}
"""By method, a call of it."""
