"""The part of the adapter of `brainscale` for eligibility traces and learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import brainstate
import brainunit as u
import jax
import numpy as np

import brainscale
from conformance.adapters.brainscale_networks import Form, Model, check_network
from conformance.adapters.brainunit_values import native
from conformance.protocol.implementation import Value
from conformance.protocol.problems import Learned, Network, Rule, Traced


def _emissions(model: Model, out: Any) -> list[Any]:
    return [layer.emitted.value for layer in model.layers]


def _hybrid(model: Model, rule: Rule) -> Any:
    """By the paths of parameters, which are those of the layers, with names as the protocol's."""
    rules = {
        f"layers.{name}" if name[0].isdigit() else name: trace_rule
        for name, trace_rule in (rule.rules or {}).items()
    }
    return brainscale.HybridDimVjpAlgorithm(model, rule.decay_or_rank, rules)


LEARNERS = {
    "D-RTRL": lambda model, rule: brainscale.D_RTRL(model),
    "ES-D-RTRL": lambda model, rule: brainscale.ES_D_RTRL(model, rule.decay_or_rank),
    "hybrid": _hybrid,
    "e-prop": lambda model, rule: brainscale.EProp(model, rule.feedback),
    "RTRL": lambda model, rule: brainscale.RTRL(model),
    "OSTL": lambda model, rule: brainscale.OSTL(model),
    "three-factor": lambda model, rule: brainscale.ThreeFactor(
        model, rule.decay_or_rank, _emissions
    ),
}


class BrainscaleLearning:
    """`Traces`, `Learning` and the further rules of `conformance.protocol.implementation`.

    Chunks of one step go through `brainstate.transform.grad`, longer ones through `etrace_grad`.
    """

    _run: Any
    _jit: Any
    prepared: _Prepared | None = None

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
            model, learner, inputs = _prepare(self, network, inputs, rule)
            steps, start = [], 0
            lengths = list(runs) or [len(inputs)]
            step = self._jit(_observing(model, learner))
            for i, length in enumerate(lengths):
                if reset and i and i == len(lengths) - 1:
                    learner.reset_state(inputs.shape[1])
                    _settle(model)
                steps += [step(x) for x in inputs[start : start + length]]
                start += length
            record = jax.tree.map(lambda *leaves: np.stack(leaves), *steps)
            return _to_traced(record, model, learner)

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
            model, learner, inputs = _prepare(self, network, inputs, rule)
            sequences = (inputs, as_array(targets), as_array(weights))
            arguments = model, learner, _loss(model, learner), sequences
            return self._learn_from(*arguments, chunk, learning_rate)

    def reinforce(
        self,
        network: Network,
        inputs: Any,
        rewards: Any,
        dt: Value,
        rule: Rule,
        *,
        chunk: Any = 1,
        learning_rate: float | None = None,
    ) -> Learned:
        with brainstate.environ.context(dt=native(dt)):
            model, learner, inputs = _prepare(self, network, inputs, rule)

            def loss(x: Any, reward: Any) -> Any:
                out = learner(x)
                return learner.modulated(reward), _state(model, out)

            arguments = model, learner, loss, (inputs, as_array(rewards))
            return self._learn_from(*arguments, chunk, learning_rate)

    def _learn_from(
        self, model: Model, learner: Any, loss: Any, sequences: Any, chunk: Any, rate: Any
    ) -> Learned:
        run = _run_stepwise if type(chunk) is int and chunk == 1 else _run_in_chunks
        losses, record, gradients = run(self, learner, loss, sequences, chunk, rate)
        states = {**model.states(brainstate.ParamState), **learner.param_states}
        return Learned(
            np.asarray(losses),
            by_name(model, gradients),
            by_name(model, {k: s.value for k, s in states.items()}),
            _to_traced(jax.tree.map(np.asarray, record), model, learner),
        )

    def learning_signals(
        self, network: Network, inputs: Any, targets: Any, weights: Any, dt: Value
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        with brainstate.environ.context(dt=native(dt)):
            model, learner, inputs = _prepare(self, network, inputs, Rule("D-RTRL"))
            sequences = (inputs, as_array(targets), as_array(weights))
            loss = _loss(model, learner)

            def step(*items: Any) -> Any:
                return loss(*items)[0]

            found = self._run(lambda: learner.learning_signals(*sequences, step_fn=step))
            c, by_state = jax.tree.map(np.asarray, _numbers(found))
            paths = {id(s): ".".join(map(str, path)) for path, s in model.states().items()}
            signals = []
            for l, layer in enumerate(model.layers):
                signal = c[paths[id(layer.weight)]]
                names = {
                    name.rpartition(".")[2]: name for name in learner.get_etrace_of(layer.weight)
                }
                own = [by_state[names[variable]] for variable in model.variables(l)]
                variables = [v for leaf in jax.tree.leaves(own) for v in _variables(leaf)]
                signals.append((signal.reshape(*signal.shape[:2], -1), np.stack(variables, -1)))
            return signals


def _variables(leaf: np.ndarray) -> np.ndarray:
    """The variables of a leaf, (T, B, N) or (T, B, N, several), first: (several, T, B, N)."""
    return np.moveaxis(leaf.reshape(*leaf.shape[:3], -1), -1, 0)


def as_array(numbers: Any) -> np.ndarray:
    """An array of NumPy: one of JAX would have programs compiled to cast it and to cut it."""
    array = numbers.array if isinstance(numbers, Value) else numbers
    return np.asarray(array, brainstate.environ.dftype())


def _integers(numbers: Any) -> np.ndarray:
    """Indices in the order of bytes that JAX knows."""
    array = np.asarray(numbers)
    return array.astype(array.dtype.newbyteorder("="))


class _Prepared(NamedTuple):
    """A model and its learner, which the calls of one problem share."""

    network: Network
    rule: Rule
    model: Model
    learner: Any
    values: dict[Any, Any]

    def serves(self, network: Network, rule: Rule, batch: int) -> bool:
        return (
            network is self.network
            and repr(rule) == repr(self.rule)
            and batch == self.model.layers[0].emitted.value.shape[0]
        )

    def restore(self) -> tuple[Model, Any]:
        """Restore all states to their first values; return the model and the learner."""
        for path, state in self.learner.states().items():
            state.value = self.values[path]
        return self.model, self.learner


def _prepare(
    adapter: Any, network: Network, inputs: Any, rule: Rule
) -> tuple[Model, Any, np.ndarray]:
    """Prepare a model in its first states, its learner, and the inputs, which are checked."""
    model, learner, inputs = prepare(adapter, network, inputs, rule)
    learner.check_inputs(inputs)
    return model, learner, inputs


def prepare(
    adapter: Any, network: Network, inputs: Any, rule: Rule
) -> tuple[Model, Any, np.ndarray]:
    """Prepare a model in its first states, its learner, and the inputs."""
    check_network(network, LEARNERS, rule.name, inputs)
    is_embedding = network.layers[0].operation.kind == "embedding"
    inputs = _integers(inputs) if is_embedding else as_array(inputs)
    if inputs.ndim != 3:
        raise brainscale.errors.ShapeError(f"inputs are (T, B, K), got {inputs.shape}")
    prepared = adapter.prepared
    if prepared is None or not prepared.serves(network, rule, inputs.shape[1]):
        model, learner = _new(network, inputs, rule)
        values = {path: state.value for path, state in learner.states().items()}
        prepared = adapter.prepared = _Prepared(network, rule, model, learner, values)
    return *prepared.restore(), inputs


def _new(network: Network, inputs: np.ndarray, rule: Rule) -> tuple[Model, Any]:
    """A new model and its learner."""
    form = Form(rule.name == "hybrid" or network.tied, rule.name == "e-prop", rule.name == "RTRL")
    model = Model(network, form=form)
    learner = LEARNERS[rule.name](model, rule)
    brainstate.nn.init_all_states(model, batch_size=inputs.shape[1])
    _settle(model)
    learner.compile_graph(inputs[0])
    if rule.name == "e-prop":
        _give_feedback(learner, network.feedback)
    return model, learner


def _settle(model: Model) -> None:
    """Hidden states with the types that steps leave: a program is compiled for each of the two.

    Neurons of brainpy begin with numbers whose type is weak.
    """
    for state in model.states(brainstate.HiddenState).values():
        state.value = jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf)), state.value)


def _give_feedback(learner: Any, feedback: Any) -> None:
    """Feedback weights, of which there is one array or, symmetric, none."""
    for state in learner.feedback.values():
        state.value = as_array(feedback)


def _state(model: Model, out: Any) -> Any:
    return model.hidden(), _emissions(model, out), out


def _observing(model: Model, learner: Any) -> Any:
    return lambda x: _state(model, learner(x))


def _loss(model: Model, learner: Any) -> Any:
    def loss(x: Any, target: Any, m: Any) -> Any:
        out = learner(x)
        if out.shape != target.shape or m.shape != ():
            raise brainscale.errors.ShapeError(
                f"an output of shape {out.shape} meets a target of shape {target.shape} and a "
                f"weight of shape {m.shape}"
            )
        return 0.5 * m * ((out - target) ** 2).sum(), _state(model, out)

    return loss


def _descend(learner: Any, gradients: Any, rate: float) -> None:
    for key, state in learner.param_states.items():
        state.value = jax.tree.map(lambda w, g: w - rate * g, state.value, gradients[key])


def _refuse(sequences: Any) -> None:
    """Refuse sequences that a compiled run cannot check, since it does not know their numbers."""
    if len({len(sequence) for sequence in sequences}) > 1:
        raise brainscale.errors.ShapeError("sequences of several lengths")
    if not all(np.isfinite(sequence).all() for sequence in sequences):
        raise brainscale.errors.InputError("an input is NaN or infinite")


def _run_stepwise(
    adapter: Any, learner: Any, loss: Any, sequences: Any, chunk: int, rate: float | None
) -> Any:
    gradient = brainstate.transform.grad(
        loss, learner.param_states, return_value=True, has_aux=True
    )

    def step(*items: Any) -> Any:
        gradients, loss, record = gradient(*items)
        if rate is not None:
            _descend(learner, gradients, rate)
        return loss, record, gradients

    _refuse(sequences)
    losses, record, gradients = adapter._run(
        lambda: brainstate.transform.for_loop(step, *sequences)
    )
    total = (lambda g: np.sum(g, 0)) if rate is None else (lambda g: g[-1])
    return losses, record, jax.tree.map(lambda g: total(np.asarray(g)), _numbers(gradients))


def _run_in_chunks(
    adapter: Any, learner: Any, loss: Any, sequences: Any, chunk: Any, rate: float | None
) -> Any:
    def run_chunk(part: Any) -> Any:
        gradients, *rest = learner.etrace_grad(
            *part, step_fn=loss, chunk=chunk, has_aux=True, return_value=True
        )
        if rate is not None:
            _descend(learner, gradients, rate)
        return gradients, rest

    if rate is None:
        gradients, (losses, record) = adapter._run(lambda: run_chunk(sequences))
        return losses, record, gradients
    _refuse(sequences)
    run, records = adapter._jit(run_chunk), []
    for start in range(0, len(sequences[0]), chunk):
        part = jax.tree.map(lambda leaf, at=start: leaf[at : at + chunk], sequences)
        gradients, rest = run(part)
        records.append(rest)
    losses, record = jax.tree.map(lambda *pieces: np.concatenate(pieces), *records)
    return losses, record, gradients


def _numbers(tree: Any) -> Any:
    """A tree of the numbers of quantities."""
    return jax.tree.map(u.get_mantissa, tree, is_leaf=lambda x: isinstance(x, u.Quantity))


def by_name(model: Model, values: Any) -> dict[str, np.ndarray]:
    """Values by the parameters' paths, those that there are, by their names in the protocol."""
    paths = {id(s): path for path, s in model.states(brainstate.ParamState).items()}
    arrays = {}
    for name, (state, part) in model.parameter_places().items():
        if paths[id(state)] in values:
            value = values[paths[id(state)]]
            arrays[name] = value if part is None else value[part]
    for path, value in values.items():
        if path[0] == "feedback":
            arrays["readout.feedback"] = value
    return {name: np.asarray(u.get_mantissa(value)) for name, value in arrays.items()}


def _to_traced(record: Any, model: Model, learner: Any) -> Traced:
    hidden, emitted, outputs = record
    return Traced(list(hidden), list(emitted), outputs, read_traces(model, learner))


def read_traces(model: Model, learner: Any) -> dict[str, Any]:
    """Read the traces of all parameters that have one."""
    # What RTRL and OSTL keep is no trace.
    places = {} if isinstance(learner, brainscale.RTRL) else model.parameter_places()
    return {
        name: _trace(learner, model, name, param, part)
        for name, (param, part) in places.items()
        if isinstance(param, brainscale.ETraceParam)
    }


def _trace(learner: Any, model: Model, name: str, param: Any, part: str | None) -> Any:
    """The trace of a parameter, or of a part of one."""
    first, _, parameter = name.partition(".")
    l, layer = int(first), model.layers[int(first)]
    entry_of_param, kind = learner.get_etrace_of(param), layer.kind
    x, by_state = entry_of_param if isinstance(entry_of_param, tuple) else (None, entry_of_param)
    by_name = {path.rpartition(".")[2]: entry for path, entry in by_state.items()}
    if x is None and part is not None:
        by_name = jax.tree.map(
            lambda entry: entry[part], by_name, is_leaf=lambda e: isinstance(e, dict) and part in e
        )
    variables = []
    for variable in model.variables(l):
        entry = by_name[variable]
        many = kind == "GIFTree" and variable == "state"
        variables += list(entry.values()) if many else [entry]
    numbers = [np.asarray(u.get_mantissa(entry)) for entry in variables]
    if kind in ("cable", "LRU"):  # compartments, or the two parts of a complex number
        numbers[:1] = np.moveaxis(numbers[0], -1, 0)
    trace = np.stack(numbers, -1)
    if isinstance(param, brainscale.ElemWiseParam):
        # One for each neuron, also where y is one number for all.
        trace = trace.reshape(*layer.emitted.value.shape, -1)
    if param is layer.weight:
        trace = layer.operation.show_trace(parameter, trace, x is not None)
    if x is None:
        return trace
    if parameter == "bias" or isinstance(param, brainscale.ElemWiseParam):
        return None, trace
    pre = np.asarray(x if part is None else x[part])
    return pre.reshape(len(pre), -1), trace
