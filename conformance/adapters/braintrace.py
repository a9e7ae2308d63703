"""The adapter of the `braintrace` package: traces and learning.

Its networks are those of `brainscale_networks`, with its operations. Each step goes through its
single-step mode, whatever the chunk, as LEARN-10 lets an implementation do. Losses are summed over
time, where it would average. It has no learning signals to show.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import brainstate
import braintrace
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np

from conformance.adapters.brainscale_networks import Model, Operations, check_network
from conformance.adapters.brainunit_values import native
from conformance.protocol.claims import KINDS
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Learned, Network, Rule, Traced

FUNCTIONS = {"identity": lambda w: w, "square": lambda w: w * w, "absolute": jnp.abs}


class Dense(brainstate.ParamState):
    """A weight, or a weight and a bias."""

    def __init__(self, value: Any, mask: Any, function: str):
        super().__init__(value)
        plain = mask is None and function == "identity"
        self._function = None if plain else _effective(mask, FUNCTIONS[function])

    def execute(self, x: Any) -> Any:
        value = self.value if isinstance(self.value, dict) else {"weight": self.value}
        bias = value.get("bias")
        return braintrace.matmul(x, value["weight"], bias, weight_fn=self._function)


def _effective(mask: Any, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda w: function(w) if mask is None else jnp.asarray(mask) * function(w)


class ElementWise(brainstate.ParamState):
    """A weight that is its own operation's result."""

    def execute(self) -> Any:
        return braintrace.element_wise(self.value)


class Peers(Operations):
    """The operations of braintrace."""

    def dense(self, value: Any, mask: Any = None, function: str = "identity") -> Any:
        return Dense(value, mask, function)

    def element_wise(self, value: Any) -> Any:
        return ElementWise(value)


class Braintrace:
    """`Traces` and `Learning` of `conformance.protocol.implementation`."""

    name = "braintrace"
    version = importlib.metadata.version("braintrace")
    url = "https://github.com/chaobrain/braintrace"
    capabilities = frozenset({"traces", "learning"})
    # It takes no complex states, and knows no group or tree states but brainstate's own, which
    # these networks do not have.
    claims: ClassVar = {"kinds": frozenset(KINDS) - {"LRU", "GIFTree", "cable"}}

    def __init__(self, precision: int):
        self.precision = precision
        brainstate.environ.set(precision=precision)

    def traces(
        self,
        network: Network,
        inputs: Any,
        dt: Value,
        rule: Rule,
        *,
        runs: Sequence[int] = (),
        reset: bool = False,
    ) -> Traced:
        with brainstate.environ.context(dt=native(dt)):
            model, learner, inputs = _prepare(network, inputs, rule)
            states = model.states(brainstate.ShortTermState)
            begin = {key: state.value for key, state in states.items()}
            records, start = [], 0
            lengths = list(runs) or [len(inputs)]
            for i, length in enumerate(lengths):
                if reset and i and i == len(lengths) - 1:
                    for key, value in begin.items():
                        states[key].value = value
                    learner.reset_state(inputs.shape[1])
                part = inputs[start : start + length]
                start += length
                records.append(
                    brainstate.transform.for_loop(lambda x: _observe(model, learner(x)), part)
                )
            record = jax.tree.map(lambda *pieces: np.concatenate(pieces), *records)
            return _to_traced(record, model, learner, rule)

    def learn(
        self,
        network: Network,
        inputs: Any,
        targets: Any,
        weights: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
        learning_rate: float | None = None,
    ) -> Learned:
        with brainstate.environ.context(dt=native(dt)):
            model, learner, inputs = _prepare(network, inputs, rule)
            sequences = (inputs, jnp.asarray(targets), jnp.asarray(weights))
            states = model.states(brainstate.ParamState)

            def loss(x: Any, target: Any, m: Any) -> Any:
                out = learner(x)
                return 0.5 * m * ((out - target) ** 2).sum(), _observe(model, out)

            options = {"step_fn": loss, "reduction": "sum", "has_aux": True, "return_value": True}
            size = len(inputs) if learning_rate is None else chunk
            records = []
            for start in range(0, len(inputs), size):
                part = jax.tree.map(lambda leaf, at=start: leaf[at : at + size], sequences)
                gradients, *rest = learner.etrace_grad(*part, **options)
                records.append(rest)
                if learning_rate is not None:
                    for key, state in states.items():
                        state.value = jax.tree.map(
                            lambda w, g: w - learning_rate * g, state.value, gradients[key]
                        )
            losses, record = jax.tree.map(lambda *pieces: np.concatenate(pieces), *records)
            values = {key: state.value for key, state in states.items()}
            return Learned(
                losses,
                _by_name(model, gradients),
                _by_name(model, values),
                _to_traced(record, model, learner, rule),
            )

    def learning_signals(self, *arguments: Any) -> Any:
        raise NotImplementedError("braintrace shows no learning signals")


def implementation(precision: int) -> Braintrace:
    """The adapter, at a precision."""
    return Braintrace(precision)


def _prepare(network: Network, inputs: Any, rule: Rule) -> tuple[Model, Any, Any]:
    # Networks are described to the adapter, and not to braintrace, which is given a model.
    check_network(network, ("D-RTRL", "ES-D-RTRL"), rule.name, inputs)
    model = Model(network, Peers())
    inputs = jnp.asarray(inputs, brainstate.environ.dftype())
    brainstate.nn.init_all_states(model, batch_size=inputs.shape[1])
    if rule.name == "D-RTRL":
        learner = braintrace.D_RTRL(model)
    else:
        learner = braintrace.pp_prop(model, rule.decay_or_rank)
    learner.compile_graph(inputs[0])
    return model, learner, inputs


def _observe(model: Model, out: Any) -> Any:
    return model.hidden(), [layer.emitted.value for layer in model.layers], out


def _operations(model: Model) -> dict[str, tuple[Any, str | None]]:
    """By name: the state, and the key of its value that holds the parameter."""
    places: dict[str, tuple[Any, str | None]] = {}
    for l, layer in enumerate(model.layers):
        for part in layer.weight.value:
            places[f"{l}.{part}"] = (layer.weight, part)
        if layer.recurrent is not None:
            places[f"{l}.recurrent"] = (layer.recurrent, None)
    return places


def _by_name(model: Model, values: Any) -> dict[str, np.ndarray]:
    """Values by the parameters' paths, by their names in the protocol."""
    paths = {id(state): path for path, state in model.states(brainstate.ParamState).items()}
    if isinstance(model.readout.value, dict):
        places = {f"readout.{part}": (model.readout, part) for part in model.readout.value}
    else:
        places = {"readout.weight": (model.readout, None)}
    if model.readout_bias is not None:
        places["readout.bias"] = (model.readout_bias, None)
    places |= _operations(model)
    arrays = {}
    for name, (state, part) in places.items():
        value = values[paths[id(state)]]
        arrays[name] = np.asarray(u.get_mantissa(value if part is None else value[part]))
    return arrays


def _to_traced(record: Any, model: Model, learner: Any, rule: Rule) -> Traced:
    hidden, emitted, outputs = jax.tree.map(np.asarray, record)
    traces = {}
    for name, (state, part) in _operations(model).items():
        order = _order(learner, model, int(name.partition(".")[0]))
        trace_of_state = learner.get_etrace_of(state)
        if rule.name == "D-RTRL":
            (trace,) = trace_of_state.values()
            trace = trace[part or "weight"] if isinstance(trace, dict) else trace
            traces[name] = np.asarray(u.get_mantissa(trace))[..., order]
        else:
            pre, post = (
                [np.asarray(u.get_mantissa(x)) for x in side.values()] for side in trace_of_state
            )
            is_one = part == "bias" or isinstance(state, ElementWise)
            traces[name] = (None if is_one else pre[0]), post[0][..., order]
    return Traced(list(hidden), list(emitted), outputs, traces)


def _order(learner: Any, model: Model, l: int) -> list[int]:
    """Where its group holds the variables of a layer in the protocol's order."""
    layer, variables = model.layers[l], model.variables(l)
    owners = {name: model.filtered if name == "r" else layer.neurons for name in variables}
    states = {id(getattr(owner, name)): name for name, owner in owners.items()}
    of_path = learner.graph_executor.path_to_states
    for group in learner.graph.hidden_groups:
        names = [states.get(id(of_path[path])) for path in group.hidden_paths]
        if set(names) == set(variables):
            return [names.index(name) for name in variables]
    return list(range(len(variables)))
