"""Plans that cover all combinations of levels of any two, or three, factors."""

from __future__ import annotations

import functools
import itertools

import numpy as np

from conformance.claims import Claims
from conformance.drawing.factors import (
    LAYER_FACTORS,
    MET_BY_PATHS,
    PROBLEM_FACTORS,
    LayerPlan,
    Plan,
    draw_plan,
    features,
    levels_of,
)

__all__ = ["combinations", "cover"]

Combination = tuple[tuple[str, str], ...]

_TRIES = 8
"""How many plans are drawn for each one that is taken."""


def combinations(plan: Plan, strength: int) -> set[Combination]:
    """The combinations of so many levels that a plan has."""
    found: set[Combination] = set()
    for levels in features(plan):
        levels = sorted(levels, key=_place)
        found.update(itertools.combinations(levels, strength))
    return found


@functools.cache
def cover(claims: Claims, strength: int, seed: int) -> tuple[Plan, ...]:
    """Plans that have every combination that a plan can have of what is claimed.

    One plan after the other is taken, each the one of a few that has most combinations that no
    earlier one has, for what it costs. A plan is made around a combination still missing, level by
    level, each the one that makes most combinations still missing (the algorithm AETG: Cohen et al.
    1997, IEEE Transactions on Software Engineering 23:437). What cannot be had is given up.

    Parameters
    ----------
    claims : Claims
    strength : int
        Of how many levels a combination is.
    seed : int
    """
    rng, levels = np.random.default_rng(seed), levels_of(claims)
    missing = dict.fromkeys(_wanted(levels, strength))
    plans: list[Plan] = []

    def choose(name: str, among: tuple[str, ...], met: list[tuple[str, str]]) -> str:
        gains = [_gain(missing, (name, level), met, strength) for level in among]
        if not max(gains) or name in ("layers", "path"):
            # Mostly of few layers, and of what can be learned.
            return among[0] if rng.random() < 0.5 else str(rng.choice(among))
        return among[int(rng.choice(np.flatnonzero(np.equal(gains, max(gains)))))]

    while missing:
        wanted = next(iter(missing))
        drawn = [draw_plan(rng, levels, dict(wanted), choose) for _ in range(_TRIES)]
        found = [combinations(plan, strength) for plan in drawn]
        fitting = [i for i in range(_TRIES) if wanted in found[i]]
        if not fitting:
            missing.pop(wanted)
            continue
        best = max(fitting, key=lambda i: len(found[i] & missing.keys()) / _cost(drawn[i]))
        plans.append(drawn[best])
        for combination in found[best]:
            missing.pop(combination, None)
    return tuple(plans)


def _gain(
    missing: dict[Combination, None],
    level: tuple[str, str],
    met: list[tuple[str, str]],
    strength: int,
) -> int:
    """How many combinations still missing a level makes with those that are met."""
    found = itertools.combinations(met, strength - 1)
    return sum(tuple(sorted((level, *others), key=_place)) in missing for others in found)


def _place(level: tuple[str, str]) -> int:
    return _ORDER[level[0]]


_ORDER = {name: i for i, name in enumerate((*PROBLEM_FACTORS, *LAYER_FACTORS))}


def _wanted(levels: dict[str, tuple[str, ...]], strength: int) -> list[Combination]:
    """Combinations of levels of the problem and of one layer, of the factors with most first."""
    found = []
    for names in itertools.combinations(levels, strength):
        if "path" in names and not set(names) <= {"path", *MET_BY_PATHS}:
            continue
        for combination in itertools.product(*(levels[name] for name in names)):
            found.append(tuple(zip(names, combination, strict=True)))
    return sorted(found, key=lambda c: -np.prod([len(levels[name]) for name, _ in c]))


def _cost(plan: Plan) -> float:
    """What a plan costs to judge, in layers: more layers make a larger program."""
    if plan.refusal:
        return 1.0
    return (0.5 + sum(_size(layer) for layer in plan.stack)) ** 1.2


def _size(layer: LayerPlan) -> float:
    return {"GIF": 1.6, "GIFTree": 1.6, "cable": 1.6}.get(layer.kind, 1.0)
