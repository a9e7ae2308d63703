"""Plans that cover all combinations of levels of any two, or three, factors."""

from __future__ import annotations

import functools
import itertools

import numpy as np

from conformance.claims import Claims
from conformance.drawing.factors import (
    LAYER_FACTORS,
    PROBLEM_FACTORS,
    LayerPlan,
    Plan,
    draw_plan,
    features,
)

__all__ = ["combinations", "cover"]

Combination = tuple[tuple[str, str], ...]

_TRIES = 12
"""How many plans are drawn for each one that is taken."""


def combinations(plan: Plan, strength: int) -> set[Combination]:
    """The combinations of so many levels that a plan has."""
    found: set[Combination] = set()
    for levels in features(plan):
        found.update(itertools.combinations(levels, strength))
    return found


@functools.cache
def cover(claims: Claims, strength: int, seed: int, limit: int | None = None) -> tuple[Plan, ...]:
    """Plans that have every combination that a plan can have of what is claimed.

    One plan after the other is taken, each the one of a few that has most combinations that no
    earlier one has; each is drawn around one of those still missing, and what cannot be had is
    given up.

    Parameters
    ----------
    claims : Claims
    strength : int
        Of how many levels a combination is.
    seed : int
    limit : int, optional
        At most so many plans.
    """
    rng = np.random.default_rng(seed)
    missing = dict.fromkeys(_wanted(claims, strength))
    covered: set[Combination] = set()
    plans: list[Plan] = []
    while missing and (limit is None or len(plans) < limit):
        wanted = next(iter(missing))
        drawn = [draw_plan(rng, claims, dict(wanted)) for _ in range(_TRIES)]
        found = [combinations(plan, strength) for plan in drawn]
        fitting = [i for i in range(_TRIES) if wanted in found[i]]
        if not fitting:
            missing.pop(wanted)
            continue
        best = max(fitting, key=lambda i: len(found[i] - covered) / _cost(drawn[i]))
        plans.append(drawn[best])
        covered |= found[best]
        for combination in found[best]:
            missing.pop(combination, None)
    return tuple(plans)


def _wanted(claims: Claims, strength: int) -> list[Combination]:
    """Combinations of levels of the problem and of one layer, the rarest first."""
    kept = {
        "rule": claims.rules,
        "kind": claims.kinds,
        "recurrence": claims.recurrences,
    }
    factors = {
        name: [
            level
            for level in levels
            if level in kept.get(name, levels)
            and (name != "operation" or level.rstrip("123") in claims.operations)
        ]
        for name, levels in (PROBLEM_FACTORS | LAYER_FACTORS).items()
    }
    found = []
    for names in itertools.combinations(factors, strength):
        for levels in itertools.product(*(factors[name] for name in names)):
            found.append(tuple(zip(names, levels, strict=True)))
    rarity = {name: len(levels) for name, levels in factors.items()}
    return sorted(found, key=lambda c: -np.prod([rarity[name] for name, _ in c]))


def _cost(plan: Plan) -> float:
    """What a plan costs to judge, in layers: more layers make a larger program."""
    return 1.0 + sum(_size(layer) for layer in plan.stack)


def _size(layer: LayerPlan) -> float:
    return {"GIF": 1.6, "GIFTree": 1.6, "cable": 1.6}.get(layer.kind, 1.0)
