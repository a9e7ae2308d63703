"""One valid call of every public callable, so that each can be given wrong things.

A callable is found by looking, and not by a list: one that is new and has no valid call here fails
`test_public_calls.py`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brainevent
import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import nir
import numpy as np

import brainscale
from brainscale import MatMulOp, nn
from odd_models import K, Model, N, batched, dense

BATCH, T = 2, 3
X = jnp.ones((BATCH, K))


class Layer(Model):
    def __init__(self):
        super().__init__()
        self.w, self.out = dense(0, K, N), brainstate.ParamState(jnp.ones(N))

    def init_state(self, batch_size=None, **kwargs):
        self.h = brainscale.ETraceState(batched(batch_size, N), name="h")

    def update(self, x):
        self.h.value = 0.9 * self.h.value + self.w.execute(x)
        return self.h.value * self.out.value


def sections():
    soma = nn.Section("soma", length=20 * u.um, diam=10 * u.um)
    return soma, nn.Section("axon", 2, length=50 * u.um, diam=1 * u.um, parent="soma")


def compartments():
    cut = nn.Morphology(*sections()).compartments
    return {field.name: getattr(cut, field.name) for field in dataclasses.fields(cut)}


def initialised():
    model = Layer()
    brainstate.nn.init_all_states(model, batch_size=BATCH)
    return model


def compiled(kind=brainscale.D_RTRL, **options):
    learner = kind(initialised(), **options)
    learner.compile_graph(X)
    return learner


def mesh():
    return jax.make_mesh((1,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))


def fitting():
    learner = compiled()
    return dict(
        learner=learner,
        step_fn=lambda x: learner(x).sum(),
        batches=lambda i: (jnp.ones((T, BATCH, K)),),
        iterations=1,
        optimizer=braintools.optim.Adam(lr=1e-3),
        progress=False,
    )


def graph():
    return nir.NIRGraph.from_list(nir.Linear(np.ones((N, K))), nir.I(np.ones(N)))


def of_sizes(**more):
    return dict(in_size=K, out_size=N, **more)


CELL = Path(__file__).with_name("cell.swc")
DENSE, TABLE = jnp.ones((K, N)), jnp.ones((3, N))
TREE = {"V": jnp.zeros(2) * u.mV, "soma": {"m": jnp.zeros(3)}}
LORA = {"B": jnp.ones((K, 2)), "A": jnp.ones((2, N))}
MATRIX = brainevent.CSR.fromdense(np.ones((K, N), np.float32))
MODEL = {"model": initialised}
"""Arguments that are made anew for each call are functions of nothing, in `fresh`."""

MADE: dict[str, dict[str, Any]] = {
    "D_RTRL": MODEL,
    "ES_D_RTRL": {**MODEL, "decay_or_rank": 0.9},
    "OSTL": MODEL,
    "RTRL": MODEL,
    "EProp": MODEL,
    "HybridDimVjpAlgorithm": {**MODEL, "decay_or_rank": 0.9},
    "ThreeFactor": {**MODEL, "decay": 0.9},
    "ETraceAlgorithm": {**MODEL, "rule": lambda: brainscale.D_RTRL(Layer()).rule},
    "ConvOp": {},
    "ElemWiseOp": {},
    "EmbeddingOp": {},
    "ETraceOp": {},
    "GroupedMatMulOp": {},
    "LoraOp": {},
    "MatMulOp": {},
    "SpMatMulOp": {"sparse_mat": MATRIX},
    "ETraceParam": {"weight": DENSE, "op": MatMulOp()},
    "NonTempParam": {"weight": DENSE, "op": MatMulOp()},
    "FakeETraceParam": {"weight": DENSE, "op": MatMulOp()},
    "ElemWiseParam": {"weight": jnp.ones(N)},
    "FakeElemWiseParam": {"weight": jnp.ones(N)},
    "ETraceState": {"value": jnp.zeros((2, 3)) * u.mV, "history": 2},
    "ETraceGroupState": {"value": jnp.zeros((2, 3)) * u.mV, "history": 2},
    "ETraceTreeState": {"value": TREE, "history": 2},
    "MultiStepData": {"data": jnp.ones((T, BATCH, K))},
    "SingleStepData": {"data": X},
    "compile": {"model": Layer, "rule": "D_RTRL", "*": (X,), "batch_size": BATCH},
    "fit": fitting,
    "Trials": {"*": (jnp.ones((T, BATCH, K)),), "lengths": np.array([1, T])},
    "shard": {"learner": compiled, "mesh": mesh},
    "sequence_sharding": {"mesh": mesh},
    "from_nir": {"graph": graph, "dt": 1.0 * u.ms},
    "to_nir": {"model": lambda: brainscale.from_nir(graph(), 1.0 * u.ms)},
    "nn.GIF": {"size": 3},
    "nn.GIFTree": {"size": 3},
    "nn.PassiveCable": {
        "size": 3,
        "morphology": lambda: nn.Morphology(*sections()),
        "spike_site": "soma(0.5)",
    },
    "nn.Compartments": compartments,
    "nn.Morphology": {"*": sections},
    "nn.from_swc": {"path": CELL},
    "nn.read_swc": {"path": CELL, "nseg": {"soma": 1, "basal_dendrite": 3}},
    "nn.Section": {"name": "soma", "length": 20 * u.um, "diam": 10 * u.um},
    "nn.FiringPattern": {"parameters": {}, "pulses": ((1.0, 2.0),)},
    "nn.firing_pattern": {"name": "tonic spiking"},
    "nn.Delay": {"in_size": K, "delay": np.linspace(0.0, 2.0, K)},
    "nn.Embedding": {"num_embeddings": 3, "embedding_size": N},
    "nn.GroupedLinear": of_sizes(groups=1),
    "nn.LoRA": {"in_features": K, "lora_rank": 2, "out_features": N},
    "nn.LRUCell": {"d_model": K, "d_hidden": N},
    "nn.SparseLinear": {"spar_mat": MATRIX, "b_init": braintools.init.ZeroInit()},
    **{
        f"nn.Conv{n}d": {"in_size": (4,) * n + (K,), "out_channels": N, "kernel_size": 3}
        for n in (1, 2, 3)
    },
    **{
        f"nn.{name}": of_sizes()
        for name in nn.__all__
        if name.endswith(("Cell", "MiniGRU", "MiniLSTM", "Readout", "Linear"))
        and name not in ("LRUCell", "GroupedLinear", "SparseLinear")
    },
}
"""The arguments of one valid call; "*" are those without a name."""

ALIASES = {"IODimVjpAlgorithm", "ParamDimVjpAlgorithm", "pp_prop", "nn.ValinaRNNCell"}
"""Second names of what is tried under its first."""

NOT_CALLED = {
    "errors": "a module",
    "nn": "a module",
    "nn.FIRING_PATTERNS": "a dict",
    "BrainscaleError": "an error",
    "EligibilityTrace": "made by learners",
    "ETraceHistory": "made by states",
    "nn.from_braincell": "braincell's objects: tests of each generation",
    "nn.SwcFile": "made by nn.read_swc",
    "nn.install_group_state": "braincell's cells: tests of each generation",
}
"""What is public and no call of a user's, and why."""

INNER = {
    "outer presynaptic pull_back spread total refuse": "asked by a rule about what it made itself",
    "apply": "given what `effective` made",
    "approximation make_step": "a learner asks itself",
    "tree_flatten tree_unflatten": "JAX's",
    "restore_value to_state_ref update_from_ref": "brainstate's transformations",
    "error": "makes an error",
    "copy": "takes nothing",
}
_INNER = {name for names in INNER for name in names.split()}

INPUTS = {
    "nn.Embedding": jnp.array([0, 2]),
    "nn.GIF": jnp.ones((BATCH, 3)) * u.nA,
    "nn.GIFTree": jnp.ones((BATCH, 3)) * u.nA,
    "nn.PassiveCable": {"soma(0.5)": 0.1 * u.nA},
    **{f"nn.Conv{n}d": jnp.ones((BATCH, *(4,) * n, K)) for n in (1, 2, 3)},
}
"""What a layer's `update` is given; else `X`."""

OPERANDS = {
    "MatMulOp": (X, DENSE),
    "ConvOp": (jnp.ones((BATCH, 5, K)), jnp.ones((3, K, N))),
    "ElemWiseOp": (None, jnp.ones(N)),
    "EmbeddingOp": (jnp.array([0, 2]), TABLE),
    "GroupedMatMulOp": (X, DENSE[None]),
    "LoraOp": (X, LORA),
    "SpMatMulOp": (X, jnp.ones(K * N)),
}
"""The input and the weight of an operation."""


def input_name(thing: Any) -> str:
    """How a step names its input; "*" where it has many."""
    if isinstance(thing, brainscale.ETraceAlgorithm):
        return "*"
    (name, *_) = inspect.signature(thing.update).parameters
    return name


def loss(out):
    return (out**2).sum()


METHODS: dict[str, Callable[[str, Any], dict[str, Any]]] = {
    "init_state": lambda name, thing: {"batch_size": BATCH},
    "reset_state": lambda name, thing: {"batch_size": BATCH},
    "update": lambda name, thing: (
        {"*": (X,)} if input_name(thing) == "*" else {input_name(thing): INPUTS.get(name, X)}
    ),
    "get_spike": lambda name, thing: {},
    "pattern": lambda name, thing: {"name": "tonic spiking", "size": 3},
    "current": lambda name, thing: {"dt": 1.0 * u.ms},
    "site": lambda name, thing: {"site": "soma(0.5)"},
    "__call__": lambda name, thing: {"x": OPERANDS[name][0], "w": OPERANDS[name][1]},
    "effective": lambda name, thing: {"w": OPERANDS[name][1]},
    "execute": lambda name, thing: {} if "Elem" in name else {"x": X},
    "value": lambda name, thing: {"value": thing.value},
    "history": lambda name, thing: {"history": thing.history},
    "copy_from": lambda name, thing: {"other": thing.copy()},
    "replace": lambda name, thing: {"value": thing.value},
    "get_value": lambda name, thing: {"address": 0},
    "set_value": lambda name, thing: {"updates": {0: thing.get_value(0)}},
    "add_leaf": lambda name, thing: {"path": ("soma", "n"), "value": jnp.zeros(2)},
    "compile_graph": lambda name, thing: {"*": (X,)},
    "padded": lambda name, thing: {
        "trials": [(np.ones((n, K)), np.ones(n)) for n in (1, T)],
        "buckets": (2, T + 1),
    },
    "check_inputs": lambda name, thing: {"*": (jnp.ones((T, BATCH, K)),)},
    "etrace_evolve": lambda name, thing: {"*": (jnp.ones((T, BATCH, K)),)},
    "etrace_grad": lambda name, thing: {
        "*": (jnp.ones((T, BATCH, K)),),
        "step_fn": lambda x: loss(thing(x)),
    },
    "get_etrace_of": lambda name, thing: {"param": "w"},
    "learning_signals": lambda name, thing: {
        "*": (jnp.ones((T, BATCH, K)),),
        "step_fn": lambda x: loss(thing(x)),
    },
    "reset_traces": lambda name, thing: {},
    "zero_trace": lambda name, thing: {},
    "show_graph": lambda name, thing: {"verbose": False},
    "modulated": lambda name, thing: {"reward": 1.0},
    "reward_grad": lambda name, thing: {"*": (jnp.ones((T, BATCH, K)), jnp.ones(T))},
}
"""The arguments of one valid call of a method."""


def public() -> dict[str, Any]:
    """Everything that is public, by name, without second names."""
    callables = {name: getattr(brainscale, name) for name in brainscale.__all__}
    callables |= {f"nn.{name}": getattr(nn, name) for name in nn.__all__}
    return {
        name: callables[name]
        for name in callables
        if name not in ALIASES and name not in NOT_CALLED
    }


def methods(name: str, kind: type) -> Iterator[str]:
    """The methods and settable properties that a class of this package has of its own."""
    for method in dir(kind):
        if method in _INNER or (method.startswith("_") and method != "__call__"):
            continue
        owner = next(base for base in kind.__mro__ if method in vars(base))
        attribute = vars(owner)[method]
        is_ours = owner.__module__.startswith("brainscale") and name != "ETraceOp"
        is_set = isinstance(attribute, property) and attribute.fset
        is_called = callable(attribute) or isinstance(attribute, (classmethod, staticmethod))
        if (
            is_ours
            and (is_set or is_called)
            and not (method == "__call__" and name not in OPERANDS)
        ):
            yield method


def fresh(arguments: Any) -> dict[str, Any]:
    """Arguments of a call, made anew where they hold states."""
    if callable(arguments):
        return arguments()
    remade = (initialised, compiled, mesh, sections, graph, Layer)
    is_made = {
        key: a in remade or getattr(a, "__name__", "") == "<lambda>"
        for key, a in arguments.items()
        if callable(a)
    }
    return {key: a() if is_made.get(key) else a for key, a in arguments.items()}


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Call a function by names, and by place where there is none."""
    named = {key: value for key, value in arguments.items() if not key.startswith("*")}
    places = arguments.get("*", ())
    if "*0" in arguments:
        places = (arguments["*0"], *places[1:])
    before = [named.pop(key) for key in ("model", "rule") if key in named] if places else []
    return function(*before, *places, **named)


def names_of(function: Callable[..., Any], base: dict[str, Any]) -> list[str]:
    """The arguments that a call can be given, by name; "*0" is the first of those without one."""
    names = []
    # A class of brainstate's says nothing of what it is made of, and its maker does.
    of = next((k for k in getattr(function, "__mro__", ()) if "__init__" in vars(k)), object)
    is_made = of.__module__.startswith("brainscale")
    signature = inspect.signature(of.__init__ if is_made else function)
    for parameter in list(signature.parameters.values())[is_made:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += ["*0"] if base.get("*") else []
        elif parameter.kind is not parameter.VAR_KEYWORD:
            names.append(parameter.name)
    return names


def thing_of(name: str) -> Any:
    """An object of a public class, ready for its methods."""
    thing = call(public()[name], fresh(MADE[name]))
    prepare(thing)
    return thing


def prepare(thing: Any) -> None:
    """Initialise what has states."""
    if isinstance(thing, brainscale.ETraceAlgorithm):
        thing.compile_graph(X)
    elif isinstance(thing, brainstate.nn.Module):
        brainstate.nn.init_all_states(thing, batch_size=BATCH)
