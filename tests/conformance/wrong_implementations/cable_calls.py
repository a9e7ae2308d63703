"""Wrong cables and morphologies: one call takes what it is handed over otherwise than others."""

from __future__ import annotations

import collections

import numpy as np

from conformance.drawing.cells import UNITS
from conformance.protocol.implementation import Value

from .cable_bases import CableAdapter, MorphologyAdapter
from .handed_over import (
    altering,
    at,
    dtype,
    in_unit,
    in_units,
    is_single,
    is_whole,
    of_numbers,
    refusing,
    shape,
)
from .wrong import Wrong

STEP, RUN, JACOBIAN = "cable_step", "cable_run", "cable_jacobian"
BOTH = [STEP, RUN]
ALL = [*BOTH, JACOBIAN]
V, CURRENT, LAST = 3, 4, -1

NO_SIGN = at(LAST, of_numbers(np.abs))


def sections_of(arguments):
    return next(x for x in arguments if isinstance(x, list))


def parameters_of(arguments):
    return next(x for x in arguments if isinstance(x, dict))


def whole_parameters(*arguments):
    return any(map(is_whole, parameters_of(arguments).values()))


def sites_in_nanoampere(current):
    return (
        {k: Value(x.array, "nA") for k, x in current.items()} if type(current) is dict else current
    )


class RunsOfTheFirstLength(CableAdapter):
    """A run takes its dt from the first run of the same structure."""

    def __init__(self):
        self.kept = {}

    def cable_run(self, size, sections, parameters, V, currents, dt):
        key = str((size, [s.name for s in sections], shape(currents)))
        dt = self.kept.setdefault(key, dt)
        return super().cable_run(size, sections, parameters, V, currents, dt)


def depth(sections):
    """How far the farthest section is from the root; of a cycle, nothing."""
    parents, farthest = {s.name: s.parent for s in sections}, 0
    for name in parents:
        steps = 0
        while parents.get(name) is not None and steps <= len(parents):
            name, steps = parents[name], steps + 1
        if steps <= len(parents):
            farthest = max(farthest, steps)
    return farthest


def children(sections):
    counts = collections.Counter(s.parent for s in sections if s.parent is not None)
    return max(counts.values(), default=0)


def quantities(sections):
    fields = ("length", "diam", "positions", "diams", "Ra", "cm")
    return [x for s in sections for x in (getattr(s, f) for f in fields) if isinstance(x, Value)]


def refusing_trees(when):
    return refusing(MorphologyAdapter, ["morphology", "site"], lambda sections, *_: when(sections))


def made(name, adapter, *clauses):
    return Wrong(name, adapter, clauses)


TREES = ("MORPH", "NUM-5", "CABLE", "NUM-6")

WRONG_CABLE_CALLS = [
    made(
        "cable_steps_of_millivolt", altering(CableAdapter, [STEP], at(V, in_unit("mV"))), "CABLE-10"
    ),
    made(
        "cable_runs_of_millivolt", altering(CableAdapter, [RUN], at(V, in_unit("mV"))), "CABLE-10"
    ),
    made(
        "cable_sites_in_nanoampere",
        altering(CableAdapter, [STEP], at(CURRENT, sites_in_nanoampere)),
        *("CABLE-5", "CABLE-10"),
    ),
    made(
        "cable_derivative_in_the_tables_units",
        altering(CableAdapter, [JACOBIAN], at(1, in_units(UNITS))),
        "CABLE-10",
    ),
    made(
        "cable_derivative_in_milliseconds",
        altering(CableAdapter, [JACOBIAN], at(2, in_unit("ms"))),
        "CABLE-10",
    ),
    made("cable_derivative_backwards", altering(CableAdapter, [JACOBIAN], NO_SIGN), "CABLE-10"),
    made("cable_runs_backwards", altering(CableAdapter, [RUN], NO_SIGN), "CABLE-10"),
    made(
        "cable_derivative_of_many_leaks",
        refusing(CableAdapter, [JACOBIAN], lambda sections, p, dt: shape(p.get("g", 0)) == ()),
        *("CABLE-9", "CABLE-10", "CONF-3"),
    ),
    made(
        "cable_of_four_sites",
        refusing(CableAdapter, [STEP], lambda *x: type(x[CURRENT]) is dict and len(x[CURRENT]) > 4),
        "CABLE-5",
    ),
    made(
        "cable_refuses_whole_currents",
        refusing(CableAdapter, BOTH, lambda *x: is_whole(x[CURRENT])),
        "CABLE-6",
    ),
    made(
        "cable_refuses_whole_potentials",
        refusing(CableAdapter, BOTH, lambda *x: is_whole(x[V])),
        "CABLE-6",
    ),
    made("cable_refuses_whole_leaks", refusing(CableAdapter, ALL, whole_parameters), "CABLE-6"),
    made(
        "cable_refuses_whole_lengths",
        refusing(CableAdapter, ALL, lambda *x: is_whole(x[LAST])),
        "CABLE-6",
    ),
    made(
        "cable_refuses_single_lengths",
        refusing(CableAdapter, ALL, lambda *x: is_single(x[LAST])),
        "CABLE-6",
    ),
    made(
        "cable_of_fourteen_sections",
        refusing(CableAdapter, ALL, lambda *x: len(sections_of(x)) > 14),
        *("CABLE-2", "CABLE-9"),
    ),
    made(
        "cable_derivative_of_fourteen_sections",
        refusing(CableAdapter, [JACOBIAN], lambda *x: len(sections_of(x)) > 14),
        "CABLE-9",
    ),
    made(
        "cable_batches_of_one_axis",
        refusing(CableAdapter, BOTH, lambda *x: len(shape(x[V])) > len(x[0]) + 2),
        "CABLE-7",
    ),
    made("cable_runs_of_the_first_length", RunsOfTheFirstLength, "CABLE-2", "CABLE-10", "CABLE-6"),
    made(
        "sections_of_64_points",
        refusing_trees(
            lambda sections: any(
                np.ndim(x.array) == 2 and len(x.array) > 64 for x in quantities(sections)
            )
        ),
        *("MORPH-2", *TREES),
    ),
    made("sixteen_children", refusing_trees(lambda x: children(x) > 16), "MORPH-5", *TREES),
    made("trees_of_depth_50", refusing_trees(lambda x: depth(x) > 50), "MORPH-5", *TREES),
    made(
        "sections_of_whole_numbers",
        refusing_trees(lambda sections: any(map(is_whole, quantities(sections)))),
        *("MORPH-2", "MORPH-9"),
    ),
    made(
        "sections_of_double_precision",
        refusing_trees(lambda sections: any(dtype(x) == np.float32 for x in quantities(sections))),
        "MORPH-2",
    ),
]
"""The first clause is the one that is broken; the others fail with it."""
