"""The factors of a problem of chapters 9 and 10, their levels, and the plans made of these.

A *plan* says for each factor which level a problem has; the problem's numbers are drawn afterwards.
The first level of a factor is its base: the plainest, which a problem has when the factor plays no
part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from conformance.claims import KINDS, RECURRENCES, RULES, Claims

__all__ = [
    "LAYER_FACTORS",
    "PROBLEM_FACTORS",
    "REFUSALS",
    "LayerPlan",
    "Plan",
    "draw_plan",
    "features",
    "mend",
]

#: Those whose emission is a function of their state, which may recur element by element.
LOCAL = ("leaky", "LIF", "ALIF", "synapse_LIF", "cable")

PROBLEM_FACTORS: dict[str, tuple[str, ...]] = {
    "rule": tuple(RULES),
    # Which of a rule's decays, choices or feedbacks.
    "variant": ("first", "second", "third"),
    "layers": ("1", "2", "3"),
    "readout": ("plain", "leaky"),
    "readout_bias": ("biased", "unbiased"),
    "length": ("short", "one", "long"),
    "batch": ("few", "one", "many"),
    "outputs": ("few", "one"),
    "dt": ("unit", "fine", "coarse"),
    "step_weights": ("positive", "signed"),
    "arrays": ("plain", "fortran", "swapped", "strided", "single"),
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
    "kind": KINDS,
    "operation": (
        *("dense", "sparse", "convolution1", "convolution2", "convolution3"),
        *("low-rank", "embedding"),
    ),
    "recurrence": RECURRENCES,
    "bias": ("biased", "unbiased"),
    "function": ("identity", "square", "absolute"),
    "mask": ("whole", "masked"),
    "parameters": ("drawn", "scaled", "default", "shared"),
    "size": ("few", "one", "wide"),
}


@dataclasses.dataclass(frozen=True)
class LayerPlan:
    """The levels of a layer."""

    kind: str = "leaky"
    operation: str = "dense"
    recurrence: str = "none"
    bias: str = "biased"
    function: str = "identity"
    mask: str = "whole"
    parameters: str = "drawn"
    size: str = "few"

    @property
    def operation_kind(self) -> str:
        """The operation's kind in SPEC.md."""
        return self.operation.rstrip("123")


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
    arrays: str = "plain"
    chunk: str = "one"
    rate: str = "none"
    runs: str = "one"
    path: str = "none"

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
            and layer.recurrence in claims.recurrences
            for layer in self.stack
        )


def mend(plan: Plan) -> Plan:
    """The nearest plan that is possible: levels that exclude each other give way."""
    # These keep, for each parameter, the derivatives of all states.
    is_full = plan.rule in ("RTRL", "OSTL")
    if plan.path == "tied" and len(plan.stack) == 1:
        plan = dataclasses.replace(plan, path="none")
    stack = []
    for l, layer in enumerate(plan.stack):
        levels: dict[str, str] = {}
        if plan.path == "tied" and l < 2:
            levels |= {"operation": "dense", "size": "few"}
        if layer.recurrence == "element-wise" and layer.kind not in LOCAL:
            levels["recurrence"] = "none"
        if layer.operation == "embedding" and (l > 0 or plan.path == "skip"):
            levels["operation"] = "dense"
        if layer.operation == "low-rank":
            levels |= {"function": "identity", "mask": "whole"}
        if layer.size == "wide" and (is_full or plan.length == "long" or layer.kind == "cable"):
            levels["size"] = "few"
        if layer.size == "wide" and layer.operation in ("low-rank", "convolution3"):
            levels["size"] = "few"
        stack.append(dataclasses.replace(layer, **levels))
    levels = {"runs": "one", "rate": "none"} if plan.path != "none" else {}
    if plan.rule not in ("ES-D-RTRL", "hybrid", "e-prop", "three-factor"):
        levels["variant"] = "first"
    if plan.length == "long" and (plan.batch == "many" or len(stack) == 3 or is_full):
        levels["length"] = "short"
    if (plan.length == "one" or levels.get("length") == "one") and plan.runs != "one":
        levels["length"] = "short"
    return dataclasses.replace(plan, stack=tuple(stack), **levels)


def draw_plan(rng: np.random.Generator, claims: Claims, fixed: dict[str, str]) -> Plan:
    """A random plan of what is claimed, with some levels fixed.

    Parameters
    ----------
    rng : Generator
    claims : Claims
    fixed : dict from factors to levels
        Those of a layer are fixed in one layer, drawn at random.
    """
    allowed = PROBLEM_FACTORS | {
        "rule": tuple(name for name in RULES if name in claims.rules),
    }
    levels = {name: str(rng.choice(found)) for name, found in allowed.items()}
    if rng.random() < 0.8:  # most problems are of what can be learned
        levels["path"] = "none"
    levels |= {name: level for name, level in fixed.items() if name in levels}
    count = int(levels.pop("layers"))
    stack = [_draw_layer(rng, claims) for _ in range(count)]
    own = {name: level for name, level in fixed.items() if name in LAYER_FACTORS}
    at = 0 if own.get("operation") == "embedding" else int(rng.integers(count))
    stack[at] = dataclasses.replace(stack[at], **own)
    return mend(Plan(tuple(stack), **levels))


def _draw_layer(rng: np.random.Generator, claims: Claims) -> LayerPlan:
    """Random levels of a layer. Sizes and masks are the base's more often than not."""
    allowed = LAYER_FACTORS | {
        "kind": tuple(k for k in KINDS if k in claims.kinds),
        "operation": tuple(
            name for name in LAYER_FACTORS["operation"] if name.rstrip("123") in claims.operations
        ),
        "recurrence": tuple(r for r in RECURRENCES if r in claims.recurrences),
        "size": ("few", "few", "one", "wide"),
    }
    return LayerPlan(**{name: str(rng.choice(levels)) for name, levels in allowed.items()})


def features(plan: Plan) -> Iterator[list[tuple[str, str]]]:
    """What a plan has together, layer by layer: combinations of levels within each list count.

    A list has the levels of the problem and those of one layer, with its place and with the kind,
    operation and recurrence of the layer below.
    """
    whole = [(name, getattr(plan, name)) for name in PROBLEM_FACTORS]
    count = len(plan.stack)
    for l, layer in enumerate(plan.stack):
        place = "only" if count == 1 else "lowest" if l == 0 else "top" if l == count - 1 else "mid"
        found = [*whole, ("place", place), *dataclasses.asdict(layer).items()]
        if l > 0:
            below = plan.stack[l - 1]
            found += [
                (f"{name} below", getattr(below, name))
                for name in ("kind", "operation", "recurrence")
            ]
        yield found
