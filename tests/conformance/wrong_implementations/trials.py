"""What goes wrong where trials end: the reference's results, changed or of other lengths."""

from __future__ import annotations

import dataclasses

import numpy as np

from reference.errors import InputError

from .learning_bases import LearningAdapter
from .wrong import Wrong


class TrialsAdapter(LearningAdapter):
    """Learning, and trials of several lengths."""

    capabilities = frozenset({"learning", "trials"})


def without_nan(array):
    """Zeros in the place of what is NaN."""
    return np.nan_to_num(array) if array.dtype.kind == "f" else array


def trials_with(change, further=()):
    """The adapter of which a function changes what trials leave.

    The function is given what they leave, a call that makes it of other lengths with zeros behind
    the ends, the lengths, T, and the arguments of `learn_trials` by name.
    """

    def learn_trials(self, network, inputs, targets, weights, lengths, dt, rule, *, chunk=1):
        def learn(of_lengths, arrays=(inputs, targets)):
            arguments = *arrays, weights, of_lengths, dt, rule
            return LearningAdapter.learn_trials(self, network, *arguments, chunk=chunk)

        def padded(of_lengths):
            return learn(of_lengths, (without_nan(inputs), without_nan(targets)))

        arguments = {"network": network, "targets": targets, "rule": rule, "chunk": chunk}
        return change(learn(lengths), padded, lengths, len(inputs), arguments)

    capabilities = TrialsAdapter.capabilities | set(further)
    fields = {"learn_trials": learn_trials, "capabilities": capabilities}
    return type("OfTrials", (TrialsAdapter,), fields)


def of_lengths(change):
    """The adapter that takes other lengths; a function of lengths and T makes them."""

    def relearn(learned, padded, lengths, T, arguments):
        return padded(np.clip(change(lengths.astype(int), T, arguments["chunk"]), 1, T))

    return trials_with(relearn)


def all_of(learned, padded, lengths, T, arguments):
    """Losses and gradients of all steps."""
    whole = padded(np.full_like(lengths, T))
    return dataclasses.replace(learned, losses=whole.losses, gradients=whole.gradients)


def all_by(rule):
    """All steps count by this rule alone."""

    def relearn(learned, *rest):
        return all_of(learned, *rest) if rest[-1]["rule"].name == rule else learned

    return relearn


def states_after(learned, padded, lengths, T, arguments):
    whole = padded(np.full_like(lengths, T))
    return dataclasses.replace(learned, hidden=whole.hidden, emitted=whole.emitted)


def filter_after(learned, padded, lengths, T, arguments):
    """The readout forgets past the end."""
    decay = arguments["network"].readout_decay
    if not decay:
        return learned
    hidden = [state.copy() for state in learned.hidden]
    hidden[-1][..., -1] *= decay ** (T - lengths.astype(int))[:, np.newaxis]
    return dataclasses.replace(learned, hidden=hidden)


def silent_after(learned, padded, lengths, T, arguments):
    going_on = (lengths == T)[:, np.newaxis]
    return dataclasses.replace(learned, emitted=[s * going_on for s in learned.emitted])


def traces_after(learned, padded, lengths, T, arguments):
    return dataclasses.replace(learned, traces=padded(np.full_like(lengths, T)).traces)


def traces_forgotten(learned, padded, lengths, T, arguments):
    def of_trials(trace):
        return trace * (lengths == T).reshape(-1, *(1,) * (trace.ndim - 1))

    traces = {name: of_trials(trace) for name, trace in learned.traces.items()}
    return dataclasses.replace(learned, traces=traces)


def nan_in_gradients(learned, padded, lengths, T, arguments):
    """Zero times what stands past the ends."""
    leak = 0.0 * np.sum(arguments["targets"])
    gradients = {name: gradient + leak for name, gradient in learned.gradients.items()}
    return dataclasses.replace(learned, gradients=gradients)


def mean_of_steps(learned, padded, lengths, T, arguments):
    gradients = {name: gradient / T for name, gradient in learned.gradients.items()}
    return dataclasses.replace(learned, losses=learned.losses / T, gradients=gradients)


def weighed_by_lengths(learned, padded, lengths, T, arguments):
    """Gradients count as many times more as there are steps that do not."""
    share = T * len(lengths) / lengths.astype(float).sum()
    gradients = {name: share * gradient for name, gradient in learned.gradients.items()}
    return dataclasses.replace(learned, gradients=gradients)


class RefusesNaN(TrialsAdapter):
    """Also past the ends."""

    def learn_trials(self, network, inputs, targets, *rest, **options):
        if not np.isfinite(targets).all():
            raise InputError("targets", "nan", "finite numbers")
        return super().learn_trials(network, inputs, targets, *rest, **options)


class TakesNaN(TrialsAdapter):
    """Also up to the ends."""

    def learn_trials(self, network, inputs, targets, *rest, **options):
        arguments = without_nan(inputs), without_nan(targets)
        return super().learn_trials(network, *arguments, *rest, **options)


def lengths_read_by(read):
    """The adapter that makes lengths of what is none; a function is given B and T, too."""

    def learn_trials(self, network, inputs, targets, weights, lengths, *rest, **options):
        lengths = read(lengths, inputs.shape[1], len(inputs))
        arguments = network, inputs, targets, weights, lengths, *rest
        return TrialsAdapter.learn_trials(self, *arguments, **options)

    return type("Reads", (TrialsAdapter,), {"learn_trials": learn_trials})


RULES = {
    "ES-D-RTRL": ("operations",),
    "hybrid": ("operations", "hybrid"),
    "e-prop": ("operations", "eprop"),
    "RTRL": ("operations", "rtrl"),
    "OSTL": ("operations", "ostl"),
}
"""By rule, the capabilities of its adapter."""

REFUSED = ("LEARN-19", "ERR-1", "ERR-2")

CHANGES = {
    "trials_never_end": all_of,
    "states_run_on": states_after,
    "filters_run_on": filter_after,
    "ended_trials_are_silent": silent_after,
    "traces_run_on": traces_after,
    "ended_trials_have_no_traces": traces_forgotten,
    "nan_behind_the_end_leaks": nan_in_gradients,
    "mean_over_padded_steps": mean_of_steps,
    "trials_weighed_by_lengths": weighed_by_lengths,
}

LENGTHS = {
    "trials_end_early": lambda lengths, T, chunk: lengths - 1,
    "trials_end_late": lambda lengths, T, chunk: lengths + 1,
    "trials_end_together": lambda lengths, T, chunk: 0 * lengths + lengths.max(),
    "trials_in_reverse": lambda lengths, T, chunk: lengths[::-1],
    "trials_end_with_chunks": lambda lengths, T, chunk: -(-lengths // chunk) * chunk,
}

WRONG_TRIALS = [
    *(Wrong(name, trials_with(change), ("LEARN-19",)) for name, change in CHANGES.items()),
    *(Wrong(name, of_lengths(change), ("LEARN-19",)) for name, change in LENGTHS.items()),
    *(
        Wrong(
            f"trials_never_end_by_{rule.lower().replace('-', '_')}",
            trials_with(all_by(rule), further),
            ("LEARN-19",),
        )
        for rule, further in RULES.items()
    ),
    Wrong("refuses_nan_behind_the_end", RefusesNaN, REFUSED),
    Wrong("takes_nan_up_to_the_end", TakesNaN, REFUSED),
    Wrong(
        "lengths_of_any_shape",
        lengths_read_by(lambda lengths, B, T: np.resize(lengths, B)),
        REFUSED,
    ),
    Wrong(
        "lengths_of_any_dtype",
        lengths_read_by(lambda lengths, B, T: np.asarray(lengths).astype(int)),
        REFUSED,
    ),
    Wrong(
        "lengths_in_any_range",
        lengths_read_by(
            lambda x, B, T: np.clip(x, 1, T) if np.asarray(x).dtype.kind in "iu" else x
        ),
        REFUSED,
    ),
]
