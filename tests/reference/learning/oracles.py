"""Problems of the further rules, and their derivatives by complex steps."""

from __future__ import annotations

import dataclasses

import numpy as np

from reference import Rule

from ..complex_network import ComplexNetwork, gradients

DRTRL, RTRL, OSTL = (Rule(name) for name in ("D-RTRL", "RTRL", "OSTL"))
STACKS = [("LIF", "ALIF", "GIF"), ("cable", "synapse_LIF", "leaky")]


def replace_fields(problem, **fields):
    """The problem with other fields of the network."""
    network = dataclasses.replace(problem.network, **fields)
    return dataclasses.replace(problem, network=network)


def network_of(problem, cut):
    """The network in complex numbers."""
    return ComplexNetwork(problem.network, 1.0, problem.inputs.shape[1], problem.initial(), cut)


def oracle(problem, cut):
    """The derivatives of the loss by complex steps."""
    arrays = problem.inputs, problem.targets, problem.weights
    return gradients(lambda: network_of(problem, cut), *arrays)


def assert_equal(got, expected, tolerance=1e-11):
    """All arrays, within a tolerance of the largest entry of each."""
    assert set(got) == set(expected)
    for name, entry in expected.items():
        assert np.abs(entry).max() > 0, name
        atol = tolerance * np.abs(entry).max()
        np.testing.assert_allclose(got[name], entry, rtol=0, atol=atol, err_msg=name)


def relative_difference(got, expected):
    """The largest difference, relative to the largest entry."""
    return max(np.abs(got[k] - expected[k]).max() / np.abs(expected[k]).max() for k in expected)
