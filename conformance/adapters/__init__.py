"""Adapters: what the suite is given of an implementation.

XLA is told to compile fast here, before an adapter imports JAX: a judged program runs once, and
what it computes is what is judged. It then takes a fifth of the time. An environment that sets
`XLA_FLAGS` itself, if only to nothing, has programs compiled as it says.
"""

import os

os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1",
)
