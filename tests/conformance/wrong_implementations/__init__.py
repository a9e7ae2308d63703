"""All wrong implementations: ``--implementation=wrong_implementations:NAME`` judges one."""

from __future__ import annotations

from typing import Any

from .adapters import WRONG_ADAPTERS
from .arrays import WRONG_ARRAYS
from .cable_calls import WRONG_CABLE_CALLS
from .cable_refusals import WRONG_CABLE_REFUSALS
from .cables import WRONG_CABLES
from .corners import WRONG_CORNERS
from .deep_networks import WRONG_DEEP_NETWORKS
from .dependents import DEPENDENTS
from .gif_calls import WRONG_GIF_CALLS
from .gif_corners import WRONG_GIF_CORNERS
from .gif_sensitivities import WRONG_GIF_SENSITIVITIES
from .gif_types import WRONG_GIF_TYPES
from .gifs import WRONG_GIFS
from .grouped import WRONG_GROUPED
from .groups import WRONG_GROUPS
from .histories import WRONG_HISTORIES
from .learners import WRONG_LEARNERS
from .memorisers import WRONG_MEMORISERS
from .morphologies import WRONG_MORPHOLOGIES
from .networks import WRONG_NETWORKS
from .operation_corners import WRONG_OPERATION_CORNERS
from .operations import WRONG_OPERATIONS
from .readings import WRONG_READINGS
from .refusals import WRONG_REFUSALS
from .resets import WRONG_RESETS
from .resolutions import WRONG_RESOLUTIONS
from .rule_combinations import WRONG_RULE_COMBINATIONS
from .rules import WRONG_RULES
from .shared_weights import WRONG_SHARED_WEIGHTS
from .sizes import WRONG_SIZES
from .states import WRONG_STATES
from .trace_networks import WRONG_TRACE_NETWORKS
from .traces import WRONG_TRACES
from .trees import WRONG_TREES
from .trials import WRONG_TRIALS
from .unvaried_cables import WRONG_UNVARIED_CABLES
from .unvaried_gifs import WRONG_UNVARIED_GIFS
from .unvaried_learners import WRONG_UNVARIED_LEARNERS
from .unvaried_states import WRONG_UNVARIED_STATES
from .updates import WRONG_UPDATES
from .written import WRONG_WRITTEN
from .wrong import Wrong

ALL = [*WRONG_STATES, *WRONG_GROUPS, *WRONG_TREES, *WRONG_HISTORIES, *WRONG_GIFS]
ALL += [*WRONG_GIF_CALLS, *WRONG_CABLE_CALLS, *WRONG_WRITTEN]
ALL += [*WRONG_CORNERS, *WRONG_GIF_CORNERS, *WRONG_MORPHOLOGIES, *WRONG_CABLES]
ALL += [*WRONG_CABLE_REFUSALS]
ALL += [*WRONG_TRACE_NETWORKS, *WRONG_TRACES, *WRONG_LEARNERS, *WRONG_OPERATIONS]
ALL += [*WRONG_RULES, *WRONG_ADAPTERS]
ALL += [*WRONG_REFUSALS, *WRONG_GIF_TYPES, *WRONG_RESOLUTIONS]
ALL += [*WRONG_ARRAYS, *WRONG_NETWORKS]
ALL += [*WRONG_UNVARIED_STATES, *WRONG_UNVARIED_GIFS, *WRONG_UNVARIED_CABLES]
ALL += [*WRONG_READINGS, *WRONG_DEEP_NETWORKS, *WRONG_SIZES, *WRONG_UPDATES, *WRONG_RESETS]
ALL += [*WRONG_RULE_COMBINATIONS, *WRONG_OPERATION_CORNERS, *WRONG_MEMORISERS]
ALL += [*WRONG_UNVARIED_LEARNERS, *WRONG_SHARED_WEIGHTS, *WRONG_GROUPED, *WRONG_TRIALS]
ALL += [*WRONG_GIF_SENSITIVITIES]
WRONG: dict[str, Wrong] = {
    wrong.name: wrong._replace(clauses=wrong.clauses + DEPENDENTS.get(wrong.name, ()))
    for wrong in ALL
}
assert DEPENDENTS.keys() <= WRONG.keys(), "dependents of what is not there"
assert len(WRONG) == len(ALL), "two wrong implementations of one name"


def __getattr__(name: str) -> Any:
    """The adapter of that name."""
    try:
        wrong = WRONG[name]
    except KeyError:
        raise AttributeError(name) from None
    adapter = wrong.adapter()
    adapter.name = name
    return adapter
