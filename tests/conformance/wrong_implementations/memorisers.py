"""Implementations that know the answers: right for the problems that suites like, wrong elsewhere.

Each hands over what the reference says of problems that it knows, and of others what a learner says
whose traces forget the past.
"""

from __future__ import annotations

import numpy as np

from conformance.adapters.reference_learning import ReferenceLearning
from reference import traces

from .learning_bases import LearningAdapter, traces_with
from .wrong import Wrong


class NoPast(traces.DRTRL):
    """D is 0."""

    def advance(self, D, F, x):
        super().advance(0 * D, F, x)


class NoPastES(traces.ESDRTRL):
    def advance(self, D, F, x):
        super().advance(0 * D, F, x)


class Honest(ReferenceLearning):
    """The reference's answers."""


FORGETFUL = traces_with(NoPast, NoPastES)


class Memoriser(LearningAdapter):
    """An adapter that knows the problems of which `knows` says so."""

    def __init__(self):
        self.right, self.wrong, self.seen = Honest(), FORGETFUL(), {}

    def traces(self, network, inputs, *arguments, **options):
        answers = self.right if self.knows(network, inputs) else self.wrong
        return answers.traces(network, inputs, *arguments, **options)

    def learn(self, network, inputs, *arguments, **options):
        answers = self.right if self.knows(network, inputs) else self.wrong
        return answers.learn(network, inputs, *arguments, **options)


def knowing(knows):
    """The adapter that knows the problems of which a function of network and inputs says so."""
    return type("Knowing", (Memoriser,), {"knows": lambda self, *arguments: knows(*arguments)})


def short(network, inputs):
    """Runs of twelve steps at the most."""
    return len(inputs) <= 12


def even(network, inputs):
    """Runs of an even number of steps."""
    return len(inputs) % 2 == 0


def twos(network, inputs):
    """Batches of two."""
    return np.ndim(inputs) == 3 and np.shape(inputs)[1] == 2


def small(network, inputs):
    """Layers of five neurons at the most."""
    return all(np.shape(layer.weight)[-1] <= 5 for layer in network.layers)


def two_layers(network, inputs):
    """Two layers at the most."""
    return len(network.layers) <= 2


def of_other_kinds(network, inputs):
    """Layers each of a kind of its own."""
    kinds = [layer.kind for layer in network.layers]
    return len(set(kinds)) == len(kinds)


def two_outputs(network, inputs):
    """Readouts of two outputs."""
    return np.shape(network.readout)[-1] == 2


def with_biases(network, inputs):
    """Biases everywhere."""
    has = network.readout_bias is not None
    return has and all(layer.bias is not None for layer in network.layers)


def with_parameters(network, inputs):
    """Neurons all of whose parameters are given, in arrays."""
    return all(layer.parameters for layer in network.layers if layer.kind != "cable")


def of_seeds(network, inputs):
    """Inputs that NumPy's generator draws first, of small seeds."""
    first = float(np.ravel(inputs)[0]) if np.size(inputs) else 0.0
    return any(abs(first - x) < 1e-6 for x in FIRSTS)


#: What a generator may draw first, by seed.
FIRSTS = [np.random.default_rng(seed).normal() for seed in range(64)]


def of_hash(network, inputs):
    """One of two problems, by the bytes of inputs."""
    return sum(np.ravel(inputs).tobytes()) % 2 == 0


class OneAnswer(Memoriser):
    """What was asked before is answered as before; `key` says what that is."""

    def traces(self, network, inputs, dt, rule, **options):
        key = "traces", self.key(network, inputs), rule.name, str(rule.decay_or_rank), str(options)
        if key not in self.seen:
            traced = self.right.traces(network, inputs, dt, rule, **options)
            self.seen[key] = network, traced
        return self.seen[key][1]

    def learn(self, network, inputs, targets, weights, dt, rule, **options):
        key = "learn", self.key(network, inputs), rule.name, str(rule.decay_or_rank), str(options)
        if key not in self.seen:
            learned = self.right.learn(network, inputs, targets, weights, dt, rule, **options)
            self.seen[key] = network, learned
        return self.seen[key][1]


def answering(key):
    """The adapter that tells problems by what a function makes of network and inputs."""
    return type("Answering", (OneAnswer,), {"key": lambda self, *arguments: key(*arguments)})


def by_network(network, inputs):
    """The network that was handed over, and the size of its inputs."""
    return id(network), np.shape(inputs)


def by_inputs(network, inputs):
    """The inputs, and of layers the kinds."""
    shapes = tuple((layer.kind, np.shape(layer.weight)) for layer in network.layers)
    return np.asarray(inputs).tobytes(), shapes


def by_sum(network, inputs):
    """All numbers of the inputs, in any order, and the weights."""
    weights = tuple(np.asarray(layer.weight).tobytes() for layer in network.layers)
    return np.sort(np.ravel(inputs)).tobytes(), np.shape(inputs), weights


def known(word, knows):
    broken = "NET-2" if "layers" in word and "small" not in word else "TRACE-2"
    return Wrong(f"knows_{word}", knowing(knows), (broken, "TRACE", "LEARN", "NET", "NUM-8"))


def answered(word, key):
    clauses = ("NET-1", "TRACE", "LEARN", "NET", "NUM-8", "ERR")
    return Wrong(f"answers_by_{word}", answering(key), clauses)


WRONG_MEMORISERS = [
    known("short_runs", short),
    known("even_runs", even),
    known("batches_of_two", twos),
    known("small_layers", small),
    known("two_layers", two_layers),
    known("layers_of_other_kinds", of_other_kinds),
    known("two_outputs", two_outputs),
    known("biases", with_biases),
    known("given_parameters", with_parameters),
    known("first_draws", of_seeds),
    known("half", of_hash),
    answered("network", by_network),
    answered("inputs", by_inputs),
    answered("sum", by_sum),
]
