"""Plans that cover all combinations of levels of any two, or three, factors."""

from __future__ import annotations

import collections
import functools
import itertools
import math

import numpy as np

from conformance.plans.factors import (
    LAYER_FACTORS,
    PROBLEM_FACTORS,
    TRIPLES,
    WITH_PATHS,
    LayerPlan,
    Plan,
    draw_plan,
    features,
    levels_of,
    mend,
)
from conformance.protocol.claims import Claims

__all__ = ["combinations", "cover"]

Combination = tuple[tuple[str, str], ...]

_TRIES = 8
"""How many plans are drawn for each one that is taken."""

_DEAR = ("layers", "path", "chunk", "runs")
"""The factors whose other levels take more programs, or larger ones, and are met where needed."""


_CHOSEN = (
    # Of all kinds a cable alone emits something at first: a path from it begins there.
    Plan((LayerPlan("cable", recurrence="element-wise"),), "RTRL", path="lateral"),
)
"""Plans of which combinations are too many."""


def combinations(plan: Plan, strength: int) -> set[Combination]:
    """The combinations of so many levels that a plan has."""
    chosen: set[Combination] = set()
    for levels in features(plan):
        levels = sorted(levels, key=_place)
        chosen.update(itertools.combinations(levels, strength))
    return chosen


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
    return _cover(tuple(levels_of(claims).items()), strength, seed)


@functools.cache
def _cover(
    claimed: tuple[tuple[str, tuple[str, ...]], ...], strength: int, seed: int
) -> tuple[Plan, ...]:
    """The plans for these levels of each factor: many claims have the same."""
    rng, levels = np.random.default_rng(seed), dict(claimed)
    plans = [_base(levels)]
    for size in sorted({strength, 3}):
        wanted = _wanted(levels, size, None if size == strength else TRIPLES)
        _extend(plans, wanted, rng, levels, _TRIES if strength == 2 else 1)
    plans = _drop_superfluous(plans, strength)
    return (*plans, *(p for p in _CHOSEN if _is_claimed(p, levels) and p not in plans))


def _extend(
    plans: list[Plan],
    wanted: list[Combination],
    rng: np.random.Generator,
    levels: dict[str, tuple[str, ...]],
    tries: int,
) -> None:
    """Add plans until they have all combinations that are wanted."""
    if not wanted:
        return
    missing, strength = _Missing(wanted), len(wanted[0])
    for plan in plans:
        missing.take(plan)

    def choose(name: str, among: tuple[str, ...], present: list[tuple[str, str]]) -> str:
        gains = missing.gains([(name, level) for level in among], present)
        most = max(gains)
        if name in _DEAR and not most:
            return among[0]
        if not most or name in ("layers", "path"):
            # Mostly of few layers, and of what can be learned.
            return among[0 if rng.random() < 0.5 else int(rng.integers(len(among)))]
        best = [level for level, gain in zip(among, gains, strict=True) if gain == most]
        return best[int(rng.integers(len(best)))]

    for combination in wanted:
        if not missing.has(combination):
            continue
        drawn = [draw_plan(rng, levels, dict(combination), choose) for _ in range(tries)]
        fitting = [plan for plan in drawn if _has(plan, [combination])]
        if fitting:
            plans.append(max(fitting, key=lambda plan: missing.count(plan) / _cost(plan)))
            missing.take(plans[-1])
    if strength > 2:
        return
    for combination in wanted:
        if missing.has(combination):
            # What other levels were in the way of, the plainest ones may allow.
            drawn = [_plain_plan([combination], rng, levels) for _ in range(tries)]
            if not any(_has(plan, [combination]) for plan in drawn):
                continue
            left = [other for other in wanted if missing.has(other)]
            plain = _plain_plan([combination, *left], rng, levels)
            if _has(plain, [combination]):
                plans.append(plain)
                missing.take(plain)


def _plain_plan(
    wanted: list[Combination], rng: np.random.Generator, levels: dict[str, tuple[str, ...]]
) -> Plan:
    """The plainest plan that has the first of these combinations, and what it can of the others.

    Kinds are drawn: a layer above one of another kind needs two.
    """
    plainest, fixed, present = None, {}, []

    def choose(name: str, among: tuple[str, ...], present: list[tuple[str, str]]) -> str:
        return among[int(rng.integers(len(among)))] if name == "kind" else among[0]

    for combination in wanted:
        joined = fixed | dict(combination)
        if fixed.items() <= joined.items():
            plan = draw_plan(rng, levels, joined, choose)
            if plainest is None or _has(plan, [*present, combination]):
                plainest, fixed = plan, joined
                present.append(combination)
    return plainest


def _has(plan: Plan, wanted: list[Combination]) -> bool:
    """Whether a plan has all of these combinations."""
    levels_by_layer = [set(levels) for levels in features(plan)]
    return all(any(own_levels.issuperset(c) for own_levels in levels_by_layer) for c in wanted)


def _is_claimed(plan: Plan, levels: dict[str, tuple[str, ...]]) -> bool:
    """Whether all levels of a plan are claimed."""
    drawn_levels = set().union(*features(plan))
    return all(level in levels.get(name, ()) for name, level in drawn_levels)


def _base(levels: dict[str, tuple[str, ...]]) -> Plan:
    """The plainest plan of what is claimed, which comes first."""
    names = ("kind", "operation", "recurrence")
    return mend(Plan((LayerPlan(**{name: levels[name][0] for name in names}),), levels["rule"][0]))


class _Missing:
    """The combinations that no plan has yet: of each level those of the others, as bits.

    A combination of other levels, in any order, is a number whose digits are the levels' places.
    """

    def __init__(self, wanted: list[Combination]):
        levels = dict.fromkeys(level for combination in wanted for level in combination)
        self.at = {level: place for place, level in enumerate(levels)}
        self.others = len(wanted[0]) - 1
        self.missing = [0] * len(levels)
        for combination in wanted:
            for place, *others in itertools.permutations([self.at[level] for level in combination]):
                self.missing[place] |= 1 << self._number(others)

    def has(self, combination: Combination) -> bool:
        """Whether a combination is missing."""
        place, *others = (self.at[level] for level in combination)
        return bool(self.missing[place] >> self._number(others) & 1)

    def gains(self, among: list[tuple[str, str]], present: list[tuple[str, str]]) -> list[int]:
        """How many missing combinations each level makes with those that are met."""
        bits = self._bits(self._places(present))
        return [
            (self.missing[self.at[level]] & bits).bit_count() if level in self.at else 0
            for level in among
        ]

    def count(self, plan: Plan) -> int:
        """How many missing combinations a plan has, each in all orders."""
        covered: dict[int, int] = collections.defaultdict(int)
        for levels in features(plan):
            places = self._places(levels)
            bits = self._bits(places)
            for place in places:
                covered[place] |= self.missing[place] & bits
        return sum(bits.bit_count() for bits in covered.values())

    def take(self, plan: Plan) -> None:
        """Drop what a plan has."""
        for levels in features(plan):
            places = self._places(levels)
            bits = self._bits(places)
            for place in places:
                self.missing[place] &= ~bits

    def _places(self, levels: list[tuple[str, str]]) -> list[int]:
        return [self.at[level] for level in levels if level in self.at]

    def _number(self, places: list[int]) -> int:
        """The number of a combination of other levels."""
        number = 0
        for place in reversed(places):
            number = number * len(self.at) + place
        return number

    def _bits(self, places: list[int]) -> int:
        """The bits of all combinations of these places."""
        bits, value = 1, 1
        for _ in range(self.others):
            before, bits = bits, 0
            for place in places:
                bits |= before << place * value
            value *= len(self.at)
        return bits


def _place(level: tuple[str, str]) -> int:
    return _ORDER[level[0]]


_ORDER = {name: i for i, name in enumerate((*PROBLEM_FACTORS, *LAYER_FACTORS))}


def _wanted(
    levels: dict[str, tuple[str, ...]],
    strength: int,
    factors: tuple[tuple[str, ...], ...] | None,
) -> list[Combination]:
    """Combinations of levels of the problem and of one layer, of the factors with most first.

    Of all factors, or of those that are named together.
    """
    wanted = []
    for names in factors or itertools.combinations(levels, strength):
        if "path" in names and not set(names) <= {"path", *WITH_PATHS}:
            continue
        for combination in itertools.product(*(levels[name] for name in names)):
            wanted.append(tuple(zip(names, combination, strict=True)))
    return sorted(wanted, key=lambda c: -math.prod(len(levels[name]) for name, _ in c))


def _drop_superfluous(plans: list[Plan], strength: int) -> list[Plan]:
    """The plans without those all of whose combinations others have, the dearest left out first."""
    by_plan = {
        plan: _select_wanted(plan, strength, strength) | _select_wanted(plan, 3, strength)
        for plan in plans
    }
    count = collections.Counter(itertools.chain.from_iterable(by_plan.values()))
    kept = list(by_plan)  # each plan once
    for plan in sorted(by_plan, key=_cost, reverse=True):
        if plan is not plans[0] and all(count[combination] > 1 for combination in by_plan[plan]):
            count.subtract(by_plan[plan])
            kept.remove(plan)
    return kept


def _select_wanted(plan: Plan, size: int, strength: int) -> set[Combination]:
    """What is wanted of a plan, of so many levels."""
    if size == strength:
        return combinations(plan, size)
    layers = [dict(levels) for levels in features(plan)]
    return {
        tuple((name, levels[name]) for name in names)
        for levels in layers
        for names in TRIPLES
        if levels.keys() >= {*names}
    }


def _cost(plan: Plan) -> float:
    """What a plan costs to judge, about: its programs, by the size of each."""
    if plan.refusal:
        return 0.3
    programs = _CHUNKS[plan.chunk] + _RUNS[plan.runs]
    return programs * (0.4 + sum(_size(layer) for layer in plan.stack))


_CHUNKS = {"one": 1.0, "divides": 1.5, "rest": 1.9, "longer": 1.5}
_RUNS = {"one": 0.0, "several": 0.9, "reset": 1.3}


def _size(layer: LayerPlan) -> float:
    return {"GIF": 1.6, "GIFTree": 1.6, "cable": 1.6}.get(layer.kind, 1.0)
