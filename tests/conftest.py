"""Every test starts at the precision a user starts with; programs are compiled fast."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

# Before any module makes an array: XLA reads its flags once.
import conformance.adapters  # noqa: F401

BRAINCELL = tuple(map(int, importlib.metadata.version("braincell").split(".")[:2]))

# Each generation of braincell has tests that only its own environment can run.
FORMER = ["test_document.py", "brainscale/nn/test_former_braincell.py"]
collect_ignore = FORMER if BRAINCELL >= (0, 1) else ["current_braincell"]


@pytest.fixture(autouse=True)
def single_precision():
    """Whatever precision an adapter has set for the process, and all settings again afterwards.

    An example, or an adapter, makes settings of the process, which are no later test's. A test that
    leaves another setting of JAX's behind fails.
    """
    if "brainstate" not in sys.modules:  # The reference is tested without it.
        yield
        return
    import brainstate
    import jax

    before, environment = settings(), dict(brainstate.environ.all())
    precision, x64 = brainstate.environ.get_precision(), jax.config.jax_enable_x64
    products = jax.config.jax_default_matmul_precision
    jax.config.update("jax_enable_x64", False)
    brainstate.environ.set(precision=32)
    yield
    jax.config.update("jax_enable_x64", x64)
    jax.config.update("jax_default_matmul_precision", products)
    for name in set(brainstate.environ.all()) - set(environment):
        brainstate.environ.pop(name)
    brainstate.environ.set(**{k: environment[k] for k in _OF_STEPS & set(environment)})
    brainstate.environ.set(precision=precision)
    assert settings() == before, "the test leaves other settings behind"


_OF_STEPS = {"dt", "t", "i", "fit"}
"""What programs set in brainstate's environment."""


def settings():
    """JAX's and brainstate's, by name: of the process, and as they are in this thread."""
    import brainstate
    import jax

    environment = {name: repr(value) for name, value in brainstate.environ.all().items()}
    return jax.config.values | environment | {"in this thread": jax.config.jax_enable_x64}


@pytest.fixture(autouse=True, scope="module")
def programs_of_one_module():
    """Drop what JAX has compiled for a module's tests: no other needs it, and it is gigabytes."""
    yield
    if "jax" in sys.modules:
        import jax

        jax.clear_caches()


@pytest.fixture
def compiled_fast():
    """XLA without most of its optimizations, for tests of what is computed and not of how.

    Most of the time of these is spent in compiling programs that run once.
    """
    import jax

    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
