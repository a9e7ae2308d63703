"""Adapters: what the suite is given of an implementation.

XLA is told to compile fast here, before an adapter imports JAX: a judged program runs once, and
what it computes is what is judged. It then takes a fifth of the time. An environment that sets
`XLA_FLAGS` itself, if only to nothing, has programs compiled as it says.
"""

import contextlib
import importlib.metadata
import os

#: By the first version of jaxlib that does not know them. XLA ends a process that names others.
_FLAGS = {
    (0, 11): (
        "--xla_backend_optimization_level=0",
        "--xla_cpu_use_fusion_emitters=false",
        "--xla_cpu_parallel_codegen_split_count=1",
    ),
    (0, 12): (
        "--xla_backend_optimization_level=0",
        "--xla_cpu_parallel_codegen_split_count=1",
    ),
}


def choose_flags(version: str) -> str:
    """Choose the flags with which a version of jaxlib compiles fast; none that it may not know."""
    numbers = tuple(int(number) for number in version.split(".")[:2])
    return " ".join(next((flags for end, flags in _FLAGS.items() if numbers < end), ()))


# The reference is judged without jaxlib.
with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    os.environ.setdefault("XLA_FLAGS", choose_flags(importlib.metadata.version("jaxlib")))
