"""The examples in the package's docstrings run and print what they say."""

from __future__ import annotations

import doctest

import brainstate
import brainunit as u
import jax.numpy as jnp
import pytest

import brainscale

EXAMPLES = [
    example
    for thing in (
        brainscale.ETraceState,
        brainscale.ETraceGroupState,
        brainscale.ETraceTreeState,
        brainscale.nn.GIF,
        brainscale.nn.GIFTree,
        brainscale.SingleStepData,
        brainscale.MultiStepData,
        brainscale.compile,
    )
    for example in doctest.DocTestFinder(recurse=False).find(
        thing, globs={"brainscale": brainscale, "brainstate": brainstate, "u": u, "jnp": jnp}
    )
    if example.examples
]


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_example(example):
    with brainstate.environ.context(dt=0.1 * u.ms):
        result = doctest.DocTestRunner().run(example)
    assert result.failed == 0
