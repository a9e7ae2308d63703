"""Every test starts at the precision a user starts with; programs are compiled fast."""

from __future__ import annotations

import importlib.metadata
import sys

import pytest

# Before any module makes an array: XLA reads its flags once.
import conformance.adapters  # noqa: F401

BRAINCELL = tuple(map(int, importlib.metadata.version("braincell").split(".")[:2]))

# Each generation of braincell has tests that only its own environment can run.
FORMER = ["test_document.py", "production/test_former_braincell.py"]
collect_ignore = FORMER if BRAINCELL >= (0, 1) else ["current_braincell"]


@pytest.fixture(autouse=True)
def single_precision():
    """Whatever precision an adapter has set for the process, and that again afterwards.

    A test that leaves another setting of JAX's or brainstate's behind fails: later tests of the
    process would have it.
    """
    if "brainstate" not in sys.modules:  # The reference is tested without it.
        yield
        return
    import brainstate
    import jax

    before = settings()
    precision, x64 = brainstate.environ.get_precision(), jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", False)
    brainstate.environ.set(precision=32)
    yield
    jax.config.update("jax_enable_x64", x64)
    brainstate.environ.set(precision=precision)
    assert settings() == before, "the test leaves other settings behind"


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
