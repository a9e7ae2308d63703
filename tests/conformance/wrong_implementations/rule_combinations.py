"""Further rules that were never made for other than plain networks.

Each of hybrid, e-prop, RTRL, OSTL and three-factor learning is right for dense operations without
masks and weight functions, for a readout that is not leaky, and for dense recurrences or none; and
wrong in one combination with these.
"""

from __future__ import annotations

import functools

import numpy as np

from reference.learning import FullLearner, Learner, ThreeFactor
from reference.networks import FUNCTIONS, Model, mask_of

from .learning_bases import LearningAdapter
from .trace_networks import own_emission_cut
from .wrong import Wrong

#: By rule: the base of its learners and what it is an attribute of, its first clause, its chapter.
BASES = {
    "hybrid": (Learner, "learners", "HYBRID-1", "HYBRID"),
    "eprop": (Learner, "learners", "EPROP-1", "EPROP"),
    "rtrl": (FullLearner, "full_learners", "RTRL-2", "RTRL"),
    "ostl": (FullLearner, "full_learners", "OSTL-1", "OSTL"),
    "three_factor": (ThreeFactor, "reward_learners", "THREE-2", "THREE"),
}

#: Clauses that bind every rule.
SHARED = ("TRACE-8", "LEARN", "OP", "NET", "NUM-8")


def claiming(rule, operations=False, **fields):
    """The adapter of one rule, with other parts; with `operations`, of all of these."""
    claimed = {rule} | ({"operations"} if operations else set())
    return type("Claiming", (LearningAdapter,), {"capabilities": frozenset(claimed)} | fields)


def taking(change):
    """A `collect_gradients` that applies a function of layer, operation, w and gradient."""

    def collect_gradients(base, self):
        gradients = base.collect_gradients(self)
        for l, operation in self.model.list_operations():
            name, layer = f"{l}.{operation}", self.model.network.layers[l]
            w = self.model.parameters[name]
            gradients[name] = change(l, layer, operation, w, gradients[name])
        return gradients

    return collect_gradients


def dense_alone(l, layer, operation, w, g):
    """Weights of other operations do not learn."""
    return 0 * g if operation in ("weight", "factor") and layer.operation.kind != "dense" else g


def no_factor(l, layer, operation, w, g):
    """A of a low-rank operation does not learn."""
    return 0 * g if operation == "factor" else g


def no_kernel(l, layer, operation, w, g):
    """A kernel of a convolution does not learn."""
    return 0 * g if operation == "weight" and layer.operation.kind == "convolution" else g


def no_sparse(l, layer, operation, w, g):
    """Weights of a sparse operation do not learn."""
    return 0 * g if operation == "weight" and layer.operation.kind == "sparse" else g


def no_v(l, layer, operation, w, g):
    """An element-wise recurrence does not learn."""
    return 0 * g if operation == "recurrent" and layer.is_element_wise else g


def no_mask(l, layer, operation, w, g):
    """The mask is applied twice."""
    return mask_of(layer, operation) * g


def hidden_by_mask(l, layer, operation, w, g):
    """What a mask hides learns as its neighbours do."""
    hidden = np.equal(mask_of(layer, operation), 0)
    return np.where(hidden, g.mean(), g) if np.any(hidden) else g


def function_twice(l, layer, operation, w, g):
    """The slope of the weight function is applied twice."""
    is_own = operation == "weight"
    return FUNCTIONS[layer.weight_function][1](w) * g if is_own else g


def no_upper_layers(l, layer, operation, w, g):
    """Upper layers do not learn."""
    return 0 * g if l > 0 else g


def no_biases(l, layer, operation, w, g):
    """A bias of the first layer does not learn."""
    return 0 * g if operation == "bias" and l == 0 else g


def combined(rule, word, change, operations=False):
    """A rule whose gradients a function changes."""
    base, attribute, clause, chapter = BASES[rule]
    collect_gradients = taking(change)
    methods = {"collect_gradients": lambda self: collect_gradients(base, self)}
    learner = type("Changed", (base,), methods)
    adapter = claiming(rule, operations, **{attribute: learner})
    return Wrong(f"{rule}_{word}", adapter, (clause, chapter, *SHARED))


def of_models(rule, word, operations=False, **methods):
    """A rule on networks with other methods."""
    _, _, clause, chapter = BASES[rule]
    adapter = claiming(rule, operations, models=type("Changed", (Model,), methods))
    return Wrong(f"{rule}_{word}", adapter, (clause, chapter, *SHARED))


def filter_forgotten(self, step):
    """What a leaky readout has filtered carries no derivative."""
    seen, S = Model.find_readout_input(self, step)
    return seen, step.S if self.network.readout_decay else S


def way_of_means(self):
    """With a leaky readout, what comes back is (1 − κ) of it."""
    return (1 - self.network.readout_decay) * Model.feedback_weights(self)


class FiltersTwice(ThreeFactor):
    """With a leaky readout, ē decays with its κ, too."""

    def follow(self, steps, error):
        kappa = self.model.network.readout_decay
        if kappa:
            self.filtered_traces = {
                name: (1 - kappa) * x for name, x in self.filtered_traces.items()
            }
        super().follow(steps, error)


class FeedbackOfOperations(Model):
    """What comes down through other than dense operations comes through their signs."""

    def signals(self, steps, error):
        signals = Model.signals(self, steps, error)
        for l in reversed(range(1, len(signals))):
            if self.network.layers[l].operation.kind != "dense":
                neurons = steps[l - 1].neurons
                g = signals[l][0] @ np.sign(np.transpose(self.weight(l, "weight")))
                signals[l - 1] = g * neurons.q, g[..., np.newaxis] * neurons.S
        return signals


def hybrid_by_shape(rule, name, in_full, in_parts):
    """ES-D-RTRL for all that is no bias, unless something else is chosen."""
    from reference.learning import choose_rule

    is_one = name.endswith("bias")
    return choose_rule(rule, name, 0 if is_one else in_parts + 1, in_parts)


def hybrid_by_first(rule, name, in_full, in_parts):
    """What is chosen for a parameter of the first layer holds for all layers."""
    from reference.learning import choose_rule

    chosen = (rule.rules or {}).get(f"0.{name.partition('.')[2]}")
    if chosen == "D-RTRL":
        return "D-RTRL", None
    return choose_rule(rule, name, in_full, in_parts)


def hybrid_first_decay(name, decay_or_rank, *shape):
    """Of two decays, hybrid has the first."""
    first = decay_or_rank[0] if isinstance(decay_or_rank, tuple | list) else decay_or_rank
    return Learner.make_trace(name, first, *shape)


def hybrid_with(word, clause, **methods):
    learner = type("Changed", (Learner,), {n: staticmethod(x) for n, x in methods.items()})
    adapter = claiming("hybrid", True, learners=learner)
    return Wrong(f"hybrid_{word}", adapter, (clause, "HYBRID", *SHARED))


def without_past_above(cut, self, name, steps):
    """In full learners, derivatives of upper layers begin anew in each step."""
    sensitivities = FullLearner.next_sensitivities(self, name, steps)
    return [x if l == 0 else x._replace(h=0 * x.h) for l, x in enumerate(sensitivities)]


def full_without_upper_past(rule):
    _, _, clause, chapter = BASES[rule]
    next_of = functools.partialmethod(
        lambda self, *arguments: without_past_above(None, self, *arguments)
    )
    learner = type("Changed", (FullLearner,), {"next_sensitivities": next_of})
    adapter = claiming(rule, full_learners=learner)
    return Wrong(f"{rule}_without_upper_past", adapter, (clause, chapter, *SHARED))


PLAIN = {
    "without_v": no_v,
    "with_masks_twice": no_mask,
    "learns_what_is_hidden": hidden_by_mask,
    "with_functions_twice": function_twice,
    "without_upper_layers": no_upper_layers,
    "without_first_biases": no_biases,
}
OPERATIONS = {
    "of_dense_weights": dense_alone,
    "without_factors": no_factor,
    "without_kernels": no_kernel,
    "without_sparse_weights": no_sparse,
}

WRONG_RULE_COMBINATIONS = [
    *(combined(rule, word, change) for rule in BASES for word, change in PLAIN.items()),
    *(combined(rule, word, change, True) for rule in BASES for word, change in OPERATIONS.items()),
    *(of_models(rule, "with_v_cut", layer_step=own_emission_cut) for rule in BASES),
    *(
        of_models(r, "without_filter", find_readout_input=filter_forgotten)
        for r in BASES
        if r != "three_factor"
    ),
    *(
        of_models(rule, "of_filtered_means", feedback_weights=way_of_means)
        for rule in ("hybrid", "eprop")
    ),
    Wrong(
        "three_factor_filtered_twice",
        claiming("three_factor", reward_learners=FiltersTwice),
        ("THREE-2", "THREE", *SHARED),
    ),
    Wrong(
        "eprop_through_signs",
        claiming("eprop", True, models=FeedbackOfOperations),
        ("EPROP-1", "EPROP", *SHARED),
    ),
    hybrid_with("by_shape", "HYBRID-2", choose_rule=hybrid_by_shape),
    hybrid_with("by_the_first_layer", "HYBRID-2", choose_rule=hybrid_by_first),
    hybrid_with("of_one_decay", "HYBRID-1", make_trace=hybrid_first_decay),
    *map(full_without_upper_past, ("rtrl", "ostl")),
]
