"""Name the clause that a fault breaks, from the smallest problem and the quantity that show it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from conformance.comparison import Difference
from conformance.plans.factors import LayerPlan, Plan, mend

__all__ = ["LENIENCY", "clauses_at_fault", "clauses_of"]

LENIENCY = 1e4
"""A difference below so many times the tolerance may come from rounding."""

Try = Callable[..., "Difference | None"]
"""Gives the fault that another plan shows, or None."""

FORWARD = {
    "sparse": ("OP-1",),
    "convolution": ("OP-2", "OP-3"),
    "low-rank": ("OP-4",),
    "embedding": ("OP-5",),
    "grouped": ("OP-15",),
}
"""By the kind of an operation, the clauses of its output."""

RULE_CLAUSES = {
    "D-RTRL": ("LEARN-2",),
    "ES-D-RTRL": ("TRACE-6", "LEARN-3"),
    "hybrid": ("HYBRID-1",),
    "e-prop": ("EPROP-1", "EPROP-5"),
    "RTRL": ("RTRL-1", "RTRL-2"),
    "OSTL": ("OSTL-1",),
    "three-factor": ("THREE-1", "THREE-2", "THREE-3", "THREE-4"),
}
"""By rule, the clauses that every record of it is judged by."""

TRACE_CLAUSES = {
    "D-RTRL": ("TRACE-3", "TRACE-4", "OP-6", "OP-8"),
    "ES-D-RTRL": ("TRACE-5", "TRACE-5", "OP-7", "OP-9"),
}
"""By rule, the clauses of traces of dense operations, of those of one number, of others, and of the
gradients of others."""

PATHS = {"lateral": "LEARN-14", "skip": "LEARN-15", "tied": "LEARN-16", "memory": "LEARN-17"}
"""By a path that traces cannot follow, the clause of its refusal."""

FEEDBACK = {"first": "EPROP-2", "second": "EPROP-3", "third": "EPROP-4"}


def clauses_at_fault(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    """The clauses that a fault breaks in the smallest problem that shows it.

    The levels of that problem that are not the base's are those that the fault needs.

    Parameters
    ----------
    plan : Plan
    fault : Difference
    try_plan : callable
        Gives the fault that another plan shows, or None.
    """
    if plan.path != "none":
        return (PATHS[plan.path],) if plan.refusal else ("RTRL-3",)
    if fault.quantity in ("hidden", "outputs") and not fault.is_without_learning:
        clauses = _blame_learning(plan, try_plan)
        if clauses:
            return clauses
    if plan.arrays != "c":
        return ("NET-6",)
    if try_plan(plan, leniency=LENIENCY) is None:
        return ("NUM-8",)  # it is right but for rounding
    questions = (
        _blame_updates,
        _blame_calls,
        _blame_rule,
        _blame_readout,
        _blame_effective_weights,
        _blame_layers,
    )
    for ask in (_blame_sharing, *questions):
        clauses = ask(plan, fault, try_plan)
        if clauses:
            break
    else:
        clauses = _blame_quantity(plan, fault, try_plan)
    return clauses + _blame_truth(plan, fault) + _blame_one_step(plan, fault, clauses, try_plan)


def _blame_truth(plan: Plan, fault: Difference) -> tuple[str, ...]:
    """Blame LEARN-8 or HYBRID-4, too, where the gradient must be the true one.

    LEARN-8 is named where a recurrence element by element is needed.
    """
    recurrence = plan.stack[0].recurrence
    if len(plan.stack) > 1 or plan.rate != "none" or recurrence == "dense":
        return ()
    if fault.quantity in ("error", "hidden", "outputs"):
        return ()  # nothing is known of the gradient
    if plan.rule == "hybrid" and fault.quantity == "gradients":
        return ("HYBRID-4",)
    return ("LEARN-8",) if plan.rule == "D-RTRL" and recurrence == "element-wise" else ()


def _blame_learning(plan: Plan, try_plan: Try) -> tuple[str, ...]:
    """Blame LEARN-13 where the same run without learning is right."""
    still = dataclasses.replace(plan, rate="none")
    if plan.rate == "none" and try_plan(still, learning=False) is None:
        return ("LEARN-13",)
    return ()


def _blame_one_step(
    plan: Plan, fault: Difference, clauses: tuple[str, ...], try_plan
) -> tuple[str, ...]:
    """Blame LEARN-9, too, where ES-D-RTRL is wrong even for one step."""
    if plan.rule != "ES-D-RTRL" or fault.quantity != "gradients" or "LEARN-9" in clauses:
        return ()
    one = try_plan(mend(dataclasses.replace(plan, length="one")))
    return ("LEARN-9",) if one is not None and one.quantity == "gradients" else ()


def _layer(plan: Plan, fault: Difference) -> LayerPlan:
    return plan.stack[min(fault.layer, len(plan.stack) - 1)]


def _operation(plan: Plan) -> str | None:
    """The kind of an operation that is needed and not dense, if there is one."""
    kinds = [layer.operation_kind for layer in plan.stack if layer.operation != "dense"]
    return kinds[-1] if kinds else None


def _is_plain(fault: Difference) -> bool:
    """Whether only parameters of the readout are at fault."""
    return bool(fault.names) and all(name.startswith("readout") for name in fault.names)


def _blame_sharing(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    """Blame OP-14 where the fault needs a weight that all neurons share."""
    return ("OP-14",) if any(layer.weights == "shared" for layer in plan.stack) else ()


def _blame_updates(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    if plan.rate == "none":
        return ()
    if plan.rule in ("RTRL", "OSTL"):
        return (f"{plan.rule}-1",)
    if plan.rule == "e-prop":
        return (FEEDBACK[plan.variant],)
    if plan.rule == "three-factor" and _is_plain(fault):
        return ("THREE-3",)
    if any(layer.function != "identity" or layer.mask != "whole" for layer in plan.stack):
        return ("LEARN-7", "LEARN-11")
    if any(layer.operation == "low-rank" for layer in plan.stack):
        # Its entries have coefficients, which updates change.
        return ("OP-9" if plan.rule == "ES-D-RTRL" else "OP-8", "LEARN-11")
    return ("LEARN-11",)


def _blame_calls(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    if (
        plan.runs != "one" and fault.is_without_learning
    ):  # of a run without learning, which has no chunks
        return ("TRACE-8",) if plan.rule not in ("RTRL", "OSTL") else ("RTRL-1", "TRACE-8")
    if plan.chunk != "one":
        return ("LEARN-10",)
    return ()


def _blame_rule(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    """Blame clauses of the rule where D-RTRL does not show the fault."""
    rule, quantity = plan.rule, fault.quantity
    if rule == "D-RTRL" or quantity in ("hidden", "outputs"):
        return ()
    if rule == "ES-D-RTRL":
        return _blame_factors(plan, fault)
    if rule == "hybrid":
        if any(words in fault.message for words in ("got an eps_x", "got eps_x", "not eps_x and")):
            return ("HYBRID-2",)  # the traces are those of the other rule
        return ("HYBRID-1",) if plan.variant == "first" else ("HYBRID-1", "HYBRID-2")
    if rule == "e-prop":
        if plan.readout == "leaky":
            return ("EPROP-6", "EPROP-1")
        if _is_plain(fault) and "readout.feedback" not in fault.names:
            return ("EPROP-5",)
        if plan.variant == "first" and try_plan(dataclasses.replace(plan, variant="second")):
            return ("EPROP-1",)
        return (FEEDBACK[plan.variant],) if plan.variant != "second" else ("EPROP-1", "EPROP-3")
    if rule == "three-factor":
        if quantity == "losses":
            return ("THREE-4",)
        if _is_plain(fault):
            return ("THREE-3",)
        if len(plan.stack) > 1:
            return ("THREE-2", "THREE-3")
        return ("THREE-1", "THREE-2")
    if rule != "OSTL":
        return RULE_CLAUSES[rule]
    if all(layer.recurrence != "dense" for layer in plan.stack):
        return ("OSTL-1", "OSTL-3")
    dense = plan.stack[-1].recurrence == "dense"
    return ("OSTL-1", "OSTL-2") if dense and fault.layer == len(plan.stack) - 1 else ("OSTL-1",)


def _blame_factors(plan: Plan, fault: Difference) -> tuple[str, ...]:
    """Blame clauses of ES-D-RTRL."""
    is_dense = _operation(plan) is None
    if plan.variant == "third":
        return ("TRACE-6",)
    if plan.variant == "second":
        return ("TRACE-6", "TRACE-5") if fault.quantity == "traces" else ("LEARN-3",)
    if fault.quantity == "traces":
        return ("TRACE-5",) if is_dense else ("OP-7",)
    if len(plan.stack) > 1:
        return ("LEARN-5",) if is_dense else ("OP-10",)
    if plan.length == "one":
        return ("LEARN-9",)
    return ("LEARN-3",) if is_dense else ("OP-9",)


def _blame_readout(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    return ("NET-3",) if plan.readout == "leaky" else ()


def _blame_effective_weights(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    """Blame clauses of effective weights where the fault needs a mask or a weight function."""
    layers = [x for x in plan.stack if x.function != "identity" or x.mask != "whole"]
    if not layers:
        return ()
    if any(layer.operation != "dense" for layer in layers):
        return ("OP-11",)
    if len(plan.stack) > 1 and fault.quantity in ("signals", "gradients"):
        return ("LEARN-5", "LEARN-7")
    if fault.quantity == "traces":
        return ("TRACE-7",)
    return ("LEARN-7",)


def _blame_layers(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    """Blame clauses of networks where the fault needs several layers."""
    if len(plan.stack) == 1:
        return ()
    kind = _layer(plan, fault).operation_kind
    if fault.quantity == "hidden" and kind != "dense":
        return FORWARD[kind]
    if fault.quantity in ("hidden", "outputs", "traces", "error"):
        return ("NET-2",)
    return ("LEARN-5",) if _operation(plan) is None else ("OP-10",)


def _blame_quantity(plan: Plan, fault: Difference, try_plan: Try) -> tuple[str, ...]:
    """Blame the clause of the quantity that differs in one layer with D-RTRL."""
    kind = _operation(plan)
    quantity = fault.quantity
    if quantity in ("hidden", "outputs", "error"):
        return FORWARD[kind] if kind else ("NET-1",)
    if quantity == "traces":
        return _blame_traces(plan, fault, kind, try_plan)
    if quantity == "losses":
        return ("LEARN-13",)
    if quantity == "signals":
        return ("LEARN-1",)
    if quantity == "parameters":
        return ("LEARN-13",)
    if _is_plain(fault):
        return ("LEARN-6",)
    if kind is None and fault.ratio is not None and fault.ratio > 0:
        plain = any(name.startswith("readout") for name in fault.names)
        return ("LEARN-4",) if plain else ("LEARN-12",)
    return ("OP-8",) if kind else ("LEARN-2",)


def _blame_traces(
    plan: Plan,
    fault: Difference,
    kind: str | None,
    try_plan: Try,
) -> tuple[str, ...]:
    if kind:
        return ("OP-6",)
    if "variables" in fault.message:
        return ("TRACE-1",)
    layer = _layer(plan, fault)
    ends = {name.partition(".")[2] for name in fault.names}
    single = {"bias"} | ({"recurrent"} if layer.recurrence == "element-wise" else set())
    clauses = ("TRACE-4",) if ends & single else ()
    clauses += ("TRACE-3",) if ends - single else ()
    count = 1 + (layer.bias == "biased") + (layer.recurrence != "none")
    other = try_plan(dataclasses.replace(plan, rule="ES-D-RTRL"))
    if len(ends) < count or other is None or other.quantity != "traces":
        return clauses
    # What all traces are made of, D or F; of a group, where one variable alone is right.
    alone = try_plan(plan.with_layer(0, kind="leaky"))
    return ("TRACE-2",) if alone is not None else ("TRACE-2", "TRACE-1")


def clauses_of(plan: Plan) -> tuple[str, ...]:
    """The clauses that the record of a plan's problem is judged by."""
    stack, rule = plan.stack, plan.rule
    if plan.refusal:
        return PATHS[plan.path], "ERR-1", RULE_CLAUSES[rule][0]
    kinds = {layer.operation_kind for layer in stack} - {"dense"}
    recurrences = {layer.recurrence for layer in stack}
    is_changed = any(layer.function != "identity" or layer.mask != "whole" for layer in stack)
    clauses = ["NET-1", "TRACE-1", "TRACE-2", "NUM-8", *RULE_CLAUSES[rule]]
    clauses += ["LEARN-4", "LEARN-12", "LEARN-13"]
    clauses += ["LEARN-6"] if rule != "three-factor" else []
    clauses += [clause for kind in sorted(kinds) for clause in FORWARD[kind]]
    if rule in TRACE_CLAUSES:
        of_dense, of_single, of_others, gradient = TRACE_CLAUSES[rule]
        clauses += [of_dense] if "dense" in recurrences or len(kinds) < len(stack) else []
        has_single = "element-wise" in recurrences or any(x.bias == "biased" for x in stack)
        clauses += [of_single] if has_single else []
        clauses += [of_others, gradient] if kinds else []
    if rule == "D-RTRL" and plan.rate == "none":
        clauses += ["LEARN-1"]
        clauses += ["LEARN-8"] if len(stack) == 1 and "dense" not in recurrences else []
    conditions = {
        "LEARN-5": len(stack) > 1,
        "NET-2": len(stack) > 1,
        "OP-10": any(layer.operation != "dense" for layer in stack[1:]),
        "LEARN-7": is_changed,
        "TRACE-7": is_changed,
        "OP-14": any(layer.weights == "shared" for layer in stack),
        "OP-11": any(layer.operation != "dense" for layer in stack) and is_changed,
        "LEARN-10": plan.chunk != "one",
        "LEARN-11": plan.rate != "none",
        "TRACE-8": plan.runs != "one",
        "NET-3": plan.readout == "leaky",
        "NET-6": plan.arrays != "c",
        "EPROP-6": rule == "e-prop" and plan.readout == "leaky",
        "LEARN-9": rule == "ES-D-RTRL" and plan.length == "one",
        "HYBRID-2": rule == "hybrid",
        "HYBRID-4": rule == "hybrid",
        "RTRL-3": plan.path != "none",
        "OSTL-2": rule == "OSTL",
        "OSTL-3": rule == "OSTL" and "dense" not in recurrences,
    }
    clauses += [clause for clause, applies in conditions.items() if applies]
    clauses += [FEEDBACK[plan.variant]] if rule == "e-prop" else []
    return tuple(dict.fromkeys(clauses))
