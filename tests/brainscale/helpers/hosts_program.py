"""A learner over two processes beside one on a single device. `test_sharding.py` runs it twice.

The lines of docs/sharding.md are run as they stand there. It prints, as JSON, how far the gradients
are from those of a single device, what does not lie where it should, and what is refused.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

if __name__ == "__main__":
    # Before all else: what is imported next computes.
    PROCESS, port = map(int, sys.argv[1:])
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=PROCESS)

import brainstate
import brainunit as u

import brainscale
from sharded_program import BATCH, learner_of, misplaced, sequences, trained

DOCUMENT = Path(__file__).parents[3] / "docs" / "sharding.md"
RECIPE = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]


def furthest(got, wanted):
    """The largest difference of what this process holds, relative to the largest entry."""
    worst = 0.0
    for key in wanted:
        for a, b in zip(jax.tree.leaves(got[key]), jax.tree.leaves(wanted[key]), strict=True):
            b = np.asarray(b)
            assert len(a.sharding.device_set) == 4
            assert abs(b).max() > 0
            for part in a.addressable_shards:
                away = abs(np.asarray(part.data) - b[part.index]).max() / abs(b).max()
                worst = max(worst, float(away))
    return worst


def refusal(learner, mesh, process, inputs):
    """What a NaN that process 0 alone holds brings about here."""
    inputs = np.array(inputs)
    inputs[0, 0] = np.nan if process == 0 else 0.0
    sharding = NamedSharding(mesh, PartitionSpec("batch"))
    try:
        learner(jax.make_array_from_process_local_data(sharding, inputs))
    except brainscale.errors.InputError as error:
        return str(error)


def main(process):
    jax.config.update("jax_enable_x64", True)
    brainstate.environ.set(dt=1.0 * u.ms, precision=64)
    part = slice(process * BATCH // 2, (process + 1) * BATCH // 2)
    learner, example = learner_of("cable", "D-RTRL"), sequences()[0][0]
    own_inputs, own_targets = (np.asarray(x[:, part]) for x in sequences())
    recipe = dict(jax=jax, brainscale=brainscale, learner=learner, example=example)
    recipe |= dict(own_inputs=own_inputs, own_targets=own_targets)
    exec(RECIPE, recipe)
    got = trained(learner, (recipe["inputs"], recipe["targets"]), 4)
    wanted = trained(learner_of("cable", "D-RTRL"), sequences(), 4)
    report = {"difference": furthest(dict(got), dict(wanted)), "misplaced": misplaced(learner)}
    report["refusal"] = refusal(learner, learner.placement.mesh, process, own_inputs[0])
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main(PROCESS)
