"""Every public name has an example, which runs and prints what it says."""

from __future__ import annotations

import doctest
import inspect
import re

import brainstate
import braintools
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import brainscale

pytestmark = pytest.mark.usefixtures("compiled_fast")

NAMES = {
    "brainscale": brainscale,
    "brainstate": brainstate,
    "braintools": braintools,
    "jax": jax,
    "jnp": jnp,
    "np": np,
    "u": u,
}
"""What examples need not import: website/api_pages.py says so above its list of names."""

NO_EXAMPLE = {
    "CheckpointError": "of a folder of another run",
    "CheckpointWarning": "of a folder that was damaged",
    "FileError": "of a file that is not there",
    "MissingPackageError": "of an environment without a package",
    "FIRING_PATTERNS": "a dict, which `firing_pattern` reads",
}

ELSEWHERE = {"from_braincell", "install_group_state"}
"""Run by tests/current_braincell, in the environment of today's braincell."""


def public():
    """By name, each thing that the package exports, under the first of its names."""
    found = {}
    for module in (brainscale, brainscale.nn, brainscale.errors):
        for name in module.__all__:
            thing = getattr(module, name)
            if not inspect.ismodule(thing) and not any(thing is other for other in found.values()):
                found[name] = thing
    return found


PUBLIC = public()


def examples_of(name):
    thing = PUBLIC[name]
    # A class without a docstring would have that of its base.
    assert inspect.isfunction(thing) or "__doc__" in vars(thing)
    (found,) = doctest.DocTestFinder(recurse=False).find(thing, name, globs=NAMES)
    assert found.examples
    return found


def run(examples):
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    with brainstate.environ.context(dt=0.1 * u.ms), brainstate.random.seed_context(0):
        result = doctest.DocTestRunner(optionflags=options).run(examples)
    assert result.failed == 0


@pytest.mark.parametrize("name", sorted(PUBLIC.keys() - NO_EXAMPLE.keys()))
def test_example(name, tmp_path, monkeypatch):
    examples = examples_of(name)
    if name not in ELSEWHERE:
        monkeypatch.chdir(tmp_path)
        run(examples)


def test_no_name_is_left_out_in_vain():
    assert NO_EXAMPLE.keys() | ELSEWHERE <= PUBLIC.keys()


CALLED = PUBLIC.keys() - vars(brainscale.errors).keys() - {"FIRING_PATTERNS", "EligibilityTrace"}


@pytest.mark.parametrize("name", sorted(CALLED))
def test_arguments_are_documented(name):
    thing, text = PUBLIC[name], inspect.getdoc(PUBLIC[name])
    # brainstate's classes say nothing of what they are made of, and their makers do.
    maker = thing.__init__ if inspect.isclass(thing) else thing
    parameters = inspect.signature(maker).parameters.values()
    arguments = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    assert not {a for a in arguments - {"self", "name"} if not re.search(rf"\b{a}\b", text)}
