"""The factors of a problem of chapters 9 and 10, their levels, and the plans made of these.

A *plan* says for each factor which level a problem has; the problem's numbers are drawn afterwards.
The first level of a factor is its base: the plainest, which a problem has when the factor plays no
part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from conformance.protocol.claims import KINDS, RECURRENCES, RULES, WEIGHTS, Claims

__all__ = [
    "LAYER_FACTORS",
    "PROBLEM_FACTORS",
    "REFUSALS",
    "TRIPLES",
    "LayerPlan",
    "Plan",
    "draw_plan",
    "features",
    "mend",
    "small",
]

#: Those whose emission is a function of their state, which may recur element by element.
LOCAL = ("leaky", "LRU", "LIF", "ALIF", "synapse_LIF", "cable")

TRIPLES = (("rule", "recurrence", "below"),)
"""Of these factors all triples are covered even where pairs are: what D is made of (TRACE-2)."""

WITH_PATHS = ("rule", "layers", "readout", "kind", "recurrence")
"""The factors whose levels are combined with those of a path that traces cannot follow."""

PROBLEM_FACTORS: dict[str, tuple[str, ...]] = {
    "rule": tuple(RULES),
    # Which of a rule's decays, choices or feedbacks.
    "variant": ("first", "second", "third"),
    "layers": ("1", "2", "3"),
    "readout": ("plain", "leaky"),
    "readout_bias": ("biased", "unbiased"),
    "length": ("short", "one", "long"),
    "batch": ("few", "one", "many"),
    "outputs": ("few", "one", "many"),
    "dt": ("unit", "fine", "coarse"),
    "step_weights": ("positive", "signed"),
    # Of `layouts.LAYOUTS`; of 32 bits; inputs that are integers.
    "arrays": ("c", "fortran", "big-endian", "strided", "backwards", "single", "whole"),
    "chunk": ("one", "divides", "rest", "longer"),
    "rate": ("none", "zero", "positive"),
    "runs": ("one", "several", "reset"),
    # What traces cannot follow (LEARN-14 to LEARN-17).
    "path": ("none", "lateral", "skip", "tied", "memory"),
}

REFUSALS = {
    "lateral": "LateralPathError",
    "skip": "UnreachedError",
    "tied": "ParameterUseError",
    "memory": "HiddenPathError",
}
"""By a path that traces cannot follow, the error of rules other than RTRL."""

LAYER_FACTORS: dict[str, tuple[str, ...]] = {
    "kind": tuple(KINDS),
    "operation": (
        *("dense", "sparse", "convolution1", "convolution2", "convolution3"),
        *("low-rank", "embedding", "grouped"),
    ),
    "recurrence": RECURRENCES,
    "bias": ("biased", "unbiased"),
    # Of a bias and of an element-wise recurrence.
    "weights": tuple(WEIGHTS),
    "function": ("identity", "square", "absolute"),
    # Of what is fed forward, of a dense recurrence, of both.
    "mask": ("whole", "masked", "recurrent", "both"),
    "parameters": ("drawn", "scaled", "default", "shared", "mixed"),
    # "same": as many neurons as inputs.
    "size": ("few", "one", "wide", "same"),
    # What lies below: nothing, a layer of another kind, one of the same kind.
    "below": ("nothing", "other", "alike"),
}


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    """The levels of a layer."""

    kind: str = "leaky"
    operation: str = "dense"
    recurrence: str = "none"
    bias: str = "biased"
    weights: str = "own"
    function: str = "identity"
    mask: str = "whole"
    parameters: str = "drawn"
    size: str = "few"
    below: str = "nothing"

    def as_python(self) -> str:
        """The call that makes it."""
        return f"LayerPlan({', '.join(_other_levels(self))})"

    @property
    def operation_kind(self) -> str:
        """The operation's kind in SPEC.md."""
        return self.operation.rstrip("123")

    @property
    def sharable(self) -> tuple[str, ...]:
        """What may be one number for all neurons (OP-14)."""
        has_bias = self.bias == "biased" and self.operation_kind != "convolution"
        names = ("bias",) if has_bias else ()
        return names + (("recurrent",) if self.recurrence == "element-wise" else ())


@dataclasses.dataclass(frozen=True)
class Plan:
    """The levels of a problem, and of its layers from the first up."""

    stack: tuple[LayerPlan, ...] = (LayerPlan(),)
    rule: str = "D-RTRL"
    variant: str = "first"
    readout: str = "plain"
    readout_bias: str = "biased"
    length: str = "short"
    batch: str = "few"
    outputs: str = "few"
    dt: str = "unit"
    step_weights: str = "positive"
    arrays: str = "c"
    chunk: str = "one"
    rate: str = "none"
    runs: str = "one"
    path: str = "none"

    def as_python(self) -> str:
        """The call that makes it."""
        layers = "".join(f"{layer.as_python()}, " for layer in self.stack)
        levels = [level for level in _other_levels(self) if not level.startswith("stack=")]
        return f"Plan({', '.join([f'({layers.strip()})', *levels])})"

    @property
    def refusal(self) -> str | None:
        """The error with which it is refused, if it is."""
        return None if self.rule == "RTRL" else REFUSALS.get(self.path)

    @property
    def layers(self) -> str:
        """How many layers there are."""
        return str(len(self.stack))

    @property
    def title(self) -> str:
        """The rule, and kind and operation of each layer, as a part of a test's id."""
        return "-".join([self.rule, *(f"{x.kind}-{x.operation}" for x in self.stack)])

    def with_layer(self, l: int, **levels: str) -> Plan:
        """Another plan, with levels of a layer replaced."""
        stack = list(self.stack)
        stack[l] = dataclasses.replace(stack[l], **levels)
        return dataclasses.replace(self, stack=tuple(stack))

    def is_claimed(self, claims: Claims) -> bool:
        """Whether an implementation claims all that it needs."""
        return self.rule in claims.rules and all(
            layer.kind in claims.kinds
            and layer.operation_kind in claims.operations
            and layer.weights in claims.weights
            and layer.recurrence in claims.recurrences
            for layer in self.stack
        )


def _other_levels(plan: LayerPlan | Plan) -> list[str]:
    """The levels that are not the base's, as arguments."""
    return [
        f"{field.name}={getattr(plan, field.name)!r}"
        for field in dataclasses.fields(plan)
        if getattr(plan, field.name) != field.default
    ]


def mend(plan: Plan) -> Plan:
    """The nearest plan that is possible: levels that exclude each other give way."""
    if plan.path == "tied" and len(plan.stack) == 1:
        plan = dataclasses.replace(plan, path="none")
    levels = {"runs": "one", "rate": "none"} if plan.path != "none" else {}
    if plan.rule not in ("ES-D-RTRL", "hybrid", "e-prop", "three-factor"):
        levels["variant"] = "first"
    if plan.length == "long" and (plan.batch == "many" or len(plan.stack) == 3 or _is_full(plan)):
        levels["length"] = "short"
    has_parameters = any(layer.parameters != "drawn" for layer in plan.stack)
    if plan.length == "one" and (levels.get("runs", plan.runs) != "one" or has_parameters):
        # Of what neurons are, one step says little.
        levels["length"] = "short"
    plan = dataclasses.replace(plan, **levels)
    if plan.length == "one":
        plan = dataclasses.replace(plan, chunk="one")
    stack: list[LayerPlan] = []
    for layer in _with_alike(plan.stack):
        stack.append(_mend_layer(layer, plan, stack))
    return dataclasses.replace(plan, stack=tuple(stack))


def small(plan: Plan) -> Plan:
    """A plan of short runs of few neurons, in which few comparisons are near to equality."""
    levels = {"length": {"long": "short"}, "batch": {"many": "few"}}
    changes = {name: of.get(getattr(plan, name)) for name, of in levels.items()}
    plan = dataclasses.replace(plan, **{name: x for name, x in changes.items() if x})
    stack = [dataclasses.replace(x, size={"wide": "few"}.get(x.size, x.size)) for x in plan.stack]
    return mend(dataclasses.replace(plan, stack=tuple(stack)))


def _is_full(plan: Plan) -> bool:
    """Whether its rule keeps, for each parameter, the derivatives of all states."""
    return plan.rule in ("RTRL", "OSTL")


def _mend_layer(layer: LayerPlan, plan: Plan, below: list[LayerPlan]) -> LayerPlan:
    """The nearest layer that a plan can have above those below."""
    levels: dict[str, str] = {}
    if plan.path == "tied" and len(below) < 2:
        levels |= {"operation": "dense", "size": "few"}
    if plan.path == "lateral":  # between two neurons
        levels |= {"size": "few", "operation": "dense"}
    if layer.operation == "embedding" and (below or plan.path == "skip"):
        levels["operation"] = "dense"
    is_local = layer.kind in LOCAL or layer.recurrence != "element-wise"
    if plan.length == "one" or not is_local:
        # In one step, what comes from the step before is zero.
        levels["recurrence"] = "none"
    layer = dataclasses.replace(layer, **levels)
    if layer.recurrence != "dense" and layer.mask in ("recurrent", "both"):
        layer = dataclasses.replace(layer, mask="masked")
    levels = {}
    if layer.operation == "low-rank":
        mask = "recurrent" if layer.mask in ("recurrent", "both") else "whole"
        levels |= {"function": "identity", "mask": mask}
    is_wide = "wide" in (layer.size, below[-1].size if layer.size == "same" and below else "")
    if is_wide and (_is_full(plan) or plan.length == "long" or layer.kind == "cable"):
        levels["size"] = "few"
    if is_wide and layer.operation in ("low-rank", "convolution3"):
        levels["size"] = "few"
    if not layer.sharable:
        levels["weights"] = "own"
    return dataclasses.replace(layer, **levels)


def _with_alike(stack: tuple[LayerPlan, ...]) -> tuple[LayerPlan, ...]:
    """The layers, those under one that has a layer alike below being of its kind."""
    layers = list(stack)
    layers[0] = dataclasses.replace(layers[0], below="nothing")
    for l in range(len(layers) - 1, 0, -1):
        if layers[l].below == "alike":
            layers[l - 1] = dataclasses.replace(layers[l - 1], kind=layers[l].kind)
    for l in range(1, len(layers)):
        below = "alike" if layers[l].kind == layers[l - 1].kind else "other"
        layers[l] = dataclasses.replace(layers[l], below=below)
    return tuple(layers)


def levels_of(claims: Claims) -> dict[str, tuple[str, ...]]:
    """The levels of each factor that are claimed."""
    claimed = {
        "rule": claims.rules,
        "kind": claims.kinds,
        "recurrence": claims.recurrences,
        "weights": claims.weights,
        "operation": claims.operations,
    }
    return {
        name: tuple(x for x in levels if name not in claimed or x.rstrip("123") in claimed[name])
        for name, levels in (PROBLEM_FACTORS | LAYER_FACTORS).items()
    }


_PROBLEM_NAMES, _LAYER_NAMES = tuple(PROBLEM_FACTORS), tuple(LAYER_FACTORS)


def _shuffled(rng: np.random.Generator, names: tuple[str, ...]) -> list[str]:
    return [names[i] for i in rng.permutation(len(names)).tolist()]


def draw_plan(
    rng: np.random.Generator,
    levels: dict[str, tuple[str, ...]],
    fixed: dict[str, str],
    choose: Callable[[str, tuple[str, ...], list[tuple[str, str]]], str],
) -> Plan:
    """A plan with some levels fixed; the others are chosen one after the other.

    Parameters
    ----------
    rng : Generator
    levels : dict
        Of each factor, those to choose from.
    fixed : dict from factors to levels
        Those of a layer are fixed in one layer.
    choose : callable
        Is given a factor, its levels and the levels that its own will be combined with.
    """
    whole = {name: level for name, level in fixed.items() if name in PROBLEM_FACTORS}
    of_layer = {name: level for name, level in fixed.items() if name in LAYER_FACTORS}
    for name in _shuffled(rng, _PROBLEM_NAMES):
        if name not in whole:
            present = [*whole.items(), *of_layer.items()]
            whole[name] = choose(name, levels[name], present)
    count = int(whole.pop("layers"))
    is_bottom = of_layer.get("operation") == "embedding" or of_layer.get("below") == "nothing"
    at = 0 if is_bottom else int(rng.integers(count))
    if of_layer.get("below") in ("other", "alike"):
        count = max(2, count)
        at = int(rng.integers(1, count))
    stack = []
    for l in range(count):
        layer = dict(of_layer) if l == at else {}
        for name in _shuffled(rng, _LAYER_NAMES):
            if name not in layer:
                layer[name] = choose(name, levels[name], [*whole.items(), *layer.items()])
        stack.append(LayerPlan(**layer))
    plan = mend(Plan(tuple(stack), **whole))
    has_coefficients = any(layer.operation == "low-rank" for layer in plan.stack)
    if has_coefficients and plan.rule in ("D-RTRL", "ES-D-RTRL") and plan.path == "none":
        # They change with updates alone.
        plan = mend(dataclasses.replace(plan, rate="positive"))
    return plan


def features(plan: Plan) -> Iterator[list[tuple[str, str]]]:
    """What a plan has together, layer by layer: combinations of levels within each list count.

    A list has the levels of the problem and those of one layer; another has what a path meets.
    """
    for layer in plan.stack:
        yield [
            (name, getattr(layer if hasattr(layer, name) else plan, name))
            for name in ("path", *WITH_PATHS)
        ]
    if plan.refusal:
        return
    whole = [(name, getattr(plan, name)) for name in PROBLEM_FACTORS if name != "path"]
    for layer in plan.stack:
        yield [*whole, *((name, getattr(layer, name)) for name in LAYER_FACTORS)]
