"""The leaky readout, under rules with traces: NET-3, LEARN-8, LEARN-10, LEARN-11."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.learned import (
    D_RTRL,
    ES_D_RTRL,
    agree,
    agree_by_name,
    agree_learned,
    agree_runs,
    agree_traces,
    learned,
    traced,
    true_gradient,
    wanted,
    wanted_traced,
)
from conformance.tasks import SPIKING, Task, task, with_feedback

DECAY = 0.75
KINDS = [("ALIF", "dense"), ("ALIF", "element-wise"), ("GIF", "dense"), ("GIFTree", "none")]
KINDS += [("synapse_LIF", "element-wise"), ("cable", "dense"), ("leaky", "none")]
SINGLE = pytest.mark.parametrize(("kind", "recurrence"), KINDS, ids="-".join)


def leaky(implementation, kinds, recurrence="none", **options) -> Task:
    return with_feedback(task(implementation.precision, kinds, recurrence, **options), DECAY)


def filtered(emitted: np.ndarray) -> np.ndarray:
    """r of s, (T, B, N)."""
    past = np.subtract.outer(np.arange(len(emitted)), np.arange(len(emitted)))
    weights = np.where(past >= 0, DECAY ** np.maximum(past, 0), 0.0)
    return np.einsum("tu,ubn->tbn", weights, emitted)


@pytest.mark.clauses("NET-3")
@SINGLE
def test_run(implementation, kind, recurrence):
    given = leaky(implementation, (kind,), recurrence)
    got = traced(implementation, given, D_RTRL)
    agree_runs(got, wanted_traced(given, D_RTRL), given)
    r, network = filtered(got.emitted[0]), given.network
    agree(got.hidden[0][..., -1], r, given, "hidden[0], the last variable")
    agree(got.outputs, r @ network.readout + network.readout_bias, given, "outputs")


@pytest.mark.clauses("NET-3")
@SINGLE
def test_trace(implementation, kind, recurrence):
    given = leaky(implementation, (kind,), recurrence)
    got, expected = traced(implementation, given, D_RTRL), wanted_traced(given, D_RTRL)
    agree_traces(got, expected, given)


@pytest.mark.clauses("NET-3")
def test_es_d_rtrl(implementation):
    given = leaky(implementation, ("ALIF",), "dense")
    got, expected = traced(implementation, given, ES_D_RTRL), wanted_traced(given, ES_D_RTRL)
    agree_traces(got, expected, given)


@pytest.mark.clauses("NET-3")
def test_of_the_last_layer_alone(implementation):
    """The lower layer is as it would be with a readout that is not leaky."""
    given = leaky(implementation, ("LIF", "GIF"), "dense")
    got, expected = traced(implementation, given, D_RTRL), wanted_traced(given, D_RTRL)
    agree_runs(got, expected, given)
    agree_traces(got, expected, given)
    without = wanted_traced(given.replace(readout_decay=0.0), D_RTRL)
    agree(got.traces["0.weight"], without.traces["0.weight"], given, "traces['0.weight']")


@pytest.mark.clauses("LEARN-8")
@pytest.mark.parametrize(
    ("kind", "recurrence"), [x for x in KINDS if x[1] != "dense"], ids="-".join
)
def test_d_rtrl_is_exact(implementation, kind, recurrence):
    given = leaky(implementation, (kind,), recurrence)
    got = learned(implementation, given, D_RTRL)
    agree_by_name(got.gradients, true_gradient(given), given, "gradients")
    assert kind not in SPIKING or np.any(got.traced.emitted[0]), "nothing was filtered"


@pytest.mark.clauses("LEARN-10")
def test_chunks(implementation):
    given = leaky(implementation, ("LIF", "ALIF"), "dense")
    got, expected = learned(implementation, given, D_RTRL, chunk=5), wanted(given, D_RTRL)
    agree_learned(got, expected, given)


@pytest.mark.clauses("LEARN-11")
def test_updates(implementation):
    given, options = leaky(implementation, ("ALIF",), "dense"), {"learning_rate": 2.0**-13}
    got = learned(implementation, given, ES_D_RTRL, **options)
    agree_learned(got, wanted(given, ES_D_RTRL, **options), given)
